"""What is said to a mail server: log in, look without touching, find the next message, read it.

The mailbox is opened by EXAMINE and the message read by BODY.PEEK: neither changes anything, no flag, no mark.
What the server says in words is never passed on: it may repeat what it was told.
"""

from __future__ import annotations

import heapq
import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from activities.adapters.imap.source import LARGEST_UID
from activities.adapters.imap.wire import LiteralTooLarge, Wire
from domain.errors import NotFound, StonksError, VendorRejected, VendorUnavailable
from domain.fetching import MailRequest

MAXIMUM_VANISHED = 20
"""Messages that are gone between the search and the reading, passed over in one fetch."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UID = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,18})\b")
_ARRIVED = re.compile(rb'\bINTERNALDATE "([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})"')
_BODY = re.compile(rb"\bBODY\[\]", re.IGNORECASE)
_TEMPORARY = (b"[unavailable", b"[inuse", b"[limit", b"[serverbug", b"too many", b"try again", b"temporar")
_ABOUT_LOGIN = (b"authentic", b"credential", b"password", b"login failed")


@dataclass(frozen=True)
class Found:
    """A message, or why there is none: 200, 204 none left, 413 too large, 422 not given out."""

    status: int
    uid_validity: int
    uid: int = 0
    body: bytes = b""
    arrived: datetime | None = None
    size: int = 0


@dataclass(frozen=True)
class Login:
    """User and password, shown nowhere."""

    user: str = field(repr=False)
    password: str = field(repr=False)


class Conversation(imaplib.IMAP4):
    """The standard client on a `Wire`.

    Raises:
        VendorUnavailable: there is no greeting, or one that sends us away.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        with _without_words(wire.host):
            super().__init__(wire.host)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """The wire is open already."""
        self.host, self.port = host, port

    def read(self, size: int) -> bytes:
        return self._wire.read(size)

    def readline(self) -> bytes:
        return self._wire.readline()

    def send(self, data: Any) -> None:
        self._wire.send(bytes(data))

    def shutdown(self) -> None:
        self._wire.close()


def begin_tls(conversation: Conversation, wire: Wire, tls: ssl.SSLContext) -> bool:
    """Encrypt a plain connection where the server offers it. What it said before counts no longer.

    Raises:
        ssl.SSLError: the handshake failed.
        VendorUnavailable: the server went away.
    """
    if "STARTTLS" not in conversation.capabilities:
        return False
    with _without_words(wire.host):
        if conversation.xatom("STARTTLS")[0] != "OK":
            return False
    wire.encrypt(tls)
    with _without_words(wire.host):
        told = conversation.capability()[1][-1]
        conversation.capabilities = tuple(bytes(told or b"").decode("ascii").upper().split())
    return True


def next_message(
    conversation: Conversation, wire: Wire, login: Login, request: MailRequest, message_bytes: int
) -> Found:
    """Log in, find the message with the lowest UID after the request's, and read it.

    Raises:
        VendorRejected: `VENDOR_CREDENTIALS_REFUSED`, or the server refuses to be read.
        NotFound: there is no such mailbox.
        VendorUnavailable: the server went away, or says that it cannot at present.
    """
    with _without_words(wire.host):
        _log_in(conversation, login)
        validity = _examine(conversation, request.mailbox)
        after = request.after_uid if request.uid_validity == validity else 0
        for uid in _search(conversation, after, request.since):
            found = _read(conversation, wire, uid, validity, message_bytes)
            if found is not None:
                break
        else:
            found = Found(204, validity)
    with suppress(StonksError, imaplib.IMAP4.error, ValueError, OSError):
        wire.hurry()
        conversation.logout()
    return found


@contextmanager
def _without_words(host: str) -> Iterator[None]:
    """Turn what the client raises into the platform's errors; what the server said is left out."""
    hint = "The fetch is repeated by itself"
    try:
        yield
    except (StonksError, ssl.SSLError):
        raise
    except imaplib.IMAP4.abort:
        raise VendorUnavailable("VENDOR_DISCONNECTED", hint, host=host) from None
    except Exception as error:  # the client fails on some answers in ways of its own
        raise VendorUnavailable("VENDOR_ANSWER_UNREADABLE", hint, host=host, what=type(error).__name__) from None


def _log_in(conversation: Conversation, login: Login) -> None:
    host = conversation.host
    if conversation.state != "NONAUTH" or "LOGINDISABLED" in conversation.capabilities:
        hint = "A server that takes a user name and a password is needed"
        raise VendorRejected("VENDOR_REFUSED", hint, vendor="imap", host=host, found="no login offered")
    try:
        conversation.login(_quoted(login.user), login.password)
    except imaplib.IMAP4.error as error:
        said = str(error).encode("utf-8", "replace").lower()
        if isinstance(error, imaplib.IMAP4.abort) and not any(word in said for word in _ABOUT_LOGIN):
            raise
        if _is_temporary(said):
            raise _unavailable(host) from None
        hint = "Check the mailbox's user name and password"
        raise VendorRejected("VENDOR_CREDENTIALS_REFUSED", hint, vendor="imap", host=host) from None


