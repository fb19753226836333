"""What the rules that protect the account look at in a tick, read from the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from sqlalchemy import func, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from activities.ports import Calendar
from domain.breaker_state import FeedAge
from domain.config import TradingConfig
from domain.decisions import Portfolio
from domain.live_protection import LiveProtection, begun, entered, judge_stops, restated
from domain.market import CorporateAction, Session
from domain.protection import INDEX_SESSIONS, Look, end_session, index_reading, look, note_trades
from store import config, market, portfolio, protection, recommendations, reconciliations
from store.tables.market import BarRow

A_DAY = timedelta(days=1)
SNAPSHOT_SESSIONS = 400
"""Returns that a tier's Sharpe ratio is taken from, at most."""


async def enter(session: AsyncSession, calendar: Calendar, trading: Session) -> tuple[LiveProtection, LiveProtection]:
    """The state of the rules as it was left, and come into a session.

    Whoever else wants to change it waits for this transaction.
    """
    settings = await config.configured(session)
    stored = await protection.load(session, for_update=True) or begun(trading.date, settings.tier)
    passed = len(calendar.sessions(stored.session + A_DAY, trading.date)) if trading.date > stored.session else 0
    return stored, entered(stored, trading.date, passed=passed, tier=settings.tier)


async def book_actions(session: AsyncSession, actions: Sequence[CorporateAction], *, at: datetime) -> None:
    """Apply splits and dividends to what is held, each once, and splits to the stops, in one transaction."""
    live = await protection.load(session, for_update=True)
    before = {holding.symbol: holding.quantity for holding in await portfolio.holdings(session)}
    await portfolio.apply_actions(session, actions=actions, applied_at=at)
    now = {holding.symbol: holding.quantity for holding in await portfolio.holdings(session)}
    split = {symbol for symbol, quantity in now.items() if before.get(symbol) != quantity}
    if live is not None and split:
        ratios = {action.symbol: action.split_ratio for action in actions if action.symbol in split}
        await protection.save(session, live, restated(live, ratios), at=at)


async def observe(
    session: AsyncSession,
    live: LiveProtection,
    account: Portfolio,
    settings: TradingConfig,
    *,
    calendar: Calendar,
    trading: Session,
    prices: Mapping[str, Decimal],
    as_of: datetime,
    at_close: bool = False,
) -> LiveProtection:
    """Let stops, breakers and, at the close, the reserve and the tier look at the account. Once an instant.

    Args:
        account: marked as of the instant.
        prices: seen in the session under way, by symbol, in dollars a share; empty where nothing was seen.
    """
    if live.looked_at is not None and as_of <= live.looked_at:
        return live
    live = await _stops(session, live, account, settings, prices=prices, as_of=as_of)
    live = await _trades(session, live)
    rules = settings.protection
    seen = await _look(session, live, account, settings, calendar=calendar, as_of=as_of, at_close=at_close)
    state = look(live.state, rules, seen)
    if at_close:
        returns = await _returns(session, live, trading)
        state = end_session(state, rules, seen, limit=settings.limits.drawdown, returns=returns)
    return live.model_copy(update={"state": state, "looked_at": as_of})


async def _stops(
    session: AsyncSession,
    live: LiveProtection,
    account: Portfolio,
    settings: TradingConfig,
    *,
    prices: Mapping[str, Decimal],
    as_of: datetime,
) -> LiveProtection:
    rules = settings.protection.stops
    held = [holding for holding in account.holdings if holding.quantity > 0]
    if rules is None or not held:
        return judge_stops(live, (), rules, as_of=as_of)
    symbols = [holding.symbol for holding in held]
    known = await protection.series(session, symbols=symbols, as_of=as_of)
    horizons = await recommendations.horizons(session, symbols=symbols, as_of=as_of)
    inputs = [
        protection.stop_inputs(
            holding,
            known.get(holding.symbol),
            horizon_td=horizons.get(holding.symbol, 1.0),
            as_of=as_of,
            rules=rules,
        ).model_copy(update={"price": prices.get(holding.symbol)})
        for holding in held
    ]
    return judge_stops(live, inputs, rules, as_of=as_of)


