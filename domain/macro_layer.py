"""The macro layer: what documents say of the economy, on the companies that are exposed to it.

statements -> a state of every factor -> a score of every symbol, with every statement's part of it.
Formulas: quantitative specification, section 1.

F_k is the layer formula over the factor's statements, in the windows and under the voice caps of the company layer.
A statement weighs relevance * credibility * novelty * confidence * materiality, decayed by its topic's half-life, and
up like down. Its effect s is the direction that was read, or tanh(z/2) where a surprise and its deviation are known:
what was expected moves nothing. Materiality is high where an authority publishes it or a second site confirms it, else
medium. S_m = sum(e_k F_k) / max(1, sum|e_k|) over all exposures of a symbol, those without news included. It is a
weighted mean of the states at most, so that no document and no site can be more of it than of a single state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

import numpy as np

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.errors import InvalidInput
from domain.extraction import EntityRole, Materiality
from domain.influence import corroborated, voice_of
from domain.kernels import Floats, decayed_weight, document_weight
from domain.layer_config import TOPIC_EVENTS, MacroLayerConfig
from domain.layer_kernel import score_layer
from domain.macro_items import MacroItem, sigma_key, standard_surprise, state_key
from domain.novelty import novelty
from domain.registry import MacroFactor, factor_of
from domain.signals import clock_at, eligible_evidence

__all__ = [
    "FactorState",
    "FactorTerm",
    "MacroAssessment",
    "MacroContribution",
    "MacroItem",
    "factor_states",
    "macro_scores",
]

_OF_AN_ECONOMY = (MacroFactor.RATES, MacroFactor.REGULATION)
"""Factors that every economy has its own of. A region says itself which it is; oil and the dollar are the world's."""


@dataclass(frozen=True)
class FactorTerm:
    """One statement inside the widest window, and its part of the factor's state."""

    macro_event_id: str
    doc_id: str
    effect: float
    """s in [-1, 1]: how far the factor goes up."""
    share: float
    """The shares of a state sum to it."""
    weight: float
    """Decayed and bounded, averaged over the windows as they count; 0 for a copy."""
    novelty: float
    age_td: float
    half_life: float


@dataclass(frozen=True)
class FactorState:
    """Where a factor stands: F in (-1, 1), above 0 where it goes up."""

    key: str
    """`rates`, `region:united states`: see `domain.macro_items.state_key`."""
    score: float
    windows: tuple[float, ...]
    terms: tuple[FactorTerm, ...]


@dataclass(frozen=True)
class MacroContribution:
    """One statement's part of a symbol's score."""

    macro_event_id: str
    doc_id: str
    factor: str
    exposure: float
    value: float
    weight: float
    novelty: float
    age_td: float
    half_life: float


@dataclass(frozen=True)
class MacroAssessment:
    """S_m of one symbol in (-1, 1): `math.fsum` of its contributions' values, to the last bit."""

    symbol: str
    score: float
    contributions: tuple[MacroContribution, ...]
    """By factor, within it in the order in which the statements became available."""
    exposures: dict[str, float]
    """By factor, as they were understood."""


def factor_states(
    items: Sequence[MacroItem],
    *,
    as_of: datetime,
    session_dates: Sequence[date],
    signals: SignalConfig,
    config: MacroLayerConfig,
    sigmas: Mapping[str, float] | None = None,
) -> dict[str, FactorState]:
    """Find where the factors stand at an instant, by key, in the order of the keys.

    A statement that becomes available later has no effect, nor has one older than the widest window; the same one twice
    counts once. Factors without statements are left out: they stand at 0.

    Args:
        items: in any order.
        session_dates: as for `domain.signals.assess_many`.
        sigmas: deviations of past surprises as they were known at the instant, by `sigma_key`. Where there is none, the
            direction that was read stands.
    """
    by_id = {item.macro_event_id: item for item in items}
    read = [_as_evidence(item, sigmas or {}, config) for item in items]
    eligible = eligible_evidence(read, as_of=as_of, config=signals)
    judged = novelty(eligible, signals)
    claims = corroborated(eligible, [counts for _, counts in judged], signals)
    clock = clock_at(as_of, session_dates, signals)
    ages = [clock.age(item.available_at, as_of) for item in eligible]
    inside = [at for at, age in enumerate(ages) if age <= signals.windows[-1]]
    inside.sort(key=lambda at: eligible[at].symbol)

    evidence = [eligible[at] for at in inside]
    own = [by_id[item.evidence_id] for item in evidence]
    new = [judged[at][0] if judged[at][1] else 0.0 for at in inside]
    keys, offsets = [], [0]
    for key, members in groupby(evidence, key=lambda item: item.symbol):
        keys.append(key)
        offsets.append(offsets[-1] + sum(1 for _ in members))
    age = _floats([ages[at] for at in inside])
    half_life = _floats([config.half_lives[item.topic] for item in own])
    effect = _floats([item.sentiment for item in evidence])
    weight = document_weight(
        _floats([_relevance(item, config) for item in own]),
        _floats([signals.credibility[item.credibility] for item in own]),
        _floats(new),
        _floats([item.confidence * item.quote_validity for item in own]),
        _floats([signals.materiality[claims[at]] for at in inside]),
    )
    layer = score_layer(
        decayed_weight(weight, age, half_life),
        effect,
        age,
        [voice_of(item, signals) for item in evidence],
        offsets,
        windows=signals.windows,
        parts=signals.window_weights,
        kappa=signals.kappa,
    )
    terms = [
        FactorTerm(
            macro_event_id=item.macro_event_id,
            doc_id=item.doc_id,
            effect=float(effect[at]),
            share=float(layer.shares[at]) + 0.0,
            weight=float(layer.weights[at]),
            novelty=new[at],
            age_td=float(age[at]),
            half_life=float(half_life[at]),
        )
        for at, item in enumerate(own)
    ]
    return {
        key: FactorState(
            key=key,
            score=float(layer.score[n]) + 0.0,
            windows=tuple(float(window[n]) for window in layer.windows),
            terms=tuple(terms[offsets[n] : offsets[n + 1]]),
        )
        for n, key in enumerate(keys)
    }


