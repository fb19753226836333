"""Webhooks: a signed POST through the URL guard. No redirect is followed and no answer is read.

Every attempt carries the same `Idempotency-Key` and `webhook-id`. The signature follows the public scheme of Standard
Webhooks (standardwebhooks.com): HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, so that a receiver can
refuse what is old or was changed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore
import httpx
from pydantic import SecretStr

from activities.adapters.notify.secrets import require_secret
from activities.adapters.web.guard import CheckedUrl, UrlGuard
from activities.adapters.web.transport import GuardedTransport, vendor_errors
from domain.errors import (
    ConfigurationError,
    InvalidInput,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from domain.notifications import (
    SHORTEST_SIGNING_SECRET,
    EmailChannel,
    OutgoingMessage,
    SnsChannel,
    WebhookChannel,
)

USER_AGENT = "stonks-oracle"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
TOTAL_SECONDS = 20.0
LONGEST_WAIT = 900.0
"""Seconds that a receiver's Retry-After may ask for; a longer one is cut."""
DEFAULT_WAIT = 30.0
_LATER = frozenset((408, 421, 425, 500, 502, 503, 504))
_PREFIX = "whsec_"


class WebhookMessenger:
    """Fulfils `activities.ports.Messenger`.

    Args:
        tls: what certificates are checked against; the public authorities where it is None. It must verify.
        network: what opens connections to the addresses that were checked; the machine's own where it is None.
        total_seconds: for connecting, sending and the answer's head.
    """

    def __init__(
        self,
        guard: UrlGuard,
        secrets: Mapping[str, SecretStr],
        *,
        tls: ssl.SSLContext | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._guard = guard
        self._secrets = secrets
        self._total_seconds = total_seconds
        tls = tls or httpx.create_ssl_context(trust_env=False)
        if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ConfigurationError("TLS_NOT_VERIFIED", "Trust the server's certificate instead of any")
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard, tls, network or httpcore.AnyIOBackend()),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def send(
        self, channel: EmailChannel | SnsChannel | WebhookChannel, message: OutgoingMessage, *, now: datetime
    ) -> str:
        """Post the message; returns the status.

        Raises:
            ConfigurationError: a secret is missing or too short, or the guard refuses the URL.
            VendorRejected: the receiver says no, or sends elsewhere.
            VendorThrottled, VendorUnavailable: later; where the answer was lost, the receiver may have the message.
        """
        assert isinstance(channel, WebhookChannel)
        url = self._url(channel)
        body = _body(channel, message)
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "accept": "*/*",
            "idempotency-key": message.notification_id,
            "webhook-id": message.notification_id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if channel.signing_secret:
            headers["webhook-signature"] = signature(
                _key(require_secret(self._secrets, channel.signing_secret), channel.signing_secret),
                message.notification_id,
                now,
                body,
            )
        try:
            async with asyncio.timeout(self._total_seconds):
                status, retry_after = await self._post(url, headers, body)
        except TimeoutError:
            raise VendorUnavailable(
                "WEBHOOK_TIMEOUT", "It is tried again", host=url.host, limit=f"{self._total_seconds} s"
            ) from None
        if failure := _failure(status, retry_after, url.host, now):
            raise failure
        return f"status {status}"

    def _url(self, channel: WebhookChannel) -> CheckedUrl:
        text = require_secret(self._secrets, channel.url_secret) if channel.url_secret else channel.url
        try:
            return self._guard.check(text)
        except InvalidInput as error:
            raise ConfigurationError("WEBHOOK_URL_REFUSED", error.hint, channel=channel.name, **error.fields) from None

    async def _post(self, url: CheckedUrl, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        with vendor_errors(url.host):
            try:
                async with self._client.stream(
                    "POST", url.origin, headers=headers, content=body, extensions={"target": url.target.encode()}
                ) as response:
                    return response.status_code, response.headers.get("retry-after", "")
            except InvalidInput as error:  # an address that is not public, found while connecting
                raise ConfigurationError("WEBHOOK_URL_REFUSED", error.hint, **error.fields) from None


def signature(key: bytes, message_id: str, at: datetime, body: bytes) -> str:
    """`v1,<base64>` of an HMAC-SHA256 over the id, the Unix time in seconds, and the body."""
    signed = b".".join((message_id.encode(), str(int(at.timestamp())).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _key(secret: str, name: str) -> bytes:
    """A secret as it signs: base64 behind `whsec_`, any other text as its bytes."""
    if len(secret) < SHORTEST_SIGNING_SECRET:
        hint = f"At least {SHORTEST_SIGNING_SECRET} characters are allowed, for example from `openssl rand -hex 32`"
        raise ConfigurationError("SIGNING_SECRET_SHORT", hint, name=name, found=f"{len(secret)} characters")
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ConfigurationError("SIGNING_SECRET_INVALID", "After whsec_ stands base64", name=name) from None


def _body(channel: WebhookChannel, message: OutgoingMessage) -> bytes:
    if channel.format == "text":
        body: dict[str, object] = {"text": _for_chat(f"{message.subject}\n{message.text}")}
    else:
        body = {
            "id": message.notification_id,
            "event_id": message.event_id,
            "mode": message.mode,
            "subject": message.subject,
            **message.message.model_dump(mode="json"),
        }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _for_chat(text: str) -> str:
    """Chat servers read `<...>` as links and mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _failure(status: int, retry_after: str, host: str, now: datetime) -> StonksError | None:
    if 200 <= status < 300:
        return None
    if status == 429 or (status == 503 and retry_after):
        seconds = _seconds(retry_after, now)
        return VendorThrottled("WEBHOOK_THROTTLED", retry_after_seconds=seconds, host=host, status=status)
    if status in _LATER or status >= 500:
        return VendorUnavailable("WEBHOOK_UNAVAILABLE", "It is tried again", host=host, status=status)
    if 300 <= status < 400:
        hint = "Redirects are not followed: set the address that it ends at"
        return VendorRejected("WEBHOOK_REDIRECTED", hint, host=host, status=status)
    return VendorRejected("WEBHOOK_REFUSED", "The receiver's own log says why", host=host, status=status)


def _seconds(retry_after: str, now: datetime) -> float:
    """Seconds, or an HTTP date; what is neither counts as none given."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        wanted = float(text[:9])
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return DEFAULT_WAIT
        wanted = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(wanted, 1.0), LONGEST_WAIT)
