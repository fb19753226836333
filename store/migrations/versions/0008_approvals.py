"""Who must approve what, and who did."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("approval_votes", "intent_changes")
_REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "intent_changes",
        sa.Column("change_id", sa.String(), nullable=False),
        sa.Column("intent_id", sa.String(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("quantity_before", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("quantity_after", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["order_intents.intent_id"]),
        sa.PrimaryKeyConstraint("change_id"),
    )
    op.create_index(op.f("ix_intent_changes_intent_id"), "intent_changes", ["intent_id"], unique=False)
    op.create_table(
        "approval_votes",
        sa.Column("vote_id", sa.String(), nullable=False),
        sa.Column("approval_id", sa.String(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("order_hash", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("voted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.approval_id"]),
        sa.PrimaryKeyConstraint("vote_id"),
        sa.UniqueConstraint("approval_id", "person"),
    )
    op.create_index(op.f("ix_approval_votes_approval_id"), "approval_votes", ["approval_id"], unique=False)
    op.execute(_REFUSE)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    for table in _APPEND_ONLY:
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)


def _columns() -> dict[str, list[sa.Column[Any]]]:
    return {
        "order_intents": [_text("proposed_by", "engine")],
        "risk_decisions": [_text("stage", "first"), _dollars("price"), _count("people", 0), _list("approval_rules")],
        "approvals": [
            _count("people", 1),
            _list("rules"),
            _list("proposers"),
            sa.Column("solo", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("signals_approve", sa.Boolean(), nullable=False, server_default=sa.true()),
            _dollars("price"),
            _dollars("band_low"),
            _dollars("band_high"),
            _text("record_hash", ""),
            sa.Column("escalates_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
            _text("escalation_audience", ""),
            _count("ask", 1),
            _text("replaces", ""),
        ],
    }


def _text(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default)


def _count(name: str, default: int) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=str(default))


def _dollars(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Numeric(precision=20, scale=6), nullable=True)


def _list(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'::jsonb"))
