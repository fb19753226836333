"""Balances of the cash ledger are kept by day; the ledger and lists of events begin where their page does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_PLACE = (
    "CASE kind WHEN 'transfer_in' THEN '0' WHEN 'dividend' THEN '1' WHEN 'interest' THEN '2' WHEN 'fill' THEN '3' "
    "WHEN 'fee' THEN '4' WHEN 'adjustment' THEN '5' WHEN 'transfer_out' THEN '6' END || '/' || entry_id"
)
_NEW = (
    ("ix_cash_entries_newest", "cash_entries", ["occurred_at", "place"]),
    ("ix_cash_entries_of_kind", "cash_entries", ["kind", "occurred_at", "place"]),
    ("ix_cash_entries_of_symbol", "cash_entries", ["symbol", "occurred_at", "place"]),
)
# Each is the beginning of a new one.
_OLD = (
    ("cash_entries", "occurred_at"),
    ("cash_entries", "kind"),
    ("cash_entries", "symbol"),
)

_NOTE = """
CREATE FUNCTION note_cash_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cash_entries_not_summed (entry_id) SELECT entry_id FROM added;
    RETURN NULL;
END $$
"""
_NOTED = """
CREATE TRIGGER cash_entries_are_noted AFTER INSERT ON cash_entries
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_cash_entries()
"""
_FORGET = """
CREATE FUNCTION forget_cash_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM cash_balances;
    RETURN NULL;
END $$
"""
_FORGOTTEN = """
CREATE TRIGGER cash_balances_end_with_the_ledger AFTER TRUNCATE ON cash_entries
FOR EACH STATEMENT EXECUTE FUNCTION forget_cash_balances()
"""
_BACKFILL = """
INSERT INTO cash_balances (kind, day, balance)
SELECT kind, (occurred_at AT TIME ZONE 'UTC')::date AS day,
       sum(sum(amount)) OVER (PARTITION BY kind ORDER BY (occurred_at AT TIME ZONE 'UTC')::date)
FROM cash_entries GROUP BY 1, 2
"""


def upgrade() -> None:
    op.add_column("cash_entries", sa.Column("place", sa.Text(), sa.Computed(_PLACE, persisted=True), nullable=False))
    for name, table, columns in _NEW:
        op.create_index(name, table, columns, unique=False)
    for table, column in _OLD:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
    op.create_table(
        "cash_balances",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("balance", sa.Numeric(precision=38, scale=15), nullable=False),
        sa.PrimaryKeyConstraint("kind", "day"),
    )
    op.create_table(
        "cash_entries_not_summed",
        sa.Column("entry_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["cash_entries.entry_id"]),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    for statement in (_BACKFILL, _NOTE, _NOTED, _FORGET, _FORGOTTEN):
        op.execute(statement)


def downgrade() -> None:
    for name in ("cash_balances_end_with_the_ledger", "cash_entries_are_noted"):
        op.execute(f"DROP TRIGGER {name} ON cash_entries")
    for name in ("forget_cash_balances", "note_cash_entries"):
        op.execute(f"DROP FUNCTION {name}()")
    for name in ("cash_entries_not_summed", "cash_balances"):
        op.drop_table(name)
    for table, column in reversed(_OLD):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    for name, table, _ in reversed(_NEW):
        op.drop_index(name, table_name=table)
    op.drop_column("cash_entries", "place")
