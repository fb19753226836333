"""The book of record, first version.

Longer than other files: one migration makes the whole first schema, table by table, in one read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_snapshots",
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("cash", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("peak_equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("gross_exposure", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("positions", sa.Integer(), nullable=False),
        sa.Column("realized_pnl", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unrealized_pnl", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.PrimaryKeyConstraint("as_of"),
    )
    op.create_table(
        "agent_performance_log",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("variant_id", sa.Text(), nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("extractor_version", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("quotes_total", sa.Integer(), nullable=False),
        sa.Column("quotes_valid", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
    )
    op.create_index(op.f("ix_agent_performance_log_agent"), "agent_performance_log", ["agent"], unique=False)
    op.create_index(op.f("ix_agent_performance_log_doc_id"), "agent_performance_log", ["doc_id"], unique=False)
    op.create_index(
        op.f("ix_agent_performance_log_recorded_at"), "agent_performance_log", ["recorded_at"], unique=False
    )
    op.create_table(
        "ai_agents",
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent_id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_table(
        "audit_log",
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("entry_key", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("entry_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("entry_key"),
    )
    op.create_index(op.f("ix_audit_log_action"), "audit_log", ["action"], unique=False)
    op.create_index(op.f("ix_audit_log_recorded_at"), "audit_log", ["recorded_at"], unique=False)
    op.create_table(
        "backtests",
        sa.Column("backtest_id", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("backtest_id"),
    )
    op.create_table(
        "backups",
        sa.Column("backup_id", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("backup_id"),
    )
    op.create_table(
        "bars",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("open", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("high", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("low", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("close", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("volume", sa.BigInteger(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "session"),
    )
    op.create_table(
        "breaker_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("breaker", sa.String(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("limit", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_breaker_events_as_of"), "breaker_events", ["as_of"], unique=False)
    op.create_index(op.f("ix_breaker_events_breaker"), "breaker_events", ["breaker"], unique=False)
    op.create_table(
        "companies",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("industry", sa.Text(), nullable=False),
        sa.Column("cik", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("active_from", sa.Date(), nullable=True),
        sa.Column("active_to", sa.Date(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("symbol"),
    )
    op.create_table(
        "corporate_action_entries",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("quantity_before", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("quantity_after", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("split_ratio", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("cash", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "ex_date"),
    )
    op.create_table(
        "corporate_actions",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("cash_dividend", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("split_ratio", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "ex_date"),
    )
    op.create_table(
        "dead_letter_notes",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "run_id"),
    )
    op.create_table(
        "decision_records",
        sa.Column("record_hash", sa.String(), nullable=False),
        sa.Column("recommendation_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("record_hash"),
    )
    op.create_index(
        op.f("ix_decision_records_recommendation_id"), "decision_records", ["recommendation_id"], unique=False
    )
    op.create_table(
        "lake_exports",
        sa.Column("export_id", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("up_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("export_id"),
    )
    op.create_index(op.f("ix_lake_exports_table_name"), "lake_exports", ["table_name"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("notification_id", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notification_id"),
    )
    op.create_index(op.f("ix_notifications_created_at"), "notifications", ["created_at"], unique=False)
    op.create_index(op.f("ix_notifications_event"), "notifications", ["event"], unique=False)
    op.create_table(
        "order_intents",
        sa.Column("intent_id", sa.String(), nullable=False),
        sa.Column("recommendation_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("reference_price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("notional", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("target_weight", sa.Float(), nullable=False),
        sa.Column("clamps", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("intent_id"),
    )
    op.create_index(op.f("ix_order_intents_as_of"), "order_intents", ["as_of"], unique=False)
    op.create_index(op.f("ix_order_intents_recommendation_id"), "order_intents", ["recommendation_id"], unique=False)
    op.create_index(op.f("ix_order_intents_state"), "order_intents", ["state"], unique=False)
    op.create_index(op.f("ix_order_intents_symbol"), "order_intents", ["symbol"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("event_id"),
    )
    op.create_index(op.f("ix_outbox_event"), "outbox", ["event"], unique=False)
    op.create_index(op.f("ix_outbox_occurred_at"), "outbox", ["occurred_at"], unique=False)
    op.create_table(
        "positions",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("average_price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("last_price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("realized_pnl", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("opened_session", sa.Date(), nullable=True),
        sa.Column("closed_session", sa.Date(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("symbol"),
    )
    op.create_table(
        "rejects",
        sa.Column("reject_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reject_id"),
    )
    op.create_index(op.f("ix_rejects_reason"), "rejects", ["reason"], unique=False)
    op.create_index(op.f("ix_rejects_run_id"), "rejects", ["run_id"], unique=False)
    op.create_table(
        "reserve_ledger",
        sa.Column("entry_id", sa.String(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("balance", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    op.create_index(op.f("ix_reserve_ledger_as_of"), "reserve_ledger", ["as_of"], unique=False)
    op.create_table(
        "sources",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("cadence_seconds", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("credibility", sa.Text(), nullable=False),
        sa.Column("cursor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source_id"),
    )
    op.create_table(
        "tier_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_tier", sa.Text(), nullable=False),
        sa.Column("to_tier", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_tier_events_as_of"), "tier_events", ["as_of"], unique=False)
    op.create_table(
        "trading_config",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "trading_control",
        sa.Column("control_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("control_id"),
    )
    op.create_table(
        "watchlists",
        sa.Column("watchlist_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("watchlist_id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "agent_variants",
        sa.Column("variant_id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("traffic_share", sa.Float(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["ai_agents.agent_id"],
        ),
        sa.PrimaryKeyConstraint("variant_id"),
    )
    op.create_index(op.f("ix_agent_variants_agent_id"), "agent_variants", ["agent_id"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("approval_id", sa.String(), nullable=False),
        sa.Column("intent_id", sa.String(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("notional", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("order_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decision_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["intent_id"],
            ["order_intents.intent_id"],
        ),
        sa.PrimaryKeyConstraint("approval_id"),
    )
    op.create_index(op.f("ix_approvals_intent_id"), "approvals", ["intent_id"], unique=False)
    op.create_index(op.f("ix_approvals_requested_at"), "approvals", ["requested_at"], unique=False)
    op.create_index(op.f("ix_approvals_status"), "approvals", ["status"], unique=False)
    op.create_table(
        "company_aliases",
        sa.Column("alias_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("alias_id"),
    )
    op.create_index(op.f("ix_company_aliases_alias"), "company_aliases", ["alias"], unique=False)
    op.create_index(op.f("ix_company_aliases_symbol"), "company_aliases", ["symbol"], unique=False)
    op.create_table(
        "competitor_links",
        sa.Column("link_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("competitor", sa.String(), nullable=False),
        sa.Column("strength", sa.Float(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["competitor"],
            ["companies.symbol"],
        ),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("link_id"),
        sa.UniqueConstraint("symbol", "competitor"),
    )
    op.create_index(op.f("ix_competitor_links_competitor"), "competitor_links", ["competitor"], unique=False)
    op.create_table(
        "documents",
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("credibility", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("precision", sa.Text(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("raw_key", sa.Text(), nullable=False),
        sa.Column("text_key", sa.Text(), nullable=False),
        sa.Column("shingles", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["sources.source_id"],
        ),
        sa.PrimaryKeyConstraint("doc_id"),
        sa.UniqueConstraint("content_hash"),
    )
    op.create_index(op.f("ix_documents_available_at"), "documents", ["available_at"], unique=False)
    op.create_index(op.f("ix_documents_published_at"), "documents", ["published_at"], unique=False)
    op.create_index(op.f("ix_documents_run_id"), "documents", ["run_id"], unique=False)
    op.create_index(op.f("ix_documents_source_id"), "documents", ["source_id"], unique=False)
    op.create_index(op.f("ix_documents_status"), "documents", ["status"], unique=False)
    op.create_table(
        "earnings_dates",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("report_date", sa.Date(), nullable=False),
        sa.Column("timing", sa.Text(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("symbol", "report_date"),
    )
    op.create_table(
        "exposure_profiles",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("exposures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("symbol", "version"),
    )
    op.create_table(
        "ingestion_runs",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("registered", sa.Integer(), nullable=False),
        sa.Column("linked", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["sources.source_id"],
        ),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index(op.f("ix_ingestion_runs_source_id"), "ingestion_runs", ["source_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("intent_id", sa.String(), nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("broker_order_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("limit_price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("filled_quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("filled_average_price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["intent_id"],
            ["order_intents.intent_id"],
        ),
        sa.PrimaryKeyConstraint("order_id"),
        sa.UniqueConstraint("client_order_id"),
        sa.UniqueConstraint("intent_id"),
    )
    op.create_index(op.f("ix_orders_broker_order_id"), "orders", ["broker_order_id"], unique=False)
    op.create_index(op.f("ix_orders_created_at"), "orders", ["created_at"], unique=False)
    op.create_index(op.f("ix_orders_status"), "orders", ["status"], unique=False)
    op.create_index(op.f("ix_orders_symbol"), "orders", ["symbol"], unique=False)
    op.create_table(
        "recommendations",
        sa.Column("recommendation_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("previous_action", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("conviction", sa.Float(), nullable=False),
        sa.Column("edge_bp", sa.Float(), nullable=False),
        sa.Column("cost_bp", sa.Float(), nullable=False),
        sa.Column("thesis", sa.Text(), nullable=False),
        sa.Column("config_version", sa.Text(), nullable=False),
        sa.Column("record_hash", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("recommendation_id"),
    )
    op.create_index(op.f("ix_recommendations_action"), "recommendations", ["action"], unique=False)
    op.create_index(op.f("ix_recommendations_as_of"), "recommendations", ["as_of"], unique=False)
    op.create_index(op.f("ix_recommendations_symbol"), "recommendations", ["symbol"], unique=False)
    op.create_table(
        "risk_decisions",
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("intent_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("allowed_quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("approval_reason", sa.Text(), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["intent_id"],
            ["order_intents.intent_id"],
        ),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index(op.f("ix_risk_decisions_intent_id"), "risk_decisions", ["intent_id"], unique=False)
    op.create_index(op.f("ix_risk_decisions_outcome"), "risk_decisions", ["outcome"], unique=False)
    op.create_table(
        "signal_snapshots",
        sa.Column("snapshot_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score_nano", sa.BigInteger(), nullable=False),
        sa.Column("company", sa.Float(), nullable=False),
        sa.Column("macro", sa.Float(), nullable=False),
        sa.Column("competitive", sa.Float(), nullable=False),
        sa.Column("confirmation", sa.Float(), nullable=False),
        sa.Column("conviction", sa.Float(), nullable=False),
        sa.Column("contradiction", sa.Float(), nullable=False),
        sa.Column("evidence_count", sa.Integer(), nullable=False),
        sa.Column("assessment", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("snapshot_id"),
        sa.UniqueConstraint("symbol", "as_of"),
    )
    op.create_index(op.f("ix_signal_snapshots_as_of"), "signal_snapshots", ["as_of"], unique=False)
    op.create_table(
        "watchlist_members",
        sa.Column("watchlist_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.ForeignKeyConstraint(
            ["watchlist_id"],
            ["watchlists.watchlist_id"],
        ),
        sa.PrimaryKeyConstraint("watchlist_id", "symbol"),
    )
    op.create_table(
        "document_symbols",
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["doc_id"],
            ["documents.doc_id"],
        ),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("doc_id", "symbol"),
    )
    op.create_index(op.f("ix_document_symbols_symbol"), "document_symbols", ["symbol"], unique=False)
    op.create_table(
        "extractions",
        sa.Column("extraction_id", sa.String(), nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("extractor", sa.Text(), nullable=False),
        sa.Column("extractor_version", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("result_key", sa.Text(), nullable=False),
        sa.Column("quotes_total", sa.Integer(), nullable=False),
        sa.Column("quotes_valid", sa.Integer(), nullable=False),
        sa.Column("dropped", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["doc_id"],
            ["documents.doc_id"],
        ),
        sa.PrimaryKeyConstraint("extraction_id"),
    )
    op.create_index(op.f("ix_extractions_doc_id"), "extractions", ["doc_id"], unique=False)
    op.create_table(
        "fills",
        sa.Column("fill_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("fee", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.order_id"],
        ),
        sa.PrimaryKeyConstraint("fill_id"),
    )
    op.create_index(op.f("ix_fills_filled_at"), "fills", ["filled_at"], unique=False)
    op.create_index(op.f("ix_fills_order_id"), "fills", ["order_id"], unique=False)
    op.create_index(op.f("ix_fills_symbol"), "fills", ["symbol"], unique=False)
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("extraction_id", sa.String(), nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("materiality", sa.Text(), nullable=False),
        sa.Column("horizon", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("quotes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["doc_id"],
            ["documents.doc_id"],
        ),
        sa.ForeignKeyConstraint(
            ["extraction_id"],
            ["extractions.extraction_id"],
        ),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(op.f("ix_events_doc_id"), "events", ["doc_id"], unique=False)
    op.create_index(op.f("ix_events_extraction_id"), "events", ["extraction_id"], unique=False)
    op.create_index(op.f("ix_events_type"), "events", ["type"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("evidence_id", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("extraction_id", sa.String(), nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("materiality", sa.Text(), nullable=False),
        sa.Column("sentiment", sa.Float(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["doc_id"],
            ["documents.doc_id"],
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["events.event_id"],
        ),
        sa.ForeignKeyConstraint(
            ["extraction_id"],
            ["extractions.extraction_id"],
        ),
        sa.ForeignKeyConstraint(
            ["symbol"],
            ["companies.symbol"],
        ),
        sa.PrimaryKeyConstraint("evidence_id"),
        sa.UniqueConstraint("event_id", "symbol"),
    )
    op.create_index(op.f("ix_evidence_available_at"), "evidence", ["available_at"], unique=False)
    op.create_index(op.f("ix_evidence_doc_id"), "evidence", ["doc_id"], unique=False)
    op.create_index(op.f("ix_evidence_symbol"), "evidence", ["symbol"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_evidence_symbol"), table_name="evidence")
    op.drop_index(op.f("ix_evidence_doc_id"), table_name="evidence")
    op.drop_index(op.f("ix_evidence_available_at"), table_name="evidence")
    op.drop_table("evidence")
    op.drop_index(op.f("ix_events_type"), table_name="events")
    op.drop_index(op.f("ix_events_extraction_id"), table_name="events")
    op.drop_index(op.f("ix_events_doc_id"), table_name="events")
    op.drop_table("events")
    op.drop_index(op.f("ix_fills_symbol"), table_name="fills")
    op.drop_index(op.f("ix_fills_order_id"), table_name="fills")
    op.drop_index(op.f("ix_fills_filled_at"), table_name="fills")
    op.drop_table("fills")
    op.drop_index(op.f("ix_extractions_doc_id"), table_name="extractions")
    op.drop_table("extractions")
    op.drop_index(op.f("ix_document_symbols_symbol"), table_name="document_symbols")
    op.drop_table("document_symbols")
    op.drop_table("watchlist_members")
    op.drop_index(op.f("ix_signal_snapshots_as_of"), table_name="signal_snapshots")
    op.drop_table("signal_snapshots")
    op.drop_index(op.f("ix_risk_decisions_outcome"), table_name="risk_decisions")
    op.drop_index(op.f("ix_risk_decisions_intent_id"), table_name="risk_decisions")
    op.drop_table("risk_decisions")
    op.drop_index(op.f("ix_recommendations_symbol"), table_name="recommendations")
    op.drop_index(op.f("ix_recommendations_as_of"), table_name="recommendations")
    op.drop_index(op.f("ix_recommendations_action"), table_name="recommendations")
    op.drop_table("recommendations")
    op.drop_index(op.f("ix_orders_symbol"), table_name="orders")
    op.drop_index(op.f("ix_orders_status"), table_name="orders")
    op.drop_index(op.f("ix_orders_created_at"), table_name="orders")
    op.drop_index(op.f("ix_orders_broker_order_id"), table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("ix_ingestion_runs_source_id"), table_name="ingestion_runs")
    op.drop_table("ingestion_runs")
    op.drop_table("exposure_profiles")
    op.drop_table("earnings_dates")
    op.drop_index(op.f("ix_documents_status"), table_name="documents")
    op.drop_index(op.f("ix_documents_source_id"), table_name="documents")
    op.drop_index(op.f("ix_documents_run_id"), table_name="documents")
    op.drop_index(op.f("ix_documents_published_at"), table_name="documents")
    op.drop_index(op.f("ix_documents_available_at"), table_name="documents")
    op.drop_table("documents")
    op.drop_index(op.f("ix_competitor_links_competitor"), table_name="competitor_links")
    op.drop_table("competitor_links")
    op.drop_index(op.f("ix_company_aliases_symbol"), table_name="company_aliases")
    op.drop_index(op.f("ix_company_aliases_alias"), table_name="company_aliases")
    op.drop_table("company_aliases")
    op.drop_index(op.f("ix_approvals_status"), table_name="approvals")
    op.drop_index(op.f("ix_approvals_requested_at"), table_name="approvals")
    op.drop_index(op.f("ix_approvals_intent_id"), table_name="approvals")
    op.drop_table("approvals")
    op.drop_index(op.f("ix_agent_variants_agent_id"), table_name="agent_variants")
    op.drop_table("agent_variants")
    op.drop_table("watchlists")
    op.drop_table("trading_control")
    op.drop_table("trading_config")
    op.drop_index(op.f("ix_tier_events_as_of"), table_name="tier_events")
    op.drop_table("tier_events")
    op.drop_table("sources")
    op.drop_index(op.f("ix_reserve_ledger_as_of"), table_name="reserve_ledger")
    op.drop_table("reserve_ledger")
    op.drop_index(op.f("ix_rejects_run_id"), table_name="rejects")
    op.drop_index(op.f("ix_rejects_reason"), table_name="rejects")
    op.drop_table("rejects")
    op.drop_table("positions")
    op.drop_index(op.f("ix_outbox_occurred_at"), table_name="outbox")
    op.drop_index(op.f("ix_outbox_event"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_order_intents_symbol"), table_name="order_intents")
    op.drop_index(op.f("ix_order_intents_state"), table_name="order_intents")
    op.drop_index(op.f("ix_order_intents_recommendation_id"), table_name="order_intents")
    op.drop_index(op.f("ix_order_intents_as_of"), table_name="order_intents")
    op.drop_table("order_intents")
    op.drop_index(op.f("ix_notifications_event"), table_name="notifications")
    op.drop_index(op.f("ix_notifications_created_at"), table_name="notifications")
    op.drop_table("notifications")
    op.drop_index(op.f("ix_lake_exports_table_name"), table_name="lake_exports")
    op.drop_table("lake_exports")
    op.drop_index(op.f("ix_decision_records_recommendation_id"), table_name="decision_records")
    op.drop_table("decision_records")
    op.drop_table("dead_letter_notes")
    op.drop_table("corporate_actions")
    op.drop_table("corporate_action_entries")
    op.drop_table("companies")
    op.drop_index(op.f("ix_breaker_events_breaker"), table_name="breaker_events")
    op.drop_index(op.f("ix_breaker_events_as_of"), table_name="breaker_events")
    op.drop_table("breaker_events")
    op.drop_table("bars")
    op.drop_table("backups")
    op.drop_table("backtests")
    op.drop_index(op.f("ix_audit_log_recorded_at"), table_name="audit_log")
    op.drop_index(op.f("ix_audit_log_action"), table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_table("api_keys")
    op.drop_table("ai_agents")
    op.drop_index(op.f("ix_agent_performance_log_recorded_at"), table_name="agent_performance_log")
    op.drop_index(op.f("ix_agent_performance_log_doc_id"), table_name="agent_performance_log")
    op.drop_index(op.f("ix_agent_performance_log_agent"), table_name="agent_performance_log")
    op.drop_table("agent_performance_log")
    op.drop_table("account_snapshots")
