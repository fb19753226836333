"""How variants of an agent compare, and the gate that a variant passes before it reads most documents.

Every figure has an interval. Two variants are compared on the documents, and on the labelled sentences, that both
have read: what makes a document hard is hard for both, and drops out of the difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import NormalDist
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from domain.agents import BASELINE, AgentKind
from domain.errors import InvalidInput
from domain.evaluation import Interval, wilson
from domain.model import Model, Utc

CONFIDENCE = 0.95
PROMOTION_SHARE = 0.5
"""A variant with a larger share of the documents is the champion, and needs the gate to become it."""

Confidence = Annotated[float, Field(gt=0, lt=1)]


class Rate(Model):
    """How many of how many, with Wilson's interval. `value` is None where nothing was counted."""

    count: int = 0
    total: int = 0
    value: float | None = None
    interval: Interval = Interval(low=0.0, high=1.0)


class Difference(Model):
    """A challenger's rate minus the champion's, in [-1, 1], over `total` pairs or readings."""

    total: int = 0
    value: float | None = None
    interval: Interval = Interval(low=-1.0, high=1.0)


class Quantile(Model):
    """A quantile of readings. A bound is None where there are too few readings to know one at this confidence."""

    quantile: float
    readings: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None


class PairCounts(Model):
    """What became of subjects that both have read: right with both, with one alone, with neither."""

    both: Annotated[int, Field(ge=0)] = 0
    challenger: Annotated[int, Field(ge=0)] = 0
    champion: Annotated[int, Field(ge=0)] = 0
    neither: Annotated[int, Field(ge=0)] = 0

    @property
    def total(self) -> int:
        return self.both + self.challenger + self.champion + self.neither


class VariantFigures(Model):
    """What a variant did in a window of time. A document counts once, with what its newest attempt came to."""

    variant_id: str = BASELINE
    name: str = ""
    attempts: int = 0
    documents: int = 0
    valid: Rate = Rate()
    """Documents with an answer that could be used."""
    quotes: Rate = Rate()
    """Quotes that stand in their text, of all in answers that could be used. The interval takes them as independent."""
    first_try: Rate = Rate()
    """Documents whose first answer could be used."""
    repaired: Rate = Rate()
    """Of the documents that were asked about again, those that then had an answer that could be used."""
    latency_p50: Quantile = Quantile(quantile=0.5)
    """Milliseconds an attempt, answers that were known already left out."""
    latency_p95: Quantile = Quantile(quantile=0.95)
    tokens_in_per_document: float | None = None
    tokens_out_per_document: float | None = None
    cost_per_document: Decimal | None = None
    """Dollars."""
    cost_total: Decimal = Decimal(0)
    problems: dict[str, int] = Field(default_factory=dict)
    """Documents of which an attempt failed, by the code of what was wrong, the most frequent first."""


class PairedFigures(Model):
    """A challenger against the champion on what both have read."""

    documents: int = 0
    valid: Difference = Difference()
    quotes: Difference = Difference()
    """Of documents of which every quote stands in the text, where both gave quotes."""
    accuracy: Difference = Difference()
    """On the labelled sentences that both have judged."""
    sign_agreement: Rate | None = None
    """Of the companies to which both gave a sign, in the documents that both read lately, those with the same one.

    None: not known, or not asked of this agent.
    """


class Challenger(Model):
    """A variant beside the champion."""

    figures: VariantFigures
    paired: PairedFigures = PairedFigures()
    valid_unpaired: Difference = Difference()
    """Of all documents, as if no document was read by both: wider, and biased where the two read different kinds."""


class Comparison(Model):
    """An agent's variants side by side over the time since `since`."""

    agent_id: str
    since: Utc
    until: Utc
    confidence: Confidence = CONFIDENCE
    champion: VariantFigures
    challengers: tuple[Challenger, ...] = ()


class GateRules(Model):
    """What a variant must show before it reads most documents. Margins are what it may at worst be poorer by."""

    confidence: Confidence = CONFIDENCE
    """Of every interval."""
    minimum_documents: Annotated[int, Field(ge=1)] = 200
    """Documents that both have read."""
    valid_margin: Annotated[float, Field(ge=0, le=1)] = 0.02
    quote_margin: Annotated[float, Field(ge=0, le=1)] = 0.02
    accuracy_margin: Annotated[float, Field(ge=0, le=1)] = 0.01
    minimum_sentences: Annotated[int, Field(ge=0)] = 300
    """Labelled sentences that both have judged; 0: there are no labels for what the agent does."""
    latency_factor: Annotated[float, Field(ge=1)] = 2.0
    """Of the champion's 95th percentile."""
    timeout_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the variant's own timeout: a 95th percentile below it passes whatever the champion's is."""
    evidence_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How old an attempt may be to count."""


class Criterion(Model):
    """One thing that the gate asks for. `value` is None where there is no evidence, and that never passes."""

    name: str
    value: float | None
    limit: float
    passed: bool
    detail: str


class GateDecision(Model):
    passed: bool
    criteria: tuple[Criterion, ...]


