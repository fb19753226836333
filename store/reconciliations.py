"""Reconciliations with the broker: our side to compare, what came of it, and how the broker has been doing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import delete, or_, text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import Side
from domain.errors import NotFound
from domain.ids import digest
from domain.market import CorporateAction
from domain.portfolio import OrderStatus
from domain.reconciliation import (
    Book,
    BookFill,
    BookOrder,
    BrokerHealth,
    BrokerSide,
    Difference,
    DifferenceKind,
    Reconciled,
    ReconcileRequest,
    SeenActivity,
    Treatment,
)
from store import acceptances, market, outbox, submissions
from store.database import Database, insert_new, upsert
from store.keysets import newest_first
from store.tables.broker import (
    BrokerActivityRow,
    BrokerFailure,
    ForeignPosition,
    ReconciliationDifference,
    ReconciliationRow,
)
from store.tables.trading import CorporateActionEntry, FillRow, Order, Position

NEW_YORK = ZoneInfo("America/New_York")
WINDOW = timedelta(days=7)
"""How far back every run looks again: the broker enters fees and dividends days after the day they are of."""
KEEP_FAILURES = timedelta(days=14)
RECENT_FAILURES = timedelta(hours=1)

_TURN = 7_203_114_908
_FINAL = [status.value for status in OrderStatus if status.final]
_ONCE = frozenset({DifferenceKind.TRANSFER})
"""Happen at an instant: nothing has to be settled."""


@asynccontextmanager
async def one_at_a_time(database: Database) -> AsyncIterator[None]:
    """Hold the turn for a whole comparison, the broker's answers included. No transaction stays open meanwhile."""
    async with database.engine.connect() as connection:
        turn = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await turn.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _TURN})
        try:
            yield
        finally:
            await turn.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _TURN})


# -- our side ---------------------------------------------------------------------------------------------------------


async def window(session: AsyncSession, *, as_of: datetime) -> datetime:
    """From when on the two sides are compared: some days back, and never later than an order that is not final."""
    oldest = (await session.exec(select(func.min(Order.created_at)).where(col(Order.status).not_in(_FINAL)))).one()
    first = as_of - WINDOW
    if await latest(session) is None:
        ever = (await session.exec(select(func.min(Order.created_at)))).one()
        first = min(first, ever - timedelta(days=1)) if ever is not None else first
    return min(first, oldest) if oldest is not None else first


async def our_side(session: AsyncSession, *, prefix: str, as_of: datetime, since: datetime) -> Book:
    """The book, with every order that is not final or belongs to the window."""
    rows = await session.exec(
        select(Order)
        .where(or_(col(Order.status).not_in(_FINAL), col(Order.created_at) >= since))
        .order_by(col(Order.order_id))
    )
    orders = await _orders(session, list(rows.all()))
    fills = await session.exec(
        select(FillRow)
        .where(or_(col(FillRow.filled_at) >= since, col(FillRow.order_id).in_([order.order_id for order in orders])))
        .order_by(col(FillRow.fill_id))
    )
    positions = (await session.exec(select(Position).where(Position.quantity != 0))).all()
    foreign = await session.exec(select(ForeignPosition))
    before = await latest(session)
    unbooked, booked = await _actions(session, list(positions), as_of=as_of)
    return Book(
        prefix=prefix,
        orders=orders,
        fills=tuple(_fill(row) for row in fills),
        positions={row.symbol: row.quantity for row in positions},
        foreign={row.symbol: row.quantity for row in foreign},
        explained_cash=await _explained(session),
        opening_cash=None if before is None else before.opening_cash,
        unbooked_actions=unbooked,
        booked_actions=booked,
    )


async def with_what_it_names(session: AsyncSession, book: Book, broker: BrokerSide) -> Book:
    """Complete the book with orders from before the window, and with activities, that the broker's lists name.

    An order of the window that the book did not have was made after the book was read: the next run compares it.
    """
    known = {order.order_id for order in book.orders}
    ids = [order.client_order_id for order in broker.orders if order.client_order_id.startswith(book.prefix)]
    placed = {fill.broker_order_id for fill in broker.fills} | {order.broker_order_id for order in broker.orders}
    rows = await session.exec(
        select(Order).where(or_(col(Order.client_order_id).in_(ids), col(Order.broker_order_id).in_(placed)))
    )
    others = [row for row in rows if row.order_id not in known]
    older = await _orders(session, [row for row in others if row.created_at < broker.since])
    fills = await session.exec(select(FillRow).where(col(FillRow.order_id).in_([order.order_id for order in older])))
    listed = [fill.execution_id for fill in broker.fills] + [each.activity_id for each in broker.activities]
    seen = await session.exec(
        select(BrokerActivityRow.activity_id).where(col(BrokerActivityRow.activity_id).in_(listed))
    )
    return book.model_copy(
        update={
            "orders": (*book.orders, *older),
            "fills": tuple({fill.fill_id: fill for fill in (*book.fills, *map(_fill, fills))}.values()),
            "seen": frozenset(seen.all()),
            "too_new": frozenset(row.client_order_id for row in others if row.created_at >= broker.since),
        }
    )


