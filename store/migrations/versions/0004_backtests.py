"""Which workflow made a decision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decision_records", sa.Column("decided_by", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("decision_records", "decided_by")
