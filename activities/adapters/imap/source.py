"""One message a page: which UID is asked for next, and the document in a message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError

from activities.adapters.contract import SourceAdapter
from activities.adapters.imap.headers import is_wanted, sender_of
from activities.adapters.pages.failures import printable, refused, unreadable
from activities.adapters.pages.language import UNDETERMINED
from activities.adapters.pages.models import ParsedPage
from activities.adapters.pages.page import parse_page
from activities.adapters.pages.stories import story_of
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.errors import InvalidInput, SourceFormatError
from domain.fetching import HttpAnswer, MailRequest, SourcePage, require_success
from domain.model import Model
from domain.sources import MailboxConfig

VENDOR = "imap"
MAIL_TYPE = "message/rfc822"
UID_HEADER = "x-imap-uid"
UID_VALIDITY_HEADER = "x-imap-uidvalidity"
SIZE_HEADER = "x-imap-size"
ARRIVED_HEADER = "x-imap-arrived"
"""ISO time at which the server took the message in, where it tells it."""
TOO_LARGE, UNREADABLE, NONE_LEFT = 413, 422, 204
LARGEST_UID = 2**32 - 1
CLOCKS_DIFFER = timedelta(minutes=5)
LONGEST_DELIVERY = timedelta(days=7)
_MAX_CURSOR_CHARACTERS = 200
_MAX_NAME_CHARACTERS = 200

_Number = Annotated[int, Field(ge=0, le=LARGEST_UID)]


class _Cursor(Model):
    uid_validity: _Number = 0
    uid: _Number = 0


def judge(answer: HttpAnswer) -> None:
    """Raise what an answer stands for that is none. A message too large, or one that the server refuses, is a reject.

    Raises:
        VendorError, NotFound: as `domain.fetching.require_success` says.
    """
    if answer.status not in (TOO_LARGE, UNREADABLE):
        require_success(answer, VENDOR)


def first(config: MailboxConfig, cursor: str, now: datetime) -> MailRequest:
    """Ask for the message after the cursor's.

    Raises:
        InvalidInput: the cursor is none of ours.
    """
    return _request(config, _decoded(cursor))


def read(config: MailboxConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read one message, as a document or as a reject; mails of others than the wanted senders are passed over.

    Where the mailbox numbers its messages anew, they are read from the first wanted day on once more; a document that
    is known already is the same then, by its content.

    Raises:
        VendorError, NotFound: the mailbox refused.
        SourceFormatError: the answer does not say which message it is, or not one after the cursor.
        InvalidInput: the cursor is none of ours.
    """
    judge(answer)
    before = _decoded(cursor)
    if answer.status == NONE_LEFT:
        return SourcePage(cursor=_after_all(before, answer).model_dump_json())
    after = _Cursor(uid_validity=_number(answer, UID_VALIDITY_HEADER), uid=_number(answer, UID_HEADER))
    if after.uid_validity == before.uid_validity and after.uid <= before.uid:
        raise _unusable(f"message {after.uid}", f"a message after {before.uid}")
    result = _message(config, answer, after.uid)
    return SourcePage(
        documents=(result,) if isinstance(result, SourceDocument) else (),
        rejects=(result,) if isinstance(result, Reject) else (),
        cursor=after.model_dump_json(),
        next=_request(config, after),
    )


def published(sent: datetime | None, answer: HttpAnswer, config: MailboxConfig) -> datetime:
    """When a mail counts as published: when it says that it was sent, if that is believable, else when it arrived.

    It is believable up to a few minutes after the arrival (clocks differ; it counts from the arrival then), and down to
    a week before it. Where the server does not tell the arrival, that is the time of the fetch.
    """
    told = _arrived(answer)
    arrived = min(told or answer.fetched_at, answer.fetched_at)
    begins = datetime(config.since.year, config.since.month, config.since.day, tzinfo=UTC)
    waited_since = arrived if told else min(begins, arrived)
    if sent is None or waited_since - sent > LONGEST_DELIVERY or sent - arrived > CLOCKS_DIFFER:
        return arrived
    return min(sent, arrived)


