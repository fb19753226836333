import hashlib
import json
import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import Tier, TradingConfig
from domain.decisions import (
    Action,
    DecisionRecord,
    EvidenceItem,
    Gate,
    MarketWindow,
    PositionView,
    Recommendation,
)
from domain.errors import InvalidInput
from domain.recommendation import cost_bp, edge_bp, recommend, reconfigured, replay
from domain.record_text import record_hash
from domain.signals import assess
from domain.sizing import weight_without_edge

from .builders import AS_OF, PROPERTY, SESSIONS, assessment, evidence_lists, item, window, windows

CONFIG = TradingConfig()
FLAT = PositionView()
HELD = PositionView(quantity=Decimal(10), average_price=Decimal(50), sessions_held=5)


def decide(
    evidence: list[EvidenceItem],
    *,
    market: MarketWindow | None = None,
    position: PositionView = FLAT,
    previous: Action = Action.NONE,
    config: TradingConfig = CONFIG,
    **layers: float,
) -> tuple[Recommendation, DecisionRecord]:
    judged = assess(
        evidence, as_of=AS_OF, session_dates=SESSIONS, market=market, config=config, symbol="ACME", **layers
    )
    return recommend(
        judged,
        previous=previous,
        position=position,
        config=config,
        evidence=evidence,
        market=market,
        code_version="test",
        session_dates=SESSIONS,
    )


def scored(score: float, position: PositionView = FLAT, **options: Any) -> Recommendation:
    """Decide on calm bars with a composite of exactly `score`, made by an imagined macro layer of full weight."""
    quiet = {
        "signals": {
            "company_weight": 0,
            "macro_weight": 1,
            "competitive_weight": 0,
            "confirmation": {"strength": 0},
            "horizon_minimum": 10,
        }
    }
    config = TradingConfig.model_validate({**quiet, **options.pop("config", {})})
    market = options.pop("market", window())
    return decide([], market=market, position=position, config=config, macro=score, **options)[0]


def gate(found: Recommendation, name: str) -> Gate:
    return next(one for one in found.gates if one.name == name)


positions = st.builds(
    PositionView,
    quantity=st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(100)]),
    average_price=st.sampled_from([Decimal(0), Decimal("12.345678")]),
    sessions_held=st.integers(0, 5),
    sessions_since_exit=st.none() | st.integers(0, 4),
)


@pytest.mark.parametrize(
    ("score", "flat", "held"),
    [
        (0.2499, Action.WATCH, Action.HOLD),
        (0.25, Action.BUY, Action.BUY),
        (0.2501, Action.BUY, Action.BUY),
        (0.15, Action.WATCH, Action.HOLD),
        (0.1499, Action.NONE, Action.HOLD),
        (0.0501, Action.NONE, Action.HOLD),
        (0.05, Action.NONE, Action.SELL),
        (0.0499, Action.NONE, Action.SELL),
        (0.0, Action.NONE, Action.SELL),
        (-0.1499, Action.NONE, Action.SELL),
        (-0.15, Action.WATCH, Action.SELL),
        (-0.9, Action.WATCH, Action.SELL),
    ],
)
def test_action_when_score_is_around_a_threshold_then_it_follows_the_table(
    score: float, flat: Action, held: Action
) -> None:
    assert scored(score).action is flat
    assert scored(score, HELD).action is held


@PROPERTY
@given(st.lists(st.floats(0.05, 0.25, exclude_min=True, exclude_max=True), min_size=1, max_size=5), st.booleans())
def test_action_when_score_oscillates_between_exit_and_buy_then_nothing_trades(
    scores: list[float], holding: bool
) -> None:
    previous = Action.NONE
    for score in scores:
        found = scored(score, HELD if holding else FLAT, previous=previous)
        assert found.action not in (Action.BUY, Action.SELL)
        previous = found.action


@pytest.mark.parametrize(("held", "action"), [(0, Action.HOLD), (1, Action.SELL), (2, Action.SELL)])
def test_sell_when_position_is_young_then_the_minimum_hold_keeps_it(held: int, action: Action) -> None:
    found = scored(-0.5, HELD.model_copy(update={"sessions_held": held}))
    assert found.action is action
    assert gate(found, "minimum_hold").passed is (action is Action.SELL)


@pytest.mark.parametrize(
    ("since", "action"), [(0, Action.WATCH), (1, Action.WATCH), (2, Action.BUY), (3, Action.BUY), (None, Action.BUY)]
)
def test_buy_when_just_sold_then_the_cool_down_delays_it(since: int | None, action: Action) -> None:
    found = scored(0.4, PositionView(sessions_since_exit=since))
    assert found.action is action
    assert any(reason.startswith("COOLING_DOWN") for reason in found.reasons) is (action is Action.WATCH)


