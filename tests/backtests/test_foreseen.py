"""What is foreseen for all sessions at once against what is decided session by session: equal to the last bit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain import panel, simulated_pass
from domain.backtest import Noted
from domain.backtest_data import BacktestData
from domain.config import TradingConfig
from domain.decision_pass import conclude
from domain.decisions import Action, Assessment, DecisionRecord, PositionView, Recommendation
from domain.errors import InvalidInput
from domain.panel import BUY, NONE, UNSURE, WATCH, Layout, Panel, lay_out_all
from domain.panel_gates import NEAR, Candidates, judge
from domain.recommendation import SharedByRecords, cost_bp, decide, edge_bp
from domain.signals import Cut
from domain.simulation import PRE_OPEN, Simulation
from tests.decisions.builders import assessment
from tests.decisions.builders import item as evidence_item

from .any_market import CODE, AnyMarket, run_foreseen, run_watched
from .builders import at, data_of, market, news, request_for, walk

SEEDS = st.integers(0, 2**32)
FEW = settings(deadline=None, max_examples=40, derandomize=True)
CLOSE = 1e-12


def foresee(data: BacktestData, config: TradingConfig) -> Panel:
    found = laid_out(data, config)
    assert found is not None
    return found.panel(config)


def laid_out(data: BacktestData, config: TradingConfig) -> Layout | None:
    return lay_out_all(data, [one.opens_at - PRE_OPEN for one in data.sessions], config.signals, sessions=61)


def in_full(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Companies that are decided in full from now on."""
    asked: list[str] = []

    def counted(read: Cut, *given: Any, **options: Any) -> Any:
        asked.extend(one.symbol for one in read.inputs)
        return conclude(read, *given, **options)

    monkeypatch.setattr(simulated_pass, "conclude", counted)
    return asked


# -- the whole --------------------------------------------------------------------------------------------------------


@FEW
@given(SEEDS)
def test_run_when_the_market_is_any_then_every_byte_is_that_of_a_run_with_all_decided(seed: int) -> None:
    data, request = AnyMarket(seed).build()
    assert run_foreseen(data, request).model_dump_json() == run_watched(data, request).model_dump_json()


@settings(deadline=None, max_examples=15, derandomize=True)
@given(SEEDS, st.integers(1, 24))
def test_run_when_it_stops_and_goes_on_from_json_then_every_byte_stays(seed: int, stop: int) -> None:
    data, request = AnyMarket(seed).build()
    assert run_foreseen(data, request, stop=stop).model_dump_json() == run_watched(data, request).model_dump_json()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(SEEDS)
def test_run_when_trades_alone_are_noted_then_all_that_is_traded_stays(seed: int) -> None:
    data, request = AnyMarket(seed).build()
    trades = request.model_copy(update={"noted": Noted.TRADES})
    every, few = run_watched(data, request), run_foreseen(data, trades)
    traded = tuple(one for one in every.decisions if one.action in (Action.BUY, Action.SELL))
    assert few.model_dump_json() == every.model_copy(update={"decisions": traded}).model_dump_json()
    assert run_watched(data, trades) == few


def test_markets_when_they_are_drawn_then_all_that_can_happen_happens_in_some() -> None:
    actions: Counter[Action] = Counter()
    orders: Counter[str] = Counter()
    for seed in range(40):
        state = run_foreseen(*AnyMarket(seed).build())
        actions.update(one.action for one in state.decisions)
        orders.update(str(order.end) for order in state.orders)
    assert set(actions) == set(Action)
    assert orders.keys() >= {"filled", "expired"}


def test_run_when_little_changes_then_few_decisions_are_made_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [news("ACME", at(0, 1)), news("BOLT", at(1, 2), sentiment=0.1)]
    data = data_of(20, bars=[*walk("ACME", 20), *walk("BOLT", 20, seed=1)], evidence=told)
    asked = in_full(monkeypatch)
    state = Simulation(data, request_for(data), code_version=CODE).run()
    assert state.assessed == 39
    assert len(asked) < state.assessed / 2
    assert {one.symbol for one in state.decisions} <= set(asked)


