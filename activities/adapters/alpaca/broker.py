"""The broker's orders, account and market data. Every method may be repeated; `place` and `replace` under their ids."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import Any

from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import StockSnapshotRequest
from alpaca.trading.requests import GetCalendarRequest, GetOrderByIdRequest, GetPortfolioHistoryRequest

from activities.adapters.alpaca import answers
from activities.adapters.alpaca.errors import ID_TAKEN, NOT_FOUND, ORDER_CLOSED
from activities.adapters.alpaca.requests import change_body, order_body
from activities.adapters.alpaca.session import AlpacaSettings, call, trading_client
from activities.adapters.alpaca.session import data_client as make_data_client
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
from domain.errors import VendorRejected, VendorUnavailable

ACTIVITY_PAGE = 100
ORDER_PAGE = 500
INSTANT = timedelta(seconds=1)
"""The lists' `after` leaves out the instant itself, in which an order may be accepted and filled."""
FILL = "FILL"


class AlpacaBroker:
    """Fulfils `activities.ports.Broker` and `activities.ports.BrokerBook`."""

    def __init__(self, settings: AlpacaSettings) -> None:
        self._settings = settings
        self._client = trading_client(settings)

    @cached_property
    def _data(self) -> StockHistoricalDataClient:
        return make_data_client(self._settings)

    async def find(self, client_order_id: str) -> BrokerOrder | None:
        """Look an order up by our id; None where the broker itself says that it never saw it."""
        try:
            return await call(partial(self._client.get_order_by_client_id, client_order_id), answers.order)
        except VendorRejected as error:
            if error.code == NOT_FOUND:
                return None
            raise

    async def get(self, broker_order_id: str) -> BrokerOrder:
        """An order by the broker's id, with its legs."""
        nested = GetOrderByIdRequest(nested=True)
        return await call(partial(self._client.get_order_by_id, broker_order_id, nested), answers.order)

    async def place(self, ticket: OrderTicket) -> BrokerOrder:
        """Send the order. A duplicate client order id means that an earlier attempt arrived: it is adopted."""
        try:
            return await call(partial(self._client.post, "/orders", order_body(ticket)), answers.order)
        except VendorRejected as error:
            return await self._known(error, ticket.client_order_id)

    async def replace(self, broker_order_id: str, change: OrderChange) -> BrokerOrder:
        """Change an open order; the answer is the new order, under the change's id.

        Raises:
            VendorRejected: `ORDER_IS_CLOSED` where a fill or a cancel was faster.
        """
        request = partial(self._client.patch, f"/orders/{broker_order_id}", change_body(change))
        try:
            return await call(request, answers.order)
        except VendorRejected:  # whatever it says: an earlier attempt may have replaced the order
            found = await self.find(change.client_order_id)
            if found is None:
                raise
            return found

    async def _known(self, error: VendorRejected, client_order_id: str) -> BrokerOrder:
        if error.code != ID_TAKEN:
            raise error
        found = await self.find(client_order_id)
        if found is None:  # refused as a duplicate and yet not found: its listing lags
            raise VendorUnavailable(
                "BROKER_ORDER_NOT_LISTED_YET", "It is looked up again", client_order_id=client_order_id
            ) from error
        return found

    async def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancel. An order that is final already is left as it is: `filled` is a valid outcome."""
        try:
            await call(partial(self._client.cancel_order_by_id, broker_order_id), answers.nothing)
        except VendorRejected as error:
            if error.code != ORDER_CLOSED:
                raise

    async def fills(self, broker_order_id: str, *, since: datetime) -> list[BrokerFill]:
        """Executions of an order from the activity list, oldest first."""
        fills, _ = await self._activities(f"/account/activities/{FILL}", since - INSTANT)
        return [fill for fill in fills if fill.broker_order_id == broker_order_id]

    async def activities(self, *, since: datetime) -> tuple[list[BrokerFill], list[BrokerActivity]]:
        """Every execution, and every other change of cash or position, since an instant, oldest first."""
        return await self._activities("/account/activities", since - INSTANT)

    async def orders(self, *, open_only: bool, after: datetime) -> list[BrokerOrder]:
        """Orders sent after an instant, oldest first, legs under their parents; others than of equities are left out.

        Pages overlap by the last instant, because several orders may share it.
        """
        found: dict[str, BrokerOrder] = {}
        cursor = after
        while True:
            params = {
                "status": "open" if open_only else "all",
                "limit": ORDER_PAGE,
                "after": cursor.isoformat(),
                "direction": "asc",
                "nested": "true",
            }
            page = await call(partial(self._client.get, "/orders", params), answers.order_page)
            found |= {order.broker_order_id: order for order in page.orders}
            if page.length < ORDER_PAGE or page.last_at is None or page.last_at - INSTANT <= cursor:
                return list(found.values())
            cursor = page.last_at - INSTANT

    async def account(self) -> BrokerAccount:
        return await call(self._client.get_account, answers.account)

    async def positions(self) -> list[BrokerPosition]:
        return await call(self._client.get_all_positions, answers.positions)

    async def asset(self, symbol: str) -> BrokerAsset | None:
        """What may be done with a symbol; None where the broker does not know it."""
        try:
            return await call(partial(self._client.get_asset, symbol), answers.asset)
        except VendorRejected as error:
            if error.code == NOT_FOUND:
                return None
            raise

    async def clock(self) -> MarketClock:
        return await call(self._client.get_clock, answers.clock)

    async def calendar(self, first: date, last: date) -> list[MarketDay]:
        wanted = GetCalendarRequest(start=first, end=last)
        return await call(partial(self._client.get_calendar, wanted), answers.days)

    async def equity_history(self, *, period: str = "1M", timeframe: str = "1D") -> list[EquityPoint]:
        """The account's value over time as the broker has it."""
        wanted = GetPortfolioHistoryRequest(period=period, timeframe=timeframe)
        return await call(partial(self._client.get_portfolio_history, wanted), answers.history)

    async def snapshots(self, symbols: Sequence[str]) -> dict[str, Snapshot]:
        """The newest trade, quote and daily prices of symbols; those without any are left out."""
        wanted = StockSnapshotRequest(symbol_or_symbols=list(symbols))
        return await call(partial(self._data.get_stock_snapshot, wanted), answers.snapshots)

    async def _activities(self, path: str, after: datetime) -> tuple[list[BrokerFill], list[BrokerActivity]]:
        fills: list[BrokerFill] = []
        others: list[BrokerActivity] = []
        params: dict[str, Any] = {"direction": "asc", "page_size": ACTIVITY_PAGE, "after": after.isoformat()}
        while True:
            page = await call(partial(self._client.get, path, dict(params)), answers.activity_page)
            fills += page.fills
            others += page.others
            if page.length < ACTIVITY_PAGE:
                return fills, others
            params["page_token"] = page.last_id