async def _trades(session: AsyncSession, live: LiveProtection) -> LiveProtection:
    """Count the positions that were closed since the last look, by what each brought since it was last flat."""
    flat = await portfolio.realized_when_flat(session)
    closed = [now - live.flat.get(symbol, Decimal(0)) for symbol, now in sorted(flat.items())]
    results = [result for result in closed if result != 0]
    state = note_trades(live.state, results) if results else live.state
    return live.model_copy(update={"state": state, "flat": {**live.flat, **flat}})


async def _look(
    session: AsyncSession,
    live: LiveProtection,
    account: Portfolio,
    settings: TradingConfig,
    *,
    calendar: Calendar,
    as_of: datetime,
    at_close: bool,
) -> Look:
    before = await portfolio.latest_snapshot(session, before=as_of)
    short, long, move = await _index(session, settings.engine.benchmark, as_of)
    health = await reconciliations.health(session, as_of)
    breakers = settings.protection.breakers
    window = breakers.model_window if breakers is not None else 0
    return Look(
        session=live.index,
        as_of=as_of,
        equity=account.equity,
        prior_close_equity=account.prior_close_equity,
        peak_equity=max(before.peak_equity, account.equity) if before is not None else account.equity,
        realized=await portfolio.realized(session),
        short_volatility=short,
        long_volatility=long,
        index_move=move if at_close else None,
        feeds=await _feeds(session, calendar, as_of),
        clock_skew_seconds=await _skew(session),
        broker_errors=health.broker_errors,
        reconciliation_mismatch=health.mismatch,
        reconciled_at=health.last_clean_at,
        model_outcomes=await protection.model_outcomes(session, as_of=as_of, window=window),
    )


async def _index(
    session: AsyncSession, benchmark: str, as_of: datetime
) -> tuple[float | None, float | None, float | None]:
    """Volatility of the benchmark over 5 and 60 sessions, and its last move in the deviations of the 60."""
    windows = await market.windows(session, symbols=[benchmark], as_of=as_of, sessions=INDEX_SESSIONS)
    found = windows.get(benchmark)
    return index_reading(found.closes if found is not None else ())


async def _feeds(session: AsyncSession, calendar: Calendar, as_of: datetime) -> tuple[FeedAge, ...]:
    """How many sessions of bars the book lacks, counted in days of one session each. No bars at all: none expected."""
    newest = (await session.exec(select(func.max(BarRow.session)).where(BarRow.available_at <= as_of))).one()
    if newest is None:
        return ()
    missing = [each for each in calendar.sessions(newest + A_DAY, as_of.date()) if each.closes_at <= as_of]
    day = A_DAY.total_seconds()
    return (FeedAge(feed="bars", age_seconds=len(missing) * day, expected_seconds=day),)


async def _skew(session: AsyncSession) -> float:
    """Seconds that this machine's clock is ahead of the database's."""
    before = datetime.now(UTC)
    connection = await session.connection()
    theirs: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    middle = before + (datetime.now(UTC) - before) / 2
    return (middle - theirs).total_seconds()


async def _returns(session: AsyncSession, live: LiveProtection, trading: Session) -> list[float]:
    """Session returns so far, one a session since the first that was looked at; 0 where nobody marked."""
    first = trading.closes_at - SNAPSHOT_SESSIONS * 2 * A_DAY
    marks = [
        row.equity
        for row in await portfolio.list_snapshots(session, first=first, last=trading.closes_at)
        if row.phase == "close"
    ]
    found = [float(after / before - 1) for before, after in pairwise(marks) if before > 0]
    tail = found[-(live.index + 1) :]
    return [0.0] * (live.index + 1 - len(tail)) + tail