def _message(config: MailboxConfig, answer: HttpAnswer, uid: int) -> SourceDocument | Reject | None:
    location = f"{config.mailbox} uid {uid}"
    if answer.status == TOO_LARGE:
        detail = f"a message of {_shown_size(answer.headers)} found, larger than is read"
        return Reject(file=location, line=0, reason=RejectReason.LINE_TOO_LONG, detail=detail)
    if answer.status == UNREADABLE:
        detail = "a message found that the server does not give out"
        return Reject(file=location, line=0, reason=RejectReason.MALFORMED_ROW, detail=detail)
    sender = sender_of(answer.body)
    if not is_wanted(sender, config.senders):
        return None
    try:
        page = parse_page(answer.body, MAIL_TYPE, location)
        if page.mail is None:
            raise unreadable("PAGE_IS_NO_MAIL", location, f"{page.kind.value} instead of a mail", "an e-mail")
    except SourceFormatError as error:
        return refused(location, error)
    return _document(config, answer, page, sender, location)


def _document(
    config: MailboxConfig, answer: HttpAnswer, page: ParsedPage, sender: str, location: str
) -> SourceDocument:
    assert page.mail is not None
    return SourceDocument(
        title=page.title,
        text=page.text,
        published_at=published(page.published_at, answer, config),
        precision=DatePrecision.INSTANT,
        publisher=config.publisher or printable(sender) or page.mail.sender[:_MAX_NAME_CHARACTERS],
        language=page.language if page.language != UNDETERMINED else "en",
        story=story_of("mail", page.mail.message_id.strip("<> ")),
        sections=page.sections,
        location=location,
    )


def _request(config: MailboxConfig, at: _Cursor) -> MailRequest:
    return MailRequest(
        host=config.host,
        port=config.port,
        mailbox=config.mailbox,
        user_credential=config.user_credential,
        password_credential=config.password_credential,
        since=config.since,
        uid_validity=at.uid_validity,
        after_uid=at.uid,
    )


def _after_all(before: _Cursor, answer: HttpAnswer) -> _Cursor:
    """The cursor where nothing is left; a mailbox that was numbered anew in between begins at its first message."""
    if UID_VALIDITY_HEADER not in answer.headers:
        return before
    validity = _number(answer, UID_VALIDITY_HEADER)
    return before if validity == before.uid_validity else _Cursor(uid_validity=validity)


def _arrived(answer: HttpAnswer) -> datetime | None:
    try:
        arrived = datetime.fromisoformat(answer.headers.get(ARRIVED_HEADER, ""))
        return arrived.astimezone(UTC) if arrived.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _number(answer: HttpAnswer, name: str) -> int:
    text = answer.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= LARGEST_UID):
        raise _unusable(f"{name}={printable(text[:40])!r}", f"1 to {LARGEST_UID}")
    return int(text)


def _shown_size(headers: Mapping[str, str]) -> str:
    size = headers.get(SIZE_HEADER, "")
    return f"{int(size):,} bytes" if size.isascii() and size.isdigit() and len(size) <= 20 else "unknown size"


def _unusable(found: str, allowed: str) -> SourceFormatError:
    hint = "The fetch is repeated by itself"
    return SourceFormatError("VENDOR_ANSWER_UNREADABLE", hint, vendor=VENDOR, found=found, allowed=allowed)


def _decoded(cursor: str) -> _Cursor:
    if not cursor:
        return _Cursor()
    try:
        if len(cursor) > _MAX_CURSOR_CHARACTERS:
            raise ValueError
        return _Cursor.model_validate_json(cursor)
    except (ValidationError, ValueError):
        raise InvalidInput("CURSOR_UNREADABLE", "Empty the source's cursor to read it anew") from None


ADAPTER = SourceAdapter(first=first, judge=judge, read=read)
