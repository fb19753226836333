"""The packaged registry: who the companies are and what they were called when."""

from __future__ import annotations

import re
from datetime import date
from itertools import combinations

import pytest

from store.registry import SymbolMaster
from store.tables.registry import Company, CompanyAlias

from .readers import COMPANIES, MARKET, SEEDS, rows

SECTORS = {
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
}
KINDS = {"ticker", "name", "brand", "former_name", "name_ambiguous"}


def day(value: str, default: date) -> date:
    return date.fromisoformat(value) if value else default


def spans_overlap(one: dict[str, str], two: dict[str, str]) -> bool:
    return day(one["valid_from"], date.min) <= day(two["valid_to"], date.max) and day(
        two["valid_from"], date.min
    ) <= day(one["valid_to"], date.max)


def master() -> SymbolMaster:
    companies = {
        row["symbol"]: Company(
            symbol=row["symbol"],
            name=row["name"],
            active_from=date.fromisoformat(row["active_from"]) if row["active_from"] else None,
        )
        for row in rows(SEEDS / "companies.csv")
    }
    tickers: dict[str, tuple[CompanyAlias, ...]] = {}
    for row in rows(SEEDS / "aliases.csv"):
        if row["kind"] == "ticker":
            alias = CompanyAlias(
                alias_id=f"{row['symbol']}-{row['alias']}",
                symbol=row["symbol"],
                alias=row["alias"],
                kind=row["kind"],
                valid_from=date.fromisoformat(row["valid_from"]) if row["valid_from"] else None,
                valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
            )
            tickers[row["alias"]] = (*tickers.get(row["alias"], ()), alias)
    return SymbolMaster(companies=companies, tickers=tickers)


def test_companies_when_read_then_symbols_are_unique_and_facts_are_well_formed() -> None:
    found = rows(SEEDS / "companies.csv")
    symbols = [row["symbol"] for row in found]
    assert symbols == sorted(set(symbols))
    assert len(found) == 46
    assert COMPANIES | {MARKET} <= set(symbols)
    assert {row["symbol"] for row in found if row["kind"] == "etf"} == {"SPY", "QQQ", "IWM"}
    ciks = [row["cik"] for row in found]
    assert len(set(ciks)) == len(ciks)
    for row in found:
        assert row["name"].strip() == row["name"] != ""
        assert re.fullmatch(r"\d{10}", row["cik"]), row["symbol"]
        assert row["exchange"] in {"NYSE", "NASDAQ", "NYSE Arca"}, row["symbol"]
        assert row["kind"] in {"stock", "etf"}
        assert (row["sector"] in SECTORS and bool(row["industry"])) == (row["kind"] == "stock"), row["symbol"]
        assert day(row["active_from"], date(2010, 11, 18)) <= date(2010, 11, 18), row["symbol"]


def test_aliases_when_read_then_kinds_intervals_and_symbols_are_valid() -> None:
    symbols = {row["symbol"] for row in rows(SEEDS / "companies.csv")}
    found = rows(SEEDS / "aliases.csv")
    assert {row["symbol"] for row in found} == symbols
    assert {row["kind"] for row in found} == KINDS
    assert len({(row["symbol"], row["alias"], row["kind"], row["valid_from"]) for row in found}) == len(found)
    for row in found:
        assert row["alias"].strip() == row["alias"] != ""
        assert day(row["valid_from"], date.min) <= day(row["valid_to"], date.max), row["alias"]


def test_aliases_when_shared_by_two_companies_then_their_intervals_do_not_overlap() -> None:
    for one, two in combinations(rows(SEEDS / "aliases.csv"), 2):
        if one["alias"].casefold() == two["alias"].casefold() and one["symbol"] != two["symbol"]:
            assert not spans_overlap(one, two), one["alias"]


def test_aliases_when_a_ticker_then_no_company_carries_the_same_letters_today() -> None:
    symbols = {row["symbol"] for row in rows(SEEDS / "companies.csv")}
    assert not {row["alias"] for row in rows(SEEDS / "aliases.csv") if row["kind"] == "ticker"} & symbols


def test_aliases_when_a_name_is_ambiguous_then_a_safe_long_form_stands_beside_it() -> None:
    found = rows(SEEDS / "aliases.csv")
    ambiguous = [row for row in found if row["kind"] == "name_ambiguous"]
    assert {"Target", "Delta"} <= {row["alias"] for row in ambiguous}
    for row in ambiguous:
        safe = [other["alias"] for other in found if other["symbol"] == row["symbol"] and other["kind"] == "name"]
        assert safe, row["alias"]
        assert row["alias"] not in safe


@pytest.mark.parametrize(
    ("ticker", "on", "symbol"),
    [
        ("GOOG", date(2004, 8, 18), None),
        ("GOOG", date(2004, 8, 19), "GOOGL"),
        ("GOOG", date(2011, 7, 6), "GOOGL"),
        ("GOOG", date(2014, 4, 2), "GOOGL"),
        ("GOOG", date(2014, 4, 3), None),
        ("GOOGL", date(2014, 7, 14), "GOOGL"),
        ("QQQQ", date(2011, 3, 22), "QQQ"),
        ("QQQQ", date(2011, 3, 23), None),
        ("GM", date(2010, 11, 17), None),
        ("GM", date(2010, 11, 18), "GM"),
    ],
)
def test_ticker_when_used_on_a_day_then_it_means_who_carried_it_that_day(
    ticker: str, on: date, symbol: str | None
) -> None:
    assert master().resolve(ticker, on) == symbol