async def _orders(session: AsyncSession, rows: Sequence[Order]) -> tuple[BookOrder, ...]:
    changes = await submissions.replacements_of(session, [row.order_id for row in rows])
    return tuple(
        BookOrder(
            order_id=row.order_id,
            intent_id=row.intent_id,
            client_order_id=row.client_order_id,
            broker_order_id=row.broker_order_id,
            symbol=row.symbol,
            side=Side(row.side),
            quantity=row.quantity,
            status=OrderStatus(row.status),
            filled_quantity=row.filled_quantity,
            times=submissions.times_of(row),
            abandoned=row.abandoned_at is not None,
            replacements=tuple(changes.get(row.order_id, ())),
        )
        for row in rows
    )


def _fill(row: FillRow) -> BookFill:
    return BookFill(fill_id=row.fill_id, order_id=row.order_id, filled_at=row.filled_at)


async def _explained(session: AsyncSession) -> Decimal:
    return (await session.exec(select(func.coalesce(func.sum(BrokerActivityRow.cash), 0)))).one()


async def _actions(
    session: AsyncSession, positions: Sequence[Position], *, as_of: datetime
) -> tuple[tuple[CorporateAction, ...], tuple[tuple[str, date], ...]]:
    """Actions in force on what is held that the book has not applied, and those that it has."""
    opened = {row.symbol: row.opened_session for row in positions if row.opened_session is not None}
    if not opened:
        return (), ()
    today = as_of.astimezone(NEW_YORK).date()
    entries = await session.exec(
        select(col(CorporateActionEntry.symbol), col(CorporateActionEntry.ex_date)).where(
            col(CorporateActionEntry.symbol).in_(opened)
        )
    )
    booked = tuple(sorted(entries.all()))
    found = await market.actions_of(session, symbols=list(opened), first=min(opened.values()))
    unbooked = tuple(
        action
        for action in found
        if opened[action.symbol] < action.ex_date <= today and (action.symbol, action.ex_date) not in booked
    )
    return unbooked, booked


# -- what came of it --------------------------------------------------------------------------------------------------


async def record(
    session: AsyncSession,
    *,
    request: ReconcileRequest,
    result: Reconciled,
    broker: BrokerSide,
    finished_at: datetime,
) -> ReconciliationRow:
    """Write a run, what it found, whose shares are whose, and an event for every difference seen for the first time."""
    row = ReconciliationRow(
        reconciliation_id=request.reconciliation_id,
        trigger=request.trigger,
        as_of=request.as_of,
        finished_at=finished_at,
        clean=result.clean,
        mismatches=result.mismatches,
        adopted=result.count(Treatment.ADOPTED),
        left_alone=result.count(Treatment.LEFT_ALONE),
        cash=broker.account.cash,
        opening_cash=result.adoption.opening_cash,
        equity=broker.account.equity,
        found=[difference.model_dump(mode="json") for difference in result.differences],
    )
    await insert_new(session, [row])
    await _remember_activities(session, result.adoption.activities, at=request.as_of)
    await _remember_foreign(session, result.adoption.foreign, request=request)
    await _remember_differences(session, result.differences, request=request)
    await acceptances.void_changed(session, result.differences, at=request.as_of)
    await session.exec(delete(BrokerFailure).where(col(BrokerFailure.at) < finished_at - KEEP_FAILURES))
    return row


async def _remember_activities(session: AsyncSession, activities: Sequence[SeenActivity], *, at: datetime) -> None:
    await insert_new(
        session,
        [
            BrokerActivityRow(
                activity_id=each.activity_id,
                kind=each.kind,
                day=each.day,
                symbol=each.symbol,
                quantity=each.quantity,
                cash=each.cash,
                ours=each.ours,
                seen_at=at,
            )
            for each in activities
        ],
    )


async def _remember_foreign(session: AsyncSession, foreign: dict[str, Decimal], *, request: ReconcileRequest) -> None:
    for symbol, quantity in foreign.items():
        known = await session.get(ForeignPosition, symbol, with_for_update=True)
        if known is not None and quantity == 0:
            await session.delete(known)
        elif quantity != 0:
            await upsert(
                session,
                [
                    ForeignPosition(
                        symbol=symbol,
                        quantity=quantity,
                        first_seen_at=known.first_seen_at if known is not None else request.as_of,
                        last_seen_at=request.as_of,
                        reconciliation_id=request.reconciliation_id,
                    )
                ],
            )


async def move_foreign(
    session: AsyncSession, *, symbol: str, by: Decimal, reconciliation_id: str, at: datetime
) -> None:
    """Count more or fewer shares of a symbol as not the platform's."""
    known = await session.get(ForeignPosition, symbol, with_for_update=True)
    quantity = by + (known.quantity if known is not None else Decimal(0))
    request = ReconcileRequest(reconciliation_id=reconciliation_id, trigger="accepted", as_of=at)
    await _remember_foreign(session, {symbol: quantity}, request=request)


