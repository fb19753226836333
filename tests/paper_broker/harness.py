"""A running broker and the official SDK in front of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
import uvicorn
from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    GetOrderByIdRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)
from fastapi import FastAPI
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from cli.paper_broker.gate import ResettableProtocol
from cli.paper_broker.server import create_app
from cli.paper_broker.settings import BrokerSettings
from tests.paper_broker.vendor import Recorder

KEY, SECRET, CONTROL = "PKTEST", "secret-of-the-account", "key-of-the-control-api"
MONDAY = date(2024, 3, 4)
SYMBOLS = ("AAPL", "MSFT", "TINY")


def settings_for(folder: Path, **changes: Any) -> BrokerSettings:
    defaults: dict[str, Any] = {
        "port": 0,
        "book": folder / "book.sqlite",
        "key_id": KEY,
        "secret_key": SECRET,
        "control_key": CONTROL,
        "clock": "virtual",
        "starts_at": datetime(2024, 3, 1, 21, tzinfo=UTC),
        "partial_fill_share": Decimal(0),
    }
    return BrokerSettings(**(defaults | changes))


class _Impatient(HTTPAdapter):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__()

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        return super().send(request, *arguments, **(options | {"timeout": self._seconds}))


class Watch:
    """A clock that stands where a test puts it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def bar(symbol: str, opening: str, high: str = "", low: str = "", close: str = "") -> dict[str, Any]:
    return {
        "symbol": symbol,
        "open": opening,
        "high": high or opening,
        "low": low or opening,
        "close": close or opening,
        "volume": 1000,
    }


