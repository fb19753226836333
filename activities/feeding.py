"""Telling the paper broker on the wall clock what shares cost: the bars that the book has, from whatever source."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import structlog

from activities.ports import PaperFeed
from domain.errors import Conflict
from store import market
from store.database import Database

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(days=10)
"""Older sessions concern no order, and the price that they end with is no price of today."""
LOOK_ANYWAY = timedelta(minutes=5)
"""Even where the book has nothing new, the broker is asked what it has: its own book may have been put back."""
AT_A_TIME = 500


class MarketFeed:
    """Hands over each symbol's session once, the oldest first. The broker's own book says what it has."""

    def __init__(self, database: Database, paper: PaperFeed) -> None:
        self._database = database
        self._paper = paper
        self._fed: dict[date, int] = {}
        self._looked_at: datetime | None = None

    async def feed(self, *, at: datetime) -> int:
        """Tell what is new by an instant; returns how many bars that were."""
        first = at.date() - LOOK_BACK
        async with self._database.transaction() as session:
            sessions = await market.finished_sessions(session, first=first, as_of=at)
        recently = self._looked_at is not None and at - self._looked_at < LOOK_ANYWAY
        if sessions == self._fed and recently:
            return 0
        known = await self._paper.finished()
        told = 0
        for day in sessions:
            async with self._database.transaction() as session:
                found = await market.bars_on(session, on=day)
            new = [bar for bar in found if known.get(bar.symbol, date.min) < day]
            for start in range(0, len(new), AT_A_TIME):
                bars = new[start : start + AT_A_TIME]
                try:
                    executions = await self._paper.finish(day, bars)
                except Conflict as error:  # no session of the exchange, whatever its source says
                    log.warning("paper_feed_refused", session=day.isoformat(), error=str(error))
                    break
                told += len(bars)
                log.info("paper_broker_fed", session=day.isoformat(), bars=len(bars), executions=executions)
        self._fed, self._looked_at = sessions, at
        return told