def champion_of(reading: Sequence[tuple[str, float]]) -> str:
    """Name who reads most documents: the variant with more than half of them, else the agent's own settings.

    Args:
        reading: variant ids and the shares of the documents that they read, shadows with none.
    """
    return next((variant_id for variant_id, share in reading if share > PROMOTION_SHARE), BASELINE)


def rules_for(kind: AgentKind) -> GateRules:
    """The gate of an agent. Nobody has labelled theses: those are judged by validity, quotes and latency alone."""
    return GateRules(minimum_sentences=0) if kind is AgentKind.THESIS_REWRITER else GateRules()


def same_signs(
    pairs: Iterable[tuple[Mapping[str, float], Mapping[str, float]]], confidence: float = CONFIDENCE
) -> Rate:
    """How often two answers to a document give a company the same sign, where both give it one.

    Args:
        pairs: for each document what either says of each company on balance, as `domain.cross_check.net_signs` does.
    """
    signs = [(one[each], other[each]) for one, other in pairs for each in one.keys() & other.keys()]
    told = [(one > 0) == (other > 0) for one, other in signs if one and other]
    return rate(sum(told), len(told), confidence)


# -- the gate --------------------------------------------------------------------------------------------------------


def judge_promotion(
    champion: VariantFigures, challenger: Challenger, *, timeout_seconds: float, rules: GateRules
) -> GateDecision:
    """Decide whether a challenger may take the champion's place. Evidence that is missing fails its criterion.

    Args:
        timeout_seconds: of the challenger's settings.
    """
    case = _Case(champion, challenger.figures, challenger.paired, timeout_seconds, rules)
    asked = [_documents, _valid, _quotes, _latency]
    if rules.minimum_sentences:
        asked[3:3] = [_sentences, _accuracy]
    criteria = tuple(criterion(case) for criterion in asked)
    return GateDecision(passed=all(each.passed for each in criteria), criteria=criteria)


class _Case(NamedTuple):
    champion: VariantFigures
    challenger: VariantFigures
    paired: PairedFigures
    timeout_seconds: float
    rules: GateRules


def _documents(case: _Case) -> Criterion:
    return _enough(
        "paired_documents",
        case.paired.documents,
        case.rules.minimum_documents,
        f"documents read by both in {case.rules.evidence_days} days",
        "activate it as a shadow and let documents pass",
    )


def _valid(case: _Case) -> Criterion:
    return _not_poorer(
        "valid_rate",
        case.paired.valid,
        case.rules.valid_margin,
        "documents",
        "no document was read by both: activate it as a shadow",
    )


def _quotes(case: _Case) -> Criterion:
    return _not_poorer(
        "quote_validity",
        case.paired.quotes,
        case.rules.quote_margin,
        "documents with quotes",
        "there is no document in which both gave quotes: activate it as a shadow",
    )


def _sentences(case: _Case) -> Criterion:
    return _enough(
        "labelled_sentences",
        case.paired.accuracy.total,
        case.rules.minimum_sentences,
        "labelled sentences judged by both",
        "run `stonks agents evaluate` for both",
    )


def _accuracy(case: _Case) -> Criterion:
    return _not_poorer(
        "accuracy",
        case.paired.accuracy,
        case.rules.accuracy_margin,
        "sentences",
        "no labelled sentence was judged by both: run `stonks agents evaluate` for both",
    )


def _latency(case: _Case) -> Criterion:
    found, other, rules = case.challenger.latency_p95.value, case.champion.latency_p95.value, case.rules
    limit = case.timeout_seconds * 1_000 * rules.timeout_fraction
    allowed = f"{rules.timeout_fraction:g} of its timeout of {case.timeout_seconds:g} s"
    if other is not None:
        limit = max(limit, rules.latency_factor * other)
        allowed += f", or {rules.latency_factor:g} times the champion's {other:,.0f} ms"
    told = "no attempt was timed: activate it as a shadow" if found is None else f"{found:,.0f} ms"
    return Criterion(
        name="latency_p95",
        value=found,
        limit=limit,
        passed=found is not None and found <= limit,
        detail=f"{told}; allowed: {allowed}",
    )


def _enough(name: str, found: int, needed: int, what: str, missing: str) -> Criterion:
    passed = found >= needed
    detail = f"{found:,} {what}, {needed:,} needed" + ("" if passed else f": {missing}")
    return Criterion(name=name, value=found, limit=needed, passed=passed, detail=detail)


def _not_poorer(name: str, found: Difference, margin: float, unit: str, missing: str) -> Criterion:
    """Ask that the interval of a difference lies above minus the margin."""
    if found.value is None:
        return Criterion(name=name, value=None, limit=-margin, passed=False, detail=missing)
    low, high = found.interval.low, found.interval.high
    passed = low >= -margin
    detail = f"{found.value:+.4f} ({low:+.4f} to {high:+.4f}) on {found.total} {unit}; at worst {-margin:+.4f} allowed"
    if not passed and found.value >= -margin:
        detail += ": more of them would narrow the interval"
    return Criterion(name=name, value=low, limit=-margin, passed=passed, detail=detail)


# -- intervals -------------------------------------------------------------------------------------------------------


