"""Agents: variants that cannot change, what was asked of models and its budget, evaluations, promotions, readings of the
economy, theses in a model's words, what-ifs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
_OF_A_VARIANT = ["agent", "variant_id", "recorded_at"]
"""What figures and comparisons look for: a variant's rows within a window of time."""
_AGENTS = (
    ("document-extractor", "Document extractor", "Events of companies, with quotes, from a document's text"),
    ("event-classifier", "Event classifier", "Statements on the economy, with quotes, from a document's text"),
    ("thesis-rewriter", "Thesis rewriter", "A recommendation's thesis in plain words, from its numbers and quotes"),
)


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default)


def _string(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _count(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind(), nullable=False, server_default="0")


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def _json(name: str, default: str = "{}") -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), nullable=False, server_default=default)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, INSTANT, nullable=nullable)


def upgrade() -> None:
    _registry()
    _calls()
    _readings()
    _outcomes()


def _registry() -> None:
    for column in (
        _text("kind", "document-extractor"),
        _json("budget"),
        _instant("updated_at", nullable=True),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
    ):
        op.add_column("ai_agents", column)
    for column in (_text("name"), _text("created_by"), _instant("changed_at", nullable=True)):
        op.add_column("agent_variants", column)
    op.execute(
        """
        CREATE FUNCTION refuse_variant_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'VARIANT_IMMUTABLE: variant_id=%. Create another variant instead', OLD.variant_id;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER agent_variants_immutable BEFORE UPDATE ON agent_variants FOR EACH ROW
        WHEN (OLD.variant_id IS DISTINCT FROM NEW.variant_id OR OLD.agent_id IS DISTINCT FROM NEW.agent_id
              OR OLD.name IS DISTINCT FROM NEW.name OR OLD.settings IS DISTINCT FROM NEW.settings
              OR OLD.created_at IS DISTINCT FROM NEW.created_at OR OLD.created_by IS DISTINCT FROM NEW.created_by)
        EXECUTE FUNCTION refuse_variant_change()
        """
    )
    for agent_id, name, purpose in _AGENTS:
        op.execute(
            sa.text(
                "INSERT INTO ai_agents (agent_id, name, kind, purpose, origin, settings, archived, created_at)"
                " VALUES (:agent_id, :name, :agent_id, :purpose, 'system', '{}', false, now()) ON CONFLICT DO NOTHING"
            ).bindparams(agent_id=agent_id, name=name, purpose=purpose)
        )


def _calls() -> None:
    for column in (
        _text("kind", "first"),
        _flag("shadow"),
        _flag("cached"),
        sa.Column("cost_dollars", sa.Numeric(20, 6), nullable=False, server_default="0"),
    ):
        op.add_column("agent_performance_log", column)
    op.create_index("ix_agent_performance_log_variant", "agent_performance_log", _OF_A_VARIANT)
    op.create_table(
        "model_calls",
        _string("call_key"),
        _string("agent_id"),
        sa.Column("day", sa.Date(), nullable=False),
        _text("model"),
        _text("model_digest"),
        _count("reserved_tokens"),
        _count("tokens_in"),
        _count("tokens_out"),
        _flag("cut"),
        sa.Column("answer", sa.Text(), nullable=True),
        _count("elapsed_ms"),
        _instant("reserved_at"),
        _instant("answered_at", nullable=True),
        sa.PrimaryKeyConstraint("call_key"),
    )
    op.create_index(op.f("ix_model_calls_agent_id"), "model_calls", ["agent_id"])
    op.create_table(
        "model_budget_days",
        _string("agent_id"),
        sa.Column("day", sa.Date(), nullable=False),
        _count("calls"),
        _count("tokens", sa.BigInteger),
        sa.PrimaryKeyConstraint("agent_id", "day"),
    )


def _readings() -> None:
    for column in (
        _text("agent", "document-extractor"),
        _text("variant_id"),
        _text("experiment"),
        _flag("shadow"),
        _flag("superseded"),
    ):
        op.add_column("extractions", column)
    op.create_index("ix_extractions_variant", "extractions", _OF_A_VARIANT)
    op.create_table(
        "macro_events",
        _string("macro_event_id"),
        _string("extraction_id"),
        _string("doc_id"),
        _text("topic"),
        _text("factor"),
        _text("name"),
        sa.Column("direction", sa.Float(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        _json("surprise"),
        _text("region"),
        sa.Column("sectors", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        _json("quotes", "[]"),
        _instant("available_at"),
        sa.ForeignKeyConstraint(["extraction_id"], ["extractions.extraction_id"]),
        sa.ForeignKeyConstraint(["doc_id"], ["documents.doc_id"]),
        sa.PrimaryKeyConstraint("macro_event_id"),
    )
    for name in ("extraction_id", "doc_id", "available_at"):
        op.create_index(op.f(f"ix_macro_events_{name}"), "macro_events", [name])


def _outcomes() -> None:
    op.create_table(
        "agent_evaluations",
        _string("evaluation_id"),
        _string("agent_id"),
        _text("variant_id"),
        _text("engine_version"),
        _text("dataset"),
        _text("dataset_hash"),
        _json("figures"),
        _json("right"),
        _instant("recorded_at"),
        sa.ForeignKeyConstraint(["agent_id"], ["ai_agents.agent_id"]),
        sa.PrimaryKeyConstraint("evaluation_id"),
    )
    op.create_table(
        "agent_promotions",
        _string("promotion_id"),
        _string("agent_id"),
        _text("variant_id"),
        _text("against"),
        sa.Column("passed", sa.Boolean(), nullable=False),
        _json("criteria", "[]"),
        _text("decided_by"),
        _instant("decided_at"),
        sa.ForeignKeyConstraint(["agent_id"], ["ai_agents.agent_id"]),
        sa.PrimaryKeyConstraint("promotion_id"),
    )
    op.create_table(
        "theses",
        _string("thesis_id"),
        _string("recommendation_id"),
        _text("engine_version"),
        _text("variant_id"),
        _json("sentences", "[]"),
        _json("invalidation", "[]"),
        _instant("recorded_at"),
        sa.ForeignKeyConstraint(["recommendation_id"], ["recommendations.recommendation_id"]),
        sa.PrimaryKeyConstraint("thesis_id"),
    )
    op.create_table(
        "what_ifs",
        _string("what_if_id"),
        _string("recommendation_id"),
        _text("status", "running"),
        _json("request"),
        _json("report"),
        _text("error"),
        _text("requested_by"),
        _instant("requested_at"),
        _instant("finished_at", nullable=True),
        sa.ForeignKeyConstraint(["recommendation_id"], ["recommendations.recommendation_id"]),
        sa.PrimaryKeyConstraint("what_if_id"),
    )
    for table, name in (
        ("agent_evaluations", "agent_id"),
        ("agent_evaluations", "recorded_at"),
        ("agent_promotions", "agent_id"),
        ("agent_promotions", "decided_at"),
        ("theses", "recommendation_id"),
        ("what_ifs", "recommendation_id"),
        ("what_ifs", "requested_at"),
    ):
        op.create_index(op.f(f"ix_{table}_{name}"), table, [name])
