"""Full-text search over documents; lists that read as fast on their thousandth page as on their first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NEW = (
    ("ix_documents_known", "documents", ["available_at", "doc_id"]),
    ("ix_documents_source", "documents", ["source_id", "available_at", "doc_id"]),
    ("ix_documents_state", "documents", ["status", "available_at", "doc_id"]),
    ("ix_document_symbols_known", "document_symbols", ["symbol", "available_at", "doc_id"]),
    ("ix_evidence_symbol_known", "evidence", ["symbol", "available_at", "event_id"]),
    ("ix_events_known", "events", ["available_at", "event_id"]),
    ("ix_events_type_known", "events", ["type", "available_at", "event_id"]),
    ("ix_signal_snapshots_newest", "signal_snapshots", ["as_of", "snapshot_id"]),
    ("ix_recommendations_newest", "recommendations", ["as_of", "recommendation_id"]),
    ("ix_recommendations_of_symbol", "recommendations", ["symbol", "as_of", "recommendation_id"]),
    ("ix_recommendations_of_action", "recommendations", ["action", "as_of", "recommendation_id"]),
    ("ix_orders_newest", "orders", ["created_at", "order_id"]),
    ("ix_orders_of_symbol", "orders", ["symbol", "created_at", "order_id"]),
    ("ix_fills_newest", "fills", ["filled_at", "fill_id"]),
    ("ix_fills_of_symbol", "fills", ["symbol", "filled_at", "fill_id"]),
)
# Each is the beginning of a new one.
_OLD = (
    ("documents", "available_at"),
    ("documents", "source_id"),
    ("documents", "status"),
    ("document_symbols", "symbol"),
    ("evidence", "symbol"),
    ("events", "type"),
    ("signal_snapshots", "as_of"),
    ("recommendations", "as_of"),
    ("recommendations", "symbol"),
    ("recommendations", "action"),
    ("orders", "created_at"),
    ("orders", "symbol"),
    ("fills", "filled_at"),
    ("fills", "symbol"),
)


def upgrade() -> None:
    _add_columns()
    for name, table, columns in _NEW:
        op.create_index(name, table, columns, unique=False)
    for table, column in _OLD:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
    for layer in ("macro", "competitive"):
        op.create_index(
            f"ix_signal_snapshots_{layer}",
            "signal_snapshots",
            ["as_of", "snapshot_id"],
            unique=False,
            postgresql_where=sa.text(f"{layer} <> 0"),
        )
    op.create_index("ix_signal_snapshots_doc_ids", "signal_snapshots", ["doc_ids"], postgresql_using="gin")
    # The workflow `index-documents` fills it from the stored readings of documents that are there already.
    op.create_table(
        "document_search",
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("symbols", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("search", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["doc_id"], ["documents.doc_id"]),
        sa.PrimaryKeyConstraint("doc_id"),
    )
    op.create_index("ix_document_search_words", "document_search", ["search", "symbols"], postgresql_using="gin")
    op.create_index("ix_document_search_known", "document_search", ["available_at", "doc_id"])
    op.create_index("ix_document_search_source", "document_search", ["source_id", "available_at", "doc_id"])


def downgrade() -> None:
    op.drop_table("document_search")
    for name in ("doc_ids", "competitive", "macro"):
        op.drop_index(f"ix_signal_snapshots_{name}", table_name="signal_snapshots")
    for table, column in reversed(_OLD):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    for name, table, _ in reversed(_NEW):
        op.drop_index(name, table_name=table)
    op.drop_column("signal_snapshots", "doc_ids")
    op.drop_column("events", "available_at")
    op.drop_column("document_symbols", "available_at")


def _add_columns() -> None:
    op.add_column("document_symbols", sa.Column("available_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("events", sa.Column("available_at", sa.DateTime(timezone=True), nullable=True))
    for table in ("document_symbols", "events"):
        op.execute(
            f"UPDATE {table} SET available_at = documents.available_at FROM documents "  # noqa: S608
            f"WHERE documents.doc_id = {table}.doc_id"
        )
        op.alter_column(table, "available_at", nullable=False)
    op.add_column(
        "signal_snapshots", sa.Column("doc_ids", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}")
    )
    op.execute(
        "UPDATE signal_snapshots SET doc_ids = found.ids FROM ("
        " SELECT snapshot_id, array_agg(DISTINCT term->>'doc_id' ORDER BY term->>'doc_id') AS ids"
        " FROM signal_snapshots, jsonb_array_elements(assessment->'attributions') AS term"
        " WHERE term->>'doc_id' <> '' GROUP BY snapshot_id"
        ") AS found WHERE found.snapshot_id = signal_snapshots.snapshot_id"
    )
    op.alter_column("signal_snapshots", "doc_ids", server_default=None)
