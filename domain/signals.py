"""From evidence to a score: decay, layer scores, market confirmation, conviction and exact attributions.

`assess` does one symbol and `assess_many` N of them through the same kernels (`domain.kernels`), which are
elementwise over the symbols: N single calls give the bits of one call for N.
Formulas: quantitative specification, section 1.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice
from operator import attrgetter

import numpy as np

from domain.calendar_math import TradingClock, relevant_sessions
from domain.config import SignalConfig, TradingConfig
from domain.decisions import Assessment, Attribution, EvidenceItem, Layer, LayerTerm, MarketWindow
from domain.errors import InvalidInput
from domain.influence import Choir, Voice, corroborated, voice_of
from domain.kernels import (
    NANO,
    Floats,
    composite_score,
    confirmed_score,
    contradiction,
    conviction_of,
    decayed_weight,
    document_weight,
    effective_documents,
    horizon_of,
    largest_remainder,
    layer_score,
    market_confirmation,
    segment_sums,
    signed_half_life,
    to_nano,
)
from domain.layer_kernel import bounded
from domain.market_stats import MarketStats, checked_bars, market_stats
from domain.novelty import novelty

_CANONICAL_ORDER = attrgetter("available_at", "doc_id", "evidence_id")
_available_at = attrgetter("available_at")


@dataclass(frozen=True)
class SymbolInputs:
    """What one symbol is assessed from. `macro` and `competitive` are the scores of those layers in [-1, 1].

    `terms` are what the two are made of; without them they stand as one term each.
    """

    symbol: str
    evidence: Sequence[EvidenceItem]
    market: MarketWindow | None = None
    macro: float = 0.0
    competitive: float = 0.0
    terms: Sequence[LayerTerm] = ()


def assess(
    evidence: Sequence[EvidenceItem],
    *,
    as_of: datetime,
    session_dates: Sequence[date],
    market: MarketWindow | None,
    config: TradingConfig,
    symbol: str = "",
    macro: float = 0.0,
    competitive: float = 0.0,
    terms: Sequence[LayerTerm] = (),
) -> Assessment:
    """Score one symbol at an instant. `symbol` is only needed where neither evidence nor market names it.

    See `assess_many`, which does the work.
    """
    named = symbol or (market.symbol if market is not None else "") or (evidence[0].symbol if evidence else "")
    inputs = SymbolInputs(
        symbol=named, evidence=evidence, market=market, macro=macro, competitive=competitive, terms=terms
    )
    return assess_many([inputs], as_of=as_of, session_dates=session_dates, config=config)[0]


def assess_many(
    inputs: Sequence[SymbolInputs], *, as_of: datetime, session_dates: Sequence[date], config: TradingConfig
) -> tuple[Assessment, ...]:
    """Score N symbols at one instant, in the order given.

    Evidence that becomes available after `as_of` has no effect, nor has what is older than the widest window (30
    trading days); evidence up to `lookback_days` old still tells whether a story is new. The same evidence twice counts
    once. Fewer bars than confirmation needs give a confirmation and a volatility of 0.

    Args:
        session_dates: exchange sessions, strictly ascending, from before the oldest evidence to at least `as_of`, best
            one session further; beyond its ends every Monday to Friday is taken as a session.

    Raises:
        InvalidInput: evidence or bars of another symbol, bars that are not positive finite numbers or not of one
            length, a layer score outside [-1, 1], or sessions that do not ascend.
    """
    return assess_cut(cut(inputs, as_of=as_of, session_dates=session_dates, config=config.signals), config=config)


@dataclass(frozen=True)
class Cut:
    """What N symbols may be assessed from at an instant: checked, in canonical order, without what has no effect.

    A cut of a cut is the same again, and gives the same assessments.
    """

    as_of: datetime
    inputs: tuple[SymbolInputs, ...]
    session_dates: tuple[date, ...]


def cut(inputs: Sequence[SymbolInputs], *, as_of: datetime, session_dates: Sequence[date], config: SignalConfig) -> Cut:
    """Cut inputs to what can be read of them at an instant; see `assess_many`.

    Raises:
        InvalidInput: as `assess_many`.
    """
    sessions = eligible_sessions(session_dates, as_of=as_of, config=config)
    read = []
    for one in inputs:
        evidence = eligible_evidence(_checked(one).evidence, as_of=as_of, config=config)
        market = None if one.market is None else checked_bars(one.market, config.confirmation)
        read.append(replace(one, evidence=evidence, market=market))
    return Cut(as_of=as_of, inputs=tuple(read), session_dates=sessions)


def assess_cut(given: Cut, *, config: TradingConfig) -> tuple[Assessment, ...]:
    """Score the symbols of a cut, made with the same configuration, in its order."""
    return assess_cuts([given], config=config)[0]


def assess_cuts(given: Sequence[Cut], *, config: TradingConfig) -> list[tuple[Assessment, ...]]:
    """Score the symbols of several cuts, which may be of different instants.

    The bits are those of one cut after the other; arrays of fifty symbols cost little more than arrays of one.
    """
    signals = config.signals
    inputs = [one for each in given for one in each.inputs]
    as_of = [each.as_of for each in given for _ in each.inputs]
    terms = [one for each in given for one in _terms_of(each, signals)]
    stats = [market_stats(one.market, signals.confirmation) for one in inputs]
    company = _company_layer(terms, signals)
    found = iter(_assessments(inputs, terms, stats, company, as_of=as_of, config=signals))
    return [tuple(islice(found, len(each.inputs))) for each in given]


def _terms_of(given: Cut, config: SignalConfig) -> list[_Terms]:
    clock = _clock(given.session_dates, config)
    return [_terms(one, clock=clock, as_of=given.as_of, config=config) for one in given.inputs]


def eligible_evidence(
    evidence: Sequence[EvidenceItem], *, as_of: datetime, config: SignalConfig
) -> tuple[EvidenceItem, ...]:
    """Keep what may be read at an instant, each item once, in canonical order (`available_at`, doc_id, evidence_id)."""
    ordered = sorted(evidence, key=_CANONICAL_ORDER)
    start = bisect_left(ordered, as_of - timedelta(days=config.lookback_days), key=_available_at)
    end = bisect_right(ordered, as_of, key=_available_at)
    kept: dict[str, EvidenceItem] = {}
    for item in ordered[start:end]:
        kept.setdefault(item.evidence_id, item)
    return tuple(kept.values())


def eligible_sessions(session_dates: Sequence[date], *, as_of: datetime, config: SignalConfig) -> tuple[date, ...]:
    """Keep the sessions that can matter for ages at an instant."""
    first = (as_of - timedelta(days=config.lookback_days)).date()
    return relevant_sessions(session_dates, first=first, last=as_of.date())


def clock_at(as_of: datetime, session_dates: Sequence[date], config: SignalConfig) -> TradingClock:
    """Make the clock that ages at an instant are measured with."""
    return _clock(eligible_sessions(session_dates, as_of=as_of, config=config), config)


def _clock(session_dates: Sequence[date], config: SignalConfig) -> TradingClock:
    return TradingClock(
        session_dates,
        opens_minute=config.session_opens_minute,
        closes_minute=config.session_closes_minute,
    )


# One symbol's inputs, made flat.


@dataclass(frozen=True)
class _Terms:
    """The items of one symbol that stand inside the widest window, and what the kernels need of each."""

    items: tuple[EvidenceItem, ...]
    voices: tuple[Voice, ...]
    novelty: tuple[float, ...]
    relevance: tuple[float, ...]
    credibility: tuple[float, ...]
    confidence: tuple[float, ...]
    materiality: tuple[float, ...]
    half_life: tuple[float, ...]
    age: tuple[float, ...]


def _checked(one: SymbolInputs) -> SymbolInputs:
    if not one.symbol:
        raise InvalidInput("MISSING_SYMBOL", "Pass `symbol` where there is neither evidence nor a market window.")
    others = [item.symbol for item in one.evidence if item.symbol != one.symbol]
    if one.market is not None and one.market.symbol != one.symbol:
        others.append(one.market.symbol)
    if others:
        raise InvalidInput("MIXED_SYMBOLS", "Assess one symbol at a time.", expected=one.symbol, found=min(others))
    for layer, value in ((Layer.MACRO, one.macro), (Layer.COMPETITIVE, one.competitive)):
        if not -1.0 <= value <= 1.0:
            raise InvalidInput("SCORE_OUT_OF_RANGE", symbol=one.symbol, field=layer, found=value, allowed="[-1, 1]")
        made_of = [term.value for term in one.terms if term.layer is layer]
        if made_of and math.fsum(made_of) != value:
            raise InvalidInput(
                "TERMS_DO_NOT_SUM", symbol=one.symbol, field=layer, found=math.fsum(made_of), expected=value
            )
    return one


def _terms(one: SymbolInputs, *, clock: TradingClock, as_of: datetime, config: SignalConfig) -> _Terms:
    judged = novelty(one.evidence, config)
    voices = [voice_of(item, config) for item in one.evidence]
    claims = corroborated(one.evidence, [counts for _, counts in judged], config, voices=voices)
    ages = clock.ages([item.available_at for item in one.evidence], as_of)
    inside = [at for at, age in enumerate(ages) if age <= config.windows[2]]
    items = tuple(one.evidence[at] for at in inside)
    return _Terms(
        items=items,
        voices=tuple(voices[at] for at in inside),
        novelty=tuple(judged[at][0] if judged[at][1] else 0.0 for at in inside),
        relevance=tuple(config.relevance[item.role] for item in items),
        credibility=tuple(config.credibility[item.credibility] for item in items),
        confidence=tuple(item.confidence * item.quote_validity for item in items),
        materiality=tuple(config.materiality[claims[at]] for at in inside),
        half_life=tuple(config.half_lives[item.event_type] for item in items),
        age=tuple(ages[at] for at in inside),
    )


# From flat terms to assessments.


@dataclass(frozen=True)
class _Company:
    """The company layer of N symbols. `shares` and `weights` are flat (M,); the rest is (N,)."""

    offsets: tuple[int, ...]
    windows: tuple[Floats, Floats, Floats]
    score: Floats
    contradiction: Floats
    documents: Floats
    shares: Floats
    """Each item's part of the layer score: they sum to it."""
    weights: Floats
    half_life: Floats


