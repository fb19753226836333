"""A broker whose failures are counted, so that a breaker can see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from domain.broker import (
    BrokerAccount,
    BrokerActivity,
    BrokerAsset,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    EquityPoint,
    MarketClock,
    MarketDay,
    OrderChange,
    OrderTicket,
    Snapshot,
)
from domain.errors import ConfigurationError, VendorThrottled, VendorUnavailable
from store import reconciliations
from store.database import Database

if TYPE_CHECKING:
    from activities.adapters.alpaca import AlpacaBroker

log = structlog.get_logger(__name__)

T = TypeVar("T")


class WatchedBroker:
    """Fulfils `activities.ports.Broker` and `BrokerBook`. A refusal of a request is no failure of the broker."""

    def __init__(self, broker: AlpacaBroker, database: Database, *, now: Callable[[], datetime]) -> None:
        self._broker = broker
        self._database = database
        self._now = now

    async def find(self, client_order_id: str) -> BrokerOrder | None:
        return await self._watch(self._broker.find(client_order_id))

    async def get(self, broker_order_id: str) -> BrokerOrder:
        return await self._watch(self._broker.get(broker_order_id))

    async def place(self, ticket: OrderTicket) -> BrokerOrder:
        return await self._watch(self._broker.place(ticket))

    async def replace(self, broker_order_id: str, change: OrderChange) -> BrokerOrder:
        return await self._watch(self._broker.replace(broker_order_id, change))

    async def cancel(self, broker_order_id: str) -> None:
        await self._watch(self._broker.cancel(broker_order_id))

    async def fills(self, broker_order_id: str, *, since: datetime) -> list[BrokerFill]:
        return await self._watch(self._broker.fills(broker_order_id, since=since))

    async def activities(self, *, since: datetime) -> tuple[list[BrokerFill], list[BrokerActivity]]:
        return await self._watch(self._broker.activities(since=since))

    async def orders(self, *, open_only: bool, after: datetime) -> list[BrokerOrder]:
        return await self._watch(self._broker.orders(open_only=open_only, after=after))

    async def account(self) -> BrokerAccount:
        return await self._watch(self._broker.account())

    async def positions(self) -> list[BrokerPosition]:
        return await self._watch(self._broker.positions())

    async def asset(self, symbol: str) -> BrokerAsset | None:
        return await self._watch(self._broker.asset(symbol))

    async def clock(self) -> MarketClock:
        return await self._watch(self._broker.clock())

    async def calendar(self, first: date, last: date) -> list[MarketDay]:
        return await self._watch(self._broker.calendar(first, last))

    async def equity_history(self, *, period: str = "1M", timeframe: str = "1D") -> list[EquityPoint]:
        return await self._watch(self._broker.equity_history(period=period, timeframe=timeframe))

    async def snapshots(self, symbols: Sequence[str]) -> dict[str, Snapshot]:
        return await self._watch(self._broker.snapshots(symbols))

    async def _watch(self, request: Awaitable[T]) -> T:
        try:
            return await request
        except (VendorUnavailable, VendorThrottled) as error:
            await self._count(error.code)
            raise
        except ConfigurationError as error:
            await self._count(error.code)
            # Wrong keys are mended by a person while orders wait: no workflow may end of them.
            raise VendorUnavailable(error.code, error.hint, **error.fields) from error

    async def _count(self, code: str) -> None:
        """Remember the failure; where the database is away, too, the error itself is what matters."""
        try:
            async with self._database.transaction() as session:
                await reconciliations.record_failure(session, code=code, at=self._now())
        except (SQLAlchemyError, OSError) as error:
            log.warning("broker_failure_not_counted", code=code, error=type(error).__name__)
