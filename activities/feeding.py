"""Telling the paper broker on the wall clock what the book knows: bars of finished sessions, splits and dividends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import structlog

from activities.ports import PaperFeed
from domain.documents import NEW_YORK
from domain.errors import Conflict
from domain.market import Bar, CorporateAction
from store import market
from store.database import Database

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(days=10)
"""Older sessions concern no order, and the price that they end with is no price of today."""
LOOK_ANYWAY = timedelta(minutes=5)
"""Even where the book has nothing new, the broker is asked what it has: its own book may have been put back."""
ACTIONS_FROM = time(5)
"""The hour in New York from which the broker lets the actions of a day take effect."""
AT_A_TIME = 500


class MarketFeed:
    """Hands over each symbol's session and each action once, the oldest first. The broker's own book says what it has.

    A day's actions come before its bars, which are of shares as they are since.
    """

    def __init__(self, database: Database, paper: PaperFeed) -> None:
        self._database = database
        self._paper = paper
        self._fed: tuple[dict[date, int], list[CorporateAction]] = ({}, [])
        self._late: set[tuple[str, date]] = set()
        self._looked_at: datetime | None = None

    async def feed(self, *, at: datetime) -> int:
        """Tell what is new by an instant; returns how many bars that were."""
        first, here = at.date() - LOOK_BACK, at.astimezone(NEW_YORK)
        in_effect = here.date() if here.time() >= ACTIONS_FROM else here.date() - timedelta(days=1)
        async with self._database.transaction() as session:
            sessions = await market.finished_sessions(session, first=first, as_of=at)
            actions = await market.actions_between(session, first=first, last=in_effect)
        recently = self._looked_at is not None and at - self._looked_at < LOOK_ANYWAY
        if (sessions, actions) == self._fed and recently:
            return 0
        applied = await self._paper.applied(first) if actions else set()
        known = await self._paper.finished() if sessions else {}
        told = 0
        for day in sorted({*sessions, *(action.ex_date for action in actions)}):
            due = [action for action in actions if action.ex_date == day]
            await self._act(day, [action for action in due if (action.symbol, day) not in applied])
            if day not in sessions:
                continue
            async with self._database.transaction() as session:
                found = await market.bars_on(session, on=day)
            told += await self._finish(day, [bar for bar in found if known.get(bar.symbol, date.min) < day])
        self._fed, self._looked_at = (sessions, actions), at
        return told

    async def _act(self, day: date, actions: Sequence[CorporateAction]) -> None:
        if not actions:
            return
        try:
            late = {(symbol, day) for symbol in await self._paper.act(day, actions)}
        except Conflict as error:
            log.warning("paper_actions_refused", ex_date=day.isoformat(), error=str(error))
            return
        for symbol, _ in sorted(late - self._late):
            log.warning("paper_action_too_late", symbol=symbol, ex_date=day.isoformat())
        self._late |= late
        log.info("paper_broker_acted", ex_date=day.isoformat(), actions=len(actions), late=len(late))

    async def _finish(self, day: date, bars: Sequence[Bar]) -> int:
        told = 0
        for start in range(0, len(bars), AT_A_TIME):
            some = bars[start : start + AT_A_TIME]
            try:
                executions = await self._paper.finish(day, some)
            except Conflict as error:  # no session of the exchange, whatever its source says
                log.warning("paper_feed_refused", session=day.isoformat(), error=str(error))
                break
            told += len(some)
            log.info("paper_broker_fed", session=day.isoformat(), bars=len(some), executions=executions)
        return told
