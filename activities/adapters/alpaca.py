"""Alpaca through the vendor's own SDK: the only broker client, for the vendor's hosts and for the paper broker alike.

The SDK repeats 429 and 504 answers by itself, orders included, and has no HTTP timeout; both are taken from it here,
because repeating is the workflow's business and needs the outcome to be asked for first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import Order, Position, TradeAccount
from alpaca.trading.requests import MarketOrderRequest
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from requests.adapters import HTTPAdapter

from domain.broker import BrokerAccount, BrokerFill, BrokerOrder, BrokerPosition, OrderTicket
from domain.decisions import Side
from domain.errors import ConfigurationError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.portfolio import OrderStatus

T = TypeVar("T")

TIMEOUT_SECONDS = (3.05, 10.0)
"""To connect, and to wait for an answer."""
PAGE = 100
INSTANT = timedelta(seconds=1)
"""The activity list's `after` leaves out the instant itself, in which an order may be accepted and filled."""
DUPLICATE_ID = 40010001
"""The vendor's code for a client order id it has seen; also used for other bad requests, hence the message."""

STATUS = {
    "new": OrderStatus.ACCEPTED,
    "accepted": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED,
    "held": OrderStatus.ACCEPTED,
    "calculated": OrderStatus.ACCEPTED,
    "stopped": OrderStatus.ACCEPTED,
    "suspended": OrderStatus.ACCEPTED,
    "pending_cancel": OrderStatus.ACCEPTED,
    "pending_replace": OrderStatus.ACCEPTED,
    "pending_review": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "replaced": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "done_for_day": OrderStatus.ACCEPTED,
    "rejected": OrderStatus.REJECTED,
}


class AlpacaSettings(BaseModel):
    """Keys and host. `url` empty means the vendor's host for paper or live."""

    model_config = ConfigDict(frozen=True)

    key_id: SecretStr
    secret_key: SecretStr
    paper: bool = True
    url: str = ""


class _Timeout(HTTPAdapter):
    def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]
        if options.get("timeout") is None:
            options["timeout"] = TIMEOUT_SECONDS
        return super().send(request, **options)


