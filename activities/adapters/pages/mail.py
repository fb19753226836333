"""E-mails: headers and the best text; attachments are counted and named, never opened."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import NamedTuple, cast

from activities.adapters.pages.assembly import Assembled, clean_line
from activities.adapters.pages.decoding import decode
from activities.adapters.pages.failures import unreadable
from activities.adapters.pages.markup import read_page
from activities.adapters.pages.models import MailFacts
from activities.adapters.pages.plain import read_text
from domain.errors import SourceFormatError

MAX_DEPTH = 10
MAX_PARTS = 500
MAX_NAMED_ATTACHMENTS = 50
MAX_HEADER_BLOCK_BYTES = 262_144
_MAX_HEADER_CHARACTERS = 2_000
_MAX_NAME_CHARACTERS = 200
_TEXTS = ("text/plain", "text/html")


class Mail(NamedTuple):
    subject: str
    assembled: Assembled
    sent_at: datetime | None
    facts: MailFacts


def read_mail(body: bytes, url: str) -> Mail:
    """Read an e-mail: its first plain text, else its first HTML.

    Raises:
        SourceFormatError: it is broken, nested too deep, holds too many parts, or no text.
    """
    try:
        return _read(body, url)
    except SourceFormatError:
        raise
    except Exception as error:  # the parser fails on some foreign mails in ways of its own; RecursionError among them
        raise unreadable("PAGE_BROKEN", url, f"an e-mail that cannot be read ({type(error).__name__})") from error


def _read(body: bytes, url: str) -> Mail:
    ends = [end for mark in (b"\n\n", b"\r\n\r\n") if (end := body.find(mark)) >= 0]
    if min(ends, default=len(body)) > MAX_HEADER_BLOCK_BYTES:
        raise unreadable("PAGE_BROKEN", url, "headers without end", f"at most {MAX_HEADER_BLOCK_BYTES:,} bytes of them")
    message = email.message_from_bytes(body, policy=policy.default)
    texts, attachments = _sort_parts(message, url)
    assembled = _best_text(texts, url)
    if assembled is None:
        raise unreadable("PAGE_EMPTY", url, f"an e-mail without text and with {len(attachments)} attachments")
    facts = MailFacts(
        sender=_header(message, "from"),
        recipients=_header(message, "to"),
        message_id=_header(message, "message-id"),
        attachments=tuple(attachments[:MAX_NAMED_ATTACHMENTS]),
        attachment_count=len(attachments),
    )
    return Mail(_header(message, "subject"), assembled, _sent_at(_raw_header(message, "date")), facts)


def _sort_parts(message: EmailMessage, url: str) -> tuple[list[EmailMessage], list[str]]:
    """The parts that may be the text, in order, and the names of all others. A mail within the mail is one of these."""
    texts: list[EmailMessage] = []
    attachments: list[str] = []
    waiting = [(message, 0)]
    seen = 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_PARTS:
            found = f"more than {MAX_DEPTH} levels or {MAX_PARTS} parts"
            raise unreadable("PAGE_NESTED_TOO_DEEP", url, f"an e-mail of {found}", "less")
        kind = part.get_content_type()
        payload = part.get_payload()
        if kind.startswith("multipart/") and isinstance(payload, list):
            waiting.extend((cast(EmailMessage, inner), depth + 1) for inner in reversed(payload))
        elif kind in _TEXTS and part.get_content_disposition() != "attachment":
            texts.append(part)
        else:
            attachments.append(clean_line((part.get_filename() or kind)[:1_000])[:_MAX_NAME_CHARACTERS])
    return texts, attachments


def _best_text(parts: list[EmailMessage], url: str) -> Assembled | None:
    for kind in _TEXTS:
        for part in parts:
            if part.get_content_type() != kind:
                continue
            content = part.get_payload(decode=True)
            text = decode(content, _raw_header(part, "content-type")) if isinstance(content, bytes) else ""
            try:
                assembled = read_text(text)[1] if kind == "text/plain" else read_page(text, url).assembled
            except SourceFormatError:
                continue
            if assembled.text:
                return assembled
    return None


def _header(message: EmailMessage, name: str) -> str:
    """A header decoded and shortened first: reading a long one can take quadratic time."""
    raw = _raw_header(message, name)
    try:
        return clean_line(str(message.policy.header_fetch_parse(name, raw)))[:_MAX_HEADER_CHARACTERS]
    except Exception:  # malformed headers make the parser fail in ways of its own
        return clean_line(raw)


def _raw_header(message: EmailMessage, name: str) -> str:
    for key, value in message.raw_items():
        if key.lower() == name:
            return str(value)[:_MAX_HEADER_CHARACTERS].encode("utf-8", "replace").decode()
    return ""


def _sent_at(written: str) -> datetime | None:
    """The instant in the `Date` header; None without a known zone, as the sender's is not known."""
    try:
        sent = parsedate_to_datetime(written)
        return None if sent.tzinfo is None else sent.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
