"""The daily index of filings by form."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.daily_index import parse_daily_index
from domain.documents import RejectReason
from domain.errors import SourceFormatError, StonksError

Read = Callable[[str], bytes]
HEAD = (
    "Description:           Daily Index of EDGAR Dissemination Feed by Form Type\n \n"
    "Form Type   Company Name                    CIK         Date Filed  File Name\n" + "-" * 120 + "\n"
)
ROW = "10-K        ACME CORP                       77          20240501    edgar/data/77/0000000077-24-000001.txt   \n"


def test_real_index_when_parsed_then_every_line_is_a_filing(sec: Read) -> None:
    body = sec("daily_index/form.20200318.idx.gz")
    found = parse_daily_index(body, "form.20200318.idx")
    lines = [line for line in body.decode("latin-1").splitlines() if line.rstrip().endswith(".txt")]
    assert (len(found.filings), found.rejects, found.rejected) == (4084, (), 0)
    assert len(lines) == 4084
    for filing, line in zip(found.filings, lines, strict=True):
        # The file's columns are fixed; reading them by place is the independent witness.
        columns = (line[:12], line[12:74], line[74:86], line[86:98], line[98:])
        form, company, cik, filed, path = (column.strip() for column in columns)
        assert (filing.form, filing.cik, filing.path) == (form, cik.zfill(10), path)
        assert filing.company == " ".join(company.split())
        assert filing.filed == date(int(filed[:4]), int(filed[4:6]), int(filed[6:]))
        assert filing.path.endswith(f"/{filing.accession}.txt")
    # Letters of the staff stand in the index of their release, with the day that they were written.
    assert all(filing.filed == date(2020, 3, 18) for filing in found.filings if filing.form in ("8-K", "10-K", "4"))


def test_line_when_a_name_is_longer_than_its_column_then_it_is_whole() -> None:
    long = "A VERY LONG NAME OF A COMPANY THAT HAS  NO ROOM IN ITS COLUMN"
    row = f"8-K         {long} 78 2024-05-02 edgar/data/78/000000007824000001/0000000078-24-000001.txt\n"
    form = "SC 14D9-C AND MORE  ACME CORP  77  20240501  edgar/data/77/0000000077-24-000001.txt\r\n"
    first, second = parse_daily_index((HEAD + row + form).encode()).filings
    assert (first.form, first.company, first.cik) == ("8-K", " ".join(long.split()), "0000000078")
    assert (first.filed, first.accession) == (date(2024, 5, 2), "0000000078-24-000001")
    assert (second.form, second.company) == ("SC 14D9-C AND MORE", "ACME CORP")


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ((" 20240501", " 20240230"), "Date Filed"),
        (("77          2", "77x         2"), "CIK"),
        (("edgar/data", "../data"), "File Name"),
        (("0000000077-24-000001.txt", "a.txt"), "File Name"),
        (("ACME CORP", "         "), "Company Name"),
        (("10-K", "    "), "Form Type"),
        (("20240501    ", ""), "CIK"),
        (("ACME", "A" * 1_000), "line"),
    ],
)
def test_line_when_a_value_is_wrong_then_it_alone_is_refused_by_name(wrong: tuple[str, str], column: str) -> None:
    assert wrong[0] in ROW
    found = parse_daily_index((HEAD + ROW.replace(*wrong) + "\n" + ROW).encode(), "form.idx")
    (refused,) = found.rejects
    assert (refused.file, refused.line, refused.column) == ("form.idx", 5, column)
    assert "found" in refused.detail
    assert [filing.form for filing in found.filings] == ["10-K"]


def test_lines_when_none_is_any_good_then_a_thousand_rejects_are_told_and_all_are_counted() -> None:
    found = parse_daily_index((HEAD + "nonsense\n" * 1_500).encode())
    assert (len(found.rejects), found.rejected) == (1_000, 1_500)
    assert found.rejects[0].reason is RejectReason.MALFORMED_ROW


@pytest.mark.parametrize("body", [b"", b"<html>", ROW.encode(), HEAD.replace("-----", "").encode(), b"\xff" * 99])
def test_index_when_it_has_no_heading_then_it_is_unusable(body: bytes) -> None:
    with pytest.raises(SourceFormatError, match="EDGAR_INDEX_UNUSABLE"):
        parse_daily_index(body)


@given(st.binary(max_size=200))
def test_any_bytes_when_parsed_then_nothing_but_our_errors_is_raised(noise: bytes) -> None:
    for body in (noise, HEAD.encode() + noise):
        with suppress(StonksError):
            parse_daily_index(body)
