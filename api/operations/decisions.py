"""The decision audit: recommendation -> intent -> risk -> approval -> order -> fills, with inputs and versions.

One decision is one order intent: a wish to trade, whatever became of it. Recommendations that led to no wish stand at
`/v1/recommendations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import Money, Shares, from_nano
from api.operations.explanation import OrderStep
from api.operations.links import TemporalLinks
from api.operations.positions import ClosingView
from domain.decisions import DecisionRecord, Gate, PositionView, RiskCheck
from domain.errors import NotFound
from domain.lots import LotClosing
from store import accounting
from store.account_history import Key
from store.database import Database, fetch
from store.keysets import Chosen
from store.objects import ObjectStore
from store.tables.decisions import (
    Approval,
    ApprovalVote,
    DecisionRecordRow,
    IntentChange,
    OrderIntentRow,
    RecommendationRow,
    RiskDecisionRow,
)
from store.tables.ingestion import ExtractionRow
from store.tables.platform import AuditEntry
from store.tables.trading import FillRow, Order
from workflows import names

_VIEWS = """
    SELECT wish.intent_id AS decision_id, wish.recommendation_id, wish.symbol, wish.side, wish.as_of, wish.quantity,
           wish.reference_price, wish.notional, wish.state, wish.proposed_by,
           (SELECT outcome FROM risk_decisions AS judged WHERE judged.intent_id = wish.intent_id
            ORDER BY judged.as_of DESC, judged.stage DESC, judged.decision_id LIMIT 1) AS risk,
           (SELECT status FROM approvals AS asked WHERE asked.intent_id = wish.intent_id
            ORDER BY asked.requested_at DESC, asked.ask DESC LIMIT 1) AS approval,
           orders.status AS "order", coalesce(orders.filled_quantity, 0) AS filled_quantity
    FROM (SELECT * FROM order_intents {where} ORDER BY as_of DESC, intent_id DESC LIMIT {limit:d}) AS wish
    LEFT JOIN orders ON orders.intent_id = wish.intent_id
    ORDER BY wish.as_of DESC, wish.intent_id DESC
"""


class DecisionView(BaseModel):
    """A wish to trade, and what became of it."""

    decision_id: str
    """Of the order intent."""
    recommendation_id: str
    symbol: str
    side: str
    as_of: datetime
    quantity: Shares
    reference_price: Money
    notional: Money
    state: str
    proposed_by: str
    risk: str | None
    """The newest verdict; null before risk has spoken."""
    approval: str | None
    """How the newest question stands; null where nobody was asked."""
    order: str | None
    """The order's status; null where none was made."""
    filled_quantity: Shares
    temporal_url: str


class RecommendationStep(BaseModel):
    recommendation_id: str
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
    gates: list[Gate]
    temporal_url: str
    """The workflow that assessed."""


class EvidenceInput(BaseModel):
    """A statement that went into the score, by what it is identified by."""

    evidence_id: str
    doc_id: str
    extraction_id: str
    content_hash: str
    available_at: datetime
    layer: str
    via: str
    """The factor or the competitor; empty in the company layer."""


class Inputs(BaseModel):
    """What the recommendation was computed from; the record holds it byte for byte."""

    record_hash: str
    record_key: str
    recorded_at: datetime
    evidence: list[EvidenceInput]
    first_bar: str | None
    last_bar: str | None
    bars: int
    position: PositionView


class Versions(BaseModel):
    config: str
    code: str
    extractors: list[str]


class ChangeStep(BaseModel):
    """A person changed the intent before it was sent."""

    actor: str
    reason: str
    quantity_before: Shares
    quantity_after: Shares
    changed_at: datetime


class RiskStep(BaseModel):
    decision_id: str
    stage: str
    """`first`, or `recheck` before the order was sent."""
    as_of: datetime
    outcome: str
    allowed_quantity: Shares
    price: Money | None
    checks: list[RiskCheck]
    needs_approval: bool
    approval_reason: str
    people: int


class VoteStep(BaseModel):
    actor: str
    approved: bool
    reason: str
    voted_at: datetime


class ApprovalStep(BaseModel):
    """A question to people. A later one replaces an earlier one where the price had moved."""

    approval_id: str
    status: str
    reason: str
    order_hash: str
    quantity: Shares
    notional: Money
    requested_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str
    decision_reason: str
    people: int
    votes: list[VoteStep]


