"""The packaged bars and corporate actions: complete, consistent, and the facts that they claim to be."""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import statistics
from datetime import date
from decimal import Decimal

import pytest

from cli.demo_data import FIRST_SESSION, LAST_SESSION, actions_path, bars_path
from domain.market import Bar

from .readers import COMPANIES, DEVELOPMENT_PRICES, FORTNIGHT, MARKET, actions, bars, rows

HOLIDAYS = {date(2014, 4, 18), date(2014, 5, 26), date(2014, 7, 4)}


def by_symbol() -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {}
    for bar in bars():
        found.setdefault(bar.symbol, []).append(bar)
    return found


def test_bars_when_read_then_columns_order_and_symbols_are_as_documented() -> None:
    found = bars()
    assert list(rows(bars_path())[0]) == ["symbol", "session", "open", "high", "low", "close", "volume"]
    keys = [(bar.symbol, bar.session) for bar in found]
    assert keys == sorted(set(keys))
    assert {bar.symbol for bar in found} == COMPANIES | {MARKET}
    assert all(bar.volume > 0 for bar in found)


def test_bars_when_grouped_then_every_symbol_has_the_same_sessions_and_enough_before_the_fortnight() -> None:
    found = by_symbol()
    sessions = {symbol: tuple(bar.session for bar in series) for symbol, series in found.items()}
    market = sessions[MARKET]
    assert all(own == market for own in sessions.values())
    assert tuple(day for day in market if day >= FIRST_SESSION) == FORTNIGHT
    assert (FORTNIGHT[0], FORTNIGHT[-1]) == (FIRST_SESSION, LAST_SESSION)
    assert sum(day < FIRST_SESSION for day in market) == 92
    weekdays = {date.fromordinal(n) for n in range(market[0].toordinal(), market[-1].toordinal() + 1)}
    assert set(market) == {day for day in weekdays if day.weekday() < 5} - HOLIDAYS


def test_bars_when_adjusted_by_the_packaged_splits_then_no_day_moves_as_a_split_would() -> None:
    ratios = {(action.symbol, action.ex_date): float(action.split_ratio) for action in actions()}
    for symbol, series in by_symbol().items():
        moves = [
            math.log(float(new.close) * ratios.get((symbol, new.session), 1.0) / float(old.close))
            for old, new in itertools.pairwise(series)
        ]
        assert max(map(abs, moves)) < 0.12, symbol
        assert 0.0 < statistics.stdev(moves[-60:]) * math.sqrt(252) < 0.6, symbol


def test_actions_when_read_then_they_are_plain_facts_about_the_companies_in_the_span() -> None:
    found = actions()
    assert list(rows(actions_path())[0]) == ["symbol", "ex_date", "cash_dividend", "split_ratio"]
    keys = [(action.symbol, action.ex_date) for action in found]
    assert keys == sorted(set(keys))
    assert {action.symbol for action in found} <= COMPANIES
    assert all(date(2014, 3, 3) <= action.ex_date <= LAST_SESSION for action in found)
    splits = {action.symbol: (action.ex_date, action.split_ratio) for action in found if action.split_ratio != 1}
    assert splits == {"AAPL": (date(2014, 6, 9), Decimal(7)), "GOOGL": (date(2014, 4, 3), Decimal(2))}
    assert max(action.cash_dividend for action in found) == Decimal("3.29")


def test_bars_when_compared_with_the_development_prices_then_every_value_is_equal() -> None:
    source = DEVELOPMENT_PRICES / "daily_bars.csv.gz"
    if not source.exists():
        pytest.skip("the development price file is not on this machine")
    with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
        theirs = {
            (row["symbol"], row["date"]): row
            for row in csv.DictReader(file)
            if "2014-03-03" <= row["date"] <= "2014-07-25"
        }
    for bar in bars():
        row = theirs[bar.symbol, bar.session.isoformat()]
        expected = [Decimal(row[name]) for name in ("open", "high", "low", "close", "volume")]
        assert [bar.open, bar.high, bar.low, bar.close, Decimal(bar.volume)] == expected
