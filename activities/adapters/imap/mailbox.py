"""The fetcher of mail: one message a fetch, from a server that the URL guard allows.

The connection goes to an address that the guard has passed, and the certificate must carry the host's name: between the
check and the connection no name server is asked again. Plain IMAP is spoken to the operator's own servers only, and
there only where the port is not that of TLS and the server does not speak TLS.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from activities.adapters.imap.conversation import Conversation, Found, Login, begin_tls, next_message
from activities.adapters.imap.source import ARRIVED_HEADER, SIZE_HEADER, UID_HEADER, UID_VALIDITY_HEADER
from activities.adapters.imap.wire import MailLimits, Opener, Wire, open_socket
from activities.adapters.web.credentials import is_sendable
from activities.adapters.web.guard import UrlGuard
from domain.errors import ConfigurationError, InvalidInput, StonksError, VendorRejected, VendorUnavailable
from domain.fetching import HttpAnswer, MailRequest

TLS_PORT = 993
MAXIMUM_ADDRESSES_TRIED = 4
_MAILBOX = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,200}\Z")
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}\Z")


class MailboxFetcher:
    """Fetches within caps and through the guard, and fills the credentials in.

        fetcher = MailboxFetcher(UrlGuard(), credentials={"imap_user": user, "imap_password": password})
        answer = await fetcher.fetch(request, now=now)

    Args:
        credentials: secrets by their references.
        tls: what certificates are checked against; the public authorities where it is None. It must verify.
        opener: what opens connections to the addresses that were checked.
    """

    def __init__(
        self,
        guard: UrlGuard,
        *,
        credentials: Mapping[str, SecretStr] | None = None,
        limits: MailLimits | None = None,
        tls: ssl.SSLContext | None = None,
        opener: Opener = open_socket,
    ) -> None:
        self._guard = guard
        self._credentials = dict(credentials or {})
        self._limits = limits or MailLimits()
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        if self._tls.verify_mode is not ssl.CERT_REQUIRED or not self._tls.check_hostname:
            raise ConfigurationError("TLS_NOT_VERIFIED", "Trust the server's certificate instead of any")
        self._opener = opener

    async def fetch(self, request: MailRequest, *, now: datetime) -> HttpAnswer:
        """Return the next message, with its UID and the mailbox's UIDVALIDITY in the headers.

        The status is 200; 204 where no message is left; 413 for one that is too large, 422 for one that the server does
        not give out, both without a body.

        Args:
            now: UTC, the answer's `fetched_at`.

        Raises:
            ConfigurationError: a credential is missing or cannot be sent.
            InvalidInput: the guard refuses the server, or the mailbox's name cannot be sent.
            NotFound: there is no such mailbox.
            VendorRejected: `VENDOR_CREDENTIALS_REFUSED`, `VENDOR_REFUSED`, `TLS_FAILED`, `RESPONSE_TOO_LARGE`.
            VendorUnavailable: no connection, no answer in time, or one that ends in the middle.
        """
        if not _MAILBOX.match(request.mailbox):
            raise InvalidInput("MAILBOX_INVALID", "A name of printable ASCII without quotes is allowed")
        host = self._checked_host(request)
        login = Login(self._secret(request.user_credential), self._secret(request.password_credential))
        wire = Wire(host, self._limits, self._opener)
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                addresses = await self._guard.addresses(host, request.port)
                found = await asyncio.to_thread(self._converse, wire, addresses, login, request)
        except TimeoutError:
            hint, limit = "The fetch is repeated by itself", f"{self._limits.total_seconds} s"
            raise VendorUnavailable("VENDOR_TIMEOUT", hint, host=host, limit=limit) from None
        finally:
            wire.abort()  # under the thread, where it is still at work
        return _answer(found, host, request, now)

    def _checked_host(self, request: MailRequest) -> str:
        """The host as the guard spells it."""
        host = request.host.lower().removesuffix(".")
        if not _HOST.match(request.host):
            raise InvalidInput("URL_REFUSED", "The mail server's host is not a name", found=repr(request.host[:60]))
        if self._guard.is_own_server(host, request.port):
            return self._guard.check(f"https://{host}:{request.port}/").host
        if request.port != TLS_PORT:
            hint = f"{TLS_PORT} is allowed; a server of one's own is listed as `host:port`"
            raise InvalidInput("MAIL_PORT_REFUSED", hint, host=host, port=request.port)
        return self._guard.check(f"https://{host}/").host

    def _secret(self, reference: str) -> str:
        secret = self._credentials.get(reference)
        value = secret.get_secret_value() if secret is not None else ""
        if not value:
            raise ConfigurationError("CREDENTIAL_MISSING", "Set it", reference=reference)
        if not is_sendable(value):
            hint = "It is not empty, has no blank at its ends and only printable ASCII characters"
            raise ConfigurationError("CREDENTIAL_INVALID", hint, reference=reference)
        return value

    def _converse(self, wire: Wire, addresses: tuple[str, ...], login: Login, request: MailRequest) -> Found:
        """The whole conversation, in a thread.

        An error leaves without those that it was made from: they hold what the server said, perhaps the password.
        """
        try:
            conversation = self._begin(wire, addresses, request.port)
            return next_message(conversation, wire, login, request, self._limits.message_bytes)
        except StonksError as error:
            failure = error.with_traceback(None)
        finally:
            wire.close()
        failure.__context__ = None
        raise failure

    def _begin(self, wire: Wire, addresses: tuple[str, ...], port: int) -> Conversation:
        may_be_plain = port != TLS_PORT and self._guard.is_own_server(wire.host, port)
        try:
            _connect(wire, addresses, port)
            try:
                wire.encrypt(self._tls)
            except ssl.SSLCertVerificationError:
                raise
            except ssl.SSLError:
                if not may_be_plain:
                    raise
                _connect(wire, addresses, port)
            conversation = Conversation(wire)
            if not wire.is_encrypted:
                begin_tls(conversation, wire, self._tls)
        except ssl.SSLError as error:
            hint = "Check the address; a server of one's own needs a certificate that is trusted here"
            raise VendorRejected("TLS_FAILED", hint, host=wire.host, reason=error.reason or "unknown") from None
        return conversation


def _connect(wire: Wire, addresses: tuple[str, ...], port: int) -> None:
    """Connect to the first address that answers; all of them have passed the guard."""
    failure = VendorUnavailable("VENDOR_UNREACHABLE", "The fetch is repeated by itself", host=wire.host)
    for address in addresses[:MAXIMUM_ADDRESSES_TRIED]:
        try:
            wire.connect(address, port)
            return
        except VendorUnavailable as error:
            failure = error
    raise failure


def _answer(found: Found, host: str, request: MailRequest, now: datetime) -> HttpAnswer:
    headers = {UID_VALIDITY_HEADER: str(found.uid_validity)}
    if found.uid:
        headers |= {UID_HEADER: str(found.uid), SIZE_HEADER: str(found.size)}
    if found.arrived is not None:
        headers[ARRIVED_HEADER] = found.arrived.isoformat()
    place = f"{quote(request.mailbox, safe='')};UIDVALIDITY={found.uid_validity}"
    url = f"imap://{host}:{request.port}/{place}" + (f"/;UID={found.uid}" if found.uid else "")
    return HttpAnswer(status=found.status, url=url, headers=headers, body=found.body, fetched_at=now)
