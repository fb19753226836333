"""What was concluded and why: signals, recommendations, decision records, risk decisions, approvals."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy import text as sql_text
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, dollars, instant, json_list, json_object, shares, text, text_array


class SignalSnapshot(SQLModel, table=True):
    """The three layers and the score of one symbol at one instant."""

    __tablename__ = "signal_snapshots"
    __table_args__ = (
        UniqueConstraint("symbol", "as_of"),
        Index("ix_signal_snapshots_newest", "as_of", "snapshot_id"),
        Index("ix_signal_snapshots_macro", "as_of", "snapshot_id", postgresql_where=sql_text("macro <> 0")),
        Index("ix_signal_snapshots_competitive", "as_of", "snapshot_id", postgresql_where=sql_text("competitive <> 0")),
        Index("ix_signal_snapshots_doc_ids", "doc_ids", postgresql_using="gin"),
    )

    snapshot_id: str = Field(primary_key=True)
    symbol: str = Field(foreign_key="companies.symbol")
    as_of: datetime = instant()
    score_nano: int = Field(sa_type=BigInteger)
    company: float
    macro: float
    competitive: float
    confirmation: float
    conviction: float
    contradiction: float
    evidence_count: int
    assessment: Json = json_object()
    doc_ids: list[str] = text_array()
    """Documents whose statements are terms of the score."""


class RecommendationRow(SQLModel, table=True):
    __tablename__ = "recommendations"
    __table_args__ = (
        Index("ix_recommendations_newest", "as_of", "recommendation_id"),
        Index("ix_recommendations_of_symbol", "symbol", "as_of", "recommendation_id"),
        Index("ix_recommendations_of_action", "action", "as_of", "recommendation_id"),
    )

    recommendation_id: str = Field(primary_key=True)
    symbol: str = Field(foreign_key="companies.symbol")
    as_of: datetime = instant()
    action: str
    previous_action: str = text()
    score: float
    conviction: float
    edge_bp: float
    cost_bp: float
    thesis: str = text()
    config_version: str = text()
    record_hash: str = text()
    body: Json = json_object()


class DecisionRecordRow(SQLModel, table=True):
    """Append-only: all that a recommendation was computed from."""

    __tablename__ = "decision_records"

    record_hash: str = Field(primary_key=True)
    recommendation_id: str = Field(index=True)
    symbol: str = text()
    as_of: datetime = instant()
    record_key: str = text()
    decided_by: str = text("")
    """Id of the workflow that assessed."""
    recorded_at: datetime = instant()


class OrderIntentRow(SQLModel, table=True):
    """Our sized wish, before risk has spoken."""

    __tablename__ = "order_intents"
    __table_args__ = (
        Index("ix_order_intents_newest", "as_of", "intent_id"),
        Index("ix_order_intents_of_symbol", "symbol", "as_of", "intent_id"),
        Index("ix_order_intents_of_state", "state", "as_of", "intent_id"),
    )

    intent_id: str = Field(primary_key=True)
    recommendation_id: str = Field(index=True)
    symbol: str
    side: str = text()
    quantity: Decimal = shares()
    reference_price: Decimal = dollars()
    notional: Decimal = dollars()
    target_weight: float
    clamps: list[Json] = json_list()
    as_of: datetime = instant()
    reason: str = text("")
    state: str = "open"
    proposed_by: str = text("engine")
    """The principal who made it by hand, `engine` otherwise."""


class IntentChange(SQLModel, table=True):
    """Append-only: a person changed an intent before it was sent, and became one of its proposers."""

    __tablename__ = "intent_changes"

    change_id: str = Field(primary_key=True)
    intent_id: str = Field(foreign_key="order_intents.intent_id", index=True)
    actor: str = text()
    reason: str = text()
    quantity_before: Decimal = shares()
    quantity_after: Decimal = shares()
    changed_at: datetime = instant()


class RiskDecisionRow(SQLModel, table=True):
    __tablename__ = "risk_decisions"

    decision_id: str = Field(primary_key=True)
    intent_id: str = Field(foreign_key="order_intents.intent_id", index=True)
    outcome: str = Field(index=True)
    allowed_quantity: Decimal = shares()
    needs_approval: bool = False
    approval_reason: str = text("")
    checks: list[Json] = json_list()
    as_of: datetime = instant()
    stage: str = text("first")
    """`first`, or `recheck`: before the order was sent, or asked about anew."""
    price: Decimal | None = dollars(nullable=True)
    """What a share was judged at."""
    people: int = 0
    """How many different people must approve."""
    approval_rules: list[Json] = json_list()
    """Every rule of the approval policy that was looked at."""


class Approval(SQLModel, table=True):
    """A question to people, bound to one exact order and one band of prices by `order_hash`."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("ix_approvals_oldest", "requested_at", "approval_id"),
        Index("ix_approvals_of_status", "status", "requested_at", "approval_id"),
    )

    approval_id: str = Field(primary_key=True)
    intent_id: str = Field(foreign_key="order_intents.intent_id", index=True)
    decision_id: str = text()
    symbol: str = text()
    side: str = text()
    quantity: Decimal = shares()
    notional: Decimal = dollars()
    reason: str = text()
    order_hash: str = text()
    status: str = "pending"
    requested_at: datetime = instant()
    expires_at: datetime = instant()
    decided_at: datetime | None = instant(nullable=True)
    decided_by: str = text("")
    decision_reason: str = text("")
    people: int = 1
    """How many different people must approve."""
    rules: list[Json] = json_list()
    proposers: list[str] = json_list()
    solo: bool = False
    signals_approve: bool = True
    price: Decimal | None = dollars(nullable=True)
    band_low: Decimal | None = dollars(nullable=True)
    band_high: Decimal | None = dollars(nullable=True)
    record_hash: str = text("")
    """Of the decision record behind the thesis."""
    escalates_at: datetime | None = instant(nullable=True)
    escalated_at: datetime | None = instant(nullable=True)
    escalation_audience: str = text("")
    ask: int = 1
    """Counts the questions about the intent."""
    replaces: str = text("")


class ApprovalVote(SQLModel, table=True):
    """Append-only: one person's word on one question. The database refuses to change or delete it."""

    __tablename__ = "approval_votes"
    __table_args__ = (UniqueConstraint("approval_id", "person"),)

    vote_id: str = Field(primary_key=True)
    approval_id: str = Field(foreign_key="approvals.approval_id", index=True)
    person: str = text()
    actor: str = text()
    approved: bool
    reason: str = text()
    order_hash: str = text()
    via: str = text()
    voted_at: datetime = instant()