def _company_layer(terms: Sequence[_Terms], config: SignalConfig) -> _Company:
    offsets = (0, *np.cumsum([len(one.items) for one in terms]).tolist())
    counts = np.diff(np.array(offsets))

    def flat(name: str) -> Floats:
        return np.array([value for one in terms for value in getattr(one, name)], dtype=np.float64)

    sentiment = np.array([item.sentiment for one in terms for item in one.items], dtype=np.float64)
    age = flat("age")
    half_life = signed_half_life(flat("half_life"), sentiment, config.negative_half_life)
    start = document_weight(*(flat(n) for n in ("relevance", "credibility", "novelty", "confidence", "materiality")))
    weight = decayed_weight(start, age, half_life)
    scores, shares, weights = [], np.zeros_like(weight), np.zeros_like(weight)
    choirs = [Choir(one.voices) for one in terms]
    for window, part in zip(config.windows, config.window_weights, strict=True):
        counted = bounded(weight * (age <= window), choirs, offsets, config.kappa)
        total = segment_sums(counted, offsets)
        scores.append(layer_score(segment_sums(counted * sentiment, offsets), total, config.kappa))
        shares = shares + part * counted * sentiment / np.repeat(config.kappa + total, counts)
        weights = weights + part * counted
    first, second, third = scores
    parts = config.window_weights
    signed = counted * sentiment  # of the last window, which holds every item: what is bounded contradicts no more
    signed_sum = segment_sums(signed, offsets)
    return _Company(
        offsets=offsets,
        windows=(first, second, third),
        score=parts[0] * first + parts[1] * second + parts[2] * third,
        contradiction=contradiction(signed_sum, segment_sums(np.abs(signed), offsets)),
        documents=effective_documents(total, segment_sums(counted * counted, offsets)),
        shares=shares,
        weights=weights,
        half_life=half_life,
    )


