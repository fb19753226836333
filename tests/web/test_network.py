"""Names and addresses: a connection goes to what was checked, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from activities.adapters.web.fetch import FetchLimits, WebFetcher
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from domain.errors import ConfigurationError, InvalidInput, VendorRejected
from domain.fetching import Credential, CredentialPlace, HttpRequest
from tests.web.server import OTHER_PUBLIC, PUBLIC, HostileServer, Internet, Names, redirect, reply

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
KEYS = {"vendor_key": SecretStr("s3cr3t+/key=42")}
IN_HEADER = Credential(reference="vendor_key", place=CredentialPlace.HEADER, name="Authorization", prefix="Bearer ")
LIMITS = FetchLimits(total_seconds=3)


@pytest.fixture
async def server() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


def foreign(server: HostileServer, names: Names, network: Internet | None = None) -> WebFetcher:
    """A fetcher with a guard that trusts nobody, on a network where every address leads to the hostile server."""
    guard = UrlGuard(GuardPolicy(allow_http=True), names)
    return WebFetcher(guard, credentials=KEYS, limits=LIMITS, network=network or Internet(server.port))


async def test_fetch_when_redirected_to_a_name_of_a_private_address_then_it_ends(server: HostileServer) -> None:
    names = Names(example_com=[[PUBLIC]], evil_example=[["10.0.0.5"]])
    network = Internet(server.port)
    server.replies["/a"] = redirect("http://evil.example/")
    async with foreign(server, names, network) as fetcher:
        with pytest.raises(VendorRejected, match=r"REDIRECT_REFUSED: host=evil\.example"):
            await fetcher.fetch(HttpRequest(url="http://example.com/a"), now=NOW)
    assert network.connected == [(PUBLIC, 80)]


async def test_fetch_when_a_credential_would_be_sent_unencrypted_then_it_is_refused(server: HostileServer) -> None:
    async with foreign(server, Names(example_com=[[PUBLIC]])) as fetcher:
        with pytest.raises(ConfigurationError, match="CREDENTIAL_UNENCRYPTED"):
            await fetcher.fetch(HttpRequest(url="http://example.com/", credentials=(IN_HEADER,)), now=NOW)
    assert server.requests == []


async def test_fetch_when_the_name_is_rebound_then_the_connection_goes_to_what_was_checked(
    server: HostileServer,
) -> None:
    names = Names(example_com=[[PUBLIC], ["127.0.0.1"]])
    network = Internet(server.port)
    server.replies["/a"] = reply(body=b"public")
    async with foreign(server, names, network) as fetcher:
        request = HttpRequest(url="http://example.com/a")
        assert (await fetcher.fetch(request, now=NOW)).body == b"public"
        assert (names.asked, network.connected) == (["example.com"], [(PUBLIC, 80)])
        assert server.requests[0][1]["host"] == "example.com"
        with pytest.raises(InvalidInput, match="ADDRESS_REFUSED"):
            await fetcher.fetch(request, now=NOW)
    assert network.connected == [(PUBLIC, 80)]


async def test_fetch_when_the_first_address_is_dead_then_the_next_is_tried(server: HostileServer) -> None:
    network = Internet(server.port, dead=[PUBLIC])
    server.replies["/a"] = reply()
    async with foreign(server, Names(example_com=[[PUBLIC, OTHER_PUBLIC]]), network) as fetcher:
        await fetcher.fetch(HttpRequest(url="http://example.com/a"), now=NOW)
    assert network.connected == [(PUBLIC, 80), (OTHER_PUBLIC, 80)]
