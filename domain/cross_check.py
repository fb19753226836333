"""A model's answer held against the rules' reading of the same text, and against what any answer may claim.

The rules cannot be talked over: where a model sees the opposite of what they see, its word counts half.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from domain.errors import InvalidInput
from domain.extraction import Entity, Event, Extraction

CONFLICT_FACTOR = 0.5
"""What is left of an event's confidence when the rules see the opposite sign for one of its companies."""
MAXIMUM_EVENTS = 8
"""Events that one document's answer may hold."""
MAXIMUM_ENTITIES = 12
"""Companies that one event may concern."""


class Tempered(NamedTuple):
    """The answer with its confidence lowered where the rules disagree, and where that was."""

    extraction: Extraction
    notes: tuple[str, ...] = ()
    """One for each event and symbol in conflict: `SIGN_CONFLICT: event=0, symbol=F, model=+0.9, rules=-0.6`."""


def tempered(answer: Extraction, witness: Extraction) -> Tempered:
    """Halve, once, the confidence of every event that gives a company the opposite of the witness's net sign.

    Pass answers that the hard checks have let through. A company that the witness does not name, or to which its
    events come to nothing, is in no conflict. Signs, companies, quotes and order stay as they are.

    Args:
        witness: the rules' answer to the same document.

    Raises:
        InvalidInput: the witness read another document.
    """
    if answer.doc_id != witness.doc_id:
        raise InvalidInput(
            "WITNESS_OF_ANOTHER_DOCUMENT",
            "Let the rules read the document that the model read",
            found=witness.doc_id,
            expected=answer.doc_id,
        )
    seen = net_signs(witness)
    events: list[Event] = []
    notes: list[str] = []
    for number, event in enumerate(answer.events):
        against = [entity for entity in event.entities if _opposed(entity.sentiment, seen.get(entity.symbol, 0.0))]
        notes += [_note(number, entity, seen[entity.symbol]) for entity in against]
        lowered = {"confidence": event.confidence * CONFLICT_FACTOR}
        events.append(event.model_copy(update=lowered) if against else event)
    return Tempered(answer.model_copy(update={"events": tuple(events)}), tuple(notes))


def net_signs(extraction: Extraction) -> dict[str, float]:
    """What an answer says of each company on balance, in [-1, 1]: the mean of its events, weighed by confidence."""
    told: dict[str, list[tuple[float, float]]] = {}
    for event in extraction.events:
        for entity in event.entities:
            told.setdefault(entity.symbol, []).append((event.confidence, entity.sentiment))
    return {symbol: _mean(said) for symbol, said in told.items()}


def claim_limit(answer: Extraction, *, events: int = MAXIMUM_EVENTS, entities: int = MAXIMUM_ENTITIES) -> Extraction:
    """Bound what an answer claims, however it was made: its first events and companies, and numbers inside their range.

    A sentiment or a confidence that is no number counts as 0.
    """
    kept = tuple(
        event.model_copy(
            update={
                "confidence": _clipped(event.confidence, 0.0),
                "entities": tuple(
                    entity.model_copy(update={"sentiment": _clipped(entity.sentiment, -1.0)})
                    for entity in event.entities[:entities]
                ),
            }
        )
        for event in answer.events[:events]
    )
    return answer.model_copy(update={"events": kept})


def _opposed(one: float, other: float) -> bool:
    return one < 0.0 < other or other < 0.0 < one


def _mean(said: list[tuple[float, float]]) -> float:
    total = math.fsum(confidence for confidence, _ in said)
    return math.fsum(confidence * sentiment for confidence, sentiment in said) / total if total > 0.0 else 0.0


def _clipped(value: float, lowest: float) -> float:
    return 0.0 if math.isnan(value) else max(lowest, min(1.0, value))


def _note(number: int, entity: Entity, rules: float) -> str:
    return f"SIGN_CONFLICT: event={number}, symbol={entity.symbol}, model={entity.sentiment:+.3g}, rules={rules:+.3g}"
