"""Reconciliation: read both sides, compare, take over what is proven, record the rest.

The book is read first and the broker after it, so the broker's side is never older. While its own lists disagree with
each other (a fill between two requests), it is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities import protecting
from activities.booking import as_fill, book, chain_of, tell_filled
from activities.metering import WorkMeter
from activities.ports import BrokerBook, Flows
from domain.acceptance import with_accepted
from domain.broker import BrokerFill, BrokerOrder
from domain.reconciliation import (
    AdoptedFill,
    Adoption,
    Book,
    BrokerSide,
    ReconcileReport,
    ReconcileRequest,
    ledger_entry,
    totals,
)
from domain.reconciliation_rules import reconcile
from domain.submission import MissingVerdict
from store import acceptances, accounting, approvals, orders, portfolio, protection, reconciliations, submissions
from store.database import Database
from store.tables.broker import ReconciliationRow

log = structlog.get_logger(__name__)

ORPHANED_AFTER = timedelta(minutes=15)
"""An intent without an order that is this old, and that no workflow carries, was lost between plan and start."""

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
READINGS = 4
"""How often the broker's lists are read until they agree with each other."""
PAUSE_SECONDS = 0.5
GIVEN_UP = "the broker never saw this order"
NOBODY_CARRIES_IT = "no workflow carries the order any more"


