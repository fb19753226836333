import math
from datetime import timedelta
from typing import Any

import pytest

from domain.config import SignalConfig, TradingConfig
from domain.decisions import Assessment, EvidenceItem, Layer, MarketWindow
from domain.documents import Credibility
from domain.errors import InvalidInput
from domain.extraction import EntityRole, EventType, Materiality
from domain.signals import assess

from .builders import AS_OF, SESSIONS, item, window

CONFIG = TradingConfig()


def judge(*evidence: EvidenceItem, market: MarketWindow | None = None, **options: Any) -> Assessment:
    arguments: dict[str, Any] = {
        "as_of": AS_OF, "session_dates": SESSIONS, "market": market, "config": CONFIG, "symbol": "ACME", **options,
    }  # fmt: skip
    return assess(evidence, **arguments)


def aged(days: int, name: str = "a", **changes: object) -> EvidenceItem:
    """An item exactly `days` trading days old: the same minute of an earlier session."""
    session = [day for day in SESSIONS if day <= AS_OF.date()][-1 - days]
    return item(name, available_at=AS_OF.replace(month=session.month, day=session.day), **changes)


def test_assess_when_one_perfect_filing_then_layer_score_is_half() -> None:
    found = judge(item())
    assert found.window_scores == pytest.approx((0.5,) * 3)
    assert found.company == pytest.approx(0.5)
    assert found.composite == found.score == pytest.approx(0.6 * 0.5)
    assert found.conviction == found.score
    assert found.probability == pytest.approx(0.5 + 0.1 * found.score)
    assert (found.contradiction, found.effective_documents, found.trend) == (0.0, pytest.approx(1.0), 0.0)
    assert found.horizon_td == pytest.approx(14.4)
    assert found.evidence_count == 1


def test_assess_when_two_stories_by_hand_then_every_number_agrees() -> None:
    """Guidance of five trading days ago, at 2^-.5, against a fresh mention by an aggregator, which it confirms."""
    good = aged(5, "good")
    bad = item("bad", role=EntityRole.MENTION, credibility=Credibility.AGGREGATOR, sentiment=-0.5, confidence=0.8)
    found = judge(good, bad)
    w_good, w_bad = 2**-0.5, 0.3 * 0.4 * 0.8
    s1 = -0.5 * w_bad / (1 + w_bad)
    s7 = (w_good - 0.5 * w_bad) / (1 + w_good + w_bad)
    assert found.window_scores == pytest.approx((s1, s7, s7))
    assert found.company == pytest.approx(0.2 * s1 + 0.8 * s7)
    absolute = w_good + 0.5 * w_bad
    assert found.contradiction == pytest.approx(1 - (w_good - 0.5 * w_bad) / absolute)
    assert found.effective_documents == pytest.approx((w_good + w_bad) ** 2 / (w_good**2 + w_bad**2))
    assert found.conviction == pytest.approx(found.score * (1 - 0.5 * found.contradiction))
    a_good = 0.8 * w_good / (1 + w_good + w_bad)
    a_bad = 0.5 * w_bad * (0.2 / (1 + w_bad) + 0.8 / (1 + w_good + w_bad))
    assert found.horizon_td == pytest.approx(1.44 * (a_good * 10 + a_bad * 15) / (a_good + a_bad))
    terms = {term.evidence_id: term for term in found.attributions}
    assert terms["ev-good"].nano == pytest.approx(0.6e9 * a_good, abs=2)
    assert terms["ev-bad"].nano == pytest.approx(-0.6e9 * a_bad, abs=2)
    assert terms["ev-good"].weight == pytest.approx(0.8 * w_good)
    assert terms["ev-bad"].weight == pytest.approx(w_bad)
    assert terms["ev-good"].age_td == pytest.approx(5.0)


@pytest.mark.parametrize(("event", "half_life"), [(EventType.RUMOUR, 1), (EventType.GUIDANCE, 10)])
@pytest.mark.parametrize(("sentiment", "factor"), [(1.0, 1.0), (-1.0, 1.5)])
def test_assess_when_a_half_life_has_passed_then_weight_is_half(
    event: EventType, half_life: int, sentiment: float, factor: float
) -> None:
    always = TradingConfig(signals=SignalConfig(windows=(30, 30, 30)))
    young = judge(item(event_type=event, sentiment=sentiment), config=always).attributions[0]
    old = judge(aged(half_life, event_type=event, sentiment=sentiment), config=always).attributions[0]
    assert old.weight / young.weight == pytest.approx(2 ** (-1 / factor))


