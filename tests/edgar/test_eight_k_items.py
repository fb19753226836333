"""Items of 8-Ks; a filing's header and its own headings are witnesses of each other."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.eight_k_items import eight_k_headings, filing_items, item_codes, text_items
from activities.adapters.edgar.full_submission import parse_documents, parse_full_submission
from activities.adapters.edgar.html_text import document_text
from activities.adapters.edgar.submissions import parse_submissions

Read = Callable[[str], bytes]
AGREEMENT = "Entry into a Material Definitive Agreement"
OFFICERS = (
    "Departure of Directors or Certain Officers; Election of Directors; Appointment of Certain Officers: "
    "Compensatory Arrangements of Certain Officers"
)
BYLAWS = "Amendments to Articles of Incorporation or Bylaws; Change in Fiscal Year"


def test_real_rows_when_their_items_are_read_then_the_filings_headings_agree(sec: Read) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(sec("filings_index.csv").decode())) if row["items"]]
    assert len(rows) == 7
    for row in rows:
        submission = parse_full_submission(sec(row["path"].removeprefix("sec/")))
        of_row = item_codes([row["items"]], submission.filed)
        assert of_row == item_codes(submission.items, submission.filed), row["path"]
        assert all(len(code) == 4 for code in of_row)
        if row["form"] == "8-K":
            assert filing_items(submission) == of_row
            of_text = text_items(document_text(submission.main_document().body))
            # One header leaves out the exhibits that its document lists.
            assert of_text == of_row or ("3M" in row["path"] and of_text == (*of_row, "9.01"))
        else:
            assert filing_items(submission) == ()


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("2003_unnamed-0001104659-03-004925.html", ("9",)),
        ("2021_acc-0000887919-21-000012.html", ("8.01", "9.01")),
        ("2023-03_Nordstrom-doc.html", ("5.02", "9.01")),
        ("2023-12_1-800-Flowers.html", ("5.07",)),
        ("2024-11_Oracle.html", ("5.07",)),
        ("2024_Buckle-Inc.html", ("2.02", "9.01")),
        ("2024_Buckle-Inc-EX-99-1.html", ()),
    ],
)
def test_real_document_when_it_has_no_header_then_its_headings_name_the_items(
    sec: Read, name: str, items: tuple[str, ...]
) -> None:
    (document,) = parse_documents(sec(f"filings/8-K/{name}"))
    assert text_items(document_text(document.body)) == items


def test_real_listing_when_its_items_are_read_then_codes_stay_as_they_are(sec: Read) -> None:
    filings = parse_submissions(sec("submissions/CIK0000320193.json")).filings
    with_items = [filing for filing in filings if filing.form == "8-K"]
    assert len(with_items) > 50
    for filing in with_items:
        assert item_codes(filing.items, filing.filed) == tuple(dict.fromkeys(filing.items))


@pytest.mark.parametrize(
    ("labels", "filed", "codes"),
    [
        ([AGREEMENT, "Other Events"], date(2020, 1, 1), ("1.01", "8.01")),
        ([OFFICERS, "Regulation FD Disclosure"], None, ("5.02", "7.01")),
        ([f"{AGREEMENT}; {OFFICERS}; Financial Statements and Exhibits"], None, ("1.01", "5.02", "9.01")),
        ([BYLAWS], date(2020, 1, 1), ("5.03",)),
        (["Other events", "Regulation FD Disclosure"], date(2004, 8, 22), ("5", "9")),
        (["Other events", "Regulation FD Disclosure"], date(2004, 8, 23), ("8.01", "7.01")),
        (["Changes in Registrant's Certifying Accountant"], date(2003, 1, 1), ("4",)),
        (["Changes in Registrant’s Certifying Accountant"], date(2013, 1, 1), ("4.01",)),
        (["Results of Operations and Financial Condition"], date(2003, 5, 1), ("12",)),
        (["Acquisition or disposition of assets"], date(2020, 1, 1), ("2",)),
        (["5", "7"], date(1999, 1, 1), ("5", "7")),
        (["2.02", "9.01", "2.02"], None, ("2.02", "9.01")),
        (["Something else", ""], None, ()),
    ],
)
def test_labels_when_read_then_they_are_the_codes_of_their_time(
    labels: list[str], filed: date | None, codes: tuple[str, ...]
) -> None:
    assert item_codes(labels, filed) == codes


def test_headings_when_read_then_mentions_are_not_among_them() -> None:
    text = (
        "Cover\nItem 1.01. Entry into a Material Definitive Agreement.\nSee Item 2.03 below.\n"
        "Item 1.01 of this report is incorporated.\nItems 2.03 and 3.02 | Creation of a Direct Financial Obligation\n"
        "Item 9.01(d)\nExhibits\nItem 44. Nothing\nItem 5. Other Events\nitem 9.01, above"
    )
    first, second, third = eight_k_headings(text)
    assert (first.codes, first.title) == (("1.01",), AGREEMENT)
    assert second.codes == ("2.03", "3.02")
    assert text[second.start :].startswith("Items 2.03")
    assert (third.codes, third.title) == (("9.01",), "Exhibits")
    assert text_items("ITEM 5. OTHER EVENTS\n\nItem 7 - Financial Statements") == ("5", "7")


@given(st.lists(st.text(max_size=40) | st.sampled_from([OFFICERS, BYLAWS, "5.02"]), max_size=4), st.dates())
def test_any_labels_when_read_then_codes_come_once(labels: list[str], filed: date) -> None:
    codes = item_codes(labels, filed)
    assert len(set(codes)) == len(codes)
    assert text_items("\nItem ".join(labels)) is not None
