"""The account: what it is worth, what its cash is for, and every movement of money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import Money
from api.operations.trading import valid_reason
from domain.cash import TRANSFERS, CashEntry, CashKind
from domain.documents import NEW_YORK
from domain.errors import Conflict, InvalidInput
from domain.portfolio import plain
from domain.trading import MAX_REASON
from store import account_history, accounting, audit, cash_ledger
from store.account_history import Key
from store.cash_ledger import LedgerRow
from store.database import Database
from store.tables.accounting import CashEntryRow
from store.tables.trading import AccountSnapshot

BY_HAND = frozenset({CashKind.TRANSFER_IN, CashKind.TRANSFER_OUT, CashKind.INTEREST, CashKind.FEE, CashKind.ADJUSTMENT})
"""What people may enter. Executions and dividends are booked from what happened."""

SourceId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/\-]{0,99}$")]


class BucketsView(BaseModel):
    """What the cash is for. The buckets sum to it exactly."""

    reserve: Money
    floor: Money
    """What the cash floor needs beyond the reserve."""
    reservations: Money
    """Held back for orders that may still fill."""
    deployable: Money
    """The rest; negative when the others are not covered."""


class AccountState(BaseModel):
    """The account at one instant."""

    as_of: datetime
    session: date
    phase: str
    equity: Money
    cash: Money
    peak_equity: Money
    drawdown_pct: str
    """Percent below the highest equity so far, never negative."""
    gross_exposure: Money
    net_exposure: Money | None
    sectors: dict[str, Money]
    """Dollars held by sector; `unknown` for what has none."""
    positions: int
    realized_pnl: Money
    unrealized_pnl: Money
    buckets: BucketsView | None = Field(description="null: recorded before buckets were kept")


class LedgerSummary(BaseModel):
    """What the cash is made of."""

    balance: Money
    """The sum of all entries."""
    by_kind: dict[str, Money]
    paid_in: Money
    """Transfers in less transfers out."""
    unexplained: Money | None
    """Cash at the last mark less what the entries up to it sum to; null before the first mark. Enter what it was."""


class AccountReport(BaseModel):
    mode: str
    account: AccountState | None = Field(description="null: no session was closed yet")
    ledger: LedgerSummary


class CashEntryView(BaseModel):
    """One movement of money; the ledger is append-only."""

    entry_id: str
    kind: CashKind
    source_id: str
    """The execution, action or movement that it is from."""
    symbol: str
    amount: Money
    """Positive came in, negative went out."""
    balance: Money
    """After it, all entries counted, also those that a filter leaves out."""
    occurred_at: datetime
    recorded_at: datetime
    note: str


class NewCashEntry(BaseModel):
    """A movement at the broker that no execution and no corporate action explains."""

    model_config = ConfigDict(extra="forbid")

    kind: CashKind
    source_id: Annotated[SourceId, Field(description="the movement's id at the broker; the same one is entered once")]
    amount: Annotated[
        Decimal, Field(allow_inf_nan=False, max_digits=20, decimal_places=6, description="signed dollars")
    ]
    occurred_at: Annotated[AwareDatetime | None, Field(description="now where it is left out")] = None
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class Entered(BaseModel):
    entry_id: str
    new: bool
    """False: it was there already."""
    balance: Money


async def account(database: Database, *, mode: str) -> AccountReport:
    async with database.transaction() as session:
        rows = await account_history.page_of_snapshots(session, limit=1)
        return AccountReport(
            mode=mode,
            account=state_of(rows[0]) if rows else None,
            ledger=await _summary(session, rows[0] if rows else None),
        )


async def history(
    database: Database,
    *,
    limit: int,
    phase: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: datetime | None = None,
) -> list[AccountState]:
    async with database.transaction() as session:
        rows = await account_history.page_of_snapshots(
            session, limit=limit, phase=phase, first=first, last=last, before=before
        )
    return [state_of(row) for row in rows]


async def ledger(
    database: Database,
    *,
    limit: int,
    kind: CashKind | None = None,
    symbol: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Key | None = None,
) -> Sequence[LedgerRow]:
    async with database.transaction() as session:
        return await cash_ledger.page_of_entries(
            session,
            limit=limit,
            kind=kind.value if kind else None,
            symbol=symbol,
            first=first,
            last=last,
            before=before,
        )


async def enter(database: Database, wanted: NewCashEntry, *, actor: str) -> Entered:
    """Enter a movement of money by hand, with its reason in the audit log. The same one again changes nothing.

    Raises:
        InvalidInput: the kind is not entered by hand, the amount has the wrong sign or is 0, or it is in the future.
        Conflict: a movement of this kind and source was entered with another amount.
    """
    now = datetime.now(UTC)
    entry = _valid(wanted, now)
    async with database.transaction() as session:
        new = await accounting.record(session, [entry], recorded_at=now) == 1
        known = await session.get(CashEntryRow, entry.entry_id)
        if known is not None and known.amount != entry.amount:
            raise Conflict(
                "CASH_ENTRY_EXISTS",
                "The ledger never changes: enter an adjustment with an id of its own",
                kind=entry.kind.value,
                source_id=entry.source_id,
                entered=plain(known.amount),
                asked=entry.amount,
            )
        if new:
            await audit.append(
                session,
                key=f"cash/{entry.entry_id}",
                actor=actor,
                action=f"cash_{entry.kind.value}",
                subject=entry.entry_id,
                body={"amount": str(entry.amount), "source_id": entry.source_id, "reason": entry.note},
                recorded_at=now,
            )
        balance = sum((await cash_ledger.balances(session)).values(), Decimal(0))
    return Entered(entry_id=entry.entry_id, new=new, balance=balance)


def _valid(wanted: NewCashEntry, now: datetime) -> CashEntry:
    occurred_at = (wanted.occurred_at or now).astimezone(UTC)
    if wanted.kind not in BY_HAND:
        raise InvalidInput(
            "CASH_KIND_NOT_BY_HAND",
            "Executions and dividends are booked from what happened; enter an adjustment",
            field="kind",
            found=wanted.kind.value,
            allowed=" ".join(kind.value for kind in CashKind if kind in BY_HAND),
        )
    if occurred_at > now:
        raise InvalidInput(
            "CASH_ENTRY_IN_THE_FUTURE", field="occurred_at", found=occurred_at.isoformat(), allowed="up to now"
        )
    try:
        return CashEntry(
            kind=wanted.kind,
            source_id=wanted.source_id,
            amount=wanted.amount,
            occurred_at=occurred_at,
            note=valid_reason(wanted.reason),
        )
    except ValueError:
        allowed = "above 0" if wanted.kind is CashKind.TRANSFER_IN else "below 0"
        if wanted.kind in (CashKind.INTEREST, CashKind.ADJUSTMENT):
            allowed = "any but 0"
        raise InvalidInput(
            "CASH_AMOUNT_INVALID",
            "What came in is positive, what went out negative",
            field="amount",
            kind=wanted.kind.value,
            found=wanted.amount,
            allowed=allowed,
        ) from None


def view_of(row: LedgerRow) -> CashEntryView:
    entry = row.entry
    return CashEntryView(
        entry_id=entry.entry_id,
        kind=entry.kind,
        source_id=entry.source_id,
        symbol=entry.symbol,
        amount=entry.amount,
        balance=row.balance,
        occurred_at=entry.occurred_at,
        recorded_at=row.recorded_at,
        note=entry.note,
    )


def state_of(row: AccountSnapshot) -> AccountState:
    below = (1 - row.equity / row.peak_equity) * 100 if row.peak_equity > 0 else Decimal(0)
    return AccountState(
        **row.model_dump(include=set(AccountState.model_fields) - {"sectors"}),
        session=row.as_of.astimezone(NEW_YORK).date(),
        drawdown_pct=f"{max(below, Decimal(0)):.4f}",
        sectors={sector: Decimal(amount) for sector, amount in row.sectors.items()},
        buckets=BucketsView.model_validate(row, from_attributes=True) if row.deployable is not None else None,
    )


async def _summary(session: AsyncSession, marked: AccountSnapshot | None) -> LedgerSummary:
    kinds = await cash_ledger.balances(session)
    explained = await cash_ledger.balances(session, until=marked.as_of) if marked is not None else {}
    return LedgerSummary(
        balance=sum(kinds.values(), Decimal(0)),
        by_kind={kind.value: amount for kind, amount in kinds.items()},
        paid_in=sum((amount for kind, amount in kinds.items() if kind in TRANSFERS), Decimal(0)),
        unexplained=None if marked is None else marked.cash - sum(explained.values(), Decimal(0)),
    )
