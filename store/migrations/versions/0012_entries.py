"""Earnings dates that change: every entry, change and removal is a row of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_KEY = "earnings_dates_pkey"


def upgrade() -> None:
    op.add_column("earnings_dates", sa.Column("number", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("earnings_dates", sa.Column("removed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("earnings_dates", sa.Column("actor", sa.Text(), nullable=False, server_default=""))
    for name in ("number", "removed", "actor"):
        op.alter_column("earnings_dates", name, server_default=None)
    op.drop_constraint(_KEY, "earnings_dates", type_="primary")
    op.create_primary_key(_KEY, "earnings_dates", ["symbol", "report_date", "number"])


def downgrade() -> None:
    """Keep of each date what holds; the history before it is lost."""
    op.execute(
        "DELETE FROM earnings_dates AS old USING earnings_dates AS later WHERE later.symbol = old.symbol "
        "AND later.report_date = old.report_date AND later.number > old.number"
    )
    op.execute("DELETE FROM earnings_dates WHERE removed")
    op.drop_constraint(_KEY, "earnings_dates", type_="primary")
    op.create_primary_key(_KEY, "earnings_dates", ["symbol", "report_date"])
    for name in ("actor", "removed", "number"):
        op.drop_column("earnings_dates", name)
