"""The vendor's stream of trade updates: authenticate, listen, and hear of every change of an order.

The vendor keeps no place in the stream: what was said while nobody listened is lost, so whoever connects asks over REST
what happened. Frames are text or, at the paper host, bytes; both hold JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from alpaca.common.enums import BaseURL
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from activities.adapters.alpaca.session import AlpacaSettings
from domain.broker import OrderUpdate
from domain.errors import ConfigurationError, VendorUnavailable

UPDATES = "trade_updates"
_FRAMES = logging.getLogger(f"{__name__}.frames")
_FRAMES.setLevel(logging.INFO)  # below that the library writes whole frames, and the first one holds the keys
LARGEST_FRAME = 4 * 1024 * 1024


@dataclass(frozen=True)
class StreamTiming:
    """Seconds. A socket that answers no heartbeat is dead; one that says nothing for long is opened anew."""

    handshake: float = 10.0
    heartbeat: float = 10.0
    """Between two heartbeats, and for each to be answered."""
    quiet: float = 600.0
    """The longest silence: it costs a connect to learn whether nothing happened or nothing comes through."""


class AlpacaStream:
    """Fulfils `workers.stream.Stream`."""

    def __init__(self, settings: AlpacaSettings, *, timing: StreamTiming | None = None) -> None:
        self._settings = settings
        self._timing = timing or StreamTiming()
        self.url = stream_url(settings)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncIterator[OrderUpdate]]:
        """One connection, listening from the first moment of the block on. It ends with an error, never by itself.

        Raises:
            ConfigurationError: the keys are refused.
            VendorUnavailable: there is no connection, or no more.
        """
        try:
            async with connect(
                self.url,
                open_timeout=self._timing.handshake,
                ping_interval=self._timing.heartbeat,
                ping_timeout=self._timing.heartbeat,
                close_timeout=2.0,
                max_size=LARGEST_FRAME,
                logger=_FRAMES,
                proxy=True if self.url.startswith("wss:") else None,
            ) as socket:
                async with asyncio.timeout(self._timing.handshake):
                    await self._authenticate(socket)
                    await self._listen(socket)
                yield self._updates(socket)
        except (WebSocketException, InvalidHandshake, InvalidURI, OSError, TimeoutError, EOFError) as error:
            raise VendorUnavailable(
                "STREAM_LOST", "It is connected again, and the book is compared", problem=type(error).__name__
            ) from error

    async def _authenticate(self, socket: ClientConnection) -> None:
        keys = {
            "key_id": self._settings.key_id.get_secret_value(),
            "secret_key": self._settings.secret_key.get_secret_value(),
        }
        await socket.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = _read(await socket.recv())
        if _data(answer).get("status") != "authorized":
            raise ConfigurationError("BROKER_KEYS_REFUSED", "Check the broker's key id and secret key", stream=self.url)

    async def _listen(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"action": "listen", "data": {"streams": [UPDATES]}}))
        while (answer := _read(await socket.recv())).get("stream") != "listening":
            pass  # an update may be faster than the answer; the comparison after every connect covers it
        if UPDATES not in (_data(answer).get("streams") or ()):
            raise VendorUnavailable("STREAM_REFUSED", "It is tried again", reply=str(_data(answer))[:200])

    async def _updates(self, socket: ClientConnection) -> AsyncIterator[OrderUpdate]:
        while True:
            try:
                async with asyncio.timeout(self._timing.quiet):
                    frame = await socket.recv()
            except TimeoutError:
                raise VendorUnavailable(
                    "STREAM_QUIET", "It is connected again, to learn whether it is alive", seconds=self._timing.quiet
                ) from None
            message = _read(frame)
            if message.get("stream") == UPDATES:
                yield _update(_data(message))


def stream_url(settings: AlpacaSettings) -> str:
    """The stream beside the REST host: the vendor's own, or the same host as a given address."""
    if not settings.url:
        return str((BaseURL.TRADING_STREAM_PAPER if settings.paper else BaseURL.TRADING_STREAM_LIVE).value)
    parts = urlsplit(settings.url)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path.rstrip('/')}/stream"


def _read(frame: str | bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(frame)
    except ValueError:
        message = None
    if not isinstance(message, Mapping):
        raise VendorUnavailable("STREAM_UNREADABLE", "It is connected again, and the book is compared")
    return message


def _data(message: Mapping[str, Any]) -> Mapping[str, Any]:
    data = message.get("data")
    return data if isinstance(data, Mapping) else {}


def _update(data: Mapping[str, Any]) -> OrderUpdate:
    order = data.get("order")
    fields = order if isinstance(order, Mapping) else {}
    return OrderUpdate(
        event=str(data.get("event") or ""),
        client_order_id=str(fields.get("client_order_id") or ""),
        broker_order_id=str(fields.get("id") or ""),
        execution_id=str(data.get("execution_id") or ""),
        at=_instant(data.get("timestamp") or data.get("at") or fields.get("updated_at")),
    )


def _instant(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        raise VendorUnavailable("STREAM_UNREADABLE", "It is connected again, and the book is compared") from None
