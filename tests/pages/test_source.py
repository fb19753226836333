"""Pages that are looked at again and again: what is new in them, what they state, why some cannot be read."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.pages.source import ADAPTER, first, judge, read
from domain.documents import DatePrecision, RejectReason
from domain.errors import InvalidInput, StonksError, VendorThrottled, VendorUnavailable
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS, HttpAnswer, HttpRequest, SourcePage
from domain.sources import PageConfig
from tests.conftest import shared_data

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
NEWS, RATES = "https://company.example/news?key=secret", "https://company.example/rates"
CONFIG = PageConfig(urls=(NEWS, RATES), tickers=("ACME",), publisher="Acme")
ONE = PageConfig(urls=(NEWS,))
TEXT = "Acme raised its outlook for the year, because more people bought anvils than it had expected."


def _html(text: str = TEXT, head: str = "", more: str = "") -> bytes:
    return (
        f"<!DOCTYPE html><html><head><title>Acme news</title>{head}</head><body><article><h1>Outlook</h1><p>{text}</p>"
        f"</article>{more}</body></html>"
    ).encode()


def _answer(body: bytes = b"", status: int = 200, url: str = NEWS, at: datetime = NOW, **headers: str) -> HttpAnswer:
    named = {"content-type": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status=status, url=url, headers=named, body=body, fetched_at=at)


def _read(body: bytes = b"", config: PageConfig = ONE, cursor: str = "", **answer: object) -> SourcePage:
    found = _answer(body, **answer)  # type: ignore[arg-type]
    return read(config, cursor, found, found.fetched_at)


def test_page_when_new_then_it_is_a_document_with_sections_and_the_next_url_is_asked_for() -> None:
    request = first(CONFIG, "", NOW)
    assert (request.url, request.etag) == (NEWS, "")
    page = _read(_html(), CONFIG)
    (document,) = page.documents
    assert (document.title, document.text) == ("Acme news", f"Outlook\n\n{TEXT}")
    assert [section.heading for section in document.sections] == ["Outlook"]
    assert (document.published_at, document.precision) == (NOW, DatePrecision.INSTANT)
    assert (document.tickers, document.publisher, document.language) == (("ACME",), "Acme", "en")
    assert (document.url, document.story) == (NEWS, f"page:{NEWS}")
    assert document.location == "company.example/news"
    assert isinstance(page.next, HttpRequest)
    assert page.next.url == RATES
    assert first(CONFIG, page.cursor, NOW) == page.next
    ended = read(CONFIG, page.cursor, _answer(_html("Other words."), url=RATES), NOW)
    assert (ended.next, len(ended.documents)) == (None, 1)
    assert first(CONFIG, ended.cursor, NOW).url == NEWS
    assert ADAPTER.first(CONFIG, "", NOW) == request


def test_page_when_its_text_is_what_it_was_then_there_is_no_document() -> None:
    cursor = _read(_html(), etag='"1"', last_modified="Wed, 01 May 2024 10:00:00 GMT").cursor
    request = first(ONE, cursor, NOW)
    assert (request.etag, request.last_modified) == ('"1"', "Wed, 01 May 2024 10:00:00 GMT")
    unchanged = _read(status=304, cursor=cursor)
    assert (unchanged.documents, unchanged.rejects, unchanged.next) == ((), (), None)
    assert first(ONE, unchanged.cursor, NOW).etag == '"1"'
    redecorated = _read(_html(head="<style>p { color: red }</style>"), cursor=unchanged.cursor, etag='"2"')
    assert redecorated.documents == ()
    assert first(ONE, redecorated.cursor, NOW).etag == '"2"'
    changed = _read(_html("Acme lowered its outlook."), cursor=redecorated.cursor)
    assert [document.text for document in changed.documents] == ["Outlook\n\nAcme lowered its outlook."]
    assert changed.documents[0].story == f"page:{NEWS}"


@pytest.mark.parametrize(
    ("stated", "published_at", "precision"),
    [
        ("2024-04-30T10:00:00Z", datetime(2024, 4, 30, 10, tzinfo=UTC), DatePrecision.INSTANT),
        ("2024-05-01", datetime(2024, 5, 2, 4, tzinfo=UTC), DatePrecision.DAY),
        ("2024-05-02", NOW, DatePrecision.INSTANT),
        ("2024-05-01T12:00:01Z", NOW, DatePrecision.INSTANT),
        ("soon", NOW, DatePrecision.INSTANT),
    ],
)
def test_date_when_stated_and_come_then_it_counts_and_else_the_fetch(
    stated: str, published_at: datetime, precision: DatePrecision
) -> None:
    (document,) = _read(_html(head=f"<meta name='date' content='{stated}'>")).documents
    assert (document.published_at, document.precision) == (published_at, precision)


def test_date_when_earlier_than_the_last_look_then_the_fetch_counts() -> None:
    old = "<meta name='date' content='2024-03-01T10:00:00Z'>"
    before = _read(_html(head=old))
    assert before.documents[0].published_at == datetime(2024, 3, 1, 10, tzinfo=UTC)
    later = NOW + timedelta(hours=2)
    (document,) = _read(_html("New words.", head=old), cursor=before.cursor, at=later).documents
    assert (document.published_at, document.precision) == (later, DatePrecision.INSTANT)
    between = "<meta name='date' content='2024-05-01T13:00:00Z'>"
    (document,) = _read(_html("New words.", head=between), cursor=before.cursor, at=later).documents
    assert document.published_at == datetime(2024, 5, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "reason", "found"),
    [
        (_answer(status=404), RejectReason.MALFORMED_ROW, "PAGE_GONE: .*found=status 404"),
        (_answer(status=410), RejectReason.MALFORMED_ROW, "PAGE_GONE"),
        (_answer(status=401), RejectReason.MALFORMED_ROW, "PAGE_WANTS_LOGIN: .*found=status 401"),
        (_answer(status=403), RejectReason.MALFORMED_ROW, "PAGE_WANTS_LOGIN"),
        (_answer(status=301), RejectReason.MALFORMED_ROW, "PAGE_REFUSED"),
        (_answer(status=451), RejectReason.MALFORMED_ROW, "PAGE_REFUSED"),
        (_answer(), RejectReason.EMPTY_DOCUMENT, "found=nothing"),
        (_answer(b"<html><script>x()</script></html>"), RejectReason.EMPTY_DOCUMENT, "a web page without text"),
        (_answer(b"PK\x03\x04" + b"x" * 99), RejectReason.MALFORMED_ROW, "found=an archive"),
        (_answer(b"\x7fELF\x02"), RejectReason.MALFORMED_ROW, "found=an executable"),
        (_answer(b"%PDF-1.7 broken"), RejectReason.MALFORMED_ROW, "found=a PDF that cannot be read"),
        (
            _answer(_html("Log in", more="<form><input name='p' TYPE = 'password'></form>")),
            RejectReason.MALFORMED_ROW,
            "PAGE_WANTS_LOGIN: .*a form that asks for a password",
        ),
        (
            _answer(_html("Welcome"), url="https://company.example/login?next=news"),
            RejectReason.MALFORMED_ROW,
            "PAGE_WANTS_LOGIN",
        ),
    ],
)
def test_page_when_unreadable_then_it_is_refused_by_name_and_the_next_url_follows(
    answer: HttpAnswer, reason: RejectReason, found: str
) -> None:
    judge(answer)
    page = read(CONFIG, "", answer, NOW)
    (refused,) = page.rejects
    assert (refused.reason, refused.file, page.documents) == (reason, "company.example/news", ())
    assert re.search(found, refused.detail)
    assert "secret" not in refused.model_dump_json()
    assert isinstance(page.next, HttpRequest)
    assert page.next.url == RATES


def test_page_when_long_beside_a_login_form_then_it_is_read() -> None:
    body = _html(TEXT * 30, more="<form><input type=password></form>")
    assert len(_read(body).documents) == 1
    assert len(_read(_html(), url="https://company.example/blogin/1").documents) == 1


def test_page_when_it_was_unreadable_for_a_while_then_what_was_known_stays_known() -> None:
    known = _read(_html(), etag='"1"').cursor
    gone = _read(status=404, cursor=known).cursor
    assert first(ONE, gone, NOW).etag == ""
    assert _read(_html(), cursor=gone).documents == ()
    walled = _read(b"PK\x03\x04", cursor=known, etag='"wall"').cursor
    assert first(ONE, walled, NOW).etag == '"wall"'
    assert _read(status=304, cursor=walled).rejects == ()
    assert _read(_html(), cursor=walled).documents == ()


@pytest.mark.parametrize(
    ("status", "kind"), [(429, VendorThrottled), (408, VendorUnavailable), (500, VendorUnavailable)]
)
def test_judge_when_asking_again_can_help_then_the_error_is_raised(status: int, kind: type[StonksError]) -> None:
    with pytest.raises(kind):
        judge(_answer(status=status))
    with pytest.raises(kind):
        read(ONE, "", _answer(status=status), NOW)


def test_config_when_changed_then_urls_that_are_gone_are_forgotten_and_the_round_begins_anew() -> None:
    cursor = _read(_html(), CONFIG, etag='"1"').cursor
    swapped = PageConfig(urls=("https://company.example/other", NEWS))
    assert first(swapped, cursor, NOW).url == "https://company.example/other"
    after = read(swapped, cursor, _answer(_html("x y z"), url="https://company.example/other"), NOW)
    assert first(swapped, after.cursor, NOW).etag == '"1"'
    assert len(json.loads(after.cursor)["pages"]) == 2


def test_urls_when_listed_twice_then_the_round_ends_still() -> None:
    config = PageConfig(urls=(NEWS, NEWS, RATES, NEWS))
    page = _read(_html(), config)
    assert isinstance(page.next, HttpRequest)
    assert page.next.url == RATES
    assert read(config, page.cursor, _answer(_html(), url=RATES), NOW).next is None


def test_cursor_when_twenty_long_urls_have_long_validators_then_it_fits() -> None:
    config = PageConfig(urls=tuple(f"https://company.example/{number}/{'x' * 1_900}" for number in range(20)))
    page = SourcePage()
    for url in config.urls:
        answer = _answer(_html(url), url=url, etag='"' + "e" * 490 + '"', last_modified="m" * 500)
        page = read(config, page.cursor, answer, NOW)
        assert page.documents[0].story.startswith("page:")
        assert len(page.documents[0].story) < 60
    assert page.next is None
    assert len(page.cursor) < MAXIMUM_CURSOR_CHARACTERS / 2


def test_validators_when_unfit_for_a_header_then_they_are_left_out() -> None:
    cursor = _read(_html(), etag="e" * 501, last_modified="a\r\nb").cursor
    assert (first(ONE, cursor, NOW).etag, first(ONE, cursor, NOW).last_modified) == ("", "")


@pytest.mark.parametrize("cursor", ["{", "[1]", '{"more":1}', '{"pages":3}', "[" * 3_000, "x" * 100_000])
def test_cursor_when_none_of_ours_then_the_error_says_what_to_do(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="CURSOR_UNREADABLE"):
        first(ONE, cursor, NOW)


def test_statement_when_a_page_of_plain_text_then_each_paragraph_is_a_section() -> None:
    body = shared_data("macro/fomc_statements/2019-06-19.txt").read_bytes()
    (document,) = _read(body, content_type="text/plain").documents
    assert len(document.sections) == 5
    assert document.text[document.sections[0].start :].startswith("Information received since")


@settings(max_examples=100, deadline=None)
@given(
    start=st.sampled_from(
        [b"", b"<html>", b"%PDF-1.4\n", b"From: a\nTo: b\nMessage-ID: c\n", b"<input type=password>"]
    ),
    rest=st.binary(max_size=300),
    status=st.sampled_from([200, 200, 204, 304, 302, 404]),
    url=st.sampled_from([NEWS, "https://company.example/login", "http://[", ""]),
    declared=st.text(max_size=12),
)
def test_answer_when_any_bytes_then_nothing_but_our_errors_is_raised(
    start: bytes, rest: bytes, status: int, url: str, declared: str
) -> None:
    answer = _answer(start + rest, status, url, content_type=declared)
    with contextlib.suppress(StonksError):
        page = read(CONFIG, "", answer, NOW)
        assert len(page.documents) + len(page.rejects) == (status != 304)
        first(CONFIG, page.cursor, NOW)