@pytest.mark.parametrize(
    ("days", "inside"),
    [(0, (1, 1, 1)), (1, (1, 1, 1)), (2, (0, 1, 1)), (7, (0, 1, 1)), (8, (0, 0, 1)), (30, (0, 0, 1))],
)
def test_assess_when_evidence_ages_then_it_leaves_the_windows_one_by_one(
    days: int, inside: tuple[int, int, int]
) -> None:
    assert tuple(score != 0.0 for score in judge(aged(days)).window_scores) == tuple(bool(one) for one in inside)


def test_assess_when_evidence_is_older_than_30_trading_days_then_it_is_not_there() -> None:
    assert judge(aged(31)) == judge()
    assert judge(aged(31)).attributions[-1].layer is Layer.MARKET
    assert len(judge(aged(31)).attributions) == 1


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        ({"role": EntityRole.SUPPLIER}, 0.6),
        ({"role": EntityRole.MENTION}, 0.3),
        ({"role": EntityRole.TARGET}, 1.0),
        ({"materiality": Materiality.MEDIUM}, 0.6),
        ({"materiality": Materiality.LOW}, 0.3),
        ({"credibility": Credibility.SOCIAL}, 0.2 * 0.6),
        ({"credibility": Credibility.AGGREGATOR}, 0.4 * 0.6),
        ({"confidence": 0.5}, 0.5),
        ({"quote_validity": 0.25}, 0.25),
    ],
)
def test_assess_when_quality_is_lower_then_weight_is_lower_in_proportion(
    change: dict[str, object], factor: float
) -> None:
    assert judge(item(**change)).attributions[0].weight == pytest.approx(factor)


def test_assess_when_nothing_is_known_then_everything_is_zero() -> None:
    found = judge()
    assert (found.score, found.score_nano, found.confirmation, found.conviction) == (0.0, 0, 0.0, 0.0)
    assert (found.probability, found.horizon_td, found.evidence_count) == (0.5, 1.0, 0)
    assert (found.daily_volatility, found.average_dollar_volume, found.last_close) == (0.0, 0.0, 0.0)


def test_assess_when_other_layers_are_given_then_they_are_weighed() -> None:
    found = judge(item(), macro=0.4, competitive=-0.2)
    assert found.composite == pytest.approx(0.6 * 0.5 + 0.25 * 0.4 - 0.15 * 0.2)
    by_layer = {term.layer: term.nano for term in found.attributions}
    assert by_layer[Layer.MACRO] == 100_000_000
    assert by_layer[Layer.COMPETITIVE] == -30_000_000


def test_assess_when_a_layer_is_off_then_nothing_else_changes() -> None:
    off = TradingConfig(signals=SignalConfig(macro_enabled=False))
    found, without = judge(item(), macro=0.4, config=off), judge(item())
    assert found.model_copy(update={"macro": 0.0}) == without


def trending(volumes: list[float] | None = None) -> MarketWindow:
    closes = [50.0 * math.exp(0.004 * n + 0.01 * ((-1) ** n)) for n in range(80)]
    return window(closes, volumes)


def by_hand(market: MarketWindow, sign: float) -> tuple[float, float, float, float]:
    """Confirm in the plainest way: m, the damping factor, and the volatilities over 60 and 5 sessions."""
    closes = market.closes
    returns = [math.log(b / a) for a, b in zip(closes[-61:], closes[-60:], strict=False)]
    mean = sum(returns) / 60
    sd = math.sqrt(sum((one - mean) ** 2 for one in returns) / 59)
    last = returns[-5:]
    burst = math.sqrt(sum((one - sum(last) / 5) ** 2 for one in last) / 4)
    trend = math.tanh(math.log((sum(closes[-20:]) / 20) / (sum(closes[-50:]) / 50)) / (5 * sd))
    move = math.tanh(math.log(closes[-1] / closes[-6]) / (sd * math.sqrt(5)))
    usual = market.volumes[-21:-1]
    average = sum(usual) / 20
    spread = math.sqrt(sum((one - average) ** 2 for one in usual) / 19)
    z = (market.volumes[-1] - average) / spread if spread else 0.0
    m = sign * (0.6 * trend + 0.4 * move * (0.5 + 0.5 * min(1.0, max(0.0, z / 2))))
    return min(1.0, max(-1.0, m)), min(1.0, 1.5 * sd / burst) if burst else 1.0, sd, burst


@pytest.mark.parametrize("sentiment", [1.0, -1.0])
@pytest.mark.parametrize("last_volume", [1e6, 2.01e6, 9e6])
def test_confirmation_when_prices_trend_then_it_agrees_with_the_formula(sentiment: float, last_volume: float) -> None:
    market = trending([2e6 + 1e4 * (n % 5) for n in range(79)] + [last_volume])
    found = judge(item(sentiment=sentiment), market=market)
    m, damping, deviation, _ = by_hand(market, math.copysign(1.0, sentiment))
    assert found.confirmation == pytest.approx(m)
    assert found.daily_volatility == pytest.approx(deviation)
    assert found.score == pytest.approx(found.composite * (1 + 0.25 * m) * damping)
    assert math.copysign(1.0, found.confirmation) == sentiment


