"""Intervals against published numbers, and the gate at, below and above each of its limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.agents import BASELINE, AgentKind
from domain.comparison import (
    Challenger,
    Criterion,
    Difference,
    GateRules,
    PairCounts,
    PairedFigures,
    Quantile,
    Rate,
    VariantFigures,
    champion_of,
    judge_promotion,
    normal_quantile,
    paired_difference,
    quantile_of,
    quantile_ranks,
    rate,
    rules_for,
    same_signs,
    unpaired_difference,
)
from domain.errors import InvalidInput
from domain.evaluation import Interval

COUNTS = st.integers(0, 400)
CONFIDENCES = st.sampled_from([0.8, 0.9, 0.95, 0.99])


# -- intervals against published numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3 (Wilson 1927)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_rate_when_counted_then_the_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    found = rate(count, total)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=5e-5)
    assert found.value == count / total


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:873-890, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_unpaired_difference_when_counted_then_the_interval_is_newcombes(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    found = unpaired_difference(*one, *other)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=5e-5)
    assert found.total == one[1] + other[1]


@pytest.mark.parametrize(
    ("both", "one", "other", "neither", "low", "high", "digits"),
    [
        # Newcombe 1998, Statistics in Medicine 17:2635-2650, method 10.
        (36, 12, 2, 0, 0.0569, 0.3404, 4),
        (36, 14, 0, 0, 0.1528, 0.4167, 4),
        (20, 12, 2, 16, 0.0562, 0.3292, 4),
        (53, 1, 0, 0, -0.0496, 0.0977, 4),
        # Altman et al., Statistics with Confidence, 2nd ed., table 6.2.
        (14, 5, 0, 22, 0.011, 0.226, 3),
        # Airway hyper-responsiveness of Bentur et al. in Fagerland et al. 2014, Statistics in Medicine 33:2850-2875.
        (1, 1, 7, 12, -0.507, -0.026, 3),
    ],
)
def test_paired_difference_when_counted_then_the_interval_is_newcombes(
    both: int, one: int, other: int, neither: int, low: float, high: float, digits: int
) -> None:
    found = paired_difference(PairCounts(both=both, challenger=one, champion=other, neither=neither))
    assert (round(found.interval.low, digits), round(found.interval.high, digits)) == (low, high)
    assert found.value == pytest.approx((one - other) / (both + one + other + neither))


@pytest.mark.parametrize(
    ("readings", "low", "high"),
    [  # Ranks for a 95 % interval of a median: Altman et al., Statistics with Confidence, 2nd ed.
        (6, 1, 6),
        (10, 2, 9),
        (20, 6, 15),
        (25, 8, 18),
        (50, 18, 33),
        (60, 22, 39),
        (100, 40, 61),
    ],
)
def test_median_when_ranked_then_the_bounds_are_those_of_the_tables(readings: int, low: int, high: int) -> None:
    found = quantile_ranks(readings, 0.5)
    assert (found.low, found.high) == (low, high)


def test_quantile_when_readings_are_few_then_a_bound_is_missing() -> None:
    assert quantile_ranks(5, 0.5)[1:] == (None, None)  # 2 * 0.5**5 > 0.05
    # The largest of n lies below the 95th percentile with a chance of 0.95**n: 0.0262 for 71, 0.0249 for 72.
    assert 0.95**71 > 0.025 >= 0.95**72
    assert quantile_ranks(71, 0.95).high is None
    assert quantile_ranks(72, 0.95).high == 72
    assert quantile_of(float, 0, 0.95) == Quantile(quantile=0.95)
    found = quantile_of(lambda rank: rank * 10.0, 20, 0.95)
    assert (found.value, found.low, found.high, found.readings) == (190.0, 170.0, None, 20)
    for readings, quantile in ((0, 0.5), (3, 0.0), (3, 1.0)):
        with pytest.raises(InvalidInput, match="QUANTILE_INVALID"):
            quantile_ranks(readings, quantile)


def test_intervals_when_nothing_was_counted_then_everything_is_open() -> None:
    assert rate(0, 0) == Rate()
    assert paired_difference(PairCounts()) == Difference()
    assert unpaired_difference(0, 0, 3, 4) == Difference(total=4)
    with pytest.raises(InvalidInput, match="COUNT_OUT_OF_RANGE"):
        rate(3, 2)
    assert normal_quantile(0.95) == pytest.approx(1.959964, abs=1e-6)


# -- what holds for all of them ----------------------------------------------------------------------------------------


@given(COUNTS, COUNTS, COUNTS, COUNTS, CONFIDENCES)
def test_differences_when_sides_are_swapped_then_the_interval_is_mirrored(
    a: int, b: int, c: int, d: int, confidence: float
) -> None:
    one = paired_difference(PairCounts(both=a, challenger=b, champion=c, neither=d), confidence)
    other = paired_difference(PairCounts(both=a, challenger=c, champion=b, neither=d), confidence)
    assert one.interval.low == pytest.approx(-other.interval.high)
    assert one.interval.high == pytest.approx(-other.interval.low)
    free = unpaired_difference(a, a + b, c, c + d, confidence)
    mirrored = unpaired_difference(c, c + d, a, a + b, confidence)
    assert free.interval.low == pytest.approx(-mirrored.interval.high)


@given(COUNTS, COUNTS, COUNTS, COUNTS, CONFIDENCES)
def test_differences_when_counted_then_the_value_lies_inside_and_more_confidence_is_wider(
    a: int, b: int, c: int, d: int, confidence: float
) -> None:
    counts = PairCounts(both=a, challenger=b, champion=c, neither=d)
    for found, wider in (
        (paired_difference(counts, confidence), paired_difference(counts, 0.999)),
        (unpaired_difference(a, a + b, c, c + d, confidence), unpaired_difference(a, a + b, c, c + d, 0.999)),
    ):
        assert -1 <= wider.interval.low <= found.interval.low <= found.interval.high <= wider.interval.high <= 1
        if found.value is not None:
            assert found.interval.low - 1e-12 <= found.value <= found.interval.high + 1e-12


@given(st.integers(1, 5_000), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]), CONFIDENCES)
def test_ranks_when_named_then_they_enclose_the_quantile_as_surely_as_asked_and_no_wider(
    readings: int, quantile: float, confidence: float
) -> None:
    found = quantile_ranks(readings, quantile, confidence)
    tail = (1 - confidence) / 2
    below = _below(readings, quantile)  # P(B <= k) for k = -1, 0, 1, ...
    assert 1 <= found.value <= readings
    if found.low is None:
        assert below[1] > tail - 1e-9  # even the smallest reading may lie above
    else:
        assert below[found.low] <= tail + 1e-9
        assert below[found.low + 1] > tail - 1e-9
        assert found.low <= found.value
    if found.high is None:
        assert 1 - below[readings] > tail - 1e-9
    else:
        assert 1 - below[found.high] <= tail + 1e-9
        assert 1 - below[found.high - 1] > tail - 1e-9
        assert found.high >= found.value


def test_ranks_when_samples_are_drawn_then_the_intervals_hold_as_often_as_they_say() -> None:
    random = np.random.default_rng(11)
    ranks = quantile_ranks(200, 0.95)
    assert ranks.low is not None
    assert ranks.high is not None
    samples = np.sort(random.lognormal(size=(4_000, 200)), axis=1)
    truth = math.exp(1.6448536269514722)
    holds = (samples[:, ranks.low - 1] <= truth) & (truth <= samples[:, ranks.high - 1])
    assert 0.945 <= holds.mean() <= 0.985  # ranks are whole numbers: somewhat surer than asked


def test_paired_difference_when_pairs_are_drawn_then_the_interval_holds_as_often_as_it_says() -> None:
    random = np.random.default_rng(12)
    chances = [0.86, 0.04, 0.03, 0.07]
    held = 0
    for draw in random.multinomial(300, chances, size=3_000):
        both, one, other, neither = (int(each) for each in draw)
        found = paired_difference(PairCounts(both=both, challenger=one, champion=other, neither=neither))
        held += found.interval.low <= 0.01 <= found.interval.high
    assert 0.94 <= held / 3_000 <= 0.97


def _below(trials: int, chance: float) -> list[float]:
    logs = [
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(chance)
        + (trials - k) * math.log(1 - chance)
        for k in range(trials + 1)
    ]
    return [0.0, *np.cumsum(np.exp(logs)).tolist()]


# -- the gate ----------------------------------------------------------------------------------------------------------

RULES = GateRules()


def difference(low: float, *, value: float = 0.0, total: int = 400) -> Difference:
    return Difference(total=total, value=value, interval=Interval(low=low, high=value + 0.02))


def case(**changes: Any) -> tuple[VariantFigures, Challenger]:
    """A champion, and a challenger that stands exactly at every limit."""
    values: dict[str, Any] = {
        "documents": 200,
        "valid": difference(-0.02),
        "quotes": difference(-0.02),
        "accuracy": difference(-0.01, total=300),
        "p95": 2_000.0,
        "champion_p95": 1_000.0,
        **changes,
    }
    figures = VariantFigures(variant_id="av_1", latency_p95=Quantile(quantile=0.95, readings=200, value=values["p95"]))
    paired = PairedFigures(**{name: values[name] for name in ("documents", "valid", "quotes", "accuracy")})
    champion = VariantFigures(latency_p95=Quantile(quantile=0.95, readings=200, value=values["champion_p95"]))
    return champion, Challenger(figures=figures, paired=paired)


def judged(*, timeout: float = 3.0, rules: GateRules = RULES, **changes: Any) -> dict[str, Criterion]:
    champion, challenger = case(**changes)
    decision = judge_promotion(champion, challenger, timeout_seconds=timeout, rules=rules)
    assert decision.passed == all(each.passed for each in decision.criteria)
    return {each.name: each for each in decision.criteria}


def failed(**changes: Any) -> set[str]:
    return {name for name, each in judged(**changes).items() if not each.passed}


def test_gate_when_everything_stands_at_its_limit_then_it_passes() -> None:
    assert failed() == set()
    assert list(judged()) == [
        "paired_documents",
        "valid_rate",
        "quote_validity",
        "labelled_sentences",
        "accuracy",
        "latency_p95",
    ]


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"documents": 199}, "paired_documents"),
        ({"valid": difference(-0.0201)}, "valid_rate"),
        ({"quotes": difference(-0.0201)}, "quote_validity"),
        ({"accuracy": difference(-0.01, total=299)}, "labelled_sentences"),
        ({"accuracy": difference(-0.0101, total=300)}, "accuracy"),
        ({"p95": 2_000.1}, "latency_p95"),
    ],
)
def test_gate_when_one_limit_is_passed_then_that_criterion_alone_fails(changes: dict[str, Any], lacking: str) -> None:
    assert failed(**changes) == {lacking}


@pytest.mark.parametrize(
    ("changes", "lacking", "told"),
    [
        ({"documents": 0, "valid": Difference()}, {"paired_documents", "valid_rate"}, "as a shadow"),
        ({"quotes": Difference()}, {"quote_validity"}, "as a shadow"),
        ({"accuracy": Difference()}, {"labelled_sentences", "accuracy"}, "stonks agents evaluate"),
        ({"p95": None}, {"latency_p95"}, "as a shadow"),
    ],
)
def test_gate_when_evidence_is_missing_then_it_fails_and_says_what_to_run(
    changes: dict[str, Any], lacking: set[str], told: str
) -> None:
    found = judged(**changes)
    assert {name for name, each in found.items() if not each.passed} == lacking
    for name in lacking:
        assert told in found[name].detail
        assert found[name].value in (None, 0)


def test_gate_when_the_challenger_is_slow_then_half_of_its_timeout_is_allowed_too() -> None:
    assert failed(p95=5_000.0, timeout=10.0) == set()
    assert failed(p95=5_001.0, timeout=10.0) == {"latency_p95"}
    assert failed(p95=5_000.0, timeout=10.0, champion_p95=None) == set()
    assert "half" not in judged()["latency_p95"].detail
    assert "2 times the champion's 1,000 ms" in judged()["latency_p95"].detail


def test_gate_when_the_interval_is_too_wide_then_it_asks_for_more() -> None:
    assert "narrow" in judged(valid=difference(-0.05))["valid_rate"].detail
    assert "narrow" not in judged(valid=difference(-0.09, value=-0.05))["valid_rate"].detail


def test_gate_of_theses_when_judged_then_labels_are_not_asked_for() -> None:
    rules = rules_for(AgentKind.THESIS_REWRITER)
    assert set(judged(rules=rules, accuracy=Difference())) == {
        "paired_documents",
        "valid_rate",
        "quote_validity",
        "latency_p95",
    }
    for kind in (AgentKind.DOCUMENT_EXTRACTOR, AgentKind.EVENT_CLASSIFIER):
        assert rules_for(kind) == GateRules()


def test_gate_when_both_agree_on_all_then_somewhat_more_than_the_least_documents_are_needed() -> None:
    def low(count: int, right: float) -> float:
        good = round(count * right)
        return paired_difference(PairCounts(both=good, neither=count - good)).interval.low

    assert low(200, 1.0) > -0.02
    assert low(200, 0.99) < -0.02
    assert min(low(250, right / 100) for right in range(50, 101)) > -0.02


def test_signs_when_one_side_says_nothing_then_they_are_not_counted() -> None:
    found = same_signs([({"A": 0.2, "B": -1.0, "C": 0.0}, {"A": 0.9, "B": 0.1, "C": 1.0, "D": 1.0}), ({}, {"A": 1.0})])
    assert (found.count, found.total) == (1, 2)
    assert same_signs([]) == Rate()


def test_champion_when_nobody_reads_most_then_it_is_the_agent_itself() -> None:
    assert champion_of([]) == BASELINE
    assert champion_of([("a", 0.5), ("b", 0.5)]) == BASELINE
    assert champion_of([("a", 0.49), ("b", 0.51)]) == "b"