def layer_weights(config: SignalConfig) -> tuple[float, float, float]:
    """Weights of the company, macro and competitive layers; 0 for a layer that is off."""
    return (
        config.company_weight if config.company_enabled else 0.0,
        config.macro_weight if config.macro_enabled else 0.0,
        config.competitive_weight if config.competitive_enabled else 0.0,
    )


def _assessments(
    inputs: Sequence[SymbolInputs],
    terms: Sequence[_Terms],
    stats: Sequence[MarketStats],
    company: _Company,
    *,
    as_of: Sequence[datetime],
    config: SignalConfig,
) -> tuple[Assessment, ...]:
    def column(name: str) -> Floats:
        return np.array([getattr(one, name) for one in stats], dtype=np.float64)

    weights = layer_weights(config)
    macro = np.array([one.macro for one in inputs], dtype=np.float64)
    competitive = np.array([one.competitive for one in inputs], dtype=np.float64)
    composite = composite_score(company.score, macro, competitive, weights)
    deviation = column("deviation")
    agreement = market_confirmation(
        composite, column("trend"), column("momentum"), deviation, column("volume_z"), config.confirmation
    )
    score = confirmed_score(composite, agreement, deviation, column("burst"), config.confirmation)
    conviction = conviction_of(score, company.contradiction, config.contradiction_discount)
    magnitude = np.abs(company.shares)
    horizon = horizon_of(
        segment_sums(magnitude * company.half_life, company.offsets), segment_sums(magnitude, company.offsets), config
    )
    trend = company.windows[1] - company.windows[2]
    results = []
    for n, one in enumerate(inputs):
        start, end = company.offsets[n], company.offsets[n + 1]
        layers = (weights[0] * company.score[n], weights[1] * macro[n], weights[2] * competitive[n])
        score_nano, composite_nano = to_nano(float(score[n])), to_nano(float(composite[n]))
        results.append(
            Assessment(
                symbol=one.symbol,
                as_of=as_of[n],
                company=float(company.score[n]),
                macro=one.macro,
                competitive=one.competitive,
                composite=float(composite[n]),
                confirmation=float(agreement[n]),
                score=float(score[n]),
                contradiction=float(company.contradiction[n]),
                effective_documents=float(company.documents[n]),
                conviction=float(conviction[n]),
                probability=0.5 + config.probability_slope * float(conviction[n]),
                horizon_td=float(horizon[n]),
                window_scores=(
                    float(company.windows[0][n]),
                    float(company.windows[1][n]),
                    float(company.windows[2][n]),
                ),
                trend=float(trend[n]),
                daily_volatility=stats[n].deviation,
                average_dollar_volume=stats[n].dollar_volume,
                last_close=stats[n].last_close,
                score_nano=score_nano,
                attributions=_attributions(
                    terms[n],
                    shares=(weights[0] * company.shares[start:end]).tolist(),
                    weights=company.weights[start:end].tolist(),
                    layers=[float(value) for value in layers],
                    others=one.terms,
                    scales=weights,
                    composite_nano=composite_nano,
                    score_nano=score_nano,
                ),
                evidence_count=int(np.count_nonzero(company.weights[start:end])),
            )
        )
    return tuple(results)