def rate(count: int, total: int, confidence: float = CONFIDENCE) -> Rate:
    """A rate with Wilson's score interval (Wilson 1927, JASA 22:209-212).

    Raises:
        InvalidInput: the counts contradict each other.
    """
    interval = wilson(count, total, normal_quantile(confidence))
    return Rate(count=count, total=total, value=count / total if total else None, interval=interval)


def unpaired_difference(
    count: int, total: int, other_count: int, other_total: int, confidence: float = CONFIDENCE
) -> Difference:
    """The difference of two independent rates, the first minus the second.

    Wilson's limits of each, squared and added: method 10 of Newcombe 1998, Statistics in Medicine 17:873-890.

    Raises:
        InvalidInput: the counts contradict each other.
    """
    one, other = rate(count, total, confidence), rate(other_count, other_total, confidence)
    if one.value is None or other.value is None:
        return Difference(total=total + other_total)
    return _squared_and_added(one, other, 0.0, total + other_total)


def paired_difference(counts: PairCounts, confidence: float = CONFIDENCE) -> Difference:
    """The difference of two rates on the same subjects, the challenger's minus the champion's.

    As for independent rates, less what the two have in common: method 10 of Newcombe 1998, Statistics in Medicine
    17:2635-2650, with its continuity correction of the correlation.
    """
    total = counts.total
    if not total:
        return Difference()
    one = rate(counts.both + counts.challenger, total, confidence)
    other = rate(counts.both + counts.champion, total, confidence)
    spread = one.count * (total - one.count) * other.count * (total - other.count)
    shared: float = counts.both * counts.neither - counts.challenger * counts.champion
    if shared > 0:
        shared = max(shared - total / 2, 0.0)
    correlation = shared / math.sqrt(spread) if spread else 0.0
    return _squared_and_added(one, other, correlation, total)


def _squared_and_added(one: Rate, other: Rate, correlation: float, total: int) -> Difference:
    assert one.value is not None
    assert other.value is not None
    value = one.value - other.value
    down = one.value - one.interval.low, other.interval.high - other.value
    up = one.interval.high - one.value, other.value - other.interval.low
    return Difference(
        total=total,
        value=value,
        interval=Interval(
            low=max(-1.0, value - _length(*down, correlation)), high=min(1.0, value + _length(*up, correlation))
        ),
    )


def _length(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))


class Ranks(NamedTuple):
    """Which of the sorted readings, counted from 1, are a quantile and the bounds of its interval."""

    value: int
    low: int | None
    high: int | None

    @property
    def wanted(self) -> tuple[int, ...]:
        return tuple(rank for rank in (self.low, self.value, self.high) if rank is not None)


def quantile_ranks(readings: int, quantile: float, confidence: float = CONFIDENCE) -> Ranks:
    """Name the readings that bound a quantile: exact whatever the distribution, and nothing is drawn at random.

    How many readings lie below a quantile is binomial, so that two of the sorted readings enclose it with at least the
    confidence asked for, half of the rest on either side (David and Nagaraja, Order Statistics, 3rd ed., 7.1). With few
    readings there is no such reading on a side.

    Raises:
        InvalidInput: there is no reading, or the quantile does not lie in (0, 1).
    """
    if readings < 1 or not 0 < quantile < 1:
        raise InvalidInput("QUANTILE_INVALID", readings=readings, quantile=quantile, allowed="readings, and (0, 1)")
    first, below = _binomial(readings, quantile)
    tail = (1 - confidence) / 2
    # The largest rank r with P(B < r) <= tail, and the smallest with P(B >= r) <= tail.
    low = first + int(np.searchsorted(below, tail, side="right"))
    high = first + int(np.searchsorted(below, 1 - tail, side="left")) + 1
    value = min(readings, max(1, math.ceil(quantile * readings - 1e-9)))
    return Ranks(value=value, low=low if low >= 1 else None, high=high if high <= readings else None)


def quantile_of(
    sorted_at: Callable[[int], float], readings: int, quantile: float, confidence: float = CONFIDENCE
) -> Quantile:
    """A quantile with its interval, where `sorted_at` gives the reading of a rank, counted from 1."""
    if not readings:
        return Quantile(quantile=quantile)
    ranks = quantile_ranks(readings, quantile, confidence)
    return Quantile(
        quantile=quantile,
        readings=readings,
        value=sorted_at(ranks.value),
        low=None if ranks.low is None else sorted_at(ranks.low),
        high=None if ranks.high is None else sorted_at(ranks.high),
    )


def normal_quantile(confidence: float) -> float:
    """Two-sided: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _binomial(trials: int, chance: float) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """P(B <= k) of a binomial for the k that matter, and the first of them; what lies outside is below 1e-20."""
    spread = 12 * math.sqrt(trials * chance * (1 - chance)) + 30
    first = max(0, math.floor(trials * chance - spread))
    last = min(trials, math.ceil(trials * chance + spread))
    k = np.arange(first, last, dtype=np.float64)
    steps = np.log((trials - k) / (k + 1)) + math.log(chance / (1 - chance))
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    masses = np.exp(logs - logs.max())
    return first, np.cumsum(masses) / masses.sum()
