"""Calls of the SDK: in a thread, with timeouts, never repeated by the SDK itself, and with exact numbers.

The SDK repeats 429 and 504 answers, orders included, and has no HTTP timeout; both are taken from it here, because
repeating is the workflow's business and needs the outcome to be asked for first. Its request models keep quantities as
floats, so orders go out through its plain `post` with decimal text, which is what the vendor's protocol wants.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, TypeVar

import requests
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from pydantic import BaseModel, ConfigDict, SecretStr
from requests.adapters import HTTPAdapter

from activities.adapters.alpaca.errors import classify, unreadable

Client = TypeVar("Client", bound=RESTClient)
Read = TypeVar("Read")

TIMEOUT_SECONDS = (3.05, 10.0)
"""To connect, and to wait for an answer."""


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


def trading_client(settings: AlpacaSettings) -> TradingClient:
    return _tamed(
        TradingClient(
            api_key=settings.key_id.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            paper=settings.paper,
            raw_data=True,
            url_override=settings.url or None,
        )
    )


def data_client(settings: AlpacaSettings) -> StockHistoricalDataClient:
    """The vendor's data host; with a host of one's own, that one serves the data as well."""
    return _tamed(
        StockHistoricalDataClient(
            api_key=settings.key_id.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            raw_data=True,
            url_override=settings.url or None,
        )
    )


_THREADS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="broker")
"""The broker's own: while it hangs, nothing else waits for a thread, and a halt still finds one."""


async def call(function: Callable[[], Any], read: Callable[[Any], Read]) -> Read:
    """Run an SDK call in a thread, read its answer, and translate what went wrong with either.

    A thread cannot be stopped: whoever is canceled meanwhile waits for its end, so that a lock held around an order
    that is being sent is not given back before the order has arrived.
    """
    work = asyncio.get_running_loop().run_in_executor(_THREADS, _translated, function, read)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # looked at, so that nobody reports it as forgotten
        raise


def _translated(function: Callable[[], Any], read: Callable[[Any], Read]) -> Read:
    try:
        return read(function())
    except APIError as error:
        answer = error.response
        headers = {} if answer is None else dict(answer.headers)
        text = "" if answer is None else answer.text
        raise classify(int(error.status_code or 0), text, headers) from None  # the cause would show the keys sent
    except (requests.RequestException, ValueError, LookupError, TypeError) as error:
        raise unreadable(type(error).__name__) from None


def _tamed(client: Client) -> Client:
    client._retry = 0
    for scheme in ("https://", "http://"):
        client._session.mount(scheme, _Timeout(pool_maxsize=16))
    client._session.hooks["response"].append(_exact)
    return client


def _exact(response: requests.Response, *_: Any, **__: Any) -> None:
    """Have numbers in the answer read as decimals; the vendor sends money as text, and some figures as numbers."""

    def read(**_: Any) -> Any:
        return json.loads(response.text, parse_float=Decimal)

    response.json = read  # type: ignore[method-assign]
