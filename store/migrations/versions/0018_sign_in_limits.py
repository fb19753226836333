"""What was proven before somebody was signed out everywhere begins nothing; failed sign-ins are counted in the book."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("people", sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("people", "generation", server_default=None)


def downgrade() -> None:
    op.drop_column("people", "generation")
