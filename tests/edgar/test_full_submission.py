"""Headers, documents and times of full submissions; the index of the real filings is the independent witness."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.full_submission import FullSubmission, parse_full_submission
from activities.adapters.edgar.html_text import document_text
from domain.documents import DatePrecision
from domain.errors import SourceFormatError, StonksError

Read = Callable[[str], bytes]
HEADER = (
    "<SEC-DOCUMENT>0000000001-24-000002.txt : {released}\n<SEC-HEADER>\n<ACCEPTANCE-DATETIME>{accepted}\n{flag}"
    "ACCESSION NUMBER:\t\t0000000001-24-000002\nCONFORMED SUBMISSION TYPE:\t8-K/A\n"
    "ITEM INFORMATION:\t\tOther Events\nFILED AS OF DATE:\t\t{filed}\n\nFILER:\n\n\tCOMPANY DATA:\n"
    "\t\tCOMPANY CONFORMED NAME:\t\t\tACME: CORP\n\t\tCENTRAL INDEX KEY:\t\t\t0000000077\n</SEC-HEADER>\n"
)
DOCUMENTS = (
    "<DOCUMENT>\n<TYPE>EX-99\n<SEQUENCE>2\n<TEXT>\nexhibit\n</TEXT>\n</DOCUMENT>\n"
    "<DOCUMENT>\n<TYPE>8-K\n<SEQUENCE>1\n<FILENAME>a.htm\n<TEXT>\n<XBRL>\n<p>main</p>\n</XBRL>\n</TEXT>\n</DOCUMENT>\n"
)


def _submission(
    accepted: str = "20240501160000", filed: str = "20240501", released: str = "20240501", flag: str = ""
) -> FullSubmission:
    header = HEADER.format(accepted=accepted, filed=filed, released=released, flag=flag)
    return parse_full_submission((header + DOCUMENTS).encode())


def test_real_submissions_when_parsed_then_each_row_of_the_index_is_met(sec: Read) -> None:
    rows = [
        row
        for row in csv.DictReader(io.StringIO(sec("filings_index.csv").decode()))
        if row["metadata_from"] in ("sgml header", "nc header")
    ]
    assert len(rows) == 41
    for row in rows:
        found = parse_full_submission(sec(row["path"].removeprefix("sec/")))
        assert found.form == row["form"], row["path"]
        assert list(dict.fromkeys(party.name for party in found.parties)) == row["company"].split(" | ")
        assert list(dict.fromkeys(party.cik for party in found.parties)) == row["cik"].split(" | ")
        assert found.accession == row["accession"]
        assert f"{found.filed:%Y%m%d}" == row["filed"]
        assert (f"{found.period:%Y%m%d}" if found.period else "") == row["period"]
        assert "; ".join(found.items) == row["items"].replace(" ; ", "; ")
        assert all(document.type for document in found.documents)
        if not row["form"].startswith(("13F", "4", "ATS", "N-CEN", "UPLOAD")):
            assert found.main_document().type == row["form"]
            assert len(document_text(found.main_document().body)) > 900


def test_real_owner_filing_when_parsed_then_roles_come_from_its_sections(sec: Read) -> None:
    found = parse_full_submission(sec("filings/4/2025-01-10_AAR-Corp.txt"))
    assert [(party.role, party.name) for party in found.parties] == [
        ("reporting owner", "Garascia Jessica A."),
        ("issuer", "AAR CORP"),
    ]
    old = parse_full_submission(sec("filings/4/2000-03-14_Productivity-Technologies.txt"))
    assert [party.role for party in old.parties] == ["subject company", "reporting owner"]
    assert old.published() == (datetime(2000, 3, 17, 5, tzinfo=UTC), DatePrecision.DAY)


def test_real_staff_letter_when_parsed_then_it_is_published_on_its_release_and_not_before(sec: Read) -> None:
    letter = parse_full_submission(sec("filings/UPLOAD/2024-04-02_Apple-Inc.txt"))
    assert letter.filed == date(2024, 4, 2)
    assert letter.published() == (datetime(2024, 6, 15, 4, tzinfo=UTC), DatePrecision.DAY)
    assert letter.main_document().type == "TEXT-EXTRACT"
    assert "begin 644" not in document_text(letter.main_document().body)
    assert document_text(letter.documents[0].body) == ""


def test_real_backdated_filing_when_parsed_then_its_acceptance_counts(sec: Read) -> None:
    found = parse_full_submission(sec("filings/F-3/2023-06-08_CREDIT-SUISSE-AG.txt.gz"))
    assert found.filed == date(2023, 6, 8)
    assert found.published() == (datetime(2023, 6, 9, 12, 1, 52, tzinfo=UTC), DatePrecision.INSTANT)


def test_published_when_accepted_in_the_evening_then_the_next_morning_counts() -> None:
    assert _submission().published() == (datetime(2024, 5, 1, 20, tzinfo=UTC), DatePrecision.INSTANT)
    evening = _submission(accepted="20240503180000", filed="20240506")
    assert evening.published() == (datetime(2024, 5, 6, 10, tzinfo=UTC), DatePrecision.INSTANT)


def test_published_when_private_until_release_then_the_release_day_ends_first() -> None:
    found = _submission(released="20240601", flag="<PRIVATE-TO-PUBLIC>\n")
    assert found.published() == (datetime(2024, 6, 2, 4, tzinfo=UTC), DatePrecision.DAY)


def test_main_document_when_the_form_is_an_amendment_then_its_base_type_does() -> None:
    found = _submission()
    assert found.main_document().filename == "a.htm"
    assert found.main_document().body == "<p>main</p>"
    assert found.parties[0].name == "ACME: CORP"
    assert found.items == ("Other Events",)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (("0000000001-24-000002\nCON", "1-2\nCON"), "accession number"),
        (("DATE:\t\t20240501", "DATE:\t\t20241301"), "filing day"),
        (("0000000077", "77a"), "central index key"),
        (("CENTRAL INDEX KEY", "CENTRAL KEY"), "parties"),
        (("TIME>20240501160000", "TIME>2024050116"), "acceptance time"),
        (("TIME>20240501160000", "TIME>20240501250000"), "acceptance time"),
        (("TYPE:\t8-K/A", "TYPE:\t"), "form"),
    ],
)
def test_header_when_a_field_is_wrong_then_the_error_names_it(wrong: tuple[str, str], field: str) -> None:
    header = HEADER.format(accepted="20240501160000", filed="20240501", released="20240501", flag="")
    assert wrong[0] in header
    with pytest.raises(SourceFormatError) as raised:
        parse_full_submission((header.replace(*wrong) + DOCUMENTS).encode())
    assert raised.value.code == "EDGAR_HEADER_UNUSABLE"
    assert raised.value.fields["field"] == field


def test_submission_when_without_header_or_document_then_it_is_refused(sec: Read) -> None:
    with pytest.raises(SourceFormatError):
        parse_full_submission(sec("filings/S-3/1995_Page-America-Group.txt"))
    with pytest.raises(SourceFormatError, match="EDGAR_NO_DOCUMENT"):
        parse_full_submission(b"<html>not here</html>")


@given(st.binary(max_size=300), st.integers(0, 700))
def test_any_bytes_when_parsed_then_nothing_but_our_errors_is_raised(noise: bytes, at: int) -> None:
    whole = (HEADER.format(accepted="20240501160000", filed="20240501", released="x", flag="") + DOCUMENTS).encode()
    for body in (noise, whole[:at] + noise + whole[at + len(noise) // 2 :]):
        try:
            found = parse_full_submission(body)
        except StonksError:
            continue
        found.published()
        document_text(found.main_document().body)
