"""Agents and their variants, what was asked of models, how it went, and what people decided from it."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Index, Numeric, Text
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, instant, json_list, json_object, text


class AiAgent(SQLModel, table=True):
    __tablename__ = "ai_agents"

    agent_id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    kind: str = text("document-extractor")
    purpose: str = text("")
    origin: str = text("system")
    """`system`: one of the three that documents pass; `person`: made for trying out and comparing."""
    settings: Json = json_object()
    """Fields that differ from the built-in defaults."""
    budget: Json = json_object()
    archived: bool = False
    created_at: datetime = instant()
    updated_at: datetime | None = instant(nullable=True)
    version: int = 1


class AgentVariant(SQLModel, table=True):
    """A configuration of an agent. Its settings never change (the database refuses): a change is a new variant."""

    __tablename__ = "agent_variants"
    __table_args__ = (Index("ix_agent_variants_of_agent", "agent_id", "created_at", "variant_id"),)

    variant_id: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="ai_agents.agent_id")
    name: str = text("")
    settings: Json = json_object()
    """Fields that differ from the agent's."""
    traffic_share: float = 0.0
    active: bool = False
    shadow: bool = False
    created_at: datetime = instant()
    created_by: str = text("")
    changed_at: datetime | None = instant(nullable=True)
    """When it was last activated or deactivated."""


class AgentPerformance(SQLModel, table=True):
    """One attempt of an agent: every call of a model, and every reading by the rules."""

    __tablename__ = "agent_performance_log"
    __table_args__ = (Index("ix_agent_performance_log_variant", "agent", "variant_id", "recorded_at"),)

    call_id: str = Field(primary_key=True)
    agent: str = Field(index=True)
    variant_id: str = text("")
    doc_id: str = Field(default="", index=True)
    """The document, or the recommendation that a thesis is for."""
    extractor_version: str = text("")
    attempt: int = 1
    kind: str = text("first")
    """first, more-room or repair."""
    shadow: bool = False
    cached: bool = False
    """The answer was known already: nothing was asked and nothing spent."""
    latency_ms: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_dollars: Decimal = Field(default=Decimal(0), sa_type=Numeric(20, 6))
    valid: bool = True
    problem: str = text("")
    quotes_total: int = 0
    quotes_valid: int = 0
    recorded_at: datetime = instant(index=True)


class ModelCallRow(SQLModel, table=True):
    """A question to a model by its key: what was set aside for it, and its answer once there is one.

    The same question to the same weights is one row: a retry finds what was set aside, or the answer.
    """

    __tablename__ = "model_calls"

    call_key: str = Field(primary_key=True)
    agent_id: str = Field(index=True)
    day: date
    """The day, UTC, whose budget it is taken from."""
    model: str = text()
    model_digest: str = text()
    reserved_tokens: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cut: bool = False
    answer: str | None = Field(default=None, sa_type=Text, nullable=True)
    elapsed_ms: int = 0
    reserved_at: datetime = instant()
    answered_at: datetime | None = instant(nullable=True)


class ModelBudgetDay(SQLModel, table=True):
    """What an agent has used and set aside on a day, UTC."""

    __tablename__ = "model_budget_days"

    agent_id: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    calls: int = 0
    tokens: int = Field(default=0, sa_type=BigInteger)


class AgentEvaluation(SQLModel, table=True):
    """A variant measured on labelled sentences."""

    __tablename__ = "agent_evaluations"
    __table_args__ = (Index("ix_agent_evaluations_of_agent", "agent_id", "recorded_at", "evaluation_id"),)

    evaluation_id: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="ai_agents.agent_id")
    variant_id: str = text("")
    engine_version: str = text()
    dataset: str = text()
    dataset_hash: str = text()
    """Of the sentences and their labels: two evaluations of one hash can be compared sentence by sentence."""
    figures: Json = json_object()
    right: Json = json_object()
    """By the hash of each sentence, whether the call was right."""
    recorded_at: datetime = instant(index=True)


class AgentPromotion(SQLModel, table=True):
    """A variant put to the gate: every criterion with value, limit and whether it passed."""

    __tablename__ = "agent_promotions"
    __table_args__ = (Index("ix_agent_promotions_of_agent", "agent_id", "decided_at", "promotion_id"),)

    promotion_id: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="ai_agents.agent_id")
    variant_id: str = text()
    against: str = text("")
    """The variant that it would replace; empty: the agent's own settings."""
    passed: bool
    criteria: list[Json] = json_list()
    decided_by: str = text()
    decided_at: datetime = instant(index=True)


class Thesis(SQLModel, table=True):
    """A recommendation's thesis in a model's words, checked against the brief that it was written from."""

    __tablename__ = "theses"

    thesis_id: str = Field(primary_key=True)
    recommendation_id: str = Field(foreign_key="recommendations.recommendation_id", index=True)
    engine_version: str = text()
    variant_id: str = text("")
    sentences: list[Json] = json_list()
    invalidation: list[Json] = json_list()
    recorded_at: datetime = instant()


class WhatIfRow(SQLModel, table=True):
    """A recommendation asked again: the same frozen documents read by somebody else."""

    __tablename__ = "what_ifs"
    __table_args__ = (Index("ix_what_ifs_of_recommendation", "recommendation_id", "requested_at", "what_if_id"),)

    what_if_id: str = Field(primary_key=True)
    recommendation_id: str = Field(foreign_key="recommendations.recommendation_id")
    status: str = text("running")
    """running, finished or failed."""
    request: Json = json_object()
    report: Json = json_object()
    error: str = text("")
    requested_by: str = text("")
    requested_at: datetime = instant(index=True)
    finished_at: datetime | None = instant(nullable=True)
