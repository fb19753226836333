"""The competitive layer: what happens to a company's competitors, on the company itself.

S_x is the layer formula over the documents of the competitors that confirmed links lead to, one step and no further:
s' = b s, w' = w0 a k(age). Formulas: quantitative specification, section 1.

b = .5 sign + .5 rho n/(n+8): the sign of the kind of event at peers (`domain.taxonomy`: a competitor in distress is bad
news for all of its trade, its product launch for the others alone), and how the two have moved at its events. k is the
lag with which peers react, and takes the place of decay: it shapes age by itself, so that there is one window and not a
mixture of three. w0 is the weight of the document in the competitor's own company layer before decay, with two
differences: a story counts once, however many of the competitors it is told of, and a document that the company's own
layer reads does not count here, nor does a copy of it. As everywhere, of two copies the more credible, then the earlier
is the story: a poorer site that repeats a competitor's news about the company does not silence it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from domain.calendar_math import TradingClock
from domain.comovement import UNKNOWN, CoMovement
from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.errors import InvalidInput
from domain.extraction import EventType
from domain.influence import Voice, corroborated, voice_of
from domain.kernels import Floats, document_weight
from domain.layer_config import CompetitiveLayerConfig
from domain.layer_kernel import lagged_weight, score_layer
from domain.novelty import novelty
from domain.signals import clock_at, eligible_evidence


@dataclass(frozen=True)
class CompetitiveInputs:
    """What one symbol's competitive score is made of."""

    symbol: str
    links: Mapping[str, float]
    """Strength a in [0, 1] of each confirmed link, by competitor."""
    evidence: Mapping[str, Sequence[EvidenceItem]]
    """What documents say on each competitor; those without a link are not read."""
    own: Sequence[EvidenceItem] = ()
    """What documents say on the symbol itself: its company layer's evidence."""
    comovement: Mapping[str, CoMovement] = field(default_factory=dict)
    """By competitor, as it was known at the instant; missing: unknown."""


@dataclass(frozen=True)
class CompetitiveContribution:
    """One document's word on one competitor, and its part of the symbol's score."""

    evidence_id: str
    doc_id: str
    competitor: str
    transfer: float
    """b in [-1, 1]: how much of what is good for the competitor is good for the symbol."""
    value: float
    weight: float
    """w', bounded."""
    novelty: float
    age_td: float
    half_life: float
    """The lag kernel's, in trading days."""


@dataclass(frozen=True)
class CompetitiveAssessment:
    """S_x of one symbol in (-1, 1): `math.fsum` of its contributions' values, to the last bit."""

    symbol: str
    score: float
    contributions: tuple[CompetitiveContribution, ...]
    """In the order in which the documents became available."""


def competitive_scores(
    inputs: Sequence[CompetitiveInputs],
    *,
    as_of: datetime,
    session_dates: Sequence[date],
    signals: SignalConfig,
    config: CompetitiveLayerConfig,
) -> tuple[CompetitiveAssessment, ...]:
    """Score N symbols at one instant, in the order given; a symbol without links has 0.

    Evidence that becomes available later has no effect, be it of a competitor or the symbol's own.

    Args:
        session_dates: as for `domain.signals.assess_many`.

    Raises:
        InvalidInput: a strength outside [0, 1], or evidence that is not on whom it is given for.
    """
    clock = clock_at(as_of, session_dates, signals)
    terms = [_terms(_checked(one), clock=clock, as_of=as_of, signals=signals, config=config) for one in inputs]
    offsets = (0, *np.cumsum([len(one.items) for one in terms]).tolist())

    def flat(name: str) -> Floats:
        return np.array([value for one in terms for value in getattr(one, name)], dtype=np.float64)

    transfer, age = flat("transfer"), flat("age")
    start = document_weight(*(flat(n) for n in ("relevance", "credibility", "novelty", "confidence", "materiality")))
    layer = score_layer(
        start * flat("strength") * lagged_weight(age, config.lag_rise, config.lag_fall),
        transfer * np.array([item.sentiment for one in terms for item in one.items], dtype=np.float64),
        age,
        [voice for one in terms for voice in one.voices],
        offsets,
        windows=(config.window,),
        parts=(1.0,),
        kappa=signals.kappa,
    )
    shares, weights = layer.shares.tolist(), layer.weights.tolist()
    results = []
    for n, (one, own) in enumerate(zip(inputs, terms, strict=True)):
        contributions = tuple(
            CompetitiveContribution(
                evidence_id=item.evidence_id,
                doc_id=item.doc_id,
                competitor=item.symbol,
                transfer=own.transfer[at],
                value=shares[offsets[n] + at] + 0.0,
                weight=weights[offsets[n] + at],
                novelty=own.novelty[at],
                age_td=own.age[at],
                half_life=config.lag_fall,
            )
            for at, item in enumerate(own.items)
        )
        score = math.fsum(part.value for part in contributions)
        results.append(CompetitiveAssessment(symbol=one.symbol, score=score, contributions=contributions))
    return tuple(results)