class ReconciliationActivities:
    """Compares `so-<mode>-` orders and everything they moved. `now` is None where time is told (a replay)."""

    def __init__(
        self,
        database: Database,
        broker: BrokerBook,
        flows: Flows,
        *,
        mode: str,
        now: Callable[[], datetime] | None = None,
        meter: WorkMeter | None = None,
    ) -> None:
        self._meter = meter or WorkMeter()
        self._database = database
        self._broker = broker
        self._flows = flows
        self._prefix = f"so-{mode}-"
        self._now = now

    @activity.defn(name="reconcile_broker")
    async def reconcile(self, request: ReconcileRequest) -> ReconcileReport:
        """Compare book and broker, and adopt what the broker proves. Idempotent by the reconciliation's id."""
        async with reconciliations.one_at_a_time(self._database):
            async with self._database.transaction() as session:
                known = await reconciliations.find(session, request.reconciliation_id)
            if known is not None:
                return _report(known, ())
            ours, theirs = await self._both_sides(request)
            compared = reconcile(ours, theirs)
            async with self._database.transaction() as session:
                result = with_accepted(compared, await acceptances.accepted_fingerprints(session))
                changed = await self._adopt(session, ours, result.adoption, request)
                row = await reconciliations.record(
                    session, request=request, result=result, broker=theirs, finished_at=self._at(request.as_of)
                )
        log.info(
            "broker_reconciled",
            reconciliation_id=row.reconciliation_id,
            trigger=row.trigger,
            clean=row.clean,
            mismatches=row.mismatches,
            adopted=row.adopted,
        )
        return _report(row, changed)

    @activity.defn
    async def tell_orders(self, report: ReconcileReport) -> int:
        """Have the workflows look whose orders changed; end an intent that no workflow ends. Returns how many run."""
        async with self._database.transaction() as session:
            unclosed = await submissions.unclosed(session)
            unclosed |= await submissions.never_sent(session, before=report.at - ORPHANED_AFTER)
        running = 0
        for intent_id in sorted({*report.changed_intents, *unclosed}):
            if await self._flows.order_changed(intent_id):
                running += 1
            elif intent_id in unclosed:
                async with self._database.transaction() as session:
                    for question in await approvals.waiting_of(session, intent_id):
                        await approvals.void(session, question, reason=NOBODY_CARRIES_IT, at=report.at)
                    ended = await orders.close_intent(session, intent_id=intent_id, state=unclosed[intent_id])
                    side = (await orders.require_intent(session, intent_id)).side
                if ended:
                    self._meter.order_ended(side, unclosed[intent_id])
        return running

    async def _both_sides(self, request: ReconcileRequest) -> tuple[Book, BrokerSide]:
        async with self._database.transaction() as session:
            since = await reconciliations.window(session, as_of=request.as_of)
            ours = await reconciliations.our_side(session, prefix=self._prefix, as_of=request.as_of, since=since)
        for reading in range(1, READINGS + 1):
            theirs, settled = await self._read(ours, since=since, at=self._at(request.as_of))
            if settled or reading == READINGS:
                break
            await asyncio.sleep(PAUSE_SECONDS * reading)
        async with self._database.transaction() as session:
            return await reconciliations.with_what_it_names(session, ours, theirs), theirs

    async def _read(self, ours: Book, *, since: datetime, at: datetime) -> tuple[BrokerSide, bool]:
        """The broker's side once, and whether its lists agree with each other."""
        before = await self._broker.account()
        found = {order.broker_order_id: order for order in await self._broker.orders(open_only=True, after=ALWAYS)}
        found |= {order.broker_order_id: order for order in await self._broker.orders(open_only=False, after=since)}
        not_found = await self._ask_for_the_rest(ours, found)
        fills, others = await self._broker.activities(since=since)
        positions = await self._broker.positions()
        after = await self._broker.account()
        side = BrokerSide(
            orders=tuple(found.values()),
            fills=tuple(fills),
            activities=tuple(others),
            positions=tuple(positions),
            account=after,
            not_found=not_found,
            since=since,
            at=at,
        )
        return side, before.cash == after.cash and _complete(side.orders, fills, since=since)

    async def _ask_for_the_rest(self, ours: Book, found: dict[str, BrokerOrder]) -> frozenset[str]:
        """Orders of ours that are not final and not listed, one by one, and whatever replaced any of them."""
        listed = {order.client_order_id for order in found.values()}
        missing: set[str] = set()
        for order in ours.orders:
            if order.status.final or order.client_order_id in listed:
                continue
            seen = await self._broker.find(order.client_order_id)
            if seen is None:
                missing.add(order.client_order_id)
            else:
                found[seen.broker_order_id] = seen
        for ours_there in [each for each in found.values() if each.client_order_id.startswith(self._prefix)]:
            if ours_there.replaced_by and ours_there.replaced_by not in found:
                found |= {each.broker_order_id: each for each in await chain_of(self._broker, ours_there)}
        return frozenset(missing)

    async def _adopt(
        self, session: AsyncSession, ours: Book, adoption: Adoption, request: ReconcileRequest
    ) -> tuple[str, ...]:
        """Take over what is proven. Every step is keyed by what it is of, so that a repeat changes nothing."""
        at = request.as_of
        if adoption.actions:  # in the order in which a tick takes its locks
            await protection.load(session, for_update=True)
        changed: dict[str, None] = {}
        for each in sorted(adoption.fills, key=lambda each: (each.fill.filled_at, each.fill.execution_id)):
            await self._adopt_fill(session, each, at)
            changed[each.intent_id] = None
        for order in adoption.orders:
            if order.late:
                await submissions.take_up_again(session, intent_id=order.intent_id)
            row = await book(session, intent_id=order.intent_id, seen=order.seen, fills=(), at=at)
            if order.intent_id in changed:
                await tell_filled(session, row, at)
            changed[order.intent_id] = None
        for missing in adoption.missing:
            verdict = MissingVerdict(missing_since=missing.missing_since, abandoned=missing.abandoned)
            await submissions.note_missing(
                session, intent_id=missing.intent_id, verdict=verdict, reason=GIVEN_UP, at=at
            )
            if missing.abandoned:
                changed[missing.intent_id] = None
        if adoption.actions:
            await protecting.book_actions(session, adoption.actions, at=at)
        if ours.opening_cash is not None:  # what came before the first run is in the opening entry already
            entries = [entry for each in adoption.activities if (entry := ledger_entry(each)) is not None]
            await accounting.record(session, entries, recorded_at=at)
        return tuple(changed)

    async def _adopt_fill(self, session: AsyncSession, each: AdoptedFill, at: datetime) -> None:
        await portfolio.book_fills(
            session, order_id=each.order_id, fills=[as_fill(each.fill, each.intent_id)], booked_at=at
        )

    def _at(self, as_of: datetime) -> datetime:
        return as_of if self._now is None else self._now()


def _complete(placed: Sequence[BrokerOrder], fills: Sequence[BrokerFill], *, since: datetime) -> bool:
    """Whether the activity list has every execution that the orders speak of."""
    executed = totals(fills)
    return all(
        order.filled_quantity <= executed.get(order.broker_order_id, 0)
        for order in placed
        if order.submitted_at >= since and not order.replaces
    )


def _report(row: ReconciliationRow, changed: Sequence[str]) -> ReconcileReport:
    return ReconcileReport(
        reconciliation_id=row.reconciliation_id,
        at=row.as_of,
        clean=row.clean,
        mismatches=row.mismatches,
        adopted=row.adopted,
        left_alone=row.left_alone,
        changed_intents=tuple(changed),
    )
