"""What is measured of a pair: which events count, in which session, and nothing from the future."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comovement import CoMovement, estimate_comovement, event_abnormal_returns
from domain.comovement_measurement import PairInputs, measure_pairs
from domain.kernels import Floats
from domain.layer_config import ComovementConfig
from domain.market import CorporateAction
from tests.decisions.builders import PROPERTY

from .prices import CLOSE, bars_of, real_bars, weekdays

CONFIG = ComovementConfig()
DAYS = weekdays(300)
AS_OF = datetime.combine(DAYS[-1], CLOSE)
EVENTS = tuple(range(150, 290, 7))
"""Sessions in which both move by the same shock."""


def noise(seed: int) -> Floats:
    return np.random.default_rng(seed).normal(0.0, 0.01, len(DAYS))


def morning(day: date) -> datetime:
    return datetime.combine(day, CLOSE) - timedelta(hours=8)


def shocked() -> dict[str, Floats]:
    index, shocks = noise(1), np.zeros(len(DAYS))
    shocks[list(EVENTS)] = np.random.default_rng(7).choice((-0.03, 0.03), len(EVENTS))
    return {
        "SPY": index,
        "ACME": index + 0.5 * shocks + 0.3 * noise(2),
        "BETA": 1.2 * index + shocks + 0.3 * noise(3),
        "CYAN": 0.9 * index + 0.3 * noise(4),
    }


def pair(events: Sequence[datetime] = (), **changes: object) -> PairInputs:
    """ACME against BETA, on which a document came out on the mornings of the shocks."""
    told = [(instant, instant) for instant in events or [morning(DAYS[at]) for at in EVENTS]]
    inputs = PairInputs(
        symbol="ACME",
        as_of=AS_OF,
        bars={symbol: bars_of(symbol, returns, DAYS) for symbol, returns in shocked().items()},
        events={"BETA": told},
    )
    return replace(inputs, **changes)  # type: ignore[arg-type]


def test_pair_when_both_move_at_the_events_of_one_then_it_is_their_correlation() -> None:
    (found,) = measure_pairs(pair(), CONFIG)
    returns = shocked()
    theirs, ours = (event_abnormal_returns(returns[name], returns["SPY"], EVENTS, CONFIG) for name in ("BETA", "ACME"))
    expected = estimate_comovement(theirs, ours)
    assert found.comovement.rho == pytest.approx(expected.rho, abs=1e-5)
    assert found.comovement.rho > 0.9
    assert (found.comovement.n, found.told) == (len(EVENTS), len(EVENTS))
    assert (found.first_event, found.last_event) == (DAYS[EVENTS[0]], DAYS[EVENTS[-1]])


def test_pair_when_a_document_comes_out_after_a_close_then_the_next_session_counts() -> None:
    on = EVENTS[0]
    before = datetime.combine(DAYS[on - 1], CLOSE)
    for came_out in (before, before + timedelta(hours=3), morning(DAYS[on])):
        (found,) = measure_pairs(pair([came_out]), CONFIG)
        assert found.first_event == DAYS[on]
    (earlier,) = measure_pairs(pair([before - timedelta(seconds=1)]), CONFIG)
    assert earlier.first_event == DAYS[on - 1]


def test_pair_when_several_documents_come_out_in_a_session_then_it_counts_once() -> None:
    on = morning(DAYS[EVENTS[0]])
    (found,) = measure_pairs(pair([on, on + timedelta(minutes=1), on + timedelta(hours=7)]), CONFIG)
    assert (found.told, found.comovement.n) == (1, 1)


def test_pair_when_nothing_can_be_measured_then_it_is_unknown_and_says_how_much_was_told() -> None:
    early, after = morning(DAYS[20]), AS_OF + timedelta(hours=1)
    (few,) = measure_pairs(pair([early]), CONFIG)
    assert (few.comovement, few.told, few.first_event) == (CoMovement(), 1, None)
    (none,) = measure_pairs(pair([after], as_of=AS_OF), CONFIG)
    assert (none.comovement, none.told) == (CoMovement(), 0)
    (old,) = measure_pairs(pair(), ComovementConfig(window_sessions=3))
    assert (old.comovement, old.told) == (CoMovement(), 0)
    without = {symbol: bars for symbol, bars in pair().bars.items() if symbol != "SPY"}
    (no_market,) = measure_pairs(pair(bars=without), CONFIG)
    assert (no_market.comovement, no_market.told) == (CoMovement(), 0)
    unpriced = {symbol: bars for symbol, bars in pair().bars.items() if symbol != "BETA"}
    (no_prices,) = measure_pairs(pair(bars=unpriced), CONFIG)
    assert (no_prices.comovement, no_prices.told) == (CoMovement(), len(EVENTS))


def test_pair_when_a_split_falls_on_an_event_then_it_is_no_shock() -> None:
    inputs = pair()
    on = DAYS[EVENTS[3]]
    halved = [
        replace(
            each,
            bar=each.bar.model_copy(
                update={name: getattr(each.bar, name) / 2 for name in ("open", "high", "low", "close")}
            ),
        )
        if each.bar.session >= on
        else each
        for each in inputs.bars["BETA"]
    ]
    split = CorporateAction(symbol="BETA", ex_date=on, split_ratio=Decimal(2))
    bars = {**inputs.bars, "BETA": halved}
    (found,) = measure_pairs(replace(inputs, bars=bars, actions=[split]), CONFIG)
    (expected,) = measure_pairs(inputs, CONFIG)
    assert found.comovement.rho == pytest.approx(expected.comovement.rho, abs=1e-4)
    (ignored,) = measure_pairs(replace(inputs, bars=bars), CONFIG)
    assert abs(ignored.comovement.rho - expected.comovement.rho) > 0.001


@PROPERTY
@given(st.integers(160, 298), st.integers(0, 1_000), st.integers(0, 20))
def test_pair_when_the_future_changes_then_it_is_the_same(cut: int, seed: int, hours: int) -> None:
    """Bars, actions and documents that were known later have no effect, to the last bit."""
    as_of = datetime.combine(DAYS[cut], CLOSE) + timedelta(hours=hours)
    inputs = pair(as_of=as_of)
    known = [(published, since) for published, since in inputs.events["BETA"] if since <= as_of]
    wild = np.random.default_rng(seed).normal(0.0, 0.2, len(DAYS))
    bars = {
        symbol: [*series[: cut + 1], *bars_of(symbol, wild, DAYS)[cut + 1 :]] for symbol, series in inputs.bars.items()
    }
    later = as_of + timedelta(microseconds=1)
    events = {"BETA": [*known, *((morning(DAYS[at]), later) for at in range(0, cut, 5))]}
    actions = [
        CorporateAction(symbol=symbol, ex_date=day, split_ratio=Decimal(3), cash_dividend=Decimal(7))
        for symbol in bars
        for day in DAYS[cut + 1 :: 9]
    ]
    changed = replace(inputs, bars=bars, events=events, actions=actions)
    assert measure_pairs(changed, CONFIG) == measure_pairs(replace(inputs, events={"BETA": known}), CONFIG)


def test_pair_when_prices_are_real_then_banks_move_together_more_than_with_a_grocer() -> None:
    """Mondays as events, which say nothing of either: what moves Bank of America moves Citigroup, and not Costco."""
    bars = real_bars(["BAC", "C", "COST", "SPY"], "2013-01-01", "2016-12-31")
    events = [
        (datetime.combine(day, CLOSE) - timedelta(hours=7),) * 2
        for day in (each.bar.session for each in bars["SPY"])
        if day.weekday() == 0
    ]
    as_of = datetime(2016, 12, 31, tzinfo=UTC)
    found = {
        symbol: measure_pairs(PairInputs(symbol=symbol, as_of=as_of, bars=bars, events={"BAC": events}), CONFIG)[
            0
        ].comovement
        for symbol in ("C", "COST")
    }
    assert found["C"].n > 100
    assert found["C"].rho > 0.4 > found["COST"].rho + 0.2
