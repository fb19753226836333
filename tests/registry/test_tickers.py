"""Tickers over time: one company a day, in the check of what a person enters and in what is resolved."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.registry import MacroFactor, NameKind, TickerUse, clash, factor_of, ticker_uses
from store.registry import SymbolMaster
from store.tables.registry import Company, CompanyAlias

FIRST = date(2020, 1, 1)
LENGTH = 12

days = st.one_of(st.none(), st.integers(0, LENGTH - 1).map(lambda day: FIRST + timedelta(days=day)))
labels = st.sampled_from(["A", "B", "C"])


@st.composite
def spans(draw: st.DrawFn) -> tuple[date | None, date | None]:
    first, last = draw(days), draw(days)
    return (last, first) if first is not None and last is not None and last < first else (first, last)


@st.composite
def uses(draw: st.DrawFn) -> TickerUse:
    first, last = draw(spans())
    return TickerUse(ticker=draw(labels), symbol=draw(labels), valid_from=first, valid_to=last)


@st.composite
def registries(draw: st.DrawFn) -> SymbolMaster:
    """Companies A to C, and tickers of theirs with days, each for a company that exists."""
    companies = {}
    for symbol in draw(st.sets(labels, min_size=1)):
        first, last = draw(spans())
        companies[symbol] = Company(symbol=symbol, name=symbol, active_from=first, active_to=last)
    tickers: dict[str, tuple[CompanyAlias, ...]] = {}
    for number, use in enumerate(draw(st.lists(uses(), max_size=5))):
        if use.symbol in companies:
            row = CompanyAlias(
                alias_id=str(number),
                symbol=use.symbol,
                alias=use.ticker,
                kind=NameKind.TICKER.value,
                valid_from=use.valid_from,
                valid_to=use.valid_to,
            )
            tickers[use.ticker] = (*tickers.get(use.ticker, ()), row)
    return SymbolMaster(companies=companies, tickers=tickers)


def all_days() -> list[date]:
    return [FIRST + timedelta(days=day) for day in range(-1, LENGTH + 1)]


def covers(use: TickerUse, day: date) -> bool:
    return (use.valid_from is None or use.valid_from <= day) and (use.valid_to is None or day <= use.valid_to)


def uses_of(master: SymbolMaster) -> list[TickerUse]:
    found: list[TickerUse] = []
    for symbol, company in master.companies.items():
        own = TickerUse(ticker=symbol, symbol=symbol, valid_from=company.active_from, valid_to=company.active_to)
        given_ = [
            TickerUse(ticker=row.alias, symbol=symbol, valid_from=row.valid_from, valid_to=row.valid_to)
            for rows in master.tickers.values()
            for row in rows
            if row.symbol == symbol
        ]
        found += ticker_uses(own, given_)
    return found


@given(uses(), uses())
def test_uses_when_compared_then_they_overlap_exactly_where_they_share_a_day(one: TickerUse, other: TickerUse) -> None:
    # Beyond both ends every day is like the last one looked at.
    shared = any(covers(one, day) and covers(other, day) for day in all_days())
    assert one.overlaps(other) == (one.ticker == other.ticker and shared)
    assert one.overlaps(other) == other.overlaps(one)


@given(registries())
def test_registry_when_no_two_uses_clash_then_a_ticker_means_one_company_a_day(master: SymbolMaster) -> None:
    found = uses_of(master)
    if clash(found, found) is not None:
        return
    for day in all_days():
        for label in ("A", "B", "C"):
            carriers = {use.symbol for use in found if use.ticker == label and covers(use, day)}
            assert len(carriers) <= 1
            assert master.resolve(label, day) == next(iter(carriers), None)


@given(registries())
def test_registry_when_two_uses_clash_then_there_is_a_day_with_two_companies(master: SymbolMaster) -> None:
    found = uses_of(master)
    pair = clash(found, found)
    if pair is None:
        return
    one, other = pair
    assert one.symbol != other.symbol
    assert one.ticker == other.ticker
    assert any(covers(one, day) and covers(other, day) for day in all_days())


@given(registries())
def test_ticker_when_resolved_by_the_master_then_texts_resolve_it_alike(master: SymbolMaster) -> None:
    if clash(uses_of(master), uses_of(master)) is not None:
        return
    for day in all_days():
        for label in ("A", "B", "C"):
            assert master.index.resolve_ticker(label, day) == master.resolve(label, day)


def test_master_when_equal_to_another_then_both_share_one_index() -> None:
    def master(name: str) -> SymbolMaster:
        return SymbolMaster(companies={"A": Company(symbol="A", name=name)})

    assert master("Ajax").index is master("Ajax").index
    assert master("Ajax").index is not master("Bolt").index


def test_followed_when_a_company_was_taken_off_then_it_is_not_among_them() -> None:
    companies = {
        "A": Company(symbol="A", name="Ajax Corp"),
        "B": Company(symbol="B", name="Bolt Corp", followed=False),
    }
    assert SymbolMaster(companies=companies).followed == {"A"}


@pytest.mark.parametrize(
    ("use", "days"),
    [
        (TickerUse(ticker="A", symbol="A"), "always"),
        (TickerUse(ticker="A", symbol="A", valid_from=FIRST), "2020-01-01.."),
        (TickerUse(ticker="A", symbol="A", valid_to=FIRST), "..2020-01-01"),
    ],
)
def test_days_when_shown_then_open_ends_are_empty(use: TickerUse, days: str) -> None:
    assert use.days() == days


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("oil", (MacroFactor.OIL, "")),
        ("region", (MacroFactor.REGION, "")),
        ("region:Middle East", (MacroFactor.REGION, "Middle East")),
        ("sector:Oil, Gas & Coal", (MacroFactor.SECTOR, "Oil, Gas & Coal")),
    ],
)
def test_factor_when_read_then_its_name_stands_apart(key: str, found: tuple[MacroFactor, str]) -> None:
    assert factor_of(key) == found


@pytest.mark.parametrize("key", ["", "OIL", "oil:brent", "region:", "region: x", "weather", "sector:\n", "x:y"])
def test_factor_when_unknown_then_it_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"needed|go on"):
        factor_of(key)
