"""Insiders' reports; the page rendered from one of them is the independent witness."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.filing_text import read_loose
from activities.adapters.edgar.full_submission import parse_full_submission
from activities.adapters.edgar.html_text import document_text
from activities.adapters.edgar.ownership import parse_ownership
from domain.errors import SourceFormatError, StonksError

Read = Callable[[str], bytes]
REPORT = """<?xml version="1.0"?><ownershipDocument><documentType>4</documentType>
<periodOfReport>2024-05-01</periodOfReport>
<issuer><issuerCik>77</issuerCik><issuerName>ACME</issuerName><issuerTradingSymbol>ACM</issuerTradingSymbol></issuer>
<reportingOwner><reportingOwnerId><rptOwnerCik>78</rptOwnerCik><rptOwnerName>Doe J</rptOwnerName></reportingOwnerId>
<reportingOwnerRelationship><isDirector>1</isDirector></reportingOwnerRelationship></reportingOwner>
<nonDerivativeTable>{0}{0}</nonDerivativeTable></ownershipDocument>"""
TRADE = """<nonDerivativeTransaction><securityTitle><value>Common</value></securityTitle>
<transactionDate><value>2024-05-01</value></transactionDate>
<transactionCoding><transactionCode>S</transactionCode></transactionCoding>
<transactionAmounts><transactionShares><value>1500</value></transactionShares>
<transactionPricePerShare><value>66.903</value></transactionPricePerShare>
<transactionAcquiredDisposedCode><value>D</value></transactionAcquiredDisposedCode></transactionAmounts>
<ownershipNature><directOrIndirectOwnership><value>D</value></directOrIndirectOwnership></ownershipNature>
</nonDerivativeTransaction>"""

OPTION = """<derivativeHolding><securityTitle><value>Stock Option (right to buy)</value></securityTitle>
<conversionOrExercisePrice><value>12.50</value></conversionOrExercisePrice>
<expirationDate><value>2030-01-31</value></expirationDate>
<underlyingSecurity><underlyingSecurityTitle><value>Common Stock</value></underlyingSecurityTitle>
<underlyingSecurityShares><value>5000</value></underlyingSecurityShares></underlyingSecurity>
<ownershipNature><directOrIndirectOwnership><value>D</value></directOrIndirectOwnership></ownershipNature>
</derivativeHolding>"""


def test_real_report_when_parsed_then_it_equals_its_rendered_page(sec: Read) -> None:
    report = parse_ownership(sec("filings/4/2025-04-30_374Water.xml"))
    page = document_text(sec("filings/4/2025-04-30_374Water-rendered.html").decode())
    flat = " ".join(page.replace("|", " ").split())
    assert f"{report.issuer} [ {report.symbol} ]" in flat
    (owner,) = report.owners
    assert owner.name in flat
    assert owner.officer_title in flat
    assert f"{report.period:%m/%d/%Y}" in flat
    stock, option = report.transactions
    assert (stock.derivative, option.derivative) == (False, True)
    assert (
        f"{stock.security} {stock.day:%m/%d/%Y} {stock.code} {stock.shares:,} (1) {stock.acquired_or_disposed} "
        f"${stock.price} {stock.shares_after:,} D"
    ) in flat.replace("(1)", " (1)").replace("  ", " ")
    for shown in (option.security, f"${option.exercise_price}", f"{option.shares:,}", f"{option.expires:%m/%d/%Y}"):
        assert shown in flat
    assert option.underlying in flat
    assert f"{option.underlying_shares:,}" in flat


def test_real_reports_when_parsed_then_the_rows_of_the_index_are_met(sec: Read) -> None:
    rows = [
        row
        for row in csv.DictReader(io.StringIO(sec("filings_index.csv").decode()))
        if row["metadata_from"] == "ownership xml"
    ]
    assert len(rows) == 4
    for row in rows:
        report = parse_ownership(sec(row["path"].removeprefix("sec/")))
        assert (report.form, report.issuer_cik, str(report.period)) == (row["form"], row["cik"], row["period"])
        assert row["company"] == " | ".join((report.issuer, *(owner.name for owner in report.owners)))
        assert report.rejects == ()


def test_real_sales_when_parsed_then_holdings_follow_from_the_trades(sec: Read) -> None:
    report = parse_ownership(sec("filings/4/2022-12-13_Snowflake-Scarpelli.xml"))
    trades = [trade for trade in report.transactions if not trade.derivative and trade.direct]
    assert len(trades) > 2
    for before, after in pairwise(trades):
        assert before.shares_after is not None
        assert after.shares is not None
        sign = 1 if after.acquired_or_disposed == "A" else -1
        assert after.shares_after == before.shares_after + sign * after.shares
    assert len(report.holdings) == 8
    empty = parse_ownership(sec("filings/3/2021-12-31_SunPower-Hegde.xml"))
    assert (empty.no_securities_owned, empty.transactions, empty.holdings) == (True, (), ())


def test_real_submission_when_its_main_document_is_a_report_then_it_parses(sec: Read) -> None:
    for name, price, after in (
        ("2025-01-10_AAR-Corp.txt", "66.903", 37565),
        ("2025-01-08_2seventy-bio.nc.txt", "0.00", 253329),
    ):
        main = parse_full_submission(sec(f"filings/4/{name}")).main_document()
        trade = parse_ownership(main.body.encode()).transactions[0]
        assert (trade.price, trade.shares_after) == (Decimal(price), Decimal(after))


@pytest.mark.parametrize(
    ("left_out", "line"),
    [
        ((), "Holds Stock Option (right to buy) for 5000 Common Stock at 12.50 until 2030-01-31"),
        (("12.50", "2030-01-31"), "Holds Stock Option (right to buy) for 5000 Common Stock"),
        (("12.50", "2030-01-31", "5000"), "Holds Stock Option (right to buy) for Common Stock"),
        (("12.50", "2030-01-31", "5000", "Common Stock"), "Holds Stock Option (right to buy)"),
    ],
)
def test_derivative_when_held_and_its_number_is_not_reported_then_the_text_says_what_is_known(
    left_out: tuple[str, ...], line: str
) -> None:
    option = OPTION
    for value in left_out:
        option = option.replace(f"<value>{value}</value>", "")
    table = f"<derivativeTable>{option}</derivativeTable>"
    report = REPORT.replace("<nonDerivativeTable>{0}{0}</nonDerivativeTable>", table).replace("Type>4<", "Type>3<")
    text = read_loose(report.encode(), "3").text
    assert text.splitlines()[-1] == line
    assert "None" not in text


@pytest.mark.parametrize(
    ("right", "wrong", "field"),
    [
        ("1500<", "1,500<", "transactionShares"),
        ("1500<", "-1500<", "transactionShares"),
        ("1500<", "NaN<", "transactionShares"),
        ("1500<", "<", "transactionShares"),
        ("66.903", "9" * 40, "transactionPricePerShare"),
        ("66.903", "$66", "transactionPricePerShare"),
        (">S<", ">Q<", "transactionCode"),
        ("Code><value>D<", "Code><value>X<", "transactionAcquiredDisposedCode"),
        ("2024-05-01", "2024-02-30", "transactionDate"),
        ("Common", "", "securityTitle"),
    ],
)
def test_trade_when_a_value_is_wrong_then_it_is_refused_by_name_and_the_other_stands(
    right: str, wrong: str, field: str
) -> None:
    bad = TRADE.replace(right, wrong, 1)
    assert bad != TRADE
    report = parse_ownership(REPORT.replace("{0}{0}", bad + TRADE).encode(), "a.txt")
    (refused,) = report.rejects
    assert (refused.column, refused.file, refused.line) == (field, "a.txt", 1)
    assert "found" in refused.detail
    (trade,) = report.transactions
    assert (trade.shares, trade.price, trade.day) == (Decimal(1500), Decimal("66.903"), date(2024, 5, 1))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        b"<ownershipDocument/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><ownershipDocument>&b;</ownershipDocument>',
        b'<?xml version="1.0" encoding="nope"?><ownershipDocument/>',
        b"<a>" * 100_000,
        REPORT.replace(">77<", ">x<").encode(),
        REPORT.replace("<isDirector>1", "<isDirector>maybe").encode(),
    ],
)
def test_report_when_unusable_then_it_is_an_error(body: bytes) -> None:
    with pytest.raises(SourceFormatError, match="EDGAR_OWNERSHIP_UNUSABLE"):
        parse_ownership(body)


@given(st.binary(max_size=60), st.integers(0, 2_000))
def test_any_bytes_when_parsed_then_nothing_but_our_errors_is_raised(noise: bytes, at: int) -> None:
    whole = REPORT.format(TRADE).encode()
    for body in (noise, whole[:at] + noise + whole[at:]):
        try:
            parse_ownership(body)
        except StonksError:
            continue
