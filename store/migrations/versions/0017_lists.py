"""Lists of decisions, questions, runs, notifications and orders of a status begin where their page does."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NEW = (
    ("ix_order_intents_newest", "order_intents", ["as_of", "intent_id"]),
    ("ix_order_intents_of_symbol", "order_intents", ["symbol", "as_of", "intent_id"]),
    ("ix_order_intents_of_state", "order_intents", ["state", "as_of", "intent_id"]),
    ("ix_orders_of_status", "orders", ["status", "created_at", "order_id"]),
    ("ix_approvals_oldest", "approvals", ["requested_at", "approval_id"]),
    ("ix_approvals_of_status", "approvals", ["status", "requested_at", "approval_id"]),
    ("ix_ingestion_runs_of_source", "ingestion_runs", ["source_id", "started_at", "run_id"]),
    ("ix_notifications_newest", "notifications", ["created_at", "notification_id"]),
    ("ix_notifications_of_status", "notifications", ["status", "created_at", "notification_id"]),
    ("ix_notifications_of_event", "notifications", ["event", "created_at", "notification_id"]),
    ("ix_reconciliations_newest", "reconciliations", ["as_of", "reconciliation_id"]),
)
# Each is the beginning of a new one.
_OLD = (
    ("order_intents", "as_of"),
    ("order_intents", "symbol"),
    ("order_intents", "state"),
    ("orders", "status"),
    ("approvals", "requested_at"),
    ("approvals", "status"),
    ("ingestion_runs", "source_id"),
    ("notifications", "created_at"),
    ("notifications", "status"),
    ("notifications", "event"),
    ("reconciliations", "as_of"),
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