async def _remember_differences(
    session: AsyncSession, differences: Sequence[Difference], *, request: ReconcileRequest
) -> None:
    """Begin, go on with, or end each difference; only the first sight of one is told."""
    standing = {
        row.fingerprint: row
        for row in await session.exec(
            select(ReconciliationDifference)
            .where(col(ReconciliationDifference.resolved_at).is_(None))
            .with_for_update()
        )
    }
    for difference in differences:
        fingerprint = difference.fingerprint
        if (row := standing.pop(fingerprint, None)) is not None:
            row.last_reconciliation, row.last_seen_at = request.reconciliation_id, request.as_of
            row.treatment, row.blocking = difference.treatment.value, difference.blocking
            session.add(row)
            continue
        settled = difference.treatment is Treatment.ADOPTED or difference.kind in _ONCE
        row = ReconciliationDifference(
            difference_id=digest("difference", fingerprint, request.reconciliation_id),
            fingerprint=fingerprint,
            first_reconciliation=request.reconciliation_id,
            last_reconciliation=request.reconciliation_id,
            first_seen_at=request.as_of,
            last_seen_at=request.as_of,
            resolved_at=request.as_of if settled else None,
            **difference.model_dump(mode="json"),
        )
        if await insert_new(session, [row]):
            await outbox.publish(
                session,
                event_id=f"reconciliation/{row.difference_id}",
                event="reconciliation_difference",
                subject_id=row.difference_id,
                body={**difference.model_dump(mode="json"), "urgent": difference.urgent},
                occurred_at=request.as_of,
            )
    for row in standing.values():
        row.resolved_at = request.as_of
        session.add(row)


# -- reading ----------------------------------------------------------------------------------------------------------


async def latest(session: AsyncSession, *, until: datetime | None = None) -> ReconciliationRow | None:
    statement = select(ReconciliationRow)
    if until is not None:
        statement = statement.where(ReconciliationRow.as_of <= until)
    newest = statement.order_by(col(ReconciliationRow.as_of).desc(), col(ReconciliationRow.finished_at).desc()).limit(1)
    return (await session.exec(newest)).first()


async def find(session: AsyncSession, reconciliation_id: str) -> ReconciliationRow | None:
    return await session.get(ReconciliationRow, reconciliation_id)


async def require(session: AsyncSession, reconciliation_id: str) -> ReconciliationRow:
    row = await find(session, reconciliation_id)
    if row is None:
        raise NotFound(
            "RECONCILIATION_NOT_FOUND",
            "`/v1/trading/reconciliations` lists them",
            reconciliation_id=reconciliation_id,
        )
    return row


async def list_recent(
    session: AsyncSession, *, limit: int, before: tuple[datetime, str] | None = None
) -> list[ReconciliationRow]:
    """Runs, newest first."""
    page = newest_first(
        select(ReconciliationRow),
        ReconciliationRow.as_of,
        ReconciliationRow.reconciliation_id,
        limit=limit,
        before=before,
    )
    return list((await session.exec(page)).all())


async def standing_differences(
    session: AsyncSession, *, treatments: Collection[Treatment] = (Treatment.ALARMED,)
) -> list[ReconciliationDifference]:
    """What is not settled, oldest first."""
    rows = await session.exec(
        select(ReconciliationDifference)
        .where(
            col(ReconciliationDifference.resolved_at).is_(None),
            col(ReconciliationDifference.treatment).in_([each.value for each in treatments]),
        )
        .order_by(col(ReconciliationDifference.first_seen_at), col(ReconciliationDifference.difference_id))
    )
    return list(rows.all())


async def foreign_positions(session: AsyncSession) -> list[ForeignPosition]:
    return list((await session.exec(select(ForeignPosition).order_by(col(ForeignPosition.symbol)))).all())


async def health(session: AsyncSession, as_of: datetime) -> BrokerHealth:
    """What a breaker needs to know: recent failures, whether book and broker differ, the last clean comparison."""
    failures = await session.exec(
        select(BrokerFailure.at)
        .where(BrokerFailure.at > as_of - RECENT_FAILURES, BrokerFailure.at <= as_of)
        .order_by(col(BrokerFailure.at))
    )
    last = await latest(session, until=as_of)
    clean = await session.exec(
        select(func.max(ReconciliationRow.as_of)).where(
            col(ReconciliationRow.clean).is_(True), ReconciliationRow.as_of <= as_of
        )
    )
    return BrokerHealth(
        broker_errors=tuple(failures.all()),
        mismatch=last is not None and not last.clean,
        last_run_at=None if last is None else last.as_of,
        last_clean_at=clean.one(),
    )


async def record_failure(session: AsyncSession, *, code: str, at: datetime) -> None:
    """Count a request that the broker did not answer properly."""
    session.add(BrokerFailure(failure_id=uuid4().hex, code=code, at=at))
