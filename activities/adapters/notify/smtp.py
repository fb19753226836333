"""Mail through an SMTP server, encrypted before anything is said.

Servers answer with a number (RFC 5321): 5xx is final, 4xx passes. What they write beside it may repeat what they were
sent, so only the numbers are kept.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from typing import Annotated

import aiosmtplib
from pydantic import Field, SecretStr

from activities.adapters.notify.secrets import require_secret
from domain.errors import ConfigurationError, VendorRejected, VendorUnavailable
from domain.model import Model
from domain.notifications import EmailChannel, OutgoingMessage, SnsChannel, WebhookChannel

PASSWORD = "smtp_password"  # noqa: S105 the secret's name
LONGEST_SUBJECT = 180
_ENHANCED = re.compile(r"\A([245]\.\d{1,3}\.\d{1,3})\b")


class Security(StrEnum):
    STARTTLS = "starttls"
    """Plain at first, then encrypted, or not at all: port 587."""
    TLS = "tls"
    """Encrypted from the first byte: port 465."""
    NONE = "none"
    """For one's own servers only."""


class SmtpSettings(Model):
    """The server and who writes. The password is the secret `smtp_password`; without a user nobody signs in."""

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Security = Security.STARTTLS
    user: str = ""
    sender: str = ""
    """Empty: the user."""
    own_server: bool = False
    """Named by the operator as one of their own: the only kind that may be spoken to in plain text."""
    timeout_seconds: float = 15.0
    total_seconds: float = 40.0


class SmtpMessenger:
    """Fulfils `activities.ports.Messenger`.

    Args:
        tls: what certificates are checked against; the public authorities where it is None.
    """

    def __init__(
        self, settings: SmtpSettings, secrets: Mapping[str, SecretStr], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._tls = tls

    async def send(
        self, channel: EmailChannel | SnsChannel | WebhookChannel, message: OutgoingMessage, *, now: datetime
    ) -> str:
        """Hand a mail to the server; returns its Message-ID, with whom the server refused.

        Raises:
            ConfigurationError: no server is set, it refuses the password, or it does not encrypt.
            VendorRejected: it refuses the mail, or every recipient, for good.
            VendorUnavailable: nobody answers, it says later, or its answer was lost: it may have the mail.
        """
        assert isinstance(channel, EmailChannel)
        settings = self._checked()
        mail = self._mail(channel, message)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=self._sender().rpartition("@")[2],
            use_tls=settings.security is Security.TLS,
            start_tls=False,
            timeout=settings.timeout_seconds,
            tls_context=self._tls or ssl.create_default_context(),
        )
        try:
            async with asyncio.timeout(settings.total_seconds):
                return await self._converse(client, mail, channel)
        except TimeoutError:
            raise VendorUnavailable(
                "SMTP_TIMEOUT", "It is tried again", host=settings.host, limit=f"{settings.total_seconds} s"
            ) from None
        finally:
            client.close()

    async def _converse(self, client: aiosmtplib.SMTP, mail: EmailMessage, channel: EmailChannel) -> str:
        host = self._settings.host
        try:
            await client.connect()
            if self._settings.security is Security.STARTTLS:
                await self._encrypt(client)
            if self._settings.user:
                await client.login(self._settings.user, require_secret(self._secrets, PASSWORD))
            refused, _ = await client.send_message(mail, sender=self._sender(), recipients=list(channel.to))
        except aiosmtplib.SMTPAuthenticationError as error:
            if error.code < 500:
                raise _later(host, error.code, error.message) from None
            hint = "Check the user and smtp_password; Gmail wants an app password, not the account's own"
            raise ConfigurationError("SMTP_SIGN_IN_REFUSED", hint, host=host, code=error.code) from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = {each.code for each in error.recipients}
            if min(codes) < 500:
                raise _later(host, min(codes), "") from None
            hint = "Check the channel's addresses"
            raise VendorRejected("SMTP_RECIPIENTS_REFUSED", hint, host=host, codes=sorted(codes)) from None
        except aiosmtplib.SMTPResponseException as error:
            if error.code < 500:
                raise _later(host, error.code, error.message) from None
            hint = "The server's own log says why"
            code = _code(error.code, error.message)
            raise VendorRejected("SMTP_REFUSED", hint, host=host, code=code) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._failure(error) from None
        await _leave(client)
        partly = ", ".join(f"{address} refused ({answer.code})" for address, answer in sorted(refused.items()))
        return f"{mail['Message-ID']}" + (f"; {partly}" if partly else "")

    async def _encrypt(self, client: aiosmtplib.SMTP) -> None:
        await client.ehlo()
        if not client.supports_extension("starttls"):
            raise aiosmtplib.SMTPNotSupported("STARTTLS")
        await client.starttls()

    def _failure(self, error: Exception) -> ConfigurationError | VendorUnavailable:
        host = self._settings.host
        if isinstance(error, aiosmtplib.SMTPNotSupported):
            hint = "The server offers no STARTTLS or no way to sign in: check STONKS_SMTP_PORT and STONKS_SMTP_SECURITY"
            return ConfigurationError("SMTP_NOT_OFFERED", hint, host=host, security=self._settings.security.value)
        tls = _tls_error(error)
        if tls is not None:
            hint = "Check host and port; a server of one's own needs a certificate that is trusted here"
            return ConfigurationError("TLS_FAILED", hint, host=host, reason=tls.reason or "unknown")
        return VendorUnavailable("SMTP_UNREACHABLE", "It is tried again", host=host, what=type(error).__name__)

    def _checked(self) -> SmtpSettings:
        settings = self._settings
        if not settings.host:
            raise ConfigurationError("SMTP_NOT_SET", "Set it and restart the worker", variable="STONKS_SMTP_HOST")
        if settings.security is Security.NONE and not settings.own_server:
            raise ConfigurationError(
                "SMTP_UNENCRYPTED",
                "Use starttls or tls; only servers listed in STONKS_NOTIFY_OWN_SERVERS are spoken to in plain text",
                host=settings.host,
                port=settings.port,
            )
        return settings

    def _sender(self) -> str:
        sender = self._settings.sender or self._settings.user
        if "@" not in sender:
            raise ConfigurationError("SMTP_SENDER_NOT_SET", "Set an address", variable="STONKS_SMTP_FROM")
        return sender

    def _mail(self, channel: EmailChannel, message: OutgoingMessage) -> EmailMessage:
        sender = self._sender()
        mail = EmailMessage(policy=SMTP)
        mail["From"] = sender
        mail["To"] = ", ".join(channel.to)
        mail["Subject"] = message.subject[:LONGEST_SUBJECT]
        mail["Date"] = format_datetime(message.message.occurred_at)
        mail["Message-ID"] = f"<{message.notification_id}@{sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Stonks-Event"] = message.message.event
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; the server has the mail already, so nothing that goes wrong here counts."""
    try:
        await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _later(host: str, code: int, text: str) -> VendorUnavailable:
    return VendorUnavailable(
        "SMTP_LATER", "The server asks to come back; it is tried again", host=host, code=_code(code, text)
    )


def _code(code: int, text: str) -> str:
    """The reply's number, with the enhanced one (RFC 3463) that its text may begin with."""
    enhanced = _ENHANCED.match(text)
    return f"{code} {enhanced[1]}" if enhanced else str(code)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
