"""Rounds of the feed of incoming filings and of the filings that it names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.edgar import adapter
from activities.adapters.edgar.current_source import CURRENT, FULL, MOST_TRIES
from domain.documents import NEW_YORK, RejectReason
from domain.errors import (
    InvalidInput,
    NotFound,
    SourceFormatError,
    StonksError,
    VendorThrottled,
    VendorUnavailable,
)
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS, HttpAnswer, HttpRequest, SourcePage
from domain.sources import EdgarCurrentConfig, EdgarFilingsConfig
from tests.edgar.conftest import answered
from tests.polygon.walking import walk

Read = Callable[[str], bytes]
USER_AGENT = "Example Research ops@example.com"
FRIDAY = date(2025, 12, 12)
PAGES = {
    start: f"getcurrent_atom/2025-12-12_all_start{start:04d}.atom.xml" for start in (0, 100, 200, 300, 400, 2000, 5000)
}


def at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), NEW_YORK).astimezone(UTC)


def config(*ciks: str, forms: tuple[str, ...] = ("8-K",), **changes: Any) -> EdgarCurrentConfig:
    return EdgarCurrentConfig(ciks=ciks, forms=forms, user_agent=USER_AGENT, **changes)


@dataclass
class Filed:
    """A filing: when it was accepted, and from when on the feed shows it."""

    number: int
    accepted: datetime
    form: str = "8-K"
    ciks: tuple[int, ...] = (1,)
    shown: datetime | None = None

    @property
    def accession(self) -> str:
        return f"0000000077-25-{self.number:06d}"

    def entries(self) -> list[str]:
        local = self.accepted.astimezone(NEW_YORK)
        return [
            f"<entry><title>{self.form} - PARTY {cik} ({cik:010d}) ({'Filer' if place == 0 else 'Subject'})</title>"
            f'<link href="https://www.sec.gov/Archives/edgar/data/{cik}/x/{self.accession}-index.htm"/>'
            f"<summary>&lt;b&gt;Filed:&lt;/b&gt; {local.date()} </summary><updated>{local.isoformat()}</updated>"
            f'<category term="{self.form}"/><id>urn:tag:sec.gov,2008:accession-number={self.accession}</id></entry>'
            for place, cik in enumerate(self.ciks)
        ]

    def text(self) -> bytes:
        local = self.accepted.astimezone(NEW_YORK)
        return (
            f"<SEC-DOCUMENT>{self.accession}.txt : {local:%Y%m%d}\n<ACCEPTANCE-DATETIME>{local:%Y%m%d%H%M%S}\n"
            f"ACCESSION NUMBER:\t\t{self.accession}\nCONFORMED SUBMISSION TYPE:\t{self.form}\n"
            f"FILED AS OF DATE:\t\t{local:%Y%m%d}\n\nFILER:\n\n\tCOMPANY DATA:\n"
            f"\t\tCOMPANY CONFORMED NAME:\t\t\tPARTY {self.ciks[0]}\n\t\tCENTRAL INDEX KEY:\t\t\t{self.ciks[0]:010d}\n"
            f"<DOCUMENT>\n<TYPE>{self.form}\n<TEXT>\nText of {self.number}\n</TEXT>\n</DOCUMENT>\n"
        ).encode()


@dataclass
class Edgar:
    """The feed and the archive, as they are at a time that goes on with every request."""

    filings: list[Filed]
    now: datetime
    step: timedelta = timedelta(0)
    absent: Counter[str] = field(default_factory=Counter)
    """How often a filing is not there yet."""
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: HttpRequest) -> HttpAnswer:
        assert request.headers == {"User-Agent": USER_AGENT}
        self.now += self.step
        if request.url.endswith("/cgi-bin/browse-edgar"):
            return answered(self._feed(int(request.params["start"]), request.params["type"]), url=request.url)
        accession = request.url.rpartition("/")[2].removesuffix(".txt")
        self.asked.append(request.url)
        if self.absent[accession] > 0:
            self.absent[accession] -= 1
            return answered(b"<Code>NoSuchKey</Code>", 404, request.url)
        return answered(next(each.text() for each in self.filings if each.accession == accession), url=request.url)

    def _feed(self, start: int, prefix: str) -> bytes:
        shown = [
            each for each in self.filings if (each.shown or each.accepted) <= self.now and each.form.startswith(prefix)
        ]
        newest_first = sorted(shown, key=lambda each: (each.accepted, each.number), reverse=True)
        entries = [entry for each in newest_first for entry in each.entries()]
        return f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries[start : start + 100])}</feed>'.encode()


def numbers(pages: Iterable[SourcePage]) -> list[int]:
    return [int(document.text.rpartition(" ")[2]) for page in pages for document in page.documents]


def rejects(pages: Iterable[SourcePage]) -> list[Any]:
    return [each for page in pages for each in page.rejects]


def test_recorded_filing_when_the_feed_names_it_then_its_document_is_the_other_sources(sec: Read) -> None:
    accepted = at(date(2025, 12, 19), "17:00:37")
    feed = Filed(0, accepted, ciks=(1326801,)).entries()[0].replace("0000000077-25-000000", "0001628280-25-058337")
    body = sec("filings/8-K/2025-12-19_Meta-Platforms-Inc.txt")
    now = accepted + timedelta(minutes=5)
    page = CURRENT.read(
        config(), "", answered(f'<feed xmlns="http://www.w3.org/2005/Atom">{feed}</feed>'.encode()), now
    )
    assert isinstance(page.next, HttpRequest)
    assert page.next.url.endswith("/Archives/edgar/data/1326801/000162828025058337/0001628280-25-058337.txt")
    [document] = CURRENT.read(config(), page.cursor, answered(body), now).documents
    chosen = EdgarFilingsConfig(ciks=("1326801",), since=date(2025, 12, 1), user_agent=USER_AGENT)
    cursor = '{"cik":"0001326801","pending":["000162828025058337"]}'
    [expected] = adapter.read(chosen, cursor, answered(body), now).documents
    assert document == expected
    [label] = document.tickers
    assert label.startswith("CIK")
    assert document.title.startswith("8-K Meta Platforms, Inc.")


def test_recorded_pages_when_read_in_turn_then_every_wanted_filing_is_asked_for_once(sec: Read) -> None:
    now = at(FRIDAY, "18:03:31")
    wanted = config(forms=("8-K", "4"))
    cursor, found = "", list[str]()
    begun = '{"reached":"2025-12-12T22:35:00Z"}'
    request = CURRENT.first(wanted, begun, now)
    for start in (0, 100, 200, 300, 400):
        assert isinstance(request, HttpRequest)
        assert (request.params["start"], request.params["type"]) == (str(start), "")
        page = CURRENT.read(wanted, cursor or begun, answered(sec(PAGES[start])), now)
        assert page.rejects == ()
        cursor, request = page.cursor, page.next
        found = json.loads(cursor)["pending"]
        if json.loads(cursor).get("fetching"):
            break
    # The round before had reached 17:35; what may have been late is looked for until 17:05.
    assert start == 400
    entries = re.findall(
        r"<updated>([^<]+)</updated>\s*<category[^>]*term=\"([^\"]+)\"/>\s*<id>[^=]+=([0-9-]+)</id>",
        "".join(sec(PAGES[each]).decode("latin-1") for each in (0, 100, 200, 300, 400)),
    )
    expected = {
        accession.replace("-", "")
        for updated, form, accession in entries
        if form in wanted.forms and updated >= "2025-12-12T17:05:00"
    }
    assert {each[10:28] for each in found} == expected
    assert len(found) == len(expected) > 150
    assert len(cursor) < MAXIMUM_CURSOR_CHARACTERS


def test_recorded_last_page_when_the_mark_is_not_met_then_it_is_said_that_filings_were_missed(sec: Read) -> None:
    cursor = (
        '{"start":5000,"until":"2025-12-11T20:00:00Z","newest":"2025-12-12T23:02:43Z","reached":"2025-12-11T20:30:00Z"}'
    )
    page = CURRENT.read(config(), cursor, answered(sec(PAGES[5000])), at(FRIDAY, "18:05"))
    assert [(each.file, each.reason) for each in page.rejects] == [("getcurrent.atom", RejectReason.MISSING_VALUE)]
    assert "missed" in page.rejects[0].detail
    assert json.loads(page.cursor)["reached"] == "2025-12-12T23:02:43Z"
    met = cursor.replace("2025-12-11T20:00:00Z", "2025-12-11T21:40:00Z")
    assert CURRENT.read(config(), met, answered(sec(PAGES[5000])), at(FRIDAY, "18:05")).rejects == ()


def test_feed_when_one_form_is_wanted_then_the_vendor_is_asked_for_it_and_amendments_pass_by() -> None:
    filings = [Filed(1, at(FRIDAY, "10:00")), Filed(2, at(FRIDAY, "10:01"), form="8-K/A")]
    request = CURRENT.first(config(), "", at(FRIDAY, "11:00"))
    assert isinstance(request, HttpRequest)
    assert (request.url, request.params["type"]) == ("https://www.sec.gov/cgi-bin/browse-edgar", "8-K")
    assert numbers(walk(CURRENT, config(), Edgar(filings, at(FRIDAY, "11:00")), at(FRIDAY, "11:00"))) == [1]


def test_filing_when_only_a_party_on_the_next_page_is_wanted_then_it_is_not_lost() -> None:
    # 99 entries, then a filing whose first party ends the page and whose second begins the next one.
    filings = [Filed(number, at(FRIDAY, "10:30")) for number in range(100, 199)]
    filings.append(Filed(1, at(FRIDAY, "10:00"), ciks=(1, 5)))
    pages = walk(CURRENT, config("5"), Edgar(filings, at(FRIDAY, "11:00")), at(FRIDAY, "11:00"))
    assert numbers(pages) == [1]
    assert len(pages) == 3


def test_filing_when_it_shows_late_or_after_the_night_then_it_is_found() -> None:
    evening = [
        Filed(1, at(FRIDAY, "16:00")),
        Filed(2, at(FRIDAY, "16:30"), shown=at(FRIDAY, "16:50")),
        Filed(3, at(FRIDAY, "17:45"), shown=at(date(2025, 12, 15), "06:01")),
        Filed(4, at(FRIDAY, "21:55"), form="4"),
        Filed(5, at(date(2025, 12, 15), "06:02"), form="4"),
        Filed(6, at(FRIDAY, "17:31"), shown=at(date(2025, 12, 15), "06:10")),
    ]
    wanted, cursor, found = config(forms=("8-K", "4")), "", list[list[int]]()
    for day, clock in ((12, "16:40"), (12, "17:00"), (12, "22:00"), (15, "06:05"), (15, "06:15"), (15, "12:00")):
        now = at(date(2025, 12, day), clock)
        pages = walk(CURRENT, wanted, Edgar(evening, now), now, cursor=cursor)
        cursor = pages[-1].cursor
        found.append(numbers(pages))
    assert found == [[1], [2], [4], [3, 5], [6], []]


def test_feed_when_it_stood_still_or_names_a_time_ahead_then_the_mark_is_the_newest_time_that_has_come() -> None:
    filings = [
        Filed(1, at(FRIDAY, "09:00")),
        Filed(2, at(FRIDAY, "09:40"), shown=at(FRIDAY, "11:30")),
        Filed(3, datetime(2100, 1, 1, tzinfo=UTC), form="4", shown=at(FRIDAY, "11:30")),
        Filed(4, at(FRIDAY, "12:00")),
    ]
    wanted, cursor, found, reached = config(forms=("8-K", "4")), "", list[list[int]](), list[str]()
    for clock in ("11:00", "11:31", "12:30"):
        now = at(FRIDAY, clock)
        pages = walk(CURRENT, wanted, Edgar(filings, now), now, cursor=cursor)
        cursor = pages[-1].cursor
        found.append(numbers(pages))
        reached.append(json.loads(cursor)["reached"])
    assert found == [[1], [2], [4]]
    assert reached == ["2025-12-12T14:00:00Z", "2025-12-12T16:31:00Z", "2025-12-12T17:30:00Z"]


def test_filing_when_it_is_not_in_the_archive_yet_then_later_rounds_ask_again_and_at_last_it_is_refused() -> None:
    filings = [Filed(1, at(FRIDAY, "10:00")), Filed(2, at(FRIDAY, "10:01"))]
    edgar = Edgar(filings, at(FRIDAY, "11:00"), absent=Counter({filings[0].accession: 1, filings[1].accession: 9}))
    cursor, found, refused = "", list[list[int]](), list[int]()
    for _ in range(MOST_TRIES + 1):
        pages = walk(CURRENT, config(), edgar, edgar.now, cursor=cursor)
        cursor = pages[-1].cursor
        found.append(numbers(pages))
        refused.append(len(rejects(pages)))
    assert found == [[], [1], [], []]
    assert refused == [0, 0, 1, 0]


def test_filing_when_it_is_unusable_then_it_is_refused_and_the_next_follows() -> None:
    filings = [Filed(1, at(FRIDAY, "10:00")), Filed(2, at(FRIDAY, "10:01"))]
    edgar = Edgar(filings, at(FRIDAY, "11:00"))

    def _broken(request: HttpRequest) -> HttpAnswer:
        answer = edgar(request)
        return answered(b"<html>", url=answer.url) if answer.url.endswith("000001.txt") else answer

    pages = walk(CURRENT, config(), _broken, at(FRIDAY, "11:00"))
    assert numbers(pages) == [2]
    assert [each.file for each in rejects(pages)] == ["0000000077-25-000001.txt"]


def test_mirror_when_configured_then_it_alone_is_asked_and_links_may_be_its_own_or_the_originals() -> None:
    mirror = config(archive_url="https://mirror.example/sec")
    filings = [Filed(1, at(FRIDAY, "10:00")), Filed(2, at(FRIDAY, "10:01")), Filed(3, at(FRIDAY, "10:02"))]
    edgar = Edgar(filings, at(FRIDAY, "11:00"))

    def _mirrored(request: HttpRequest) -> HttpAnswer:
        assert request.url.startswith("https://mirror.example/sec/")
        answer = edgar(request)
        own = answer.body.replace(
            b"https://www.sec.gov/Archives/edgar/data/1/x/0000000077-25-000001",
            b"https://mirror.example/sec/Archives/edgar/data/1/x/0000000077-25-000001",
        )
        elsewhere = own.replace(
            b"https://www.sec.gov/Archives/edgar/data/1/x/0000000077-25-000003",
            b"https://evil.example/Archives/edgar/data/1/x/0000000077-25-000003",
        )
        return answer.model_copy(update={"body": elsewhere})

    pages = walk(CURRENT, mirror, _mirrored, at(FRIDAY, "11:00"))
    assert numbers(pages) == [1, 2]
    assert [each.column for each in rejects(pages)] == ["link"]


def test_feed_when_more_is_found_than_can_be_pending_then_it_is_fetched_before_the_feed_is_read_on() -> None:
    start = at(FRIDAY, "10:00")
    filings = [Filed(number, start + timedelta(seconds=number)) for number in range(FULL + 150)]
    edgar = Edgar(filings, start + timedelta(hours=1))
    pages = walk(CURRENT, config(), edgar, edgar.now)
    found = numbers(pages)
    assert sorted(found) == list(range(FULL + 150))
    assert found[:FULL] == list(range(150, FULL + 150))
    assert numbers(walk(CURRENT, config(), edgar, edgar.now, cursor=pages[-1].cursor)) == []


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.lists(st.integers(min_value=0, max_value=900), min_size=0, max_size=60),
    crowd=st.integers(min_value=0, max_value=130),
    interruptions=st.lists(st.booleans(), max_size=60),
    step=st.integers(min_value=0, max_value=20),
    gaps=st.lists(st.integers(min_value=1, max_value=600), min_size=1, max_size=3),
)
def test_filings_when_interrupted_anywhere_while_new_ones_come_in_then_each_comes_once_and_none_is_lost(
    seconds: list[int], crowd: int, interruptions: list[bool], step: int, gaps: list[int]
) -> None:
    start = at(FRIDAY, "10:00")
    filings = [
        Filed(number, start + timedelta(seconds=second), ciks=(1, 5) if number % 3 == 0 else (2,))
        for number, second in enumerate(sorted(seconds))
    ]
    filings += [Filed(1_000 + number, start + timedelta(seconds=300), form="4", ciks=(9, 5)) for number in range(crowd)]
    edgar = Edgar(filings, start, step=timedelta(seconds=step))
    wanted, cursor, found = config("5"), "", list[int]()
    for gap in (*gaps, 3_600):
        edgar.now += timedelta(seconds=gap)
        pages = walk(CURRENT, wanted, edgar, edgar.now, cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        found += numbers(pages)
        assert not rejects(pages)
    assert sorted(found) == [number for number in range(len(seconds)) if number % 3 == 0]


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("http_503.html", 503, VendorUnavailable),
        ("rate_exceeded_page.html", 403, VendorThrottled),
        ("rate_exceeded_page.html", 429, VendorThrottled),
        ("rate_exceeded_page.html", 200, VendorThrottled),
    ],
)
def test_recorded_refusal_when_judged_then_it_is_what_it_stands_for(
    sec: Read, name: str, status: int, error: type[StonksError]
) -> None:
    with pytest.raises(error):
        CURRENT.judge(answered(sec(f"error_responses/{name}"), status))


@pytest.mark.parametrize(("name", "status"), [("http_403.xml", 403), ("http_404.xml", 404)])
def test_recorded_absence_when_it_is_a_filings_then_it_passes_and_when_the_feeds_then_not(
    sec: Read, name: str, status: int
) -> None:
    absent = answered(sec(f"error_responses/{name}"), status)
    CURRENT.judge(absent)
    with pytest.raises(NotFound):
        CURRENT.read(config(), "", absent, at(FRIDAY, "11:00"))
    pending = '{"fetching":true,"pending":["00000000010000000077250000010"]}'
    page = CURRENT.read(config(), pending, absent, at(FRIDAY, "11:00"))
    assert (page.documents, page.rejects, page.next) == ((), (), None)


def test_feed_when_it_is_unusable_then_it_is_an_error_and_nothing_moves() -> None:
    with pytest.raises(SourceFormatError):
        CURRENT.read(config(), "", answered(b"<html/>"), at(FRIDAY, "11:00"))


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "[]",
        '{"start": 5001}',
        '{"pending": ["../../a"]}',
        '{"taken": "zz"}',
        '{"reached": "0001-01-01T00:00:00Z"}',
        "\ud800",
    ],
)
def test_cursor_when_it_is_none_of_ours_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        CURRENT.first(config(), cursor, at(FRIDAY, "11:00"))


def test_cursor_when_it_is_as_full_as_it_can_be_then_it_fits_and_goes_on() -> None:
    pending = [f"{number:028d}0" for number in range(FULL - 1)]
    full = {
        "start": 4_000,
        "until": "2025-12-12T15:00:00Z",
        "newest": "2025-12-12T17:00:00Z",
        "reached": "2025-12-12T15:30:00Z",
        "day_before": "2025-12-11",
        "pending": pending,
        "later": [f"{number:028d}1" for number in range(200)],
        "taken": "0123abcd" * 2_000,
    }
    cursor = json.dumps(full)
    filings = [Filed(number, at(FRIDAY, "10:30")) for number in range(99)] + [Filed(99, at(FRIDAY, "09:00"))]
    edgar = Edgar(filings, at(FRIDAY, "12:00"))
    page = CURRENT.read(config(), cursor, answered(edgar._feed(0, "")), at(FRIDAY, "12:00"))
    assert len(page.cursor) < MAXIMUM_CURSOR_CHARACTERS
    assert len(json.loads(page.cursor)["pending"]) == FULL - 1 + 99 + 200
    assert CURRENT.first(config(), page.cursor, at(FRIDAY, "12:00")) == page.next


@given(st.binary(max_size=200), st.text(max_size=40), st.booleans())
def test_answer_and_cursor_when_anything_then_only_errors_of_ours_are_raised(
    body: bytes, noise: str, fetching: bool
) -> None:
    ours = '{"fetching":true,"pending":["00000000010000000077250000010"]}' if fetching else ""
    for cursor in (ours, noise):
        with suppress(StonksError):
            CURRENT.read(config(), cursor, answered(body), at(FRIDAY, "11:00"))
            CURRENT.first(config(), cursor, at(FRIDAY, "11:00"))
