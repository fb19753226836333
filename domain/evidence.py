"""What a checked extraction comes to in the book: its events, and one piece of evidence for each company it judges.

Rows are given as columns by name, so that a batch of them can be written without a model of each.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from domain.extraction import ValidatedExtraction
from domain.ids import digest


class EvidenceValues(NamedTuple):
    events: list[dict[str, Any]]
    evidence: list[dict[str, Any]]


def evidence_values(
    valid: ValidatedExtraction, *, extraction_id: str, doc_id: str, available_at: datetime
) -> EvidenceValues:
    """Number the events of an extraction, and take each of their companies with a sentiment once."""
    events: list[dict[str, Any]] = []
    evidence: dict[tuple[str, str], dict[str, Any]] = {}
    for number, event in enumerate(valid.extraction.events):
        event_id = digest("event", extraction_id, number)
        events.append(
            {
                "event_id": event_id,
                "extraction_id": extraction_id,
                "doc_id": doc_id,
                "available_at": available_at,
                "type": event.type.value,
                "materiality": event.materiality.value,
                "horizon": event.horizon.value,
                "confidence": event.confidence,
                "facts": [fact.model_dump(mode="json") for fact in event.facts],
                "quotes": [quote.model_dump(mode="json") for quote in event.evidence],
            }
        )
        for entity in event.entities:
            if entity.sentiment == 0.0 or (event_id, entity.symbol) in evidence:
                continue
            evidence[event_id, entity.symbol] = {
                "evidence_id": digest("evidence", event_id, entity.symbol),
                "event_id": event_id,
                "extraction_id": extraction_id,
                "doc_id": doc_id,
                "symbol": entity.symbol,
                "available_at": available_at,
                "event_type": event.type.value,
                "role": entity.role.value,
                "materiality": event.materiality.value,
                "sentiment": entity.sentiment,
                "confidence": event.confidence,
                "quote": event.evidence[0].quote,
            }
    return EvidenceValues(events, list(evidence.values()))
