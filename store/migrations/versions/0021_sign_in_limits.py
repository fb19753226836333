"""What was proven before somebody was signed out everywhere begins nothing; failed sign-ins are counted in the book."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("people", sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("people", "generation", server_default=None)
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(op.f("ix_sign_in_attempts_last_at"), "sign_in_attempts", ["last_at"], unique=False)


def downgrade() -> None:
    op.drop_table("sign_in_attempts")
    op.drop_column("people", "generation")
