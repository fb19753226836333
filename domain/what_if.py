"""What if: a recommendation's frozen documents read by somebody else, and what that would have changed.

Everything but the reading stays as the decision record has it: bars, position, configuration, sessions, and which
documents were known. Nothing later than the record's instant takes part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.agents import AgentSettings
from domain.decisions import Action, DecisionRecord, EvidenceItem, Gate
from domain.errors import InvalidInput
from domain.model import Model, Utc
from domain.recommendation import replay
from domain.signals import eligible_evidence

MAXIMUM_DOCUMENTS = 300
"""Read again at most; where more were known, the newest."""


class WhatIfRequest(Model):
    """Whose decision, and who reads its documents instead."""

    what_if_id: str
    recommendation_id: str
    settings: AgentSettings
    variant_id: str = ""
    """Empty for settings that belong to no variant."""


class FrozenDocument(Model):
    """A document as it was read then."""

    doc_id: str
    result_key: str
    available_at: Utc


class WhatIfPlan(Model):
    """What was known to the decision."""

    symbol: str
    as_of: Utc
    documents: tuple[FrozenDocument, ...]
    left_out: int = 0
    """Older documents that were known too, beyond `MAXIMUM_DOCUMENTS`."""


class ReadAgainTask(Model):
    request: WhatIfRequest
    as_of: Utc
    document: FrozenDocument


class ReadAgain(Model):
    """A document's new reading, and what it took."""

    doc_id: str
    result_key: str
    version: str
    problem: str = ""
    calls: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_dollars: Decimal = Decimal(0)
    latency_ms: int = 0


class DecideAgainTask(Model):
    request: WhatIfRequest
    plan: WhatIfPlan
    readings: tuple[ReadAgain, ...]


class WhatIfFailure(Model):
    request: WhatIfRequest
    error: str


class EventView(Model):
    """What one document says on the symbol."""

    type: str
    role: str
    materiality: str
    sentiment: float
    confidence: float
    quote: str


class DocumentChange(Model):
    """A document that is read otherwise."""

    doc_id: str
    title: str
    before: tuple[EventView, ...]
    after: tuple[EventView, ...]


class DecisionView(Model):
    """A decision in numbers."""

    action: Action
    score: float
    company: float
    conviction: float
    contradiction: float
    confirmation: float
    edge_bp: float
    cost_bp: float
    evidence: int
    gates: tuple[Gate, ...]
    thesis: str


class WhatIfOutcome(Model):
    """What the workflow says of it; the report itself is in the book."""

    what_if_id: str
    before: Action
    after: Action
    changed: int


class WhatIfReport(Model):
    """Both decisions and every difference between them."""

    symbol: str
    as_of: Utc
    read_by: Annotated[tuple[str, ...], Field(max_length=20)]
    """Versions that gave the new answers: more than one where the rules stood in for a model."""
    documents: int
    left_out: int
    changed: tuple[DocumentChange, ...]
    before: DecisionView
    after: DecisionView
    problems: tuple[str, ...] = ()
    calls: int
    cached: int
    tokens_in: int
    tokens_out: int
    cost_dollars: Decimal
    latency_ms: int
    """Of all calls together."""

    @property
    def same_decision(self) -> bool:
        return self.before.action is self.after.action


def check_not_later(doc_id: str, available_at: datetime, as_of: datetime) -> None:
    """Refuse what could not be known then.

    Raises:
        InvalidInput: it became available after the decision.
    """
    if available_at > as_of:
        raise InvalidInput(
            "LATER_THAN_AS_OF",
            "Nothing that was unknown to the decision may be read again for it",
            doc_id=doc_id,
            available_at=available_at.isoformat(),
            as_of=as_of.isoformat(),
        )


def decide_again(
    record: DecisionRecord, evidence: Mapping[str, Sequence[EvidenceItem]]
) -> tuple[DecisionView, DecisionView]:
    """Decide from the record, and from the record with the evidence of some documents replaced.

    `evidence` holds, for every document that was read again, what it now says on the symbol (perhaps nothing).

    Raises:
        InvalidInput: a piece of evidence that became available after the decision, or is on another symbol.
    """
    kept = [item for item in record.evidence if item.doc_id not in evidence]
    for items in evidence.values():
        for item in items:
            check_not_later(item.doc_id, item.available_at, record.as_of)
            if item.symbol != record.symbol:
                raise InvalidInput("MIXED_SYMBOLS", expected=record.symbol, found=item.symbol)
            kept.append(item)
    changed = record.model_copy(
        update={"evidence": eligible_evidence(kept, as_of=record.as_of, config=record.config.signals)}
    )
    return _view(record), _view(changed)


def changes(
    before: Sequence[EvidenceItem], evidence: Mapping[str, Sequence[EvidenceItem]], titles: Mapping[str, str]
) -> tuple[DocumentChange, ...]:
    """The documents that say something else on the symbol now, by id."""
    found = []
    for doc_id in sorted(evidence):
        old = tuple(sorted((_event(item) for item in before if item.doc_id == doc_id), key=_order))
        new = tuple(sorted((_event(item) for item in evidence[doc_id]), key=_order))
        if old != new:
            found.append(DocumentChange(doc_id=doc_id, title=titles.get(doc_id, ""), before=old, after=new))
    return tuple(found)


def _event(item: EvidenceItem) -> EventView:
    return EventView(
        type=item.event_type.value,
        role=item.role.value,
        materiality=item.materiality.value,
        sentiment=item.sentiment,
        confidence=item.confidence,
        quote=item.quote,
    )


def _order(event: EventView) -> tuple[str, float, str]:
    return event.type, event.sentiment, event.quote


def _view(record: DecisionRecord) -> DecisionView:
    decided = replay(record)
    assessment = decided.assessment
    return DecisionView(
        action=decided.action,
        score=assessment.score,
        company=assessment.company,
        conviction=assessment.conviction,
        contradiction=assessment.contradiction,
        confirmation=assessment.confirmation,
        edge_bp=decided.edge_bp,
        cost_bp=decided.cost_bp,
        evidence=assessment.evidence_count,
        gates=decided.gates,
        thesis=decided.thesis,
    )
