"""Co-movement of competitors: read what was known at an instant, measure, add to the history."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio import activity

from domain.comovement_measurement import (
    DEFAULTS,
    ComovementReport,
    ComovementRequest,
    MeasuredPair,
    PairInputs,
    measure_pairs,
)
from domain.errors import InvalidInput
from domain.layer_config import ComovementConfig
from store import competitor_history, market
from store.database import Database

SESSIONS_A_YEAR = 250


class ComovementActivities:
    """A pair is measured once at an instant, so that a retry changes nothing."""

    def __init__(self, database: Database, config: ComovementConfig = DEFAULTS) -> None:
        self._database = database
        self._config = config

    @activity.defn
    async def measure_comovement(self, request: ComovementRequest) -> ComovementReport:
        """Measure proposed and confirmed links at the request's instant, and keep what was found.

        Decisions know a measurement from when it was written. One without events is written where it ends another.
        """
        as_of = request.as_of
        if as_of is None:
            raise InvalidInput("AS_OF_MISSING", "Give the instant to measure at", symbol=request.symbol)
        async with self._database.transaction() as session:
            pairs = await competitor_history.to_measure(session, request.symbol)
        links, measured, unknown = 0, 0, list[str]()
        for symbol, competitors in pairs.items():
            links += len(competitors)
            activity.heartbeat(links)
            try:
                found = await self._measure(symbol, competitors, as_of)
            except InvalidInput as error:
                unknown.append(f"{symbol}: {error}")
                continue
            measured += sum(each.comovement.n > 0 for each in found)
            unknown += [f"{symbol} at {each.competitor}: {_why(each)}" for each in found if not each.comovement.n]
        return ComovementReport(as_of=as_of, links=links, measured=measured, unknown=tuple(unknown))

    async def _measure(self, symbol: str, competitors: list[str], as_of: datetime) -> list[MeasuredPair]:
        config = self._config
        events_from = _calendar_days(config.window_sessions)
        first = (as_of - events_from - _calendar_days(config.estimation_sessions + config.gap_sessions)).date()
        symbols = sorted({symbol, *competitors, config.benchmark})
        async with self._database.transaction() as session:
            inputs = PairInputs(
                symbol=symbol,
                as_of=as_of,
                bars=await market.known_bars(session, symbols=symbols, first=first, as_of=as_of),
                actions=await market.actions_of(session, symbols=symbols, first=first),
                events=await competitor_history.events(
                    session, symbol=symbol, competitors=competitors, as_of=as_of, days=events_from.days
                ),
            )
            before = (await competitor_history.newest_comovements(session, [symbol], as_of=datetime.now(UTC)))[symbol]
        found = await asyncio.to_thread(measure_pairs, inputs, config)
        kept = [each for each in found if each.comovement.n or each.competitor in before]
        async with self._database.transaction() as session:
            await competitor_history.save_comovements(session, kept, now=datetime.now(UTC))
        return found


def _calendar_days(sessions: int) -> timedelta:
    return timedelta(days=sessions * 366 // SESSIONS_A_YEAR + 10)


def _why(pair: MeasuredPair) -> str:
    if not pair.told:
        return "no document on it alone, or no bars of the benchmark"
    return f"too few prices around the {pair.told} sessions with news"
