"""Orders with all they are sent with; reconciliations with the broker, and what differed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OF_AN_ORDER = ("expires_at", "sent_at", "missing_since", "abandoned_at")


def upgrade() -> None:
    op.add_column(
        "orders", sa.Column("body", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb"))
    )
    for name in _OF_AN_ORDER:
        op.add_column("orders", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE orders SET sent_at = created_at, expires_at = created_at + interval '30 minutes'")
    op.create_table(
        "order_replacements",
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=False),
        sa.Column("change", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("broker_order_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"]),
        sa.PrimaryKeyConstraint("client_order_id"),
        sa.UniqueConstraint("request_key"),
    )
    op.create_index(op.f("ix_order_replacements_order_id"), "order_replacements", ["order_id"], unique=False)
    op.create_table(
        "broker_activities",
        sa.Column("activity_id", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("cash", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("activity_id"),
    )
    for name in ("kind", "symbol", "seen_at"):
        op.create_index(op.f(f"ix_broker_activities_{name}"), "broker_activities", [name], unique=False)
    op.create_table(
        "broker_failures",
        sa.Column("failure_id", sa.String(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("failure_id"),
    )
    op.create_index(op.f("ix_broker_failures_at"), "broker_failures", ["at"], unique=False)
    op.create_table(
        "reconciliations",
        sa.Column("reconciliation_id", sa.String(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clean", sa.Boolean(), nullable=False),
        sa.Column("mismatches", sa.Integer(), nullable=False),
        sa.Column("adopted", sa.Integer(), nullable=False),
        sa.Column("left_alone", sa.Integer(), nullable=False),
        sa.Column("cash", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("opening_cash", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("found", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("reconciliation_id"),
    )
    op.create_index(op.f("ix_reconciliations_as_of"), "reconciliations", ["as_of"], unique=False)
    op.create_table(
        "reconciliation_differences",
        sa.Column("difference_id", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("treatment", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("ours", sa.Text(), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("blocking", sa.Boolean(), nullable=False),
        sa.Column("first_reconciliation", sa.String(), nullable=False),
        sa.Column("last_reconciliation", sa.String(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["first_reconciliation"], ["reconciliations.reconciliation_id"]),
        sa.ForeignKeyConstraint(["last_reconciliation"], ["reconciliations.reconciliation_id"]),
        sa.PrimaryKeyConstraint("difference_id"),
    )
    for name in ("fingerprint", "kind", "first_seen_at"):
        op.create_index(
            op.f(f"ix_reconciliation_differences_{name}"), "reconciliation_differences", [name], unique=False
        )
    op.create_table(
        "foreign_positions",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reconciliation_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["reconciliation_id"], ["reconciliations.reconciliation_id"]),
        sa.PrimaryKeyConstraint("symbol"),
    )


def downgrade() -> None:
    for table in (
        "foreign_positions",
        "reconciliation_differences",
        "reconciliations",
        "broker_failures",
        "broker_activities",
        "order_replacements",
    ):
        op.drop_table(table)
    for name in (*_OF_AN_ORDER, "body"):
        op.drop_column("orders", name)