@pytest.mark.parametrize(
    ("closes", "volumes", "code"),
    [
        ([4.99 + 0.004 * ((-1) ** n) for n in range(80)], [9e7] * 80, "PRICE_TOO_LOW"),
        (None, [90_000.0] * 80, "LIQUIDITY_TOO_LOW"),
        ([50.0 + (n % 2) for n in range(60)], [9e7] * 60, "TOO_FEW_BARS"),
    ],
)
def test_buy_when_the_market_is_unfit_then_it_is_watched_with_the_reason(
    closes: list[float] | None, volumes: list[float], code: str
) -> None:
    size = len(volumes)
    market = window(closes or [50.0 + 0.5 * ((-1) ** n) for n in range(size)], volumes)
    found = scored(0.5, market=market)
    assert found.action is Action.WATCH
    assert any(reason.startswith(code) for reason in found.reasons)


@pytest.mark.parametrize(("conviction", "action"), [(0.31, Action.WATCH), (0.3, Action.BUY), (0.29, Action.BUY)])
def test_buy_when_conviction_is_around_the_minimum_then_the_gate_decides(conviction: float, action: Action) -> None:
    found = scored(0.3, config={"limits": {"min_conviction": conviction}})
    assert found.action is action
    assert gate(found, "conviction").passed is (action is Action.BUY)


def test_buy_when_cost_eats_the_edge_then_it_is_watched() -> None:
    found = scored(0.5, config={"recommendation": {"half_spread_bp": 60}})
    assert found.action is Action.WATCH
    assert [reason.split(":")[0] for reason in found.reasons] == ["EDGE_BELOW_COST"]


def test_buy_when_evidence_contradicts_itself_then_it_is_watched() -> None:
    evidence = [item("a"), item("b", sentiment=-0.6)]
    found, _ = decide(evidence, market=window(), macro=1.0)
    assert found.assessment.contradiction > 0.6
    assert found.action is Action.WATCH
    assert any(reason.startswith("CONTRADICTORY_EVIDENCE") for reason in found.reasons)


def test_gates_when_action_differs_then_their_order_is_the_same() -> None:
    names = [
        "score", "conviction", "contradiction", "edge", "price_history", "price", "liquidity", "cool_down",
        "exit_score", "minimum_hold",
    ]  # fmt: skip
    for score in (-0.5, 0.0, 0.2, 0.5):
        assert [one.name for one in scored(score, HELD).gates] == names
        assert [one.name for one in scored(score).gates] == names


def test_edge_and_cost_when_computed_by_hand_then_they_agree() -> None:
    judged = assessment(score=0.3, conviction=0.3, daily_volatility=0.02, horizon_td=9.0)
    assert edge_bp(judged, CONFIG) == pytest.approx(1e4 * 0.02 * 0.02 * 3.0 * 1.5)
    weight = min((0.10 / math.sqrt(10)) / (0.02 * math.sqrt(252)) * 0.6, 0.05)
    assert weight_without_edge(judged, CONFIG.sizing) == pytest.approx(weight)
    assert cost_bp(judged, CONFIG) == pytest.approx(
        2 * (2.5 + 1e4 * 0.7 * 0.02 * math.sqrt(weight * 100_000 / 100_000_000))
    )


@pytest.mark.parametrize(("score", "standard"), [(0.39, 1.95), (0.4, 2.0), (0.41, 2.0), (-0.9, -2.0), (0.0, 0.0)])
def test_edge_when_score_is_large_then_it_is_capped(score: float, standard: float) -> None:
    judged = assessment(score=score, horizon_td=4.0)
    assert edge_bp(judged, CONFIG) == pytest.approx(1e4 * 0.02 * 0.02 * 2.0 * standard)


def test_buy_when_two_perfect_stories_arrive_then_the_thesis_cites_them() -> None:
    evidence = [item("a"), item("b", minutes_ago=600, title='Acme "wins"\nbig\x07 order', sentiment=0.9)]
    found, record = decide(evidence, market=window(), previous=Action.WATCH)
    assert found.action is Action.BUY
    assert found.thesis.startswith("ACME: buy (before: watch).")
    assert '"Acme raises guidance (a)" (wire, 2014-07-16) carries +0.' in found.thesis
    assert ': "Acme raised its full-year guidance".' in found.thesis
    assert "\"Acme 'wins' big order\"" in found.thesis
    assert '"Acme raises guidance (a)" is corrected, withdrawn or denied.' in found.invalidation
    assert found.record_hash == record_hash(record)
    assert found.config_version == CONFIG.version()
    assert record.evidence == tuple(sorted(evidence, key=lambda one: one.available_at))


def test_thesis_when_nothing_is_known_then_it_says_so() -> None:
    found, _ = decide([])
    assert found.action is Action.NONE
    assert "No evidence bears on it." in found.thesis
    assert found.invalidation == ()
    assert found.reasons == ("SCORE_TOO_SMALL: value=0, limit=0.15",)