def test_confirmation_when_volatility_bursts_then_the_score_is_damped() -> None:
    closes = [50.0 + 0.1 * ((-1) ** n) for n in range(75)] + [50.0, 60.0, 48.0, 61.0, 50.0]
    found = judge(item(), market=window(closes))
    m, damping, _, _ = by_hand(window(closes), 1.0)
    assert damping < 0.7
    assert found.score == pytest.approx(found.composite * (1 + 0.25 * m) * damping)


@pytest.mark.parametrize(("bars", "known"), [(0, False), (1, False), (60, False), (61, True), (62, True)])
def test_confirmation_when_bars_are_around_61_then_fewer_give_none(bars: int, known: bool) -> None:
    market = window([50.0 * math.exp(0.01 * n + 0.01 * ((-1) ** n)) for n in range(bars)])
    found = judge(item(), market=market)
    assert (found.confirmation != 0.0, found.daily_volatility > 0.0) == (known, known)
    assert found.last_close == (market.closes[-1] if bars else 0.0)
    assert (found.average_dollar_volume > 0.0) == (bars > 0)


def test_confirmation_when_price_never_moves_then_it_is_zero() -> None:
    found = judge(item(), market=window([50.0] * 80, [1e6] * 80))
    assert (found.confirmation, found.daily_volatility, found.score) == (0.0, 0.0, found.composite)
    assert found.average_dollar_volume == 5e7


def test_liquidity_when_volumes_differ_then_the_last_twenty_sessions_count() -> None:
    market = window([10.0] * 80, [1e9] * 60 + [1e6] * 10 + [3e6] * 10)
    assert judge(market=market).average_dollar_volume == 2e7


def test_market_when_bars_are_older_than_what_is_read_then_they_have_no_effect() -> None:
    market = trending()
    longer = window([1.0] * 20 + list(market.closes), [7.0] * 20 + list(market.volumes))
    assert judge(item(), market=longer) == judge(item(), market=market)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"evidence": [item(symbol="OTHR")]}, "MIXED_SYMBOLS"),
        ({"market": window(symbol="OTHR")}, "MIXED_SYMBOLS"),
        ({"symbol": ""}, "MISSING_SYMBOL"),
        ({"macro": 1.01}, "SCORE_OUT_OF_RANGE"),
        ({"competitive": math.nan}, "SCORE_OUT_OF_RANGE"),
        ({"market": window([50.0] * 79 + [0.0])}, "INVALID_BAR"),
        ({"market": window([50.0] * 79 + [math.nan])}, "INVALID_BAR"),
        ({"market": window([50.0] * 80, [1e6] * 79 + [-1.0])}, "INVALID_BAR"),
        ({"market": MarketWindow(symbol="ACME", sessions=(), closes=(1.0,), volumes=(1.0,))}, "UNEQUAL_BARS"),
        ({"session_dates": SESSIONS[::-1]}, "SESSIONS_NOT_ASCENDING"),
    ],
)
def test_assess_when_inputs_contradict_each_other_then_it_says_which(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput, match=code):
        judge(*changes.pop("evidence", ()), **changes)


def test_assess_when_a_copy_is_told_then_it_is_shown_with_nothing() -> None:
    words = tuple(range(20))
    first = item("a", minutes_ago=60, shingles=words)
    found = judge(first, item("b", shingles=words))
    terms = {term.evidence_id: term for term in found.attributions}
    assert (terms["ev-b"].nano, terms["ev-b"].weight, terms["ev-b"].novelty) == (0, 0.0, 0.0)
    assert found.score == judge(first).score
    assert found.evidence_count == 1


def test_assess_when_story_is_partly_known_then_novelty_scales_its_weight() -> None:
    first = item("a", minutes_ago=60, shingles=tuple(range(50)), sentiment=0.0)
    found = judge(first, item("b", shingles=tuple(range(25, 75))))
    assert found.attributions[1].novelty == pytest.approx(2 / 3)
    assert found.attributions[1].weight == pytest.approx(2 / 3)


def test_assess_when_as_of_moves_then_score_decays_to_zero() -> None:
    dates = [AS_OF + timedelta(days=7 * n) for n in range(8)]
    scores = [abs(judge(item(), as_of=when).score) for when in dates]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.28
    assert scores[-1] == 0.0
