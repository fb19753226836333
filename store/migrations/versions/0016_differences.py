"""Differences with the broker that a person has accepted, and what was booked for them; bars by session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "difference_acceptances",
        sa.Column("acceptance_id", sa.String(), nullable=False),
        sa.Column("difference_id", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=False),
        sa.Column("booked", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["difference_id"], ["reconciliation_differences.difference_id"]),
        sa.PrimaryKeyConstraint("acceptance_id"),
    )
    for name in ("difference_id", "status"):
        op.create_index(op.f(f"ix_difference_acceptances_{name}"), "difference_acceptances", [name], unique=False)
    op.create_table(
        "position_adjustments",
        sa.Column("adjustment_id", sa.String(), nullable=False),
        sa.Column("acceptance_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("adjusted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["acceptance_id"], ["difference_acceptances.acceptance_id"]),
        sa.PrimaryKeyConstraint("adjustment_id"),
    )
    op.create_index(op.f("ix_position_adjustments_symbol"), "position_adjustments", ["symbol"], unique=False)
    op.create_index(op.f("ix_bars_session"), "bars", ["session"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_bars_session"), table_name="bars")
    op.drop_table("position_adjustments")
    op.drop_table("difference_acceptances")
