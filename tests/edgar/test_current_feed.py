"""The feed of incoming filings, in recorded pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.current_feed import CurrentCursor, current_request, read_current
from domain.errors import InvalidInput, SourceFormatError, StonksError

Read = Callable[[str], bytes]
PAGES = [f"getcurrent_atom/2025-12-12_all_start{start}.atom.xml" for start in ("0000", "0100", "0200", "0300", "0400")]


def _accessions(body: bytes) -> list[str]:
    return re.findall(r"<id>urn:tag:sec.gov,2008:accession-number=([0-9-]{20})</id>", body.decode("latin-1"))


def test_real_pages_when_read_in_turn_then_each_accession_comes_once(sec: Read) -> None:
    cursor = CurrentCursor()
    found: list[str] = []
    expected: list[str] = []
    for number, name in enumerate(PAGES, 1):
        body = sec(name)
        page = read_current(body, cursor)
        assert page.rejects == ()
        found += [filing.accession for filing in page.filings]
        expected += _accessions(body)
        assert len(page.cursor.encoded()) <= 4_000
        cursor = CurrentCursor.decoded(page.cursor.encoded())
        assert cursor.start == number * 100
    assert found == list(dict.fromkeys(expected))


def test_real_overlapping_page_when_read_then_the_overlap_is_left_out(sec: Read) -> None:
    first = sec("getcurrent_atom/2025-12-12_count40_start00.atom.xml")
    second = sec("getcurrent_atom/2025-12-12_count40_start01.atom.xml")
    cursor = CurrentCursor(start=100, page_before=tuple(dict.fromkeys(_accessions(first))))
    found = {filing.accession for filing in read_current(second, cursor).filings}
    assert found == set(_accessions(second)) - set(_accessions(first))
    assert len(found) < len(set(_accessions(second)))


def test_real_page_when_read_then_a_filing_has_all_its_parties(sec: Read) -> None:
    filing = read_current(sec(PAGES[0]), CurrentCursor()).filings[0]
    assert (filing.form, filing.accession) == ("4", "0002063236-25-000004")
    assert [(party.role, party.name, party.cik) for party in filing.parties] == [
        ("reporting", "Perez Daniel Antonio", "0002063236"),
        ("issuer", "Hinge Health, Inc.", "0001673743"),
    ]
    assert filing.accepted_at == datetime(2025, 12, 12, 23, 2, 43, tzinfo=UTC)
    assert str(filing.filed) == "2025-12-12"


def test_second_round_when_nothing_is_new_then_it_ends_at_once_with_nothing(sec: Read) -> None:
    body = sec(PAGES[0])
    ended = read_current(sec("getcurrent_atom/2025-12-12_count40_start00.atom.xml"), CurrentCursor())
    assert ended.ended
    again = read_current(sec("getcurrent_atom/2025-12-12_count40_start00.atom.xml"), ended.cursor)
    assert (again.filings, again.ended, again.cursor) == ((), True, ended.cursor)
    later = read_current(body, ended.cursor)
    assert set(_accessions(body)) >= {filing.accession for filing in later.filings}


def test_last_page_when_the_mark_is_not_met_then_the_round_is_incomplete(sec: Read) -> None:
    body = sec("getcurrent_atom/2025-12-12_all_start5000.atom.xml")
    newest = datetime(2025, 12, 12, 23, 2, 43, tzinfo=UTC)
    page = read_current(body, CurrentCursor(start=5_000, newest=newest))
    assert (page.ended, page.incomplete) == (True, True)
    assert page.cursor == CurrentCursor(reached=newest)
    assert not read_current(body, CurrentCursor(start=4_900)).ended
    met = CurrentCursor(start=5_000, newest=newest, reached=datetime(2025, 12, 11, 21, 41, tzinfo=UTC))
    assert not read_current(body, met).incomplete


def test_request_when_made_then_it_names_page_form_and_asker() -> None:
    request = current_request(CurrentCursor(start=200), form="4", user_agent="Research ops@example.com")
    assert (request.params["start"], request.params["type"], request.params["count"]) == ("200", "4", "100")
    assert request.headers == {"User-Agent": "Research ops@example.com"}


def test_entry_when_bad_then_it_alone_is_refused(sec: Read) -> None:
    body = sec(PAGES[0])
    changed = body.replace(b"2025-12-12T18:02:43-05:00", b"yesterday", 1)
    page = read_current(changed, CurrentCursor())
    (refused,) = page.rejects
    assert (refused.column, refused.line) == ("updated", 1)
    assert {filing.accession for filing in page.filings} == set(_accessions(body))


@pytest.mark.parametrize("body", [b"", b"<feed/>", b'<!DOCTYPE a [<!ENTITY b "c">]><feed>&b;</feed>', b"<a>" * 99_999])
def test_feed_when_unusable_then_it_is_an_error(body: bytes) -> None:
    with pytest.raises(SourceFormatError, match="EDGAR_FEED_UNUSABLE"):
        read_current(body, CurrentCursor())


@given(st.text(max_size=50), st.binary(max_size=100))
def test_any_bytes_when_read_then_nothing_but_our_errors_is_raised(cursor: str, body: bytes) -> None:
    with pytest.raises(StonksError):
        read_current(body, CurrentCursor())
    if cursor:
        with pytest.raises(InvalidInput):
            CurrentCursor.decoded(cursor + "x")
