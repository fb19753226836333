"""All real statements and minutes as documents, from their plain texts and from pages around them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from activities.adapters.fed.article import read_article
from activities.adapters.fed.policy import read_policy, repaired
from activities.adapters.fed.texts import document_of_page, document_of_text
from domain.documents import DatePrecision, SourceDocument
from domain.errors import SourceFormatError
from domain.sources import FedDocument
from domain.text import strip_invisible
from tests.conftest import shared_data
from tests.fed.pages import BASE, page

RELEASED = datetime(2014, 11, 19, 19, tzinfo=UTC)
MEDIA = "For media inquiries, call 202-452-2955."


def squeezed(text: str) -> str:
    return " ".join(strip_invisible(text).split())


def of_text(kind: FedDocument, day: str, text: str) -> SourceDocument:
    return document_of_text(
        kind,
        date.fromisoformat(day),
        text,
        published_at=RELEASED,
        precision=DatePrecision.INSTANT,
        location=f"{day}.txt",
    )


def of_page(kind: FedDocument, day: str, body: bytes) -> SourceDocument:
    article = read_article(body, "text/html", BASE)
    return document_of_page(
        kind,
        date.fromisoformat(day),
        article.page,
        published_at=RELEASED,
        precision=DatePrecision.INSTANT,
        location="page",
    )


def files(kind: FedDocument) -> list[Path]:
    folder = "fomc_statements" if kind is FedDocument.STATEMENT else "fomc_minutes"
    return sorted(shared_data(f"macro/{folder}").glob("*.txt"))


@pytest.mark.parametrize(("kind", "count"), [(FedDocument.STATEMENT, 28), (FedDocument.MINUTES, 48)])
def test_texts_when_real_then_nothing_but_boilerplate_is_lost_from_text_or_page(kind: FedDocument, count: int) -> None:
    found = files(kind)
    assert len(found) == count
    for file in found:
        written = repaired(file.read_text(encoding="utf-8"))
        wanted = squeezed(squeezed(written).replace(MEDIA, ""))
        plain, marked_up = of_text(kind, file.stem, written), of_page(kind, file.stem, page(written))
        assert squeezed(plain.text) == wanted, file.stem
        assert squeezed(marked_up.text) == wanted, file.stem
        assert marked_up.sections == plain.sections, file.stem
        parts = [plain.text[section.start : section.end] for section in plain.sections]
        assert squeezed(" ".join(parts)) == wanted, file.stem
        day = date.fromisoformat(file.stem)
        assert read_policy(day, marked_up.text) == read_policy(day, written), file.stem
        assert plain.tickers == ()


def test_minutes_when_real_then_their_headings_are_sections() -> None:
    for file in files(FedDocument.MINUTES):
        document = of_text(FedDocument.MINUTES, file.stem, file.read_text(encoding="utf-8"))
        headings = [section.heading for section in document.sections]
        assert headings[-1] == "Committee Policy Action", file.stem
        assert {"Staff Review of the Economic Situation", "Staff Economic Outlook"} <= set(headings), file.stem
        action = document.sections[-1]
        assert "Voting for this action" in document.text[action.start : action.end], file.stem


def test_titles_and_stories_when_made_then_they_name_the_day_and_the_kind() -> None:
    text = shared_data("macro/fomc_minutes/2014-10-29.txt").read_text(encoding="utf-8")
    minutes = of_text(FedDocument.MINUTES, "2014-10-29", text)
    assert (minutes.title, minutes.story) == (
        "FOMC minutes 2014-10-29 (published 2014-11-19)",
        "fed:minutes:2014-10-29",
    )
    statement = of_text(FedDocument.STATEMENT, "2019-01-30", "The Committee met.")
    assert (statement.title, statement.story) == ("FOMC statement 2019-01-30", "fed:statement:2019-01-30")
    assert (statement.publisher, statement.language) == ("Federal Reserve", "en")


def test_misread_punctuation_when_in_a_copy_then_it_is_repaired() -> None:
    written = shared_data("macro/fomc_statements/2018-01-31.txt").read_text(encoding="utf-8")
    assert "\u00e2\u0080\u0091" in written
    assert "1-1/4 to 1\u20111/2 percent" in of_text(FedDocument.STATEMENT, "2018-01-31", written).text


def test_furniture_when_around_a_statement_then_only_the_statement_is_left() -> None:
    text = "The Committee decided nothing today, and said so at length in this paragraph.\n\nVoting for it were all."
    body = page(text, more='<p><a href="/a1.htm">Implementation Note issued September 16, 2026</a></p><p>Share</p>')
    document = of_page(FedDocument.STATEMENT, "2026-09-16", body)
    assert document.text.split("\n\n") == [
        "The Committee decided nothing today, and said so at length in this paragraph.",
        "Voting for it were all.",
        "Implementation Note issued September 16, 2026",
    ]
    assert read_article(body, "text/html", BASE).released_at == datetime(2026, 9, 16, 18, tzinfo=UTC)


def test_page_when_its_parts_look_like_no_article_then_its_text_is_whole_still() -> None:
    aside = "".join(f"<div class='comment sidebar related'>Member {number} voted for it.</div>" for number in range(9))
    body = page("The Committee decided nothing today, and said so at length in this paragraph.", more=aside)
    text = of_page(FedDocument.STATEMENT, "2026-09-16", body).text
    assert [f"Member {number} voted for it." in text for number in range(9)] == [True] * 9


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (FedDocument.STATEMENT, "", "PAGE_EMPTY"),
        (FedDocument.STATEMENT, MEDIA, "PAGE_EMPTY"),
        (FedDocument.STATEMENT, "Page not found", "PAGE_IS_NO_RELEASE"),
        (FedDocument.MINUTES, "The minutes of the Committee were released.", "PAGE_IS_NO_RELEASE"),
        (FedDocument.STATEMENT, "PK\x03\x04 Committee", "PAGE_IS_ARCHIVE"),
    ],
)
def test_text_when_it_is_no_release_then_the_error_says_what_it_is(kind: FedDocument, text: str, code: str) -> None:
    with pytest.raises(SourceFormatError, match=code):
        of_text(kind, "2019-01-30", text)


@pytest.mark.parametrize(
    ("day", "clock", "instant"),
    [
        ("January 28, 2026", "For release at 2:00 p.m. EST", datetime(2026, 1, 28, 19, tzinfo=UTC)),
        ("March 23, 2020", "For release at 8:00 a.m. EDT", datetime(2020, 3, 23, 12, tzinfo=UTC)),
        ("March 15, 2020", "For release at 5 p.m. EDT", datetime(2020, 3, 15, 21, tzinfo=UTC)),
        ("March 15, 2020", "For immediate release", None),
        ("March 32, 2020", "For release at 2:00 p.m. EDT", None),
        ("Someday 12, 2020", "For release at 2:00 p.m. EDT", None),
        ("March 15, 2020", "For release at 2:00 p.m. CET", None),
        ("March 15, 2020", "For release at 12:99 p.m. EST", None),
    ],
)
def test_release_time_when_the_page_states_it_then_it_is_read(day: str, clock: str, instant: datetime | None) -> None:
    heading = f"<p class='article__time'>{day}</p><p class='releaseTime'>{clock}<ul><li>Share 9:00</ul>"
    markup = f"<div id='article'>{heading}</div>"
    assert read_article(markup.encode(), "text/html", BASE).released_at == instant