@PROPERTY
@given(
    evidence_lists(),
    windows(),
    positions,
    st.sampled_from(Action),
    st.sampled_from(Tier),
    st.floats(-1, 1),
    st.floats(-1, 1),
)
def test_replay_when_inputs_are_any_then_it_is_byte_equal(
    evidence: list[EvidenceItem],
    market: MarketWindow | None,
    position: PositionView,
    previous: Action,
    tier: Tier,
    macro: float,
    competitive: float,
) -> None:
    found, record = decide(
        evidence,
        market=market,
        position=position,
        previous=previous,
        config=TradingConfig.for_tier(tier),
        macro=macro,
        competitive=competitive,
    )
    assert replay(record).model_dump_json() == found.model_dump_json()
    stored = DecisionRecord.model_validate_json(record.model_dump_json())
    assert replay(stored).model_dump_json() == found.model_dump_json()
    unordered = DecisionRecord.model_validate(json.loads(json.dumps(record.model_dump(mode="json"), sort_keys=True)))
    assert replay(unordered).model_dump_json() == found.model_dump_json()
    assert record_hash(unordered) == found.record_hash


@PROPERTY
@given(evidence_lists(), windows())
def test_record_hash_when_parts_of_it_are_remembered_then_it_is_that_of_its_plain_json(
    evidence: list[EvidenceItem], market: MarketWindow | None
) -> None:
    recommendation, record = decide(evidence, market=market)
    plain = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert recommendation.record_hash == record_hash(record) == hashlib.sha256(plain.encode()).hexdigest()


@pytest.mark.parametrize("microsecond", [0, 7, 123_000])
def test_record_hash_when_texts_and_instants_are_unusual_then_it_is_that_of_its_plain_json(microsecond: int) -> None:
    told = (AS_OF - timedelta(minutes=5)).replace(microsecond=microsecond)
    odd = item(
        "odd",
        available_at=told,
        title='Caf\u00e9 "\u682a"\n\x07\\',
        sentiment=-0.0,
        confidence=1e-7,
        shingles=(1, 2**62),
    )
    recommendation, record = decide([odd, item("plain")], market=window())
    plain = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert recommendation.record_hash == hashlib.sha256(plain.encode()).hexdigest()


@PROPERTY
@given(evidence_lists(), windows(), st.permutations(range(12)))
def test_recommendation_when_evidence_is_reordered_or_lies_ahead_then_its_id_stays(
    evidence: list[EvidenceItem], market: MarketWindow | None, order: list[int]
) -> None:
    changed = [evidence[at] for at in order if at < len(evidence)]
    changed.append(item("later", available_at=AS_OF + timedelta(seconds=1)))
    assert decide(changed, market=market)[0] == decide(evidence, market=market)[0]


def test_recommendation_when_any_input_differs_then_its_id_differs() -> None:
    base = decide([item()], market=window())[0].recommendation_id
    others = [
        decide([item(sentiment=0.99)], market=window()),
        decide([item()], market=window([51.0 + 0.5 * (n % 2) for n in range(80)])),
        decide([item()], market=window(), position=HELD),
        decide([item()], market=window(), previous=Action.BUY),
        decide([item()], market=window(), config=TradingConfig.for_tier("aggressive")),
    ]
    assert len({base, *(found.recommendation_id for found, _ in others)}) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"evidence": []},
        {"market": None},
        {"config": TradingConfig.model_validate({"signals": {"kappa": 2}})},
        {"session_dates": SESSIONS[::5]},
        {"half": True},
    ],
)
def test_recommend_when_the_assessment_comes_from_other_inputs_then_it_is_refused(change: dict[str, Any]) -> None:
    evidence = [item(minutes_ago=10_000)]
    judged = assess(evidence, as_of=AS_OF, session_dates=SESSIONS, market=window(), config=CONFIG)
    arguments: dict[str, Any] = {
        "previous": Action.NONE,
        "position": FLAT,
        "config": CONFIG,
        "evidence": evidence,
        "market": window(),
        "code_version": "test",
        "session_dates": SESSIONS,
    }
    if change.pop("half", False):
        judged = judged.model_copy(update={"score": judged.score / 2})
    with pytest.raises(InvalidInput, match="ASSESSMENT_NOT_REPRODUCIBLE"):
        recommend(judged, **{**arguments, **change})


def test_reconfigured_when_another_tier_is_asked_then_the_frozen_inputs_stay() -> None:
    config = TradingConfig.for_tier("conservative")
    found, record = decide([item()], market=window(), macro=0.0)
    other = reconfigured(record, config)
    assert other.config == config
    assert replay(other).config_version == config.version()
    assert found.action is Action.BUY
    assert replay(other).action is Action.WATCH
    assert replay(record) == found
    assert (other.evidence, other.market) == (record.evidence, record.market)
