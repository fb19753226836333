"""A marked account says what capital was paid in: no page adds every execution up for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# The account as it was marked last; nobody asks for those before it.
_NEWEST = """
    UPDATE account_snapshots AS marked
    SET paid_in = cash
        + (SELECT coalesce(sum(CASE side WHEN 'buy' THEN quantity * price ELSE -quantity * price END + fee), 0)
           FROM fills WHERE filled_at <= marked.as_of)
        - (SELECT coalesce(sum(cash), 0) FROM corporate_action_entries WHERE applied_at <= marked.as_of)
    WHERE as_of = (SELECT max(as_of) FROM account_snapshots)
"""


def upgrade() -> None:
    op.add_column("account_snapshots", sa.Column("paid_in", sa.Numeric(20, 6), nullable=True))
    op.execute(_NEWEST)


def downgrade() -> None:
    op.drop_column("account_snapshots", "paid_in")
