"""What the macro and the competitive layer add to a symbol's score, statement by statement, as decisions record it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.comovement import CoMovement
from domain.competitive_layer import CompetitiveInputs, competitive_scores
from domain.config import SignalConfig
from domain.decisions import EvidenceItem, Layer, LayerTerm
from domain.macro_items import MacroItem
from domain.macro_layer import factor_states, macro_scores


@dataclass(frozen=True)
class OtherLayers:
    """What is not about a symbol itself: the scores of the two layers and what they are made of."""

    macro: float = 0.0
    competitive: float = 0.0
    terms: tuple[LayerTerm, ...] = ()

    @classmethod
    def of(cls, terms: Iterable[LayerTerm]) -> OtherLayers:
        """Sum the terms of each layer to its score."""
        found = tuple(terms)
        return cls(macro=_sum(found, Layer.MACRO), competitive=_sum(found, Layer.COMPETITIVE), terms=found)


def macro_terms(
    items: Sequence[MacroItem],
    profiles: Mapping[str, Mapping[str, float]],
    *,
    as_of: datetime,
    session_dates: Sequence[date],
    config: SignalConfig,
) -> dict[str, list[LayerTerm]]:
    """What each statement on the economy adds to the macro score of each company with exposures."""
    if not items or not profiles:
        return {}
    by_id = {item.macro_event_id: item for item in items}
    states = factor_states(items, as_of=as_of, session_dates=session_dates, signals=config, config=config.macro)
    return {
        symbol: [
            LayerTerm.made(
                layer=Layer.MACRO,
                evidence_id=part.macro_event_id,
                doc_id=part.doc_id,
                extraction_id=by_id[part.macro_event_id].extraction_id,
                content_hash=by_id[part.macro_event_id].content_hash,
                available_at=by_id[part.macro_event_id].available_at,
                via=part.factor,
                transfer=part.exposure,
                value=part.value,
                weight=part.weight,
                novelty=part.novelty,
                age_td=part.age_td,
                half_life=part.half_life,
            )
            for part in scored.contributions
        ]
        for symbol, scored in macro_scores(states, profiles).items()
    }


def competitive_terms(
    links: Mapping[str, Mapping[str, float]],
    evidence: Mapping[str, Sequence[EvidenceItem]],
    *,
    as_of: datetime,
    session_dates: Sequence[date],
    config: SignalConfig,
    comovements: Mapping[str, Mapping[str, CoMovement]] | None = None,
) -> dict[str, list[LayerTerm]]:
    """What each document on a competitor adds to the competitive score of each company with confirmed links.

    Args:
        links: strength by competitor, of each company.
        comovements: how each company moves at its competitors' events, as known at the instant; missing: unknown.
    """
    inputs = [
        CompetitiveInputs(
            symbol=symbol,
            links=found,
            evidence={rival: evidence.get(rival, ()) for rival in found},
            own=evidence.get(symbol, ()),
            comovement=(comovements or {}).get(symbol, {}),
        )
        for symbol, found in links.items()
        if found
    ]
    by_id = {item.evidence_id: item for one in inputs for items in one.evidence.values() for item in items}
    return {
        scored.symbol: [
            LayerTerm.made(
                layer=Layer.COMPETITIVE,
                evidence_id=part.evidence_id,
                doc_id=part.doc_id,
                extraction_id=by_id[part.evidence_id].extraction_id,
                content_hash=by_id[part.evidence_id].content_hash,
                available_at=by_id[part.evidence_id].available_at,
                via=part.competitor,
                transfer=part.transfer,
                value=part.value,
                weight=part.weight,
                novelty=part.novelty,
                age_td=part.age_td,
                half_life=part.half_life,
            )
            for part in scored.contributions
        ]
        for scored in competitive_scores(
            inputs, as_of=as_of, session_dates=session_dates, signals=config, config=config.competitive
        )
    }


def _sum(terms: Sequence[LayerTerm], layer: Layer) -> float:
    return math.fsum(term.value for term in terms if term.layer is layer)