def _examine(conversation: Conversation, mailbox: str) -> int:
    status, data = conversation.select(f'"{mailbox}"', readonly=True)
    if status != "OK":
        if _is_temporary(_said(data)):
            raise _unavailable(conversation.host)
        raise NotFound("VENDOR_NOT_FOUND", "Check the mailbox's name", host=conversation.host, mailbox=mailbox)
    told: Any = conversation.response("UIDVALIDITY")[1]
    validity = _number(told[-1] if told else None)
    if not validity:
        hint = "A server that numbers its messages lastingly is needed"
        raise VendorRejected("VENDOR_REFUSED", hint, vendor="imap", host=conversation.host, found="no UIDVALIDITY")
    return validity


def _search(conversation: Conversation, after: int, since: date) -> list[int]:
    """The lowest UIDs after one; a server names its last message for any range that begins beyond it."""
    if after >= LARGEST_UID:
        return []
    day = f"{since.day:02}-{_MONTHS[since.month - 1]}-{since.year:04}"
    status, data = conversation.uid("SEARCH", f"UID {after + 1}:*", "SINCE", day)
    _require_ok(status, data, conversation.host)
    numbers = (_number(word) for line in data if isinstance(line, bytes) for word in line.split())
    return heapq.nsmallest(MAXIMUM_VANISHED, {number for number in numbers if number > after})


def _read(conversation: Conversation, wire: Wire, uid: int, validity: int, message_bytes: int) -> Found | None:
    """A message by its UID; None where it is gone."""
    status, data = conversation.uid("FETCH", str(uid), "(UID RFC822.SIZE INTERNALDATE)")
    _require_ok(status, data, conversation.host)
    facts = next((facts for facts, _ in _items(data) if _matches(facts, uid)), None)
    if facts is None:
        return None
    told = _SIZE.search(facts)
    size, arrived = int(told[1]) if told else 0, _arrived(facts)
    if size > message_bytes:
        return Found(413, validity, uid, size=size, arrived=arrived)
    wire.literal_bytes = message_bytes
    try:
        status, data = conversation.uid("FETCH", str(uid), "(UID BODY.PEEK[])")
    except LiteralTooLarge as error:
        wire.close()  # what follows is the message
        return Found(413, validity, uid, size=error.size, arrived=arrived)
    if status != "OK":
        if _is_temporary(_said(data)):
            raise _unavailable(conversation.host)
        return Found(422, validity, uid, arrived=arrived)
    for facts, body in _items(data):
        if _matches(facts, uid) and _BODY.search(facts):
            return Found(200, validity, uid, body, arrived, size)
    return None


def _items(data: list[Any]) -> list[tuple[bytes, bytes]]:
    """Each message's facts and body. A body stands apart, between what comes before and after it."""
    items: list[tuple[bytes, bytes]] = []
    for part in data:
        if isinstance(part, tuple):
            items.append((bytes(part[0]), bytes(part[1])))
        elif isinstance(part, bytes) and items and part.endswith(b")") and not re.match(rb"\d{1,10} \(", part):
            items[-1] = (items[-1][0] + b" " + part, items[-1][1])
        elif isinstance(part, bytes):
            items.append((part, b""))
    return items


def _matches(facts: bytes, uid: int) -> bool:
    told = _UID.search(facts)
    return told is not None and int(told[1]) == uid


def _arrived(facts: bytes) -> datetime | None:
    told = _ARRIVED.search(facts)
    if told is None or told[2].decode().title() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(told[group]) for group in (1, 3, 4, 5, 6))
    month = _MONTHS.index(told[2].decode().title()) + 1
    offset = timedelta(hours=int(told[8]), minutes=int(told[9]))
    try:
        zone = timezone(-offset if told[7] == b"-" else offset)
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _require_ok(status: str, data: list[Any], host: str) -> None:
    if status == "OK":
        return
    if _is_temporary(_said(data)):
        raise _unavailable(host)
    raise VendorRejected("VENDOR_REFUSED", "Check the source's configuration", vendor="imap", host=host)


def _is_temporary(said: bytes) -> bool:
    return any(word in said for word in _TEMPORARY)


def _unavailable(host: str) -> VendorUnavailable:
    return VendorUnavailable("VENDOR_UNAVAILABLE", "The fetch is repeated by itself", vendor="imap", host=host)


def _said(data: list[Any]) -> bytes:
    return b" ".join(part for part in data[:10] if isinstance(part, bytes))[:2_000].lower()


def _number(word: object) -> int:
    """1 to the largest UID; 0 for anything else."""
    if not isinstance(word, bytes) or not word.isdigit() or len(word) > 10:
        return 0
    number = int(word)
    return number if number <= LARGEST_UID else 0


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
