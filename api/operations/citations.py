"""A recommendation and what it rests on: the words of documents, each where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import from_nano
from api.operations.extractions import QuoteView, quotes_of
from domain.decisions import Attribution, Gate, Layer, Recommendation
from store import recommendations
from store.database import Database
from store.tables.decisions import OrderIntentRow, RecommendationRow
from store.tables.ingestion import Document, EventRow, EvidenceRow, MacroEventRow


class RecommendationView(BaseModel):
    recommendation_id: str
    symbol: str
    as_of: datetime
    action: str
    previous_action: str
    score: str
    """In [-1, 1], to the billionth."""
    conviction: float
    edge_bp: float
    cost_bp: float
    thesis: str
    reasons: list[str]
    config_version: str
    record_hash: str


class RecommendationDetail(RecommendationView):
    signal_id: str = Field(description="the signal that it was concluded from")
    gates: list[Gate] = Field(description="every condition that was looked at")
    invalidation: list[str] = Field(description="what would make it wrong")
    evidence_count: int
    decision_ids: list[str] = Field(description="of the wishes to trade that followed; see /v1/trading/decisions")


class CitedEvidence(BaseModel):
    """A statement that the recommendation rests on."""

    evidence_id: str
    layer: str
    via: str = Field(description="the factor or the competitor; empty in the company layer")
    share: str = Field(description="its part of the score", examples=["0.109300000"])
    doc_id: str
    title: str
    publisher: str
    url: str
    published_at: datetime | None
    extraction_id: str
    event_id: str = Field(description="empty for statements on the economy")
    type: str = Field(description="of the event, or the factor", examples=["earnings"])
    sentiment: float | None = Field(
        description="in [-1, 1]; for a factor, how far it goes up; null: no longer in the book"
    )
    quotes: list[QuoteView] = Field(description="as offsets into GET /v1/documents/{doc_id}/content")


async def recommendation(database: Database, recommendation_id: str) -> RecommendationDetail:
    """Raises NotFound."""
    async with database.transaction() as session:
        row = await recommendations.require_row(session, recommendation_id)
        planned = await session.exec(
            select(OrderIntentRow.intent_id)
            .where(OrderIntentRow.recommendation_id == recommendation_id)
            .order_by(col(OrderIntentRow.as_of), col(OrderIntentRow.intent_id))
        )
        decision_ids = list(planned.all())
    found = Recommendation.model_validate(row.body)
    return RecommendationDetail(
        **dict(recommendation_view(row)),
        signal_id=recommendations.signal_id(found.symbol, found.as_of),
        gates=list(found.gates),
        invalidation=list(found.invalidation),
        evidence_count=found.assessment.evidence_count,
        decision_ids=decision_ids,
    )


async def evidence(database: Database, recommendation_id: str, *, start: int, limit: int) -> list[CitedEvidence]:
    """What it rests on, the strongest first, from a place on. Raises NotFound."""
    async with database.transaction() as session:
        row = await recommendations.require_row(session, recommendation_id)
        found = Recommendation.model_validate(row.body)
        terms = [term for term in found.assessment.attributions if term.evidence_id]
        terms.sort(key=lambda term: (-abs(term.nano), term.evidence_id, term.via))
        return await _cited(session, terms[start : start + limit])


def recommendation_view(row: RecommendationRow) -> RecommendationView:
    kept = set(RecommendationView.model_fields) - {"score", "reasons"}
    return RecommendationView(
        **row.model_dump(include=kept),
        score=from_nano(row.body["assessment"]["score_nano"]),
        reasons=row.body["reasons"],
    )


async def _cited(session: AsyncSession, terms: Sequence[Attribution]) -> list[CitedEvidence]:
    ids = {term.evidence_id for term in terms}
    rows = await session.exec(
        select(EvidenceRow, EventRow.quotes)
        .join(EventRow, col(EventRow.event_id) == col(EvidenceRow.event_id))
        .where(col(EvidenceRow.evidence_id).in_(ids))
    )
    on_companies = {row.evidence_id: (row, quotes) for row, quotes in rows}
    said = await session.exec(select(MacroEventRow).where(col(MacroEventRow.macro_event_id).in_(ids)))
    on_economy = {row.macro_event_id: row for row in said}
    about = await session.exec(select(Document).where(col(Document.doc_id).in_({term.doc_id for term in terms})))
    documents = {row.doc_id: row for row in about}
    cited = []
    for term in terms:
        document = documents.get(term.doc_id)
        view = CitedEvidence(
            **term.model_dump(include={"evidence_id", "via", "doc_id"}),
            layer=term.layer.value,
            share=from_nano(term.nano),
            title=document.title if document else "",
            publisher=document.publisher if document else "",
            url=document.url if document else "",
            published_at=document.published_at if document else None,
            extraction_id="",
            event_id="",
            type="",
            sentiment=None,
            quotes=[],
        )
        if term.layer is Layer.MACRO and (statement := on_economy.get(term.evidence_id)) is not None:
            view = view.model_copy(
                update={
                    "extraction_id": statement.extraction_id,
                    "type": statement.factor,
                    "sentiment": statement.direction,
                    "quotes": quotes_of(statement.quotes),
                }
            )
        elif (known := on_companies.get(term.evidence_id)) is not None:
            item, quotes = known
            view = view.model_copy(
                update={
                    "extraction_id": item.extraction_id,
                    "event_id": item.event_id,
                    "type": item.event_type,
                    "sentiment": item.sentiment,
                    "quotes": quotes_of(quotes),
                }
            )
        cited.append(view)
    return cited
