"""Signals, recommendations and the records they can be computed from again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import Action, Assessment, Recommendation
from domain.errors import NotFound
from domain.ids import digest
from store import outbox
from store.database import insert_new
from store.keysets import newest_first
from store.tables.decisions import DecisionRecordRow, RecommendationRow, SignalSnapshot


async def save(
    session: AsyncSession,
    decided: Sequence[tuple[Recommendation, str]],
    *,
    decided_by: str,
    recorded_at: datetime,
) -> None:
    """Save recommendations with their signal snapshots, each with the key of its decision record.

    Args:
        decided_by: id of the workflow that assessed.
    """
    await insert_new(session, [_snapshot(recommendation.assessment) for recommendation, _ in decided])
    await insert_new(session, [_row(recommendation) for recommendation, _ in decided])
    await insert_new(
        session,
        [
            DecisionRecordRow(
                record_hash=recommendation.record_hash,
                recommendation_id=recommendation.recommendation_id,
                symbol=recommendation.symbol,
                as_of=recommendation.as_of,
                record_key=record_key,
                decided_by=decided_by,
                recorded_at=recorded_at,
            )
            for recommendation, record_key in decided
        ],
    )
    for recommendation, _ in decided:
        if recommendation.action is not recommendation.previous_action:
            await outbox.publish(
                session,
                event_id=f"recommendation/{recommendation.recommendation_id}",
                event="recommendation_changed",
                subject_id=recommendation.recommendation_id,
                body={
                    "symbol": recommendation.symbol,
                    "action": recommendation.action.value,
                    "previous_action": recommendation.previous_action.value,
                    "score": recommendation.assessment.score,
                    "conviction": recommendation.assessment.conviction,
                },
                occurred_at=recommendation.as_of,
            )


async def previous_actions(session: AsyncSession, *, symbols: Sequence[str], before: datetime) -> dict[str, Action]:
    """The newest action of each symbol strictly before an instant; symbols never recommended are absent."""
    rows = await session.exec(
        select(RecommendationRow.symbol, RecommendationRow.action)
        .ext(distinct_on(col(RecommendationRow.symbol)))
        .where(col(RecommendationRow.symbol).in_(symbols), RecommendationRow.as_of < before)
        .order_by(col(RecommendationRow.symbol), col(RecommendationRow.as_of).desc())
    )
    return {symbol: Action(action) for symbol, action in rows.all()}


async def latest(session: AsyncSession, *, as_of: datetime, not_before: datetime) -> list[Recommendation]:
    """Each symbol's newest recommendation made in `not_before <= t <= as_of`, by symbol."""
    rows = await session.exec(
        select(RecommendationRow)
        .ext(distinct_on(col(RecommendationRow.symbol)))
        .where(RecommendationRow.as_of <= as_of, RecommendationRow.as_of >= not_before)
        .order_by(col(RecommendationRow.symbol), col(RecommendationRow.as_of).desc())
    )
    return [Recommendation.model_validate(row.body) for row in rows]


async def horizons(session: AsyncSession, *, symbols: Sequence[str], as_of: datetime) -> dict[str, float]:
    """How long each symbol's newest recommendation is meant to be right for, in trading days."""
    body: Any = RecommendationRow.body
    rows = await session.exec(
        select(RecommendationRow.symbol, body["assessment"]["horizon_td"].astext)
        .ext(distinct_on(col(RecommendationRow.symbol)))
        .where(col(RecommendationRow.symbol).in_(symbols), RecommendationRow.as_of <= as_of)
        .order_by(col(RecommendationRow.symbol), col(RecommendationRow.as_of).desc())
    )
    return {symbol: float(horizon) for symbol, horizon in rows.all()}


async def require(session: AsyncSession, recommendation_id: str) -> Recommendation:
    return Recommendation.model_validate((await require_row(session, recommendation_id)).body)


