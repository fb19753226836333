"""Which workflow made a decision; backtests with the data they read, who asked, and how they ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OF_A_BACKTEST = ("data_version", "error", "requested_by")


def upgrade() -> None:
    op.add_column("decision_records", sa.Column("decided_by", sa.Text(), nullable=False, server_default=""))
    for name in _OF_A_BACKTEST:
        op.add_column("backtests", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "backtests", sa.Column("returns", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'::jsonb"))
    )
    op.create_index(op.f("ix_backtests_created_at"), "backtests", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_backtests_created_at"), table_name="backtests")
    for name in ("returns", *_OF_A_BACKTEST):
        op.drop_column("backtests", name)
    op.drop_column("decision_records", "decided_by")