class AuditStep(BaseModel):
    sequence: int
    recorded_at: datetime
    actor: str
    action: str
    subject: str
    entry_hash: str


class DecisionAudit(DecisionView):
    target_weight: float
    reason: str
    clamps: list[Gate]
    """Every bound of the size that was looked at."""
    recommendation: RecommendationStep | None = Field(description="null: a person made the intent")
    inputs: Inputs | None
    versions: Versions | None
    changes: list[ChangeStep]
    risk_decisions: list[RiskStep]
    approvals: list[ApprovalStep]
    orders: list[OrderStep]
    closings: list[ClosingView]
    """The lots that its sales took, first in, first out."""
    audit: list[AuditStep]
    """Entries of the audit log on the intent, its approvals and its orders."""


async def decisions(
    database: Database,
    links: TemporalLinks,
    *,
    limit: int,
    symbol: str | None = None,
    side: str | None = None,
    state: str | None = None,
    recommendation_id: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Key | None = None,
) -> list[DecisionView]:
    """Newest first; `first` and `last` are both inclusive."""
    chosen = Chosen()
    chosen.add("symbol = {}", symbol)
    chosen.add("side = {}", side)
    chosen.add("state = {}", state)
    chosen.add("recommendation_id = {}", recommendation_id)
    chosen.add("as_of >= {}", first)
    chosen.add("as_of <= {}", last)
    chosen.before("as_of", "intent_id", before)
    rows = await database.run(_VIEWS.format(where=chosen.where, limit=limit), *chosen.values)
    return [_view(row, links) for row in rows]


async def decision(database: Database, objects: ObjectStore, links: TemporalLinks, decision_id: str) -> DecisionAudit:
    """Everything that stands in the book about one decision.

    Raises:
        NotFound: there is no such decision.
    """
    async with database.transaction() as session:
        intent = await session.get(OrderIntentRow, decision_id)
        if intent is None:
            raise NotFound("DECISION_NOT_FOUND", "/v1/trading/decisions lists them", decision_id=decision_id)
        (row,) = await fetch(session, _VIEWS.format(where="WHERE intent_id = $1", limit=1), decision_id)
        made = await session.get(RecommendationRow, intent.recommendation_id)
        kept = await _record_of(session, intent.recommendation_id)
        approvals = await _approvals(session, decision_id)
        orders = await _orders(session, decision_id)
        fills = {fill.fill_id for order in orders for fill in order.fills}
        closings = [
            each for each in await accounting.closings(session, symbol=intent.symbol) if each.closed_by in fills
        ]
        found: dict[str, Any] = {
            "changes": [
                ChangeStep.model_validate(row, from_attributes=True)
                for row in await session.exec(
                    select(IntentChange)
                    .where(IntentChange.intent_id == decision_id)
                    .order_by(col(IntentChange.changed_at), col(IntentChange.change_id))
                )
            ],
            "risk_decisions": await _risk(session, decision_id),
            "approvals": approvals,
            "orders": orders,
            "closings": [_closing(each) for each in closings],
            "audit": await _audit(
                session, [decision_id, *(one.approval_id for one in approvals), *(one.order_id for one in orders)]
            ),
        }
    record = DecisionRecord.model_validate_json(await objects.get(kept.record_key)) if kept is not None else None
    return DecisionAudit(
        **dict(_view(row, links)),
        **found,
        target_weight=intent.target_weight,
        reason=intent.reason,
        clamps=[Gate.model_validate(clamp) for clamp in intent.clamps],
        recommendation=_recommendation(made, kept, links) if made is not None else None,
        inputs=_inputs(kept, record) if kept is not None and record is not None else None,
        versions=await _versions(database, record) if record is not None else None,
    )


def _view(row: Mapping[str, Any], links: TemporalLinks) -> DecisionView:
    return DecisionView(**row, temporal_url=links.workflow(names.order_id(row["decision_id"])))


async def _record_of(session: AsyncSession, recommendation_id: str) -> DecisionRecordRow | None:
    rows = await session.exec(select(DecisionRecordRow).where(DecisionRecordRow.recommendation_id == recommendation_id))
    return rows.first()


