"""The macro and the competitive layer of symbols at an instant: read from the book, scored by the domain."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.layer_terms import OtherLayers, competitive_terms, macro_terms
from store import competitor_history, documents, economy, exposures, portfolio
from store.database import Database

REACH_SECONDS = 5.0
"""How long a change of links or exposures may take to be seen where news arrives."""


class Reach:
    """Whom news moves besides the companies that it is about. Read again every few seconds, as it changes by hand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._named_by: dict[str, list[str]] = {}
        self._exposed = False
        self._since = -math.inf

    async def rivals_of(self, symbols: Collection[str]) -> set[str]:
        """Companies that name one of these as a competitor."""
        await self._refresh()
        return {rival for symbol in symbols for rival in self._named_by.get(symbol, ())}

    async def economy_matters(self) -> bool:
        """Whether any company has exposures."""
        await self._refresh()
        return self._exposed

    async def _refresh(self) -> None:
        if time.monotonic() - self._since <= REACH_SECONDS:
            return
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            self._named_by = await competitor_history.naming(session, as_of=now)
            self._exposed = bool(await exposures.exposed(session, as_of=now))
        self._since = time.monotonic()


async def universe(session: AsyncSession, *, as_of: datetime, config: SignalConfig) -> list[str]:
    """Every company of which anything is known: told of itself, held, exposed to the economy, or linked to one told of.

    Of the economy and of competitors only where those layers count.
    """
    told = await documents.symbols_with_evidence(session, as_of=as_of, days=config.lookback_days)
    found = {*told, *(holding.symbol for holding in await portfolio.holdings(session))}
    if config.macro_enabled:
        found |= set(await exposures.exposed(session, as_of=as_of))
    if config.competitive_enabled:
        named_by = await competitor_history.naming(session, as_of=as_of)
        found |= {symbol for company in told for symbol in named_by.get(company, ())}
    return sorted(found)


async def other_layers(
    session: AsyncSession,
    evidence: Mapping[str, Sequence[EvidenceItem]],
    *,
    as_of: datetime,
    session_dates: Sequence[date],
    config: SignalConfig,
) -> dict[str, OtherLayers]:
    """Score both layers of the symbols whose own evidence is given; each alone gives what all together give.

    A layer that is off is not read: nothing of it would count.
    """
    symbols = list(evidence)
    by_economy, by_rivals = {}, {}
    if config.macro_enabled and (profiles := await exposures.in_force(session, symbols, as_of=as_of)):
        by_economy = macro_terms(
            await economy.items_for(session, as_of=as_of, days=config.lookback_days),
            {symbol: profile for symbol, (_, profile) in profiles.items()},
            as_of=as_of,
            session_dates=session_dates,
            config=config,
        )
    links = await competitor_history.in_force(session, symbols, as_of=as_of) if config.competitive_enabled else {}
    if any(links.values()):
        rivals = sorted({rival for found in links.values() for rival in found} - evidence.keys())
        of_rivals = await documents.evidence_for(session, symbols=rivals, as_of=as_of, days=config.lookback_days)
        measured = await competitor_history.newest_comovements(session, symbols, as_of=as_of)
        by_rivals = competitive_terms(
            links,
            {**of_rivals, **evidence},
            as_of=as_of,
            session_dates=session_dates,
            config=config,
            comovements={
                symbol: {rival: competitor_history.comovement_of(row) for rival, row in rows.items()}
                for symbol, rows in measured.items()
            },
        )
    return {symbol: OtherLayers.of([*by_economy.get(symbol, ()), *by_rivals.get(symbol, ())]) for symbol in symbols}