class Client:
    """The SDK, the control API and shorthands for orders, all against one address."""

    def __init__(self, address: str, *, timeout: float = 60) -> None:
        self.address = address
        self.served: Any = None
        self.recorder = Recorder()
        self.sdk: Any = TradingClient(KEY, SECRET, url_override=address)
        self.sdk._retry = 0
        self.sdk._session.mount("http://", _Impatient(timeout))
        self.sdk._session.hooks["response"].append(self.recorder)
        self.data: Any = self._data_client(StockHistoricalDataClient)
        self._control = requests.Session()

    def close(self) -> None:
        self.sdk._session.close()
        self.data._session.close()
        self._control.close()

    def _data_client(self, kind: Callable[..., Any]) -> Any:
        client = kind(KEY, SECRET, url_override=self.address)
        client._retry = 0
        client._session.hooks["response"].append(self.recorder)
        return client

    @contextmanager
    def about(self, kind: Callable[..., Any]) -> Iterator[Any]:
        """Another of the SDK's market-data clients, its answers checked like all others."""
        client = self._data_client(kind)
        yield client
        client._session.close()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request without the SDK, its answer checked all the same."""
        headers = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
        response = requests.request(method, f"{self.address}{path}", headers=headers, timeout=60, **options)
        self.recorder(response)
        return response

    def control(self, method: str, path: str, body: Any = None, *, key: str = CONTROL) -> requests.Response:
        return self._control.request(
            method, f"{self.address}/control/{path}", json=body, headers={"X-Control-Key": key}, timeout=60
        )

    def told(self, path: str, body: Any) -> Any:
        """Send a control message that must succeed."""
        response = self.control("POST", path, body)
        assert response.status_code == 200, response.text
        return response.json()

    def audit(self) -> list[str]:
        found: list[str] = self.control("GET", "audit").json()["violations"]
        return found

    def phase(
        self,
        phase: str,
        bars: Sequence[Mapping[str, Any]] = (),
        *,
        day: date = MONDAY,
        actions: Sequence[Mapping[str, Any]] = (),
    ) -> requests.Response:
        opens = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
        body = {
            "session": day.isoformat(),
            "phase": phase,
            "opens_at": opens.isoformat(),
            "closes_at": (opens + timedelta(hours=6.5)).isoformat(),
            "bars": list(bars),
            "actions": list(actions),
        }
        return self.control("POST", "sessions", body)

    def opened(self, *bars: Mapping[str, Any], day: date = MONDAY, actions: Sequence[Any] = ()) -> Any:
        response = self.phase("open", bars, day=day, actions=actions)
        assert response.status_code == 200, response.text
        return response.json()

    def closed(self, *bars: Mapping[str, Any], day: date = MONDAY) -> Any:
        response = self.phase("close", bars, day=day)
        assert response.status_code == 200, response.text
        return response.json()

    def know(self, *symbols: str, **properties: Any) -> None:
        self.told("assets", [{"symbol": symbol, "name": f"{symbol} Inc."} | properties for symbol in symbols])

    def market(self, side: str, symbol: str = "AAPL", **fields: Any) -> Order:
        return self._submit(MarketOrderRequest, side, symbol, fields)

    def limit(self, side: str, price: float, symbol: str = "AAPL", **fields: Any) -> Order:
        return self._submit(LimitOrderRequest, side, symbol, fields | {"limit_price": price})

    def stop(self, side: str, price: float, symbol: str = "AAPL", **fields: Any) -> Order:
        return self._submit(StopOrderRequest, side, symbol, fields | {"stop_price": price})

    def stop_limit(self, side: str, stop: float, limit: float, symbol: str = "AAPL", **fields: Any) -> Order:
        return self._submit(StopLimitOrderRequest, side, symbol, fields | {"stop_price": stop, "limit_price": limit})

    def trailing(self, side: str, symbol: str = "AAPL", **fields: Any) -> Order:
        return self._submit(TrailingStopOrderRequest, side, symbol, fields)

    def bracket(self, profit: float, loss: float, *, limit: float | None = None, **fields: Any) -> Order:
        """A buy of AAPL with both exits, good till canceled."""
        exits = {"take_profit": TakeProfitRequest(limit_price=profit), "stop_loss": StopLossRequest(stop_price=loss)}
        fields = {"order_class": "bracket", "time_in_force": TimeInForce.GTC} | exits | fields
        return self.market("buy", **fields) if limit is None else self.limit("buy", limit, **fields)

    def legs(self, order: Order) -> list[Order]:
        """The exits of an order as they are now: take profit, then stop loss."""
        found = self.sdk.get_order_by_id(order.id, GetOrderByIdRequest(nested=True)).legs or []
        return list(found)

    def replaced(self, order: Order, **changes: Any) -> Order:
        found = self.sdk.replace_order_by_id(order.id, ReplaceOrderRequest(**changes))
        assert isinstance(found, Order)
        return found

    def _submit(self, kind: Callable[..., Any], side: str, symbol: str, fields: dict[str, Any]) -> Order:
        defaults: dict[str, Any] = {"time_in_force": TimeInForce.DAY, "client_order_id": f"so-{uuid4()}"}
        if "notional" not in fields:
            defaults["qty"] = 1
        request = kind(symbol=symbol, side=OrderSide(side), **(defaults | fields))
        order = self.sdk.submit_order(request)
        assert isinstance(order, Order)
        return order

    def get(self, order: Order) -> Order:
        found = self.sdk.get_order_by_id(order.id)
        assert isinstance(found, Order)
        return found

    def status(self, order: Order) -> str:
        return self.get(order).status.value

    def cash(self) -> Decimal:
        return Decimal(str(self.sdk.get_account().cash))

    def refused(self, attempt: Callable[[], Any]) -> tuple[int, dict[str, Any]]:
        """The status and the body of a refusal."""
        try:
            attempt()
        except APIError as error:
            status = error.status_code
            assert status is not None
            return status, error.response.json()
        raise AssertionError("the broker took it")


class BrokerHall:
    """One server on a free port with any number of brokers, each behind a path of its own."""

    def __init__(self) -> None:
        self._brokers: dict[str, FastAPI] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self._dispatch,
            interface="asgi3",
            http=ResettableProtocol,
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)

    async def _dispatch(self, scope: Any, receive: Any, send: Any) -> None:
        _, name, rest = scope["path"].split("/", 2)
        path = f"/{rest}"
        await self._brokers[name](scope | {"path": path, "raw_path": path.encode()}, receive, send)

    def admit(self, settings: BrokerSettings, now: Callable[[], datetime] | None = None) -> str:
        """Open a broker; returns its address."""
        name = f"b{len(self._brokers)}"
        self._brokers[name] = create_app(settings, now=now) if now else create_app(settings)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/{name}"

    def dismiss(self, address: str) -> None:
        self._brokers[address.rpartition("/")[2]].state.broker.close()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
