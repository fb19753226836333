"""What a share costs now, as far as we know: the price that approvals are held against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from activities.ports import Prices
from domain.broker import Snapshot
from domain.errors import ConfigurationError, VendorError
from domain.portfolio import as_decimal
from store import market
from store.database import Database


class Quotes(Protocol):
    async def snapshots(self, symbols: Sequence[str]) -> dict[str, Snapshot]:
        """The newest prices of symbols; those without any are left out."""
        ...


class BookPrices:
    """The newest close in the book. Fulfils `activities.ports.Prices`; a replay has no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, symbol: str, *, as_of: datetime) -> Decimal | None:
        async with self._database.transaction() as session:
            seen = await market.windows(session, symbols=[symbol], as_of=as_of, sessions=1)
        return as_decimal(seen[symbol].closes[-1]) if symbol in seen else None

    async def quote(self, symbol: str) -> Snapshot | None:
        return None


class MarketPrices:
    """The broker's newest trade. Fulfils `activities.ports.Prices`.

    Where real money is at stake nothing takes its place: the step waits until the broker answers, and a symbol without
    a trade has no price. Elsewhere the newest close in the book does.
    """

    def __init__(self, quotes: Quotes, book: Prices, *, real_money: bool) -> None:
        self._quotes = quotes
        self._book = book
        self._real_money = real_money

    async def last(self, symbol: str, *, as_of: datetime) -> Decimal | None:
        seen = await self.quote(symbol)
        if seen is not None and seen.last is not None:
            return seen.last
        return None if self._real_money else await self._book.last(symbol, as_of=as_of)

    async def quote(self, symbol: str) -> Snapshot | None:
        try:
            return (await self._quotes.snapshots([symbol])).get(symbol)
        except (VendorError, ConfigurationError) as error:
            if self._real_money and isinstance(error, VendorError):
                raise
            return None
