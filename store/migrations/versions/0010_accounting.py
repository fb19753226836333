"""Lots, the cash ledger and what the account is made of, with what the fills and actions of the book tell of them.

What cannot be told is left open: the buckets and sectors of accounts that were recorded before, and movements of money
that no fill or action explains after the first account was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from domain.cash import CashEntry, entries_of_action, entries_of_fill, opening_entry
from domain.decisions import Side
from domain.documents import NEW_YORK
from domain.errors import Conflict
from domain.ids import digest
from domain.lots import BookedAction, LotChange, TaxLot, held, play
from domain.portfolio import Fill

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
DOLLARS = sa.Numeric(precision=20, scale=6)
EXACT = sa.Numeric(precision=38, scale=15)
SHARES = sa.Numeric(precision=24, scale=9)

_OF_AN_ACCOUNT = ("net_exposure", "reserve", "floor", "reservations", "deployable")

_KEEP = """
CREATE FUNCTION refuse_change_of_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'APPEND_ONLY: table=%. Add an entry that puts it right', TG_TABLE_NAME;
END $$
"""
_GUARD = """
CREATE TRIGGER cash_entries_are_append_only BEFORE UPDATE OR DELETE ON cash_entries
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_the_ledger()
"""


def upgrade() -> None:
    lots, closings, entries = _tables()
    for name in _OF_AN_ACCOUNT:
        op.add_column("account_snapshots", sa.Column(name, DOLLARS, nullable=True))
    op.add_column(
        "account_snapshots", sa.Column("sectors", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    )
    op.execute("UPDATE account_snapshots SET net_exposure = gross_exposure")  # nothing was ever held short
    _tell(lots, closings, entries)
    op.execute(_KEEP)
    op.execute(_GUARD)


def downgrade() -> None:
    for name in ("sectors", *_OF_AN_ACCOUNT):
        op.drop_column("account_snapshots", name)
    for name in ("cash_entries", "lot_closings", "lots"):
        op.drop_table(name)
    op.execute("DROP FUNCTION refuse_change_of_the_ledger()")


def _tables() -> tuple[sa.Table, sa.Table, sa.Table]:
    lots = op.create_table(
        "lots",
        sa.Column("lot_id", sa.String(), sa.ForeignKey("fills.fill_id"), primary_key=True),
        sa.Column("symbol", sa.String(), nullable=False, index=True),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("bought", SHARES, nullable=False),
        sa.Column("price", DOLLARS, nullable=False),
        sa.Column("quantity", SHARES, nullable=False),
        sa.Column("cost", EXACT, nullable=False),
    )
    closings = op.create_table(
        "lot_closings",
        sa.Column("closing_id", sa.String(), primary_key=True),
        sa.Column("lot_id", sa.String(), sa.ForeignKey("fills.fill_id"), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False, index=True),
        sa.Column("symbol", sa.String(), nullable=False, index=True),
        sa.Column("quantity", SHARES, nullable=False),
        sa.Column("proceeds", EXACT, nullable=False),
        sa.Column("cost", EXACT, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=False, index=True),
    )
    entries = op.create_table(
        "cash_entries",
        sa.Column("entry_id", sa.String(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False, index=True),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False, index=True),
        sa.Column("amount", EXACT, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False, index=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.UniqueConstraint("kind", "source_id"),
    )
    return lots, closings, entries


# -- what the book tells ----------------------------------------------------------------------------------------------


def _tell(lots: sa.Table, closings: sa.Table, entries: sa.Table) -> None:
    bind = op.get_bind()
    fills = [_fill(row) for row in bind.execute(sa.text("SELECT * FROM fills"))]
    actions = [_action(row) for row in bind.execute(sa.text("SELECT * FROM corporate_action_entries"))]
    for position in bind.execute(sa.text("SELECT symbol, quantity, average_price FROM positions ORDER BY symbol")):
        own = [one for one in fills if one.symbol == position.symbol]
        book = _book(position, own, [one for one in actions if one.symbol == position.symbol])
        _insert(lots, [lot.model_dump() for lot in book.lots])
        _insert(closings, _closed(book))
    moved = [entry for fill in fills for entry in entries_of_fill(fill)]
    moved += [entry for action in actions for entry in entries_of_action(action)]
    first = bind.execute(sa.text("SELECT as_of, cash FROM account_snapshots ORDER BY as_of LIMIT 1")).first()
    if first is not None:
        opening = opening_entry(
            first.cash, [entry for entry in moved if entry.occurred_at <= first.as_of], at=first.as_of.astimezone(UTC)
        )
        moved += [opening] if opening else []
    _insert(entries, [_entry(entry) for entry in moved])


def _book(position: sa.Row[tuple[object, ...]], fills: list[Fill], actions: list[BookedAction]) -> LotChange:
    """The lots of a position. Where the order of time does not give them, it is one lot at the average cost."""
    try:
        book = play([*fills, *actions])
    except Conflict:  # by the clocks of two venues, it was sold before it was bought
        book = LotChange()
    bought = [fill for fill in fills if fill.side is Side.BUY]
    if held(book.lots) == position.quantity:
        return book
    if not position.quantity or not bought:
        return LotChange()
    newest = max(bought, key=lambda fill: (fill.filled_at, fill.fill_id))
    lot = TaxLot(
        lot_id=newest.fill_id,
        symbol=newest.symbol,
        opened_at=newest.filled_at,
        bought=newest.quantity,
        price=newest.price,
        quantity=position.quantity,
        cost=position.quantity * position.average_price,
    )
    return LotChange(lots=(lot,))


def _insert(table: sa.Table, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        op.bulk_insert(table, list(rows))


def _closed(book: LotChange) -> list[dict[str, object]]:
    return [
        {"closing_id": digest("closing", closing.closed_by, closing.lot_id), **closing.model_dump()}
        for closing in book.closings
    ]


def _entry(entry: CashEntry) -> dict[str, object]:
    body = entry.model_dump() | {"kind": entry.kind.value}
    return {"entry_id": entry.entry_id, "recorded_at": entry.occurred_at, **body}


def _fill(row: sa.Row[tuple[object, ...]]) -> Fill:
    return Fill(
        fill_id=row.fill_id,
        order_id=row.order_id,
        intent_id=row.order_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        price=row.price,
        fee=row.fee,
        filled_at=row.filled_at.astimezone(UTC),
    )


def _action(row: sa.Row[tuple[object, ...]]) -> BookedAction:
    return BookedAction(
        action_id=f"{row.symbol}/{row.ex_date.isoformat()}",
        symbol=row.symbol,
        at=datetime.combine(row.ex_date, time(), tzinfo=NEW_YORK).astimezone(UTC),
        split_ratio=row.split_ratio,
        cash=row.cash,
    )