def transfer_of(event: EventType, comovement: CoMovement, config: CompetitiveLayerConfig) -> float:
    """How much of what an event does to a competitor it does to the company: b in [-1, 1]."""
    measured = comovement.shrunk(config.comovement_prior)
    return config.sign_weight * config.peer_signs[event] + config.comovement_weight * measured


@dataclass(frozen=True)
class _Terms:
    """The items on one symbol's competitors that are read, and what the kernels need of each."""

    items: tuple[EvidenceItem, ...]
    voices: tuple[Voice, ...]
    novelty: tuple[float, ...]
    relevance: tuple[float, ...]
    credibility: tuple[float, ...]
    confidence: tuple[float, ...]
    materiality: tuple[float, ...]
    strength: tuple[float, ...]
    transfer: tuple[float, ...]
    age: tuple[float, ...]


def _checked(one: CompetitiveInputs) -> CompetitiveInputs:
    for competitor, strength in one.links.items():
        if not 0.0 <= strength <= 1.0:
            raise InvalidInput(
                "STRENGTH_OUT_OF_RANGE",
                symbol=one.symbol,
                competitor=competitor,
                found=strength,
                allowed="[0, 1]",
            )
    told = {one.symbol: one.own, **{name: one.evidence.get(name, ()) for name in one.links if name != one.symbol}}
    for name, items in told.items():
        others = [item.symbol for item in items if item.symbol != name]
        if others:
            raise InvalidInput("MIXED_SYMBOLS", "Give each company its own.", expected=name, found=min(others))
    return one


def _terms(
    one: CompetitiveInputs,
    *,
    clock: TradingClock,
    as_of: datetime,
    signals: SignalConfig,
    config: CompetitiveLayerConfig,
) -> _Terms:
    competitors = [name for name, strength in one.links.items() if strength > 0.0 and name != one.symbol]
    told = [item for name in competitors for item in one.evidence.get(name, ())]
    eligible = eligible_evidence(told, as_of=as_of, config=signals)
    own = eligible_evidence(one.own, as_of=as_of, config=signals)
    # All are compared as stories of the symbol, so that one told of several competitors, or of itself, counts once.
    judged = novelty((*own, *eligible), signals, symbol=one.symbol)[len(own) :]
    voices = [voice_of(item, signals) for item in eligible]
    claims = corroborated(eligible, [counts for _, counts in judged], signals, voices=voices)
    known = {item.doc_id for item in own}
    ages = clock.ages([item.available_at for item in eligible], as_of)
    read = [at for at, item in enumerate(eligible) if ages[at] <= config.window and item.doc_id not in known]
    items = tuple(eligible[at] for at in read)
    moves = {name: one.comovement.get(name, UNKNOWN) for name in competitors}
    return _Terms(
        items=items,
        voices=tuple(voices[at] for at in read),
        novelty=tuple(judged[at][0] if judged[at][1] else 0.0 for at in read),
        relevance=tuple(signals.relevance[item.role] for item in items),
        credibility=tuple(signals.credibility[item.credibility] for item in items),
        confidence=tuple(item.confidence * item.quote_validity for item in items),
        materiality=tuple(signals.materiality[claims[at]] for at in read),
        strength=tuple(one.links[item.symbol] for item in items),
        transfer=tuple(transfer_of(item.event_type, moves[item.symbol], config) for item in items),
        age=tuple(ages[at] for at in read),
    )
