"""The last lists that compared their order key by key compare it as a whole, and begin where their page does."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_NEW = (
    ("ix_agent_variants_of_agent", "agent_variants", ["agent_id", "created_at", "variant_id"]),
    ("ix_agent_evaluations_of_agent", "agent_evaluations", ["agent_id", "recorded_at", "evaluation_id"]),
    ("ix_agent_promotions_of_agent", "agent_promotions", ["agent_id", "decided_at", "promotion_id"]),
    ("ix_what_ifs_of_recommendation", "what_ifs", ["recommendation_id", "requested_at", "what_if_id"]),
    ("ix_company_aliases_of_symbol", "company_aliases", ["symbol", "alias", "alias_id"]),
    ("ix_backtests_newest", "backtests", ["created_at", "backtest_id"]),
)
# Each is the beginning of a new one.
_OLD = (
    ("agent_variants", "agent_id"),
    ("agent_evaluations", "agent_id"),
    ("agent_promotions", "agent_id"),
    ("what_ifs", "recommendation_id"),
    ("company_aliases", "symbol"),
    ("backtests", "created_at"),
)


def upgrade() -> None:
    for name, table, columns in _NEW:
        op.create_index(name, table, columns, unique=False)
    for table, column in _OLD:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)


def downgrade() -> None:
    for table, column in reversed(_OLD):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    for name, table, _ in reversed(_NEW):
        op.drop_index(name, table_name=table)