def test_run_when_competitors_matter_then_few_decisions_are_made_in_full_and_all_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = market(8)
    asked = in_full(monkeypatch)
    state = run_foreseen(data, request_for(data))
    assert len(asked) < state.assessed
    assert state == run_watched(data, request_for(data))
    assert {"DYNE", "EDGE"} <= set(asked)  # it changes what is thought of them


def test_run_when_the_look_back_is_longer_than_the_calendar_seen_then_everything_is_decided_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = market(5)
    config = TradingConfig.model_validate({"signals": {"lookback_days": 300}})
    asked = in_full(monkeypatch)
    state = run_foreseen(data, request_for(data, config=config))
    assert len(asked) == state.assessed


def test_run_when_a_decision_is_not_what_was_certain_then_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(3, bars=walk("ACME", 3), evidence=[news("ACME", at(0, 1), sentiment=0.4)])
    config = TradingConfig.model_validate({"recommendation": {"watch_score": 0.05, "exit_score": 0.0}})
    assert foresee(data, config).codes(config)[0, 0] == WATCH
    base = panel.Panel.codes

    def with_a_rule_unknown(found: Panel, given: TradingConfig) -> panel.Codes:
        return np.where(base(found, given) == WATCH, NONE, WATCH).astype(np.int8)

    monkeypatch.setattr(panel.Panel, "codes", with_a_rule_unknown)
    told = replace(data, evidence={"ACME": [news("ACME", at(0, 1), sentiment=0.0)]})
    with pytest.raises(InvalidInput, match="FORESEEN_OTHERWISE: symbol=ACME"):
        run_foreseen(told, request_for(told, config=config))


# -- scores and codes -------------------------------------------------------------------------------------------------


@FEW
@given(SEEDS)
def test_scores_when_the_market_is_any_then_they_are_the_exact_ones_nearly(seed: int) -> None:
    data, request = AnyMarket(seed).build()
    assume(laid_out(data, request.config) is not None)
    ahead = foresee(data, request.config)
    codes = ahead.codes(request.config)
    candidates = dict(zip(zip(ahead.candidates.at, ahead.candidates.company, strict=True), count(), strict=False))
    rows = {one.opens_at - PRE_OPEN: number for number, one in enumerate(data.sessions)}
    assessed: Counter[int] = Counter()

    def compare(found: Recommendation, record: DecisionRecord) -> None:
        row, column = rows[found.as_of], ahead.names.index(found.symbol)
        assessed[row] += 1
        assert ahead.universe[row, column] or record.position.quantity > 0
        score, code = ahead.scores[row, column], codes[row, column]
        if not np.isnan(score):
            assert abs(score - found.assessment.score) < CLOSE
            compare_details(row, column, found.assessment)
        blocked = [gate.name for gate in found.gates if not gate.passed and gate.name in ENTRY]
        if code in (NONE, WATCH):
            assert blocked
            assert (abs(found.assessment.score) >= request.config.recommendation.watch_score) is bool(code == WATCH)
        elif code == BUY:
            assert not blocked
        if ahead.stays[row, column] != UNSURE:
            stays = next(gate for gate in found.gates if gate.name == "exit_score")
            assert stays.passed is bool(ahead.stays[row, column])

    def compare_details(row: int, column: int, exact: Assessment) -> None:
        number = candidates.get((row, column))
        if number is not None:
            found = ahead.candidates
            pairs = (
                (found.contradiction, exact.contradiction),
                (found.conviction, exact.conviction),
                (found.horizon, exact.horizon_td),
                (found.deviation, exact.daily_volatility),
                (found.dollar_volume, exact.average_dollar_volume),
                (found.last_close, exact.last_close),
            )
            for values, value in pairs:
                assert values[number] == pytest.approx(value, rel=1e-11, abs=CLOSE)

    run_watched(data, request, compare)
    for row, number in assessed.items():
        assert number >= np.count_nonzero(ahead.universe[row])