def macro_scores(
    states: Mapping[str, FactorState], exposures: Mapping[str, Mapping[str, float]]
) -> dict[str, MacroAssessment]:
    """Score the symbols, each from its own exposures: none give 0.

    Args:
        states: from `factor_states`.
        exposures: of each symbol by `domain.registry.ExposureKey`, in [-1, 1]. Keys that mean one factor (`region:US`,
            `region:U.S.`) count once, with their mean.

    Raises:
        InvalidInput: a key that is no factor, or an exposure outside [-1, 1].
    """
    return {symbol: _assess(symbol, states, given) for symbol, given in exposures.items()}


def _assess(symbol: str, states: Mapping[str, FactorState], given: Mapping[str, float]) -> MacroAssessment:
    exposures = _understood(symbol, given)
    divisor = max(1.0, math.fsum(abs(exposure) for exposure in exposures.values()))
    contributions = tuple(
        MacroContribution(
            macro_event_id=term.macro_event_id,
            doc_id=term.doc_id,
            factor=key,
            exposure=exposure,
            value=exposure * term.share / divisor + 0.0,
            weight=term.weight,
            novelty=term.novelty,
            age_td=term.age_td,
            half_life=term.half_life,
        )
        for key, exposure in exposures.items()
        if exposure and key in states
        for term in states[key].terms
    )
    score = math.fsum(part.value for part in contributions)
    return MacroAssessment(symbol=symbol, score=score, contributions=contributions, exposures=exposures)


def _understood(symbol: str, given: Mapping[str, float]) -> dict[str, float]:
    named: dict[str, list[float]] = {}
    for key, exposure in given.items():
        if not -1.0 <= exposure <= 1.0:
            raise InvalidInput("EXPOSURE_OUT_OF_RANGE", symbol=symbol, factor=key, found=exposure, allowed="[-1, 1]")
        try:
            factor, name = factor_of(key)
        except ValueError as error:
            raise InvalidInput("UNKNOWN_FACTOR", str(error), symbol=symbol, found=key) from error
        named.setdefault(state_key(factor, name), []).append(exposure)
    return {key: math.fsum(values) / len(values) for key, values in sorted(named.items())}


def _as_evidence(item: MacroItem, sigmas: Mapping[str, float], config: MacroLayerConfig) -> EvidenceItem:
    """Read a statement as evidence on its factor, so that novelty, voices and confirmation are those of all layers."""
    return EvidenceItem(
        evidence_id=item.macro_event_id,
        doc_id=item.doc_id,
        extraction_id=item.extraction_id,
        symbol=state_key(item.factor, item.name),
        available_at=item.available_at,
        published_at=item.available_at,
        event_type=TOPIC_EVENTS[item.topic],
        role=EntityRole.SUBJECT,
        materiality=Materiality.HIGH,
        sentiment=_effect(item, sigmas, config),
        confidence=item.confidence,
        quote_validity=item.quote_validity,
        credibility=item.credibility,
        extractor=item.extractor,
        content_hash=item.content_hash,
        publisher=item.publisher,
        site=item.site,
        shingles=item.shingles,
    )


def _effect(item: MacroItem, sigmas: Mapping[str, float], config: MacroLayerConfig) -> float:
    sigma = sigmas.get(sigma_key(item.topic, item.surprise.unit)) if item.surprise is not None else None
    z = standard_surprise(item, sigma) if sigma is not None else None
    return item.direction if z is None else float(np.tanh(z / config.surprise_scale))


def _relevance(item: MacroItem, config: MacroLayerConfig) -> float:
    """1, less for rates and rules of an economy that the text names and that is not the home of what is traded."""
    if item.factor not in _OF_AN_ECONOMY or not item.region:
        return 1.0
    home = state_key(MacroFactor.REGION, config.home)
    return 1.0 if state_key(MacroFactor.REGION, item.region) == home else config.abroad


def _floats(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)
