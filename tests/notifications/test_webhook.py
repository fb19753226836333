"""Webhooks: what is sent and signed, and receivers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.adapters.notify.webhook import LONGEST_WAIT, WebhookMessenger, signature
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.notifications import WebhookChannel
from tests.notifications.builders import HOOK, NOW, outgoing_message
from tests.notifications.certificates import make_certificate, serving, trusting
from tests.web.server import PUBLIC, HostileServer, Internet, Names, Reply, drip, hang, raw, redirect, reply

SECRET = "canary-5a77e1-0123456789abcdef"
SECRETS = {"hook": SecretStr(SECRET), "short": SecretStr("tooshort")}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("webhook"))


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[HostileServer]:
    async with HostileServer(tls) as server:
        yield server


def channel(port: int, **changes: Any) -> WebhookChannel:
    return WebhookChannel.model_validate({**HOOK, "url": f"http://127.0.0.1:{port}/in", **changes})


async def send(port: int, wanted: WebhookChannel | None = None, *, now: datetime = NOW, **changes: Any) -> str:
    guard = UrlGuard(GuardPolicy(own_servers=frozenset({f"127.0.0.1:{port}"})))
    values: dict[str, Any] = {"secrets": SECRETS, "total_seconds": 1.5, **changes}
    messenger = WebhookMessenger(guard, values.pop("secrets"), **values)
    try:
        return await messenger.send(wanted or channel(port), outgoing_message(), now=now)
    finally:
        await messenger.aclose()


async def refusal(port: int, wanted: WebhookChannel | None = None, **changes: Any) -> StonksError:
    with pytest.raises(StonksError) as raised:
        await send(port, wanted, **changes)
    assert SECRET not in str(raised.value)
    return raised.value


class Recording:
    """A receiver that reads whole requests, bodies included."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[dict[str, str]] = []
        self.targets: list[str] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        self.targets.append(lines[0])
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(int(head["content-length"])))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def recording() -> AsyncIterator[Recording]:
    kept = Recording()
    server = await asyncio.start_server(kept.serve, "127.0.0.1", 0)
    kept.port = server.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        server.close()


