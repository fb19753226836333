"""Whole rounds against an imitation of EDGAR: older pages, filings that are not there yet, and how long cursors get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.edgar import adapter
from activities.adapters.edgar.adapter import first, read
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.sources import EdgarFilingsConfig
from tests.edgar.conftest import NOW, answered

Read = Callable[[str], bytes]
CIK = "0000000077"
START = date(2022, 1, 1)
LONGEST_CURSOR = 4_000


class Filed(NamedTuple):
    number: int
    day: date
    form: str = "8-K"

    @property
    def accession(self) -> str:
        return f"{CIK}-24-{self.number:06d}"


class Edgar:
    """Answers as EDGAR does: a listing of the newest filings, pages of older ones, and the filings themselves."""

    def __init__(self, filings: Iterable[Filed], *, recent: int = 1_000, page: int = 1_000) -> None:
        self.filings = sorted(filings, key=lambda filed: (filed.day, filed.number))
        self.recent = recent
        self.page = page
        self.absent: dict[str, int] = {}
        """How often a filing or a page is not there."""
        self.asked: list[str] = []

    def answer(self, request: HttpRequest) -> HttpAnswer:
        name = request.url.rpartition("/")[2].removesuffix(".json").removesuffix(".txt")
        self.asked.append(name)
        if self.absent.get(name, 0) > 0:
            self.absent[name] -= 1
            return answered(b"", 404, request.url)
        if not name.startswith("CIK"):
            filed = next(filed for filed in self.filings if filed.accession == name)
            return answered(_submission(filed), url=request.url)
        cik, _, number = name.partition("-submissions-")
        pages = self._pages()
        if number:
            return answered(json.dumps(_columns(pages[int(number) - 1])).encode(), url=request.url)
        files = [
            {"name": f"{cik}-submissions-{at:03d}.json", "filingFrom": str(page[0].day), "filingTo": str(page[-1].day)}
            for at, page in enumerate(pages, 1)
        ]
        newest = self.filings[-self.recent :] if self.recent else []
        filings = {"recent": _columns(newest), "files": files}
        listing = {"cik": cik[3:], "name": "ACME", "tickers": ["ACM"], "filings": filings}
        return answered(json.dumps(listing).encode(), url=request.url)

    def _pages(self) -> list[list[Filed]]:
        """The newest of the older filings first, as EDGAR numbers its pages."""
        older = self.filings[: -self.recent] if self.recent else self.filings
        starts = range(0, len(older), self.page)
        return [older[start : start + self.page] for start in starts][::-1]

    def round(self, config: EdgarFilingsConfig, cursor: str) -> tuple[list[SourcePage], str]:
        """Fetch until there is nothing more; every step is one that could also have begun from its cursor."""
        self.asked.clear()
        pages: list[SourcePage] = []
        request: HttpRequest | None = first(config, cursor, NOW)
        while request is not None:
            pages.append(read(config, cursor, self.answer(request), NOW))
            cursor = pages[-1].cursor
            assert len(cursor) <= LONGEST_CURSOR
            following = pages[-1].next
            assert following is None or following == first(config, cursor, NOW)
            assert following is None or isinstance(following, HttpRequest)
            request = following
            assert len(pages) < 2_000
        return pages, cursor


def _columns(filings: list[Filed]) -> dict[str, Any]:
    return {
        "accessionNumber": [filed.accession for filed in filings],
        "filingDate": [str(filed.day) for filed in filings],
        "acceptanceDateTime": [f"{filed.day}T16:00:00.000Z" for filed in filings],
        "form": [filed.form for filed in filings],
        "primaryDocument": ["a.htm"] * len(filings),
    }


def _submission(filed: Filed) -> bytes:
    return (
        f"<SEC-HEADER>\n<ACCEPTANCE-DATETIME>{filed.day:%Y%m%d}160000\nACCESSION NUMBER: {filed.accession}\n"
        f"CONFORMED SUBMISSION TYPE: {filed.form}\nFILED AS OF DATE: {filed.day:%Y%m%d}\nFILER:\n"
        f"\tCOMPANY CONFORMED NAME: ACME\n\tCENTRAL INDEX KEY: {CIK}\n</SEC-HEADER>\n"
        f"<DOCUMENT>\n<TYPE>{filed.form}\n<TEXT>\nItem 8.01 Other Events\nNumber {filed.number}\n</TEXT>\n</DOCUMENT>\n"
    ).encode()


def _config(**changed: Any) -> EdgarFilingsConfig:
    values: dict[str, Any] = {
        "ciks": (CIK,),
        "forms": ("8-K",),
        "user_agent": "Example Research ops@example.com",
        "since": START,
    }
    return EdgarFilingsConfig(**{**values, **changed})


def _numbers(pages: list[SourcePage]) -> list[int]:
    return [int(document.text.rpartition(" ")[2]) for page in pages for document in page.documents]


def _days(count: int, form: str = "8-K") -> list[Filed]:
    return [Filed(number, START + timedelta(days=number), form) for number in range(count)]


def test_older_pages_when_they_reach_into_the_wanted_days_then_they_are_read_oldest_first() -> None:
    edgar = Edgar(_days(50), recent=10, page=15)
    config = _config(since=START + timedelta(days=12))
    pages, cursor = edgar.round(config, "")
    assert _numbers(pages) == list(range(12, 50))
    listings = [name for name in edgar.asked if name.startswith("CIK")]
    page = f"CIK{CIK}-submissions-00"
    assert listings == [f"CIK{CIK}", f"{page}3", f"{page}2", f"{page}1", f"CIK{CIK}"]
    assert all(document.tickers[1:] == ("ACM",) for found in pages for document in found.documents)
    again, cursor = edgar.round(config, cursor)
    assert (_numbers(again), edgar.asked) == ([], [f"CIK{CIK}"])
    edgar.filings.append(Filed(50, START + timedelta(days=50)))
    assert _numbers(edgar.round(config, cursor)[0]) == [50]


def test_older_pages_when_all_wanted_filings_are_in_them_then_later_rounds_do_not_read_them_again() -> None:
    edgar = Edgar(
        [*_days(20), *(Filed(number, START + timedelta(days=number), "4") for number in range(20, 40))], recent=10
    )
    pages, cursor = edgar.round(_config(), "")
    assert _numbers(pages) == list(range(20))
    edgar.round(_config(), cursor)
    assert edgar.asked == [f"CIK{CIK}"]


def test_older_page_when_it_holds_more_than_can_be_pending_then_it_is_read_again() -> None:
    edgar = Edgar(_days(75), recent=5, page=70)
    assert _numbers(edgar.round(_config(), "")[0]) == list(range(75))
    assert edgar.asked.count(f"CIK{CIK}-submissions-001") == 3


def test_older_page_when_gone_then_it_is_refused_and_the_others_are_read() -> None:
    edgar = Edgar(_days(30), recent=10, page=10)
    edgar.absent[f"CIK{CIK}-submissions-002"] = 1
    pages, _ = edgar.round(_config(), "")
    assert _numbers(pages) == list(range(10, 30))
    (refused,) = (refused for page in pages for refused in page.rejects)
    assert (refused.file, refused.column) == (f"CIK{CIK}-submissions-002.json", "files")


def test_older_pages_when_there_are_too_many_then_the_oldest_are_refused_by_name() -> None:
    edgar = Edgar(_days(40), recent=8, page=1)
    pages, _ = edgar.round(_config(), "")
    assert _numbers(pages) == list(range(2, 40))
    assert [refused.excerpt.partition(".")[0] for page in pages for refused in page.rejects] == [
        f"CIK{CIK}-submissions-032",
        f"CIK{CIK}-submissions-031",
    ]


def test_real_older_page_when_the_first_day_lies_in_it_then_it_is_fetched(sec: Read) -> None:
    cik = "0001318605"
    config = _config(ciks=(cik,), since=date(2018, 1, 20))
    page = read(config, "", answered(sec(f"submissions/CIK{cik}.json")), NOW)
    assert isinstance(page.next, HttpRequest)
    assert page.next.url == f"https://data.sec.gov/submissions/CIK{cik}-submissions-001.json"
    page = read(config, page.cursor, answered(sec(f"submissions/CIK{cik}-submissions-001.json")), NOW)
    assert len(json.loads(page.cursor)["pending"]) >= 2
    late = read(_config(ciks=(cik,), since=date(2018, 2, 12)), "", answered(sec(f"submissions/CIK{cik}.json")), NOW)
    assert len(json.loads(late.cursor)["pending"]) == adapter.PENDING


@pytest.mark.parametrize("absences", [1, 2, 3, 4])
def test_filing_when_not_there_then_later_fetches_ask_for_it_and_the_third_refuses_it(absences: int) -> None:
    edgar = Edgar(_days(3))
    missing = edgar.filings[1].accession
    edgar.absent[missing] = absences
    cursor = ""
    numbers: list[list[int]] = []
    rejects: list[str] = []
    for _ in range(5):
        pages, cursor = edgar.round(_config(), cursor)
        numbers.append(_numbers(pages))
        rejects += [refused.file for page in pages for refused in page.rejects]
        assert edgar.asked.count(missing) <= 1
    assert numbers[0] == [0, 2]
    if absences < adapter.TRIES:
        assert numbers[absences] == [1]
        assert rejects == []
    else:
        assert [number for found in numbers for number in found] == [0, 2]
        assert rejects == [f"{missing}.txt"]
    assert edgar.asked == [f"CIK{CIK}"]
    assert "missing" not in cursor


def test_filings_when_more_are_missing_than_can_be_kept_then_the_others_are_refused_at_once() -> None:
    edgar = Edgar(_days(25))
    for filed in edgar.filings:
        edgar.absent[filed.accession] = 1
    pages, cursor = edgar.round(_config(), "")
    rejects = [refused.file for page in pages for refused in page.rejects]
    assert rejects == [f"{filed.accession}.txt" for filed in edgar.filings[adapter.MISSING :]]
    assert _numbers(edgar.round(_config(), cursor)[0]) == list(range(adapter.MISSING))


def test_missing_filing_when_others_are_new_then_it_is_asked_for_first_and_once_a_round() -> None:
    edgar = Edgar(_days(2))
    edgar.absent[edgar.filings[0].accession] = 1
    _, cursor = edgar.round(_config(), "")
    edgar.filings += [Filed(number, START + timedelta(days=number)) for number in range(2, 70)]
    pages, _ = edgar.round(_config(), cursor)
    assert _numbers(pages) == [0, *range(2, 70)]


def test_missing_filing_when_the_form_is_wanted_no_more_then_it_is_still_asked_for() -> None:
    edgar = Edgar(_days(1))
    edgar.absent[edgar.filings[0].accession] = 1
    _, cursor = edgar.round(_config(), "")
    assert _numbers(edgar.round(_config(forms=("10-K",)), cursor)[0]) == [0]


def test_cursor_when_as_full_as_can_be_then_it_stays_short() -> None:
    full = adapter._Mark(day=START, taken="a" * 6 * adapter.PER_DAY)
    ciks = [f"{number:010d}" for number in range(1, adapter.MAXIMUM_CIKS + 1)]
    marks = {cik: full.model_copy(update={"missing": ("1" * 19,) * (adapter.MISSING // len(ciks))}) for cik in ciks}
    cursor = adapter._Cursor(
        cik=ciks[0],
        pages=("000001",) * adapter.OLDER_PAGES,
        paged=True,
        tried=True,
        pending=("1" * 18,) * adapter.PENDING,
        again=True,
        tickers=("ABCDEFGHIJ",) * 5,
        marks=marks,
    )
    assert len(cursor.model_dump_json(exclude_defaults=True)) <= LONGEST_CURSOR


_FILINGS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["8-K", "8-K", "4"]), st.integers(0, 4)), min_size=1, max_size=60
)


@settings(max_examples=100, deadline=None)
@given(_FILINGS, st.integers(0, 30), st.integers(1, 20), st.integers(0, 8), st.integers(0, 20))
def test_any_filings_when_fetched_in_rounds_then_each_wanted_one_comes_once_or_is_refused(
    filings: list[tuple[int, str, int]], recent: int, page: int, since: int, later: int
) -> None:
    filed = [Filed(at, START + timedelta(days=day), form) for at, (day, form, _) in enumerate(filings)]
    # EDGAR lists in the order of days; what comes later is filed later.
    filed.sort(key=lambda each: (each.day, each.number))
    edgar = Edgar(filed[: len(filed) - later] or filed[:1], recent=recent, page=page)
    edgar.absent = {each.accession: filings[each.number][2] for each in filed if filings[each.number][2] > 1}
    config = _config(since=START + timedelta(days=since))
    pages, cursor = edgar.round(config, "")
    done = list(pages)
    edgar.filings = filed
    for _ in range(4):
        pages, cursor = edgar.round(config, cursor)
        done += pages
    numbers = _numbers(done)
    refused = [entry for each in done for entry in each.rejects]
    assert len(set(numbers)) == len(numbers)
    told = {entry.file for entry in refused} | {f"{entry.excerpt}.txt" for entry in refused}
    for each in filed:
        wanted = each.form == "8-K" and each.day >= config.since
        if each.number in numbers:
            assert wanted
            assert f"{each.accession}.txt" not in told
        else:
            assert not wanted or f"{each.accession}.txt" in told or any("submissions" in file for file in told)
