"""The way to a server: exactly to an address which the guard has passed, with the name kept for Host and TLS.

A host is resolved in one place only, when a connection is opened, and the connection goes to what was checked there:
between the check and the connection no name server is asked again. No proxy is used, whatever the environment says.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import httpcore
import httpx

from activities.adapters.web.guard import UrlGuard
from domain.errors import InvalidInput, VendorRejected, VendorUnavailable

MAXIMUM_ADDRESSES_TRIED = 4
MAXIMUM_CONNECTIONS = 20
IDLE_SECONDS = 15.0

_NETWORK_ERRORS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpx.HTTPError,
    OSError,
)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks and connects in one step."""

    def __init__(self, guard: UrlGuard, beneath: httpcore.AsyncNetworkBackend) -> None:
        self._guard = guard
        self._beneath = beneath

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the interface's own
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers; all of them have passed the guard."""
        failure: Exception = httpcore.ConnectError("no address")
        for address in (await self._guard.addresses(host, port))[:MAXIMUM_ADDRESSES_TRIED]:
            try:
                return await self._beneath.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._beneath.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """A connection pool on a `GuardedBackend`. Connections are kept by scheme, host and port, never by address."""

    def __init__(self, guard: UrlGuard, tls: ssl.SSLContext, beneath: httpcore.AsyncNetworkBackend) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=MAXIMUM_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=GuardedBackend(guard, beneath),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Its target is the extension `target`, which no log or message shows."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.extensions["target"],
        )
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                url,
                headers=request.headers.raw,
                content=cast(AsyncIterable[bytes], request.stream),
                extensions=request.extensions,
            )
        )
        stream = _Stream(cast(AsyncIterable[bytes], answer.stream), answer)
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, parts: AsyncIterable[bytes], answer: httpcore.Response) -> None:
        self._parts = parts
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._parts:
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def vendor_errors(host: str) -> Iterator[None]:
    """Turn what the network raises into the platform's errors. Their causes are cut off: they may quote a request."""
    try:
        yield
    except (httpcore.LocalProtocolError, httpx.InvalidURL):
        raise InvalidInput("REQUEST_INVALID", "The request cannot be sent as it is", host=host) from None
    except _NETWORK_ERRORS as error:
        raise _vendor_error(error, host) from None


def _vendor_error(error: Exception, host: str) -> VendorRejected | VendorUnavailable:
    tls = _tls_error(error)
    if tls is not None:
        hint = "Check the address; a server of one's own needs a certificate that is trusted here"
        return VendorRejected("TLS_FAILED", hint, host=host, reason=tls.reason or "unknown")
    hint, what = "The fetch is repeated by itself", type(error).__name__
    if isinstance(error, httpcore.TimeoutException):
        return VendorUnavailable("VENDOR_TIMEOUT", hint, host=host, what=what)
    if isinstance(error, httpcore.ConnectError):
        return VendorUnavailable("VENDOR_UNREACHABLE", hint, host=host, what=what)
    # also a body that is shorter than its Content-Length
    return VendorUnavailable("VENDOR_DISCONNECTED", hint, host=host, what=what)


def _tls_error(error: object) -> ssl.SSLError | None:
    """The failure of TLS that an error was made from; a connection that merely ended is none.

    It is the error's first argument: the connection pool cuts causes off.
    """
    while isinstance(error, Exception) and not isinstance(error, ssl.SSLError):
        error = error.args[0] if error.args else None
    ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    return None if ended or not isinstance(error, ssl.SSLError) else error