async def test_webhook_when_sent_then_the_receiver_can_check_who_sent_what_and_when() -> None:
    async with recording() as server:
        assert await send(server.port) == "status 204"

    (head,), (body,) = server.heads, server.bodies
    assert server.targets == ["POST /in HTTP/1.1"]
    assert head["idempotency-key"] == head["webhook-id"] == "0123456789abcdef01234567"
    assert head["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert head["content-type"] == "application/json"
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert head["webhook-signature"] == f"v1,{expected}"
    said = json.loads(body)
    assert (said["event"], said["severity"], said["mode"]) == ("approval_requested", "urgent", "paper")
    assert said["id"] == head["webhook-id"]
    assert said["link"] == "https://stonks.example.com/inbox"
    assert {"label": "symbol", "value": "AAPL"} in said["facts"]


async def test_webhook_when_tried_again_then_the_key_stays_and_the_time_and_signature_are_new() -> None:
    async with recording() as server:
        await send(server.port)
        await send(server.port, now=NOW + timedelta(minutes=5))

    first, second = server.heads
    assert first["idempotency-key"] == second["idempotency-key"]
    assert first["webhook-signature"] != second["webhook-signature"]
    assert server.bodies[0] == server.bodies[1]


def test_signature_when_computed_then_it_is_the_one_of_the_published_example() -> None:
    """The example of the Standard Webhooks specification: secret, id, time and payload with their signature."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, tz=NOW.tzinfo)

    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_webhook_when_it_is_for_a_chat_then_it_is_text_without_mentions_and_needs_no_signature() -> None:
    async with recording() as server:
        address = SecretStr(f"http://127.0.0.1:{server.port}/services/T0/B0/canary?x=1")
        chat = WebhookChannel(name="chat", url_secret="chat_url", format="text")
        await send(server.port, chat, secrets={"chat_url": address})

    said = json.loads(server.bodies[0])
    assert server.targets == ["POST /services/T0/B0/canary?x=1 HTTP/1.1"]
    assert list(said) == ["text"]
    assert said["text"].startswith("[stonks paper] URGENT Approval needed: buy AAPL")
    assert "webhook-signature" not in server.heads[0]


@pytest.mark.parametrize(
    ("given", "kind", "code"),
    [
        (reply(500, b"no"), VendorUnavailable, "WEBHOOK_UNAVAILABLE"),
        (reply(503), VendorUnavailable, "WEBHOOK_UNAVAILABLE"),
        (reply(408), VendorUnavailable, "WEBHOOK_UNAVAILABLE"),
        (reply(400), VendorRejected, "WEBHOOK_REFUSED"),
        (reply(404), VendorRejected, "WEBHOOK_REFUSED"),
        (reply(410), VendorRejected, "WEBHOOK_REFUSED"),
        (redirect("http://169.254.169.254/latest/meta-data"), VendorRejected, "WEBHOOK_REDIRECTED"),
        (redirect("http://127.0.0.1:1/", 307), VendorRejected, "WEBHOOK_REDIRECTED"),
        (hang, VendorUnavailable, "WEBHOOK_TIMEOUT"),
        (raw(b""), VendorUnavailable, "VENDOR_DISCONNECTED"),
        (raw(b"HTTP/1.1 2"), VendorUnavailable, "VENDOR_DISCONNECTED"),
        (raw(b"nonsense\r\n\r\n"), VendorUnavailable, "VENDOR_DISCONNECTED"),
    ],
)
async def test_webhook_when_the_receiver_misbehaves_then_it_is_asked_once_and_the_error_says_whether_to_repeat(
    given: Reply, kind: type[StonksError], code: str
) -> None:
    async with receiver() as server:
        server.replies["/in"] = given
        error = await refusal(server.port)

    assert (type(error), error.code) == (kind, code)
    assert len(server.requests) == 1


@pytest.mark.parametrize("given", [drip(0.01), reply(200, b"x" * 30_000_000), reply(200, b"", length=10**15)])
async def test_webhook_when_the_answer_is_endless_or_huge_then_its_head_is_enough(given: Reply) -> None:
    async with receiver() as server:
        server.replies["/in"] = given
        assert await send(server.port) == "status 200"


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("17", 17.0),
        ("0", 1.0),
        ("999999", LONGEST_WAIT),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 1.0),
        ("soon", 30.0),
        ("", 30.0),
        ("-5", 30.0),
        ("9" * 400, LONGEST_WAIT),
    ],
)
async def test_webhook_when_the_receiver_says_when_to_come_back_then_that_is_when(
    retry_after: str, seconds: float
) -> None:
    async with receiver() as server:
        server.replies["/in"] = reply(429, headers=[("Retry-After", retry_after)])
        error = await refusal(server.port)

    assert isinstance(error, VendorThrottled)
    assert error.retry_after_seconds == seconds


async def test_webhook_when_the_connection_is_reset_then_it_is_tried_again() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        error = await refusal(server.sockets[0].getsockname()[1])
    assert isinstance(error, VendorUnavailable)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/in",
        "https://127.0.0.1/in",
        "https://169.254.169.254/in",
        "https://[::1]/in",
        "https://2130706433/in",
        "https://example.com:8443/in",
        "ftp://example.com/in",
        "/in",
    ],
)
async def test_webhook_when_the_url_is_not_public_https_then_nothing_is_sent(url: str) -> None:
    async with receiver() as server:
        error = await refusal(server.port, channel(server.port, url=url))

    assert isinstance(error, ConfigurationError)
    assert error.code == "WEBHOOK_URL_REFUSED"
    assert server.requests == []


async def test_webhook_when_a_public_name_leads_inside_then_nothing_is_sent() -> None:
    async with receiver() as server:
        network = Internet(server.port)
        guard = UrlGuard(resolver=Names(example_com=[["10.0.0.7"]]))
        messenger = WebhookMessenger(guard, SECRETS, network=network)
        with pytest.raises(ConfigurationError, match="WEBHOOK_URL_REFUSED"):
            await messenger.send(channel(1, url="https://example.com/in"), outgoing_message(), now=NOW)
        await messenger.aclose()
    assert network.connected == []


async def test_webhook_when_the_receiver_has_a_certificate_then_its_name_is_checked(certificate: Path) -> None:
    names = Names(localhost=[[PUBLIC]], example_com=[[PUBLIC]])
    async with receiver(serving(certificate)) as server:
        server.replies["/in"] = reply(200)
        guard, network = UrlGuard(resolver=names), Internet(server.port)
        messenger = WebhookMessenger(guard, SECRETS, tls=trusting(certificate), network=network)
        here, there = (channel(1, url=f"https://{host}/in") for host in ("localhost", "example.com"))
        assert await messenger.send(here, outgoing_message(), now=NOW) == "status 200"
        with pytest.raises(VendorRejected, match="TLS_FAILED"):
            await messenger.send(there, outgoing_message(), now=NOW)
        await messenger.aclose()
    assert len(server.requests) == 1


@pytest.mark.parametrize(("name", "code"), [("missing", "NOTIFY_SECRET_MISSING"), ("short", "SIGNING_SECRET_SHORT")])
async def test_webhook_when_its_secret_is_missing_or_weak_then_nothing_is_sent(name: str, code: str) -> None:
    async with receiver() as server:
        error = await refusal(server.port, channel(server.port, signing_secret=name))

    assert isinstance(error, ConfigurationError)
    assert error.code == code
    assert "tooshort" not in str(error)
    assert server.requests == []


def test_messenger_when_certificates_would_not_be_verified_then_it_is_not_made() -> None:
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    with pytest.raises(ConfigurationError, match="TLS_NOT_VERIFIED"):
        WebhookMessenger(UrlGuard(), SECRETS, tls=unverified)
