"""Stops, breakers, the reserve and tiers of the live account; changes of the configuration that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "protection_state",
        sa.Column("state_id", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_id"),
    )
    op.create_table(
        "stop_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("level", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("share", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    for name in ("symbol", "as_of"):
        op.create_index(op.f(f"ix_stop_events_{name}"), "stop_events", [name], unique=False)
    op.create_table(
        "config_proposals",
        sa.Column("proposal_id", sa.String(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("loosened", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id"),
    )
    for name in ("proposed_at", "status"):
        op.create_index(op.f(f"ix_config_proposals_{name}"), "config_proposals", [name], unique=False)


def downgrade() -> None:
    op.drop_table("config_proposals")
    op.drop_table("stop_events")
    op.drop_table("protection_state")
