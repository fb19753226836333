"""Messages to people, how they are routed, and how far the outbox was read for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TEXTS = {"event_id": "", "severity": "info", "receipt": "", "list_id": ""}
_INSTANTS = ("due_at", "handed_at", "claimed_at")


def upgrade() -> None:
    for name, default in _TEXTS.items():
        op.add_column("notifications", sa.Column(name, sa.Text(), nullable=False, server_default=default))
    for name in _INSTANTS:
        op.add_column("notifications", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("notifications", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "notifications", sa.Column("message", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb"))
    )
    op.create_index(op.f("ix_notifications_status"), "notifications", ["status"], unique=False)
    op.create_table(
        "notifications_config",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "outbox_cursors",
        sa.Column("reader", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reader"),
    )


def downgrade() -> None:
    op.drop_table("outbox_cursors")
    op.drop_table("notifications_config")
    op.drop_index(op.f("ix_notifications_status"), table_name="notifications")
    for name in ("message", "attempts", *_INSTANTS, *_TEXTS):
        op.drop_column("notifications", name)