ENTRY = frozenset({"score", "conviction", "contradiction", "edge", "price_history", "price", "liquidity"})


def test_codes_when_a_score_lies_at_its_limit_then_it_is_not_said() -> None:
    data = data_of(2, bars=walk("ACME", 2), evidence=[news("ACME", at(0, 1), sentiment=0.4)])
    score = foresee(data, TradingConfig()).scores[0, 0]
    for off, code in ((0.0, UNSURE), (0.5 * NEAR, UNSURE), (-0.5 * NEAR, UNSURE), (5 * NEAR, NONE), (-5 * NEAR, WATCH)):
        config = TradingConfig.model_validate({"recommendation": {"watch_score": score + off}})
        assert foresee(data, config).codes(config)[0, 0] == code


# -- gates ------------------------------------------------------------------------------------------------------------

LEVEL = st.floats(0.001, 1)


@settings(deadline=None, max_examples=200)
@given(
    score=st.floats(0.25, 1),
    conviction=LEVEL,
    contradiction=st.floats(0, 1),
    horizon=st.floats(1, 60),
    deviation=st.one_of(st.just(0.0), st.floats(0.001, 0.1)),
    volume=st.one_of(st.just(0.0), st.floats(1e5, 1e9)),
    close=st.floats(1, 500),
    tier=st.sampled_from(("conservative", "moderate", "aggressive")),
)
def test_gates_when_a_candidate_is_any_then_they_are_those_of_a_recommendation(
    score: float,
    conviction: float,
    contradiction: float,
    horizon: float,
    deviation: float,
    volume: float,
    close: float,
    tier: str,
) -> None:
    config = TradingConfig.for_tier(tier)
    exact = assessment(
        score=score,
        conviction=conviction,
        contradiction=contradiction,
        horizon_td=horizon,
        daily_volatility=deviation,
        average_dollar_volume=volume,
        last_close=close,
    )
    one = Candidates(
        at=np.zeros(1, dtype=np.int64),
        company=np.zeros(1, dtype=np.int64),
        score=np.array([score]),
        contradiction=np.array([contradiction]),
        conviction=np.array([conviction]),
        horizon=np.array([horizon]),
        deviation=np.array([deviation]),
        dollar_volume=np.array([volume]),
        last_close=np.array([close]),
    )
    judged = judge(one, config)
    passed = {gate.name: gate.passed for gate in _decided(exact, config).gates}
    opens = all(passed[name] for name in ENTRY)
    assert not (judged.open[0] and not opens)
    assert not (judged.shut[0] and opens)
    if not judged.open[0] and not judged.shut[0]:
        assert opens or near(exact, config)


def near(exact: Assessment, config: TradingConfig) -> bool:
    """Whether something lies at its limit, which leaves a candidate to the exact computation."""
    rules, limits = config.recommendation, config.limits
    pairs = (
        (exact.score, rules.buy_score),
        (exact.conviction, limits.min_conviction),
        (exact.contradiction, rules.maximum_contradiction),
        (edge_bp(exact, config), rules.edge_over_cost * cost_bp(exact, config)),
        (exact.last_close, float(limits.min_price)),
        (exact.average_dollar_volume, float(limits.min_adv20)),
    )
    return any(abs(value - limit) <= 2e-6 * max(1.0, abs(limit)) for value, limit in pairs)


def _decided(exact: Assessment, config: TradingConfig) -> Recommendation:
    shared = SharedByRecords.of(config, (), CODE)
    record = shared.record(
        symbol=exact.symbol,
        as_of=exact.as_of,
        evidence=(evidence_item(),),
        market=None,
        position=PositionView(),
        previous=Action.NONE,
        macro=0.0,
        competitive=0.0,
        terms=(),
    )
    return decide(record, exact, shared.hash_of(record))