def _attributions(
    terms: _Terms,
    *,
    shares: Sequence[float],
    weights: Sequence[float],
    layers: Sequence[float],
    others: Sequence[LayerTerm],
    scales: tuple[float, float, float],
    composite_nano: int,
    score_nano: int,
) -> tuple[Attribution, ...]:
    """Split the score into integers: layers by largest remainder, documents within theirs, the market is the rest."""
    company, macro, competitive = largest_remainder([value * NANO for value in layers], composite_nano)
    documents = largest_remainder([share * NANO for share in shares], company)
    found = [
        Attribution.made(
            layer=Layer.COMPANY,
            evidence_id=item.evidence_id,
            doc_id=item.doc_id,
            nano=nano,
            weight=weight,
            novelty=new,
            age_td=age,
        )
        for item, nano, weight, new, age in zip(terms.items, documents, weights, terms.novelty, terms.age, strict=True)
    ]
    for layer, nano, weight in ((Layer.MACRO, macro, scales[1]), (Layer.COMPETITIVE, competitive, scales[2])):
        found += _split(layer, nano, [term for term in others if term.layer is layer], weight)
    rest = score_nano - sum(term.nano for term in found)
    found.append(Attribution.made(layer=Layer.MARKET, nano=rest))
    return tuple(found)


def _split(layer: Layer, nano: int, terms: Sequence[LayerTerm], weight: float) -> list[Attribution]:
    """Share a layer's integer among its terms; a layer without any is one term, and none where it is nothing."""
    if not terms:
        return [Attribution.made(layer=layer, nano=nano)] if nano else []
    parts = largest_remainder([weight * term.value * NANO for term in terms], nano)
    return [
        Attribution.made(
            layer=layer,
            evidence_id=term.evidence_id,
            doc_id=term.doc_id,
            nano=part,
            weight=term.weight,
            novelty=term.novelty,
            age_td=term.age_td,
            via=term.via,
        )
        for term, part in zip(terms, parts, strict=True)
    ]