async def _risk(session: AsyncSession, intent_id: str) -> list[RiskStep]:
    rows = await session.exec(
        select(RiskDecisionRow)
        .where(RiskDecisionRow.intent_id == intent_id)
        .order_by(col(RiskDecisionRow.as_of), col(RiskDecisionRow.stage), col(RiskDecisionRow.decision_id))
    )
    return [RiskStep.model_validate(row.model_dump(include=set(RiskStep.model_fields))) for row in rows]


async def _approvals(session: AsyncSession, intent_id: str) -> list[ApprovalStep]:
    rows = (
        await session.exec(
            select(Approval)
            .where(Approval.intent_id == intent_id)
            .order_by(col(Approval.requested_at), col(Approval.ask), col(Approval.approval_id))
        )
    ).all()
    votes: dict[str, list[VoteStep]] = {row.approval_id: [] for row in rows}
    for vote in await session.exec(
        select(ApprovalVote)
        .where(col(ApprovalVote.approval_id).in_(list(votes)))
        .order_by(col(ApprovalVote.voted_at), col(ApprovalVote.vote_id))
    ):
        votes[vote.approval_id].append(VoteStep.model_validate(vote, from_attributes=True))
    return [
        ApprovalStep(**row.model_dump(include=set(ApprovalStep.model_fields)), votes=votes[row.approval_id])
        for row in rows
    ]


async def _orders(session: AsyncSession, intent_id: str) -> list[OrderStep]:
    steps = []
    for row in (await session.exec(select(Order).where(Order.intent_id == intent_id))).all():
        fills = await session.exec(
            select(FillRow)
            .where(FillRow.order_id == row.order_id)
            .order_by(col(FillRow.filled_at), col(FillRow.fill_id))
        )
        body = row.model_dump(include=set(OrderStep.model_fields))
        steps.append(OrderStep.model_validate(body | {"fills": [_fill(fill) for fill in fills]}))
    return steps


def _fill(row: FillRow) -> dict[str, Any]:
    return row.model_dump(include={"fill_id", "quantity", "price", "fee", "filled_at"})


async def _audit(session: AsyncSession, subjects: Sequence[str]) -> list[AuditStep]:
    rows = await session.exec(
        select(AuditEntry).where(col(AuditEntry.subject).in_(subjects)).order_by(col(AuditEntry.sequence))
    )
    return [AuditStep.model_validate(row, from_attributes=True) for row in rows]


def _recommendation(row: RecommendationRow, kept: DecisionRecordRow | None, links: TemporalLinks) -> RecommendationStep:
    same = {"recommendation_id", "as_of", "action", "previous_action", "conviction", "edge_bp", "cost_bp", "thesis"}
    decided_by = kept.decided_by if kept is not None else ""
    return RecommendationStep(
        **row.model_dump(include=same),
        score=from_nano(row.body["assessment"]["score_nano"]),
        reasons=row.body["reasons"],
        gates=[Gate.model_validate(gate) for gate in row.body["gates"]],
        temporal_url=links.workflow(decided_by or names.symbol_id(row.symbol)),
    )


def _inputs(kept: DecisionRecordRow, record: DecisionRecord) -> Inputs:
    shared = {"evidence_id", "doc_id", "extraction_id", "content_hash", "available_at"}
    own = [EvidenceInput(**item.model_dump(include=shared), layer="company", via="") for item in record.evidence]
    others = [
        EvidenceInput(**term.model_dump(include=shared), layer=term.layer.value, via=term.via) for term in record.terms
    ]
    sessions = record.market.sessions
    return Inputs(
        record_hash=kept.record_hash,
        record_key=kept.record_key,
        recorded_at=kept.recorded_at,
        evidence=own + others,
        first_bar=sessions[0] if sessions else None,
        last_bar=sessions[-1] if sessions else None,
        bars=len(sessions),
        position=record.position,
    )


async def _versions(database: Database, record: DecisionRecord) -> Versions:
    wanted = {item.extraction_id for item in record.evidence} | {term.extraction_id for term in record.terms}
    async with database.transaction() as session:
        rows = await session.exec(
            select(ExtractionRow.extractor_version).where(col(ExtractionRow.extraction_id).in_(wanted)).distinct()
        )
        extractors = sorted(version for version in rows if version)
    return Versions(config=record.config_version, code=record.code_version, extractors=extractors)


def _closing(closing: LotClosing) -> ClosingView:
    return ClosingView(**closing.model_dump(exclude={"symbol"}), gain=closing.gain, long_term=closing.long_term)
