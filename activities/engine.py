"""The engine's view of the book: plan the orders of a tick, mark at the close, change the trading state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities import protecting
from activities.canceling import cancel_open
from activities.entering import earnings_around
from activities.ports import Broker, Calendar
from domain.config import TradingConfig
from domain.decisions import Action, Portfolio, Recommendation, TradingState
from domain.errors import VendorThrottled, VendorUnavailable
from domain.ids import digest
from domain.live_protection import LiveProtection, exits, placed, settled, trimmings
from domain.market import Session
from domain.portfolio import with_pending
from domain.protection import Trim, entry_size, reduced, trims
from domain.sizing import size
from domain.surroundings import SeenMarket
from domain.trading import (
    ControlChange,
    ControlReport,
    EngineTrouble,
    MarkReport,
    MarkRequest,
    PlannedOrder,
    SessionQuery,
    TickPhase,
    TickReport,
    TickRequest,
)
from store import audit, config, control, market, orders, outbox, portfolio, protection, recommendations, registry
from store.database import Database

log = structlog.get_logger(__name__)

A_DAY, LOOK_AHEAD = timedelta(days=1), timedelta(days=14)
ARRIVAL_SECONDS = 13.0
"""A request that is answered at all is answered within this."""
FRESH = timedelta(hours=20)
"""A recommendation older than this is not acted on: it was made for an earlier session."""


class EngineActivities:
    """`now` is the clock by which orders count as under way."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        calendar: Calendar,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._broker = broker
        self._calendar = calendar
        self._now = now

    @activity.defn
    async def next_session(self, query: SessionQuery) -> Session:
        """The first session that closes after the instant. Where the broker's calendar differs, it wins."""
        ours = self._calendar.next_session(query.as_of)
        try:
            days = await self._broker.calendar(query.as_of.date() - A_DAY, ours.date + LOOK_AHEAD)
        except (VendorThrottled, VendorUnavailable):
            return ours  # it is asked again before the next session
        theirs = next((day for day in days if day.closes_at > query.as_of), None)
        if theirs is None or (theirs.day, theirs.opens_at, theirs.closes_at) == (
            ours.date,
            ours.opens_at,
            ours.closes_at,
        ):
            return ours
        found = Session(date=theirs.day, opens_at=theirs.opens_at, closes_at=theirs.closes_at)
        log.warning("calendar_mismatch", ours=ours.model_dump(mode="json"), broker=found.model_dump(mode="json"))
        async with self._database.transaction() as session:
            await outbox.publish(
                session,
                event_id=f"calendar/{ours.date}/{digest(found.model_dump_json(), length=12)}",
                event="calendar_mismatch",
                subject_id=found.date.isoformat(),
                body={"ours": ours.model_dump(mode="json"), "broker": found.model_dump(mode="json")},
                occurred_at=query.as_of,
            )
        return found

    @activity.defn
    async def plan(self, request: TickRequest) -> TickReport:
        """Let the rules look at the account, then size every recommendation in force and what the rules want sold.

        Idempotent: the rules look once an instant, intents are keyed by what they follow from, and a tick that was
        planned before returns its own intents.
        """
        async with self._database.transaction() as session:
            pending = await portfolio.load(session, as_of=request.as_of, cash=Decimal(0))
        cash = (await self._broker.account()).cash
        prices = await self._prices() if request.phase is TickPhase.INTRADAY else {}
        async with self._database.transaction() as session:
            for day in await _days_to_book(session, request):
                await protecting.book_actions(session, await market.actions_on(session, on=day), at=request.as_of)
            before, live = await protecting.enter(session, self._calendar, request.session)
            planned = await orders.planned_at(session, request.as_of)
            account = with_pending(await self._account(session, request.as_of, cash, prices), pending)
            if not planned:
                settings = await config.current(session)
                live = await protecting.observe(
                    session,
                    live,
                    account,
                    settings,
                    calendar=self._calendar,
                    trading=request.session,
                    prices=prices,
                    as_of=request.as_of,
                )
                live = await self._size(session, live, account, settings, request)
                planned = await orders.planned_at(session, request.as_of)
            await protection.save(session, before, live, at=request.as_of)
            pace = (await config.configured(session)).engine
        return TickReport(
            as_of=request.as_of,
            phase=request.phase,
            planned=tuple(PlannedOrder(intent_id=row.intent_id, symbol=row.symbol, side=row.side) for row in planned),
            equity=str(account.equity),
            tick_seconds=pace.tick_seconds,
            pre_open_seconds=pace.pre_open_seconds,
        )

    @activity.defn
    async def standing_order(self, query: SessionQuery) -> ControlReport:
        """The state that the kill switch is in: what a new engine begins with."""
        async with self._database.transaction() as session:
            row = await control.state(session)
        return ControlReport(state=TradingState(row.state), epoch=row.epoch, reason=row.reason)

    @activity.defn
    async def tell_trouble(self, trouble: EngineTrouble) -> None:
        """Say that a tick, or a command that came as a signal, did not come to its end."""
        async with self._database.transaction() as session:
            await outbox.publish(
                session,
                event_id=f"engine-trouble/{trouble.key}",
                event="engine_trouble",
                subject_id="trading-engine",
                body={"doing": trouble.doing, "problem": trouble.problem},
                occurred_at=trouble.as_of,
            )

    async def _size(
        self,
        session: AsyncSession,
        live: LiveProtection,
        account: Portfolio,
        settings: TradingConfig,
        request: TickRequest,
    ) -> LiveProtection:
        """Write the tick's intents: what the rules want sold, then what is recommended, as large as the rules allow."""
        as_of, state = request.as_of, TradingState((await control.state(session)).state)
        live = settled(live, await orders.ended(session, [part.intent_id for part in live.parts.values()]))
        waiting = {row.symbol for row in await orders.open_intents(session)}
        out = await orders.at_the_broker(session)  # a purchase that waits for people must not hold up an exit
        sold = (
            ()
            if state is TradingState.HALTED
            else exits(live, account.holdings, busy=out, config=settings, as_of=as_of)
        )
        found = await recommendations.latest(session, as_of=as_of, not_before=as_of - FRESH)
        symbols = {each.symbol for each in found if each.action is Action.BUY} | set(account.open_buys)
        symbols |= {holding.symbol for holding in account.holdings}
        earnings = await earnings_around(session, self._calendar, sorted(symbols), trading=request.session, as_of=as_of)
        trimming: tuple[Trim, ...] = ()
        if state is not TradingState.HALTED:
            trimming = trims(
                live.state, account.holdings, account.equity, earnings, settings, busy=waiting | set(live.due)
            )
            sold += trimmings(trimming, account.holdings, as_of=as_of)
        left = await portfolio.left_on(session, day=as_of)
        busy = waiting | set(live.due) | {intent.symbol for intent in sold}
        intents = size(
            [each for each in found if each.symbol not in busy and not _is_stale(each, left)],
            account,
            config=settings,
            state=state,
            as_of=as_of,
            around=SeenMarket(
                await protection.series(session, symbols=sorted(symbols), as_of=as_of),
                await registry.sectors(session),
                as_of=as_of,
                config=settings,
                earnings=earnings,
            ),
        )
        smaller = reduced(intents, entry_size(live.state, settings.protection), settings.sizing)
        await orders.save_intents(session, [*sold, *smaller])
        return placed(live, sold, trims=trimming)

    @activity.defn
    async def mark(self, request: MarkRequest) -> MarkReport:
        """Value the positions at the session's close and record the account."""
        cash = (await self._broker.account()).cash
        prices = await self._prices()
        async with self._database.transaction() as session:
            before, live = await protecting.enter(session, self._calendar, request.session)
            unseen = await portfolio.without_bar(session, on=request.session.date, as_of=request.as_of)
            last = {symbol: price for symbol, price in prices.items() if symbol in unseen}
            account = await self._account(session, request.as_of, cash, last)
            live = await protecting.observe(
                session,
                live,
                account,
                await config.current(session),
                calendar=self._calendar,
                trading=request.session,
                prices={},
                as_of=request.as_of,
                at_close=True,
            )
            await protection.save(session, before, live, at=request.as_of)
            row = await portfolio.snapshot(session, as_of=request.as_of, phase=request.phase.value, cash=cash)
            await outbox.publish(
                session,
                event_id=f"account/{request.as_of.isoformat()}",
                event="account_marked",
                subject_id=request.session.date.isoformat(),
                body={"equity": str(row.equity), "cash": str(row.cash), "positions": row.positions},
                occurred_at=request.as_of,
            )
        return MarkReport(equity=str(row.equity), cash=str(row.cash), positions=row.positions)

    @activity.defn
    async def change_control(self, change: ControlChange) -> ControlReport:
        """Write the trading state and wait a while for what has left; when halting, cancel what is open at the broker.

        The state is in force at once. What is under way for longer is waited for by whoever acknowledges the change.
        """
        async with self._database.transaction() as session:
            fresh = await audit.append(
                session,
                key=change.change_key,
                actor=change.actor,
                action=f"trading_{change.state.value}",
                subject="trading-engine",
                body={"reason": change.reason},
                recorded_at=change.as_of,
            )
            if fresh:
                row = await control.change(
                    session,
                    wanted=change.state,
                    reason=change.reason,
                    actor=change.actor,
                    at=change.as_of,
                    epoch=change.epoch,
                )
                await outbox.publish(
                    session,
                    event_id=f"control/{change.change_key}",
                    event="trading_state_changed",
                    subject_id="trading-engine",
                    body={"state": change.state.value, "reason": change.reason, "actor": change.actor},
                    occurred_at=change.as_of,
                )
            else:
                row = await control.state(session)
        await control.await_arrivals(self._database, wanted=change.state, now=self._now, patience=ARRIVAL_SECONDS)
        canceled, left = await cancel_open(self._database, self._broker) if change.cancel_open_orders else (0, ())
        return ControlReport(
            state=TradingState(row.state), epoch=row.epoch, canceled_orders=canceled, not_canceled=left
        )

    async def _prices(self) -> dict[str, Decimal]:
        """What the broker says a share costs now, of everything that is held there."""
        return {
            position.symbol: position.current_price
            for position in await self._broker.positions()
            if position.current_price is not None and position.current_price > 0
        }

    async def _account(
        self, session: AsyncSession, as_of: datetime, cash: Decimal, prices: Mapping[str, Decimal]
    ) -> Portfolio:
        """The account, marked at the last closes that were known, or at the prices of now where they are given."""
        symbols = [holding.symbol for holding in await portfolio.holdings(session)]
        if symbols:
            seen = await market.windows(session, symbols=symbols, as_of=as_of, sessions=1)
            closes = {symbol: Decimal(str(window.closes[-1])) for symbol, window in seen.items()}
            now = {symbol: prices[symbol] for symbol in symbols if symbol in prices}
            await portfolio.mark(session, prices={**closes, **now}, at=as_of)
        return await portfolio.load(session, as_of=as_of, cash=cash)


def _is_stale(one: Recommendation, left: Mapping[str, datetime]) -> bool:
    """Whether a purchase was recommended before its symbol was last left: it has to be thought about again."""
    at = left.get(one.symbol)
    return one.action is Action.BUY and at is not None and one.as_of <= at


async def _days_to_book(session: AsyncSession, request: TickRequest) -> list[date]:
    """The days whose corporate actions are due: since the session looked at last, and before an open the day itself."""
    live, today = await protection.load(session, for_update=True), request.session.date
    if live is not None and live.session < today:
        return [live.session + timedelta(days=number) for number in range(1, (today - live.session).days + 1)]
    return [today] if request.phase is TickPhase.PRE_OPEN else []