async def require_row(session: AsyncSession, recommendation_id: str) -> RecommendationRow:
    row = await session.get(RecommendationRow, recommendation_id)
    if row is None:
        raise NotFound(
            "RECOMMENDATION_NOT_FOUND",
            "/v1/recommendations lists them, newest first",
            recommendation_id=recommendation_id,
        )
    return row


def signal_id(symbol: str, as_of: datetime) -> str:
    """The id of a symbol's signal at an instant."""
    return digest("signal", symbol, as_of)


async def record_hash(session: AsyncSession, recommendation_id: str) -> str:
    """Of the decision record behind a recommendation; empty where there is none."""
    row = await session.get(RecommendationRow, recommendation_id)
    return row.record_hash if row is not None else ""


async def find(session: AsyncSession, wanted: str) -> Recommendation:
    """The recommendation of an id, or the newest one of a symbol.

    Raises:
        NotFound: neither an id nor a symbol with a recommendation.
    """
    row = await session.get(RecommendationRow, wanted)
    if row is None:
        newest = await list_recent(session, limit=1, symbol=wanted.upper())
        row = newest[0] if newest else None
    if row is None:
        raise NotFound(
            "RECOMMENDATION_NOT_FOUND",
            "Give a recommendation's id, or a symbol that was recommended; /v1/recommendations lists them",
            wanted=wanted[:100],
        )
    return Recommendation.model_validate(row.body)


async def require_record(session: AsyncSession, recommendation_id: str) -> DecisionRecordRow:
    """Where the decision record is kept, and which workflow decided.

    Raises:
        NotFound: there is no such recommendation.
    """
    rows = await session.exec(select(DecisionRecordRow).where(DecisionRecordRow.recommendation_id == recommendation_id))
    row = rows.first()
    if row is None:
        raise NotFound("DECISION_RECORD_NOT_FOUND", recommendation_id=recommendation_id)
    return row


async def list_recent(
    session: AsyncSession,
    *,
    limit: int,
    symbol: str | None = None,
    action: str | None = None,
    before: tuple[datetime, str] | None = None,
) -> list[RecommendationRow]:
    """Recommendations, newest first; `before` is the (as_of, id) of the last row of the page before."""
    statement = select(RecommendationRow)
    if symbol is not None:
        statement = statement.where(RecommendationRow.symbol == symbol)
    if action is not None:
        statement = statement.where(RecommendationRow.action == action)
    page = newest_first(
        statement, RecommendationRow.as_of, RecommendationRow.recommendation_id, limit=limit, before=before
    )
    return list((await session.exec(page)).all())


def _row(recommendation: Recommendation) -> RecommendationRow:
    return RecommendationRow(
        recommendation_id=recommendation.recommendation_id,
        symbol=recommendation.symbol,
        as_of=recommendation.as_of,
        action=recommendation.action.value,
        previous_action=recommendation.previous_action.value,
        score=recommendation.assessment.score,
        conviction=recommendation.assessment.conviction,
        edge_bp=recommendation.edge_bp,
        cost_bp=recommendation.cost_bp,
        thesis=recommendation.thesis,
        config_version=recommendation.config_version,
        record_hash=recommendation.record_hash,
        body=recommendation.model_dump(mode="json"),
    )


def _snapshot(assessment: Assessment) -> SignalSnapshot:
    return SignalSnapshot(
        snapshot_id=signal_id(assessment.symbol, assessment.as_of),
        symbol=assessment.symbol,
        as_of=assessment.as_of,
        score_nano=assessment.score_nano,
        company=assessment.company,
        macro=assessment.macro,
        competitive=assessment.competitive,
        confirmation=assessment.confirmation,
        conviction=assessment.conviction,
        contradiction=assessment.contradiction,
        evidence_count=assessment.evidence_count,
        assessment=assessment.model_dump(mode="json"),
        doc_ids=sorted({term.doc_id for term in assessment.attributions if term.doc_id}),
    )
