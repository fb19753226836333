"""Bars on their way to another process: they arrive as they were, and nothing that is made of them differs."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.backtest_data import BacktestData
from domain.bar_series import BarSeries
from domain.config import TradingConfig
from domain.surroundings import ATR_SESSIONS

from .any_market import AnyMarket, run_foreseen
from .builders import walk

SEEDS = st.integers(0, 2**32)
STOPS = TradingConfig().protection.stops


def handed_over(data: BacktestData) -> BacktestData:
    """Bars in another process; once more, for a process may hand them on."""
    return replace(data, bars=pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(data.bars)))))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(SEEDS)
def test_bars_when_they_are_handed_over_then_each_is_what_it_was(seed: int) -> None:
    data, _ = AnyMarket(seed).build()
    there = handed_over(data)
    assert there.bars.keys() == data.bars.keys()
    for symbol, series in data.bars.items():
        other = there.bars[symbol]
        assert [repr(known) for known in other.bars] == [repr(known) for known in series.bars]
        assert other.bars[-2:] == list(series.bars[-2:])
        assert other.bars[0] is other.bars[0]
        assert other.splits == series.splits
        assert other.in_order == series.in_order
        days = [session.date for session in data.sessions]
        bars = map(series.on, days)
        assert other.closes_on(days) == series.closes_on(days) == [bar and bar.close for bar in bars]
        for session in data.sessions:
            as_of = session.opens_at - timedelta(minutes=5)
            assert other.window(as_of, 61) == series.window(as_of, 61)
            assert other.last_close(as_of) == series.last_close(as_of)
            assert other.on(session.date) == series.on(session.date)
            assert other.before(session.date) == sum(1 for each in series.bars if each.bar.session < session.date)
            assert STOPS is not None
            found = other.average_true_range(as_of, STOPS, ATR_SESSIONS)
            assert found == series.average_true_range(as_of, STOPS, ATR_SESSIONS)


@settings(deadline=None, derandomize=True, max_examples=15)
@given(SEEDS)
def test_run_when_bars_were_handed_over_then_every_byte_is_that_of_a_run_at_home(seed: int) -> None:
    data, request = AnyMarket(seed).build()
    assert run_foreseen(handed_over(data), request).model_dump_json() == run_foreseen(data, request).model_dump_json()


def test_bar_when_its_place_is_beyond_the_ends_then_it_is_an_error() -> None:
    bars = walk("ACME", 3)
    there: BarSeries = pickle.loads(pickle.dumps(BarSeries("ACME", bars, [])))
    assert there.bars[len(bars) - 1] == there.bars[-1]
    for outside in (len(bars), -len(bars) - 1):
        with pytest.raises(IndexError):
            there.bars[outside]
