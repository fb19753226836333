"""The paper market of a replay: move the broker's clock and hand it the session's bars."""

from __future__ import annotations

from temporalio import activity

from activities.ports import PaperMarket
from domain.errors import ConfigurationError
from domain.replay import MarketStep
from store import market
from store.database import Database


class MarketActivities:
    """Present only where a paper broker is driven; never with a vendor's broker."""

    def __init__(self, database: Database, paper: PaperMarket | None) -> None:
        self._database = database
        self._paper = paper

    @activity.defn
    async def advance_market(self, step: MarketStep) -> None:
        """Tell the paper broker that a session opens or closes. Idempotent per session and phase."""
        if self._paper is None:
            raise ConfigurationError("NO_PAPER_MARKET", "A replay needs the paper broker with a virtual clock")
        async with self._database.transaction() as session:
            bars = await market.bars_on(session, on=step.session.date)
            actions = await market.actions_on(session, on=step.session.date)
        await self._paper.advance(step.session, step.phase, bars, actions)