class AlpacaBroker:
    """Fulfils `activities.ports.Broker`."""

    def __init__(self, settings: AlpacaSettings) -> None:
        self._client = TradingClient(
            api_key=settings.key_id.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            paper=settings.paper,
            url_override=settings.url or None,
        )
        self._client._retry = 0
        for scheme in ("https://", "http://"):
            self._client._session.mount(scheme, _Timeout(pool_maxsize=16))

    async def find(self, client_order_id: str) -> BrokerOrder | None:
        """Look an order up by our id; None where the broker never saw it."""
        try:
            order = await self._call(lambda: self._client.get_order_by_client_id(client_order_id))
        except VendorRejected as error:
            if error.fields.get("status") == 404:
                return None
            raise
        return _order(order)

    async def place(self, ticket: OrderTicket) -> BrokerOrder:
        """Send the order. A duplicate client order id means that an earlier attempt arrived: it is adopted."""
        request = MarketOrderRequest(
            symbol=ticket.symbol,
            qty=float(ticket.quantity),
            side=OrderSide(ticket.side.value),
            time_in_force=TimeInForce(ticket.time_in_force),
            client_order_id=ticket.client_order_id,
        )
        try:
            return _order(await self._call(lambda: self._client.submit_order(request)))
        except VendorRejected as error:
            if error.fields.get("code") == DUPLICATE_ID and "client_order_id" in str(error.fields.get("reply")):
                found = await self.find(ticket.client_order_id)
                if found is not None:
                    return found
            raise

    async def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancel. An order that is final already is left as it is: `filled` is a valid outcome."""
        try:
            await self._call(lambda: self._client.cancel_order_by_id(broker_order_id))
        except VendorRejected as error:
            if error.fields.get("status") != 422:
                raise

    async def fills(self, broker_order_id: str, *, since: datetime) -> list[BrokerFill]:
        """Executions of an order from the activity list, oldest first, paged to the end."""
        found: list[BrokerFill] = []
        token = ""
        while True:
            params: dict[str, Any] = {"direction": "asc", "page_size": PAGE, "after": (since - INSTANT).isoformat()}
            if token:
                params["page_token"] = token
            page: Any = await self._call(partial(self._client.get, "/account/activities/FILL", params))
            found += [_fill(entry) for entry in page if entry["order_id"] == broker_order_id]
            if len(page) < PAGE:
                return found
            token = page[-1]["id"]

    async def account(self) -> BrokerAccount:
        account: TradeAccount = await self._call(self._client.get_account)
        return BrokerAccount(
            cash=Decimal(str(account.cash)),
            equity=Decimal(str(account.equity)),
            buying_power=Decimal(str(account.buying_power)),
        )

    async def positions(self) -> list[BrokerPosition]:
        rows: list[Position] = await self._call(self._client.get_all_positions)
        return [
            BrokerPosition(symbol=row.symbol, quantity=Decimal(row.qty), average_price=Decimal(row.avg_entry_price))
            for row in rows
        ]

    async def _call(self, function: Callable[[], Any]) -> Any:
        """Run an SDK call in a thread and translate what went wrong."""
        try:
            return await asyncio.to_thread(function)
        except APIError as error:
            raise _translate(error) from error
        except (requests.RequestException, ValidationError, ValueError, KeyError) as error:
            raise VendorUnavailable(
                "BROKER_UNREACHABLE",
                "The outcome is unknown; the order is looked up by its id",
                problem=type(error).__name__,
            ) from error


def _translate(error: APIError) -> Exception:
    """Branch on the HTTP status first: the SDK's own code property fails on answers that are not its JSON."""
    status = int(error.status_code or 0)
    try:
        code, message = int(error.code), str(error.message)
    except (ValueError, KeyError, TypeError):
        code, message = 0, "unreadable answer"
    if status == 429:
        return VendorThrottled("BROKER_THROTTLED", retry_after_seconds=2.0, status=status)
    if status in (401, 403) and code == 0:
        return ConfigurationError("BROKER_KEYS_REFUSED", "Check the broker's key id and secret key", status=status)
    if 400 <= status < 500:
        return VendorRejected("BROKER_REJECTED", status=status, code=code, reply=message)
    return VendorUnavailable("BROKER_UNAVAILABLE", "The outcome is unknown; looked up by id next", status=status)


def _order(order: Order) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=str(order.id),
        client_order_id=order.client_order_id,
        symbol=order.symbol or "",
        side=Side(order.side.value if order.side else ""),
        quantity=Decimal(str(order.qty)) if order.qty is not None else Decimal(0),
        status=_status(order),
        filled_quantity=Decimal(str(order.filled_qty or 0)),
        filled_average_price=Decimal(str(order.filled_avg_price)) if order.filled_avg_price else None,
        submitted_at=order.submitted_at.astimezone(UTC),
        reason="" if order.status.value != "rejected" else "rejected by the broker after it was accepted",
    )


def _status(order: Order) -> OrderStatus:
    """A partly filled order stays one while the vendor calls it pending_cancel or the like."""
    status = STATUS[order.status.value]
    if status is OrderStatus.ACCEPTED and float(order.filled_qty or 0) > 0:
        return OrderStatus.PARTIALLY_FILLED
    return status


def _fill(entry: dict[str, Any]) -> BrokerFill:
    return BrokerFill(
        execution_id=entry["id"],
        broker_order_id=entry["order_id"],
        symbol=entry["symbol"],
        side=Side("buy" if entry["side"] == "buy" else "sell"),
        quantity=Decimal(entry["qty"]),
        price=Decimal(entry["price"]),
        filled_at=datetime.fromisoformat(entry["transaction_time"]).astimezone(UTC),
    )
