"""Signals: how a symbol was seen at an instant, and what that came from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import from_nano
from domain.decisions import Assessment, DecisionRecord, Layer
from domain.errors import NotFound
from domain.signals import layer_weights
from store.database import Database
from store.keysets import Position, newest_first
from store.objects import ObjectStore
from store.tables.decisions import DecisionRecordRow, RecommendationRow, SignalSnapshot
from store.tables.ingestion import Document

LAYERS = {Layer.COMPANY: "company", Layer.MACRO: "macro", Layer.COMPETITIVE: "competitive"}


class SignalView(BaseModel):
    """The view of a symbol at an instant."""

    signal_id: str
    symbol: str
    as_of: datetime
    score: str = Field(description="in [-1, 1], to the billionth", examples=["0.354012345"])
    company: float = Field(description="the layer's own score in [-1, 1]; so with the two others")
    macro: float
    competitive: float
    confirmation: float = Field(description="what prices and volume say to it, in [-1, 1]")
    conviction: float = Field(description="how much of the score to act on, in [0, 1]")
    contradiction: float = Field(description="how much the evidence disagrees with itself, in [0, 1]")
    evidence_count: int


class Contribution(BaseModel):
    """One statement's part of the score. The parts and the market's sum to the score exactly."""

    evidence_id: str = Field(description="of the evidence, or of the statement on the economy; empty: the market")
    doc_id: str
    title: str
    layer: str
    via: str = Field(description="the factor or the competitor; empty in the company layer")
    share: str = Field(examples=["0.109300000"])
    weight: float = Field(description="decayed, in its layer")
    novelty: float
    age_td: float = Field(description="in trading days")


class SignalDetail(SignalView):
    recommendation_id: str | None = Field(description="what was concluded from it")
    composite: float
    window_scores: tuple[float, float, float] = Field(description="over 1, 7 and 30 days")
    effective_documents: float
    probability: float
    horizon_td: float
    trend: float
    daily_volatility: float
    last_close: float
    weights: dict[str, float] | None = Field(
        description="what each layer counted; null where the decision record is gone", examples=[{"company": 0.6}]
    )
    contributions: list[Contribution] = Field(description="the strongest first")


async def signals(
    database: Database,
    *,
    limit: int,
    symbol: str | None = None,
    layer: Layer | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> list[SignalView]:
    """Newest first; of a layer those in which it says something. Both bounds are inclusive."""
    found: Any = select(SignalSnapshot)
    if symbol is not None:
        found = found.where(SignalSnapshot.symbol == symbol)
    if layer is not None:
        found = found.where(getattr(SignalSnapshot, LAYERS[layer]) != 0)
    if first is not None:
        found = found.where(SignalSnapshot.as_of >= first)
    if last is not None:
        found = found.where(SignalSnapshot.as_of <= last)
    page = newest_first(found, SignalSnapshot.as_of, SignalSnapshot.snapshot_id, limit=limit, before=before)
    async with database.transaction() as session:
        return [signal_view(row) for row in await session.exec(page)]


async def signal(database: Database, objects: ObjectStore, signal_id: str) -> SignalDetail:
    """One signal with the weights it was made with and every contribution. Raises NotFound."""
    async with database.transaction() as session:
        row = await session.get(SignalSnapshot, signal_id)
        if row is None:
            raise NotFound("SIGNAL_NOT_FOUND", "/v1/signals lists them", signal_id=signal_id)
        assessment = Assessment.model_validate(row.assessment)
        titles = await titles_of(session, row.doc_ids)
        made = await session.exec(
            select(RecommendationRow.recommendation_id, DecisionRecordRow.record_key)
            .join(
                DecisionRecordRow,
                col(DecisionRecordRow.recommendation_id) == col(RecommendationRow.recommendation_id),
                isouter=True,
            )
            .where(RecommendationRow.symbol == row.symbol, RecommendationRow.as_of == row.as_of)
            .order_by(col(RecommendationRow.recommendation_id))
        )
        recommendation_id, record_key = made.first() or (None, None)
    same = {
        "composite",
        "window_scores",
        "effective_documents",
        "probability",
        "horizon_td",
        "trend",
        "daily_volatility",
        "last_close",
    }
    return SignalDetail(
        **dict(signal_view(row)),
        **assessment.model_dump(include=same),
        recommendation_id=recommendation_id,
        weights=await _weights(objects, record_key),
        contributions=contributions_of(assessment, titles),
    )


def signal_view(row: SignalSnapshot) -> SignalView:
    kept = set(SignalView.model_fields) - {"signal_id", "score"}
    return SignalView(**row.model_dump(include=kept), signal_id=row.snapshot_id, score=from_nano(row.score_nano))


def contributions_of(assessment: Assessment, titles: dict[str, str]) -> list[Contribution]:
    """Every term of a score, the strongest first."""
    terms = sorted(assessment.attributions, key=lambda term: (-abs(term.nano), term.evidence_id, term.via))
    return [
        Contribution(
            **term.model_dump(include={"evidence_id", "doc_id", "via", "weight", "novelty", "age_td"}),
            title=titles.get(term.doc_id, ""),
            layer=term.layer.value,
            share=from_nano(term.nano),
        )
        for term in terms
    ]


async def titles_of(session: AsyncSession, doc_ids: list[str]) -> dict[str, str]:
    rows = await session.exec(select(Document.doc_id, Document.title).where(col(Document.doc_id).in_(doc_ids)))
    return dict(rows.all())


async def _weights(objects: ObjectStore, record_key: str | None) -> dict[str, float] | None:
    if record_key is None:
        return None
    try:
        record = DecisionRecord.model_validate_json(await objects.get(record_key))
    except NotFound:
        return None
    return dict(zip(LAYERS.values(), layer_weights(record.config.signals), strict=True))
