"""The fetcher: one GET request, its redirects and its body, within caps.

It judges no status: `domain.fetching.require_success` does, for the adapter that asked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Annotated
from urllib.parse import urlencode, urljoin

import httpcore
import httpx
from pydantic import Field, SecretStr

from activities.adapters.web.bodies import ACCEPT_ENCODING, BodyReader
from activities.adapters.web.credentials import Secrets, fill_in, header_name, header_value, is_sendable
from activities.adapters.web.guard import CheckedUrl, UrlGuard, refuse_characters
from activities.adapters.web.transport import GuardedTransport, vendor_errors
from domain.errors import ConfigurationError, InvalidInput, VendorRejected, VendorUnavailable
from domain.fetching import HttpAnswer, HttpRequest
from domain.model import Model

USER_AGENT = "stonks-oracle"

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_BODILESS = frozenset((204, 304))
"""A 304 may tell the length of the body that it leaves out."""
_KEPT_ACROSS_ORIGINS = frozenset(("accept", "accept-language", "if-modified-since", "if-none-match", "user-agent"))
_NOT_RETURNED = frozenset(("connection", "content-encoding", "content-length", "set-cookie", "transfer-encoding"))


class FetchLimits(Model):
    """Caps of one fetch, its redirects included."""

    total_seconds: Annotated[float, Field(gt=0)] = 60.0
    connect_seconds: Annotated[float, Field(gt=0)] = 10.0
    idle_seconds: Annotated[float, Field(gt=0)] = 20.0
    """Longest silence in the middle of an answer."""
    wire_bytes: Annotated[int, Field(gt=0)] = 16 * 1024 * 1024
    """Of a body as it arrives."""
    body_bytes: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    """Of a body after decompression."""
    redirects: Annotated[int, Field(ge=0, le=5)] = 5


@dataclass(frozen=True)
class _Hop:
    """One request on the wire: the URL without secrets, and the secrets that it is sent with."""

    url: CheckedUrl
    headers: Mapping[str, str] = field(repr=False)
    secrets: Secrets
    """Sent with this hop; none after the origin has changed."""


class WebFetcher:
    """Fetches within caps and through the guard, and fills the credentials in.

        async with WebFetcher(UrlGuard(), credentials={"polygon_api_key": key}) as fetcher:
            answer = await fetcher.fetch(request, now=now)

    Args:
        credentials: secrets by their references.
        tls: what certificates are checked against; the public authorities where it is None. It must verify.
        network: what opens connections to the addresses that were checked; the machine's own where it is None.
    """

    def __init__(
        self,
        guard: UrlGuard,
        *,
        credentials: Mapping[str, SecretStr] | None = None,
        limits: FetchLimits | None = None,
        user_agent: str = USER_AGENT,
        tls: ssl.SSLContext | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._guard = guard
        self._credentials = dict(credentials or {})
        self._limits = limits or FetchLimits()
        self._user_agent = header_value("user-agent", user_agent)
        tls = tls or httpx.create_ssl_context(trust_env=False)
        if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ConfigurationError("TLS_NOT_VERIFIED", "Trust the server's certificate instead of any")
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard, tls, network or httpcore.AnyIOBackend()),
            timeout=httpx.Timeout(self._limits.idle_seconds, connect=self._limits.connect_seconds),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> WebFetcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def fetch(self, request: HttpRequest, *, now: datetime) -> HttpAnswer:
        """Send a request, follow its redirects and return what came back, whatever its status.

        The answer's headers come without those that describe the transfer and without cookies, secrets masked.

        Args:
            now: UTC, the answer's `fetched_at`.

        Raises:
            ConfigurationError: a credential is missing, cannot be sent, or would be sent unencrypted.
            InvalidInput: the guard refuses the URL, or a header cannot be sent.
            VendorRejected: `TLS_FAILED`, `RESPONSE_TOO_LARGE`, `RESPONSE_ENCODING_...`, `REDIRECT_...`.
            VendorUnavailable: no connection, no answer in time, or one that ends in the middle.
        """
        secrets = fill_in(request.credentials, self._credentials)
        hop = self._first_hop(request, secrets)
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                return await self._follow(hop, secrets, now)
        except TimeoutError:
            hint, limit = "The fetch is repeated by itself", f"{self._limits.total_seconds} s"
            raise VendorUnavailable("VENDOR_TIMEOUT", hint, host=hop.url.host, limit=limit) from None

    def _first_hop(self, request: HttpRequest, secrets: Secrets) -> _Hop:
        url = self._guard.check(request.url)
        if request.params:
            added = urlencode(request.params)
            url = url.model_copy(update={"query": f"{url.query}&{added}" if url.query else added})
        url = self._guard.check(secrets.without_secrets(url.text))
        if secrets.present and url.scheme != "https" and not self._guard.is_own_server(url.host, url.port):
            hint = "Use https; plain http carries credentials to the operator's own servers only"
            raise ConfigurationError("CREDENTIAL_UNENCRYPTED", hint, host=url.host)
        headers = {header_name(name): header_value(name, value) for name, value in request.headers.items()}
        if is_sendable(request.etag):
            headers["if-none-match"] = request.etag
        if is_sendable(request.last_modified):
            headers["if-modified-since"] = request.last_modified
        return _Hop(url, {"accept": "*/*", "user-agent": self._user_agent} | headers, secrets)

    async def _follow(self, hop: _Hop, known: Secrets, now: datetime) -> HttpAnswer:
        first = hop.url
        for number in range(self._limits.redirects + 1):
            with vendor_errors(hop.url.host):
                try:
                    async with self._sent(hop) as response:
                        if response.status_code not in _REDIRECTS or "location" not in response.headers:
                            return await self._answer(hop, known, response, now)
                        location = response.headers["location"]
                except InvalidInput as error:
                    if number == 0:
                        raise
                    raise _redirect_refused(error) from None
            hop = self._redirected(hop, known, location)
        raise VendorRejected("REDIRECT_LIMIT", "Check the address", host=first.host, limit=self._limits.redirects)

    def _sent(self, hop: _Hop) -> AbstractAsyncContextManager[httpx.Response]:
        target = hop.url.model_copy(update={"query": hop.secrets.with_query(hop.url.query)}).target
        headers = {**hop.headers, **hop.secrets.headers, "accept-encoding": ACCEPT_ENCODING}
        return self._client.stream("GET", hop.url.origin, headers=headers, extensions={"target": target.encode()})

    def _redirected(self, hop: _Hop, known: Secrets, location: str) -> _Hop:
        """The next hop. Once the origin has changed, credentials and unknown headers stay behind for good."""
        try:
            refuse_characters(location)
            url = self._guard.check(known.without_secrets(urljoin(hop.url.text, location)))
        except InvalidInput as error:
            raise _redirect_refused(error) from None
        except ValueError:
            raise VendorRejected("REDIRECT_REFUSED", "It is not a URL", host=hop.url.host) from None
        if url.origin == hop.url.origin:
            return replace(hop, url=url)
        headers = {name: value for name, value in hop.headers.items() if name in _KEPT_ACROSS_ORIGINS}
        return _Hop(url, headers, Secrets())

    async def _answer(self, hop: _Hop, known: Secrets, response: httpx.Response, now: datetime) -> HttpAnswer:
        body = b"" if response.status_code in _BODILESS else await self._body(hop.url.host, response)
        return HttpAnswer(
            status=response.status_code,
            url=hop.url.text,
            headers={
                name: known.masked(value) for name, value in response.headers.items() if name not in _NOT_RETURNED
            },
            body=body,
            fetched_at=now,
        )

    async def _body(self, host: str, response: httpx.Response) -> bytes:
        body = BodyReader(
            response.headers.get("content-encoding", ""),
            host=host,
            wire_bytes=self._limits.wire_bytes,
            body_bytes=self._limits.body_bytes,
        )
        body.announce(response.headers.get("content-length", ""))
        async for chunk in response.aiter_raw():
            body.feed(chunk)
        return body.finish()


def _redirect_refused(error: InvalidInput) -> VendorRejected:
    return VendorRejected("REDIRECT_REFUSED", error.hint, **error.fields)
