"""The official SDK's trade-update stream, in a thread of its own, and what it heard."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from alpaca.trading.models import TradeUpdate
from alpaca.trading.stream import TradingStream

from tests.paper_broker.harness import KEY, SECRET, Client

PATIENCE_SECONDS = 10


class Listener:
    """What one subscriber heard, in order."""

    def __init__(self, address: str) -> None:
        self.heard: list[TradeUpdate] = []
        self._stream = TradingStream(KEY, SECRET, url_override=address.replace("http://", "ws://") + "/stream")
        self._stream.subscribe_trade_updates(self._hear)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._stream._run_forever())

    async def _hear(self, update: TradeUpdate) -> None:
        self.heard.append(update)

    def start(self, client: Client) -> None:
        """Connect, and wait until updates arrive: an order for nothing is placed and canceled until one is heard."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.heard:
            assert time.monotonic() < deadline, "the stream is silent"
            client.sdk.cancel_order_by_id(client.limit("buy", 1, "TINY").id)
            time.sleep(0.05)
        client.sdk.cancel_order_by_id((last := client.limit("buy", 1, "TINY")).id)
        self.wait(lambda: any(u.order.id == last.id and u.event == "canceled" for u in self.heard))
        self.heard.clear()

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, f"heard only {self.events()}"
            time.sleep(0.01)

    def events(self, order: Any = None) -> list[str]:
        return [_name(update.event) for update in self.heard if order is None or update.order.id == order.id]

    def filled(self) -> dict[str, Decimal]:
        """Signed shares by symbol, from the updates alone."""
        sums: dict[str, Decimal] = {}
        for update in self.heard:
            if _name(update.event) in ("fill", "partial_fill"):
                sign = 1 if update.order.side is not None and update.order.side.value == "buy" else -1
                symbol = str(update.order.symbol)
                sums[symbol] = sums.get(symbol, Decimal(0)) + sign * Decimal(str(update.qty))
        return sums

    def stop(self, client: Client) -> None:
        """End the thread; the SDK looks for its end only when it hears something, so it is given something to hear."""
        self._stream.stop()
        client.sdk.cancel_order_by_id(client.limit("buy", 1, "TINY").id)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()


def _name(event: Any) -> str:
    return str(getattr(event, "value", event))


@contextmanager
def listening(client: Client) -> Iterator[Listener]:
    listener = Listener(client.address)
    listener.start(client)
    try:
        yield listener
    finally:
        listener.stop(client)
