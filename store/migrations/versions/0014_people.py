"""People, sessions and their keys; an audit log that nobody changes."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_INDEXES = (
    ("sessions", "person_id"),
    ("sessions", "key_id"),
    ("sign_in_links", "person_id"),
    ("step_ups", "key_id"),
    ("oidc_requests", "created_at"),
    ("api_keys", "person_id"),
)
_TABLES = ("oidc_requests", "step_ups", "sign_in_links", "sessions", "people")


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("oidc_issuer", sa.Text(), nullable=False),
        sa.Column("oidc_subject", sa.Text(), nullable=False),
        _instant("created_at"),
        _instant("disabled_at", nullable=True),
        sa.PrimaryKeyConstraint("person_id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("csrf_token", sa.Text(), nullable=False),
        _instant("created_at"),
        _instant("last_seen_at"),
        _instant("expires_at"),
        _instant("step_up_at", nullable=True),
        _instant("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("session_id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        _instant("created_at"),
        _instant("expires_at"),
        _instant("used_at", nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "step_ups",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        _instant("created_at"),
        _instant("expires_at"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "oidc_requests",
        sa.Column("state_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("next_path", sa.Text(), nullable=False),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("state_hash"),
    )
    op.add_column("api_keys", sa.Column("person_id", sa.String(), nullable=True))
    # Keys from before there were people go on as they did: nobody's, and asked for no password.
    op.add_column("api_keys", sa.Column("unattended", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.alter_column("api_keys", "unattended", server_default=None)
    for table, column in _INDEXES:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    op.execute(
        "CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'AUDIT_LOG_APPEND_ONLY: operation=%', TG_OP USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_rows_stay BEFORE UPDATE OR DELETE ON audit_log "
        "FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER audit_log_stays BEFORE TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only()"
    )


def downgrade() -> None:
    """People and their sessions are lost; keys and the audit log stay."""
    op.execute("DROP TRIGGER audit_log_stays ON audit_log")
    op.execute("DROP TRIGGER audit_log_rows_stay ON audit_log")
    op.execute("DROP FUNCTION audit_log_is_append_only()")
    op.drop_index(op.f("ix_api_keys_person_id"), "api_keys")
    for name in ("unattended", "person_id"):
        op.drop_column("api_keys", name)
    for table in _TABLES:
        op.drop_table(table)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
