"""Fetching, without doing it: what a source adapter asks for, what it is answered, and what it makes of the answer.

An adapter of a live source performs no I/O. It names the next request and reads an answer; the fetcher in between holds
the credentials, the URL guard and the caps. So every adapter can be run on recorded answers as it is.

A page is a unit of work. Its answer is stored before anything is read in it, and reading it moves the source's cursor.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.documents import Reject, SourceDocument
from domain.errors import NotFound, VendorRejected, VendorThrottled, VendorUnavailable
from domain.market import Bar, CorporateAction, MacroFigure, ReportedFigure
from domain.model import Model, Utc
from domain.registry import CompanyDetails

DEFAULT_RETRY_AFTER_SECONDS = 30.0
MAXIMUM_RETRY_AFTER_SECONDS = 3_600.0
MAXIMUM_CURSOR_CHARACTERS = 60_000
"""Room for a mark a symbol of two thousand symbols; most cursors hold a hundred characters."""


class CredentialPlace(StrEnum):
    HEADER = "header"
    QUERY = "query"


class Credential(Model):
    """Where a secret belongs in a request. The secret itself is known by its reference only."""

    reference: str
    """Name of the setting that holds it: `polygon_api_key`."""
    place: CredentialPlace
    name: str
    """Header or query parameter: `Authorization`, `apiKey`."""
    prefix: str = ""
    """What stands before it: `Bearer `."""


class HttpRequest(Model):
    """One GET request. `params` are added to those that the URL carries already."""

    url: str
    params: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    credentials: tuple[Credential, ...] = ()
    etag: str = ""
    """Of the last answer: the server may then answer 304."""
    last_modified: str = ""


class MailRequest(Model):
    """The next message of a mailbox: the one with the lowest UID above `after_uid`."""

    host: str
    port: int
    mailbox: str
    user_credential: str
    password_credential: str
    since: date
    """First day of arrival wanted."""
    uid_validity: int = 0
    """Of the UIDs known; 0: none. A mailbox with another one is read anew, from `since` on."""
    after_uid: int = 0


Request = HttpRequest | MailRequest


class HttpAnswer(Model):
    """What came back, after redirects and decompression.

    A mailbox answers in the same shape: 200 with a message's bytes and the headers `x-imap-uid` and
    `x-imap-uidvalidity`, or 204 where no message is left.
    """

    status: int
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    fetched_at: Utc


class SourcePage(Model):
    """What one answer held. `next` is None at the end; `cursor` is where a later fetch resumes after this page."""

    documents: tuple[SourceDocument, ...] = ()
    bars: tuple[Bar, ...] = ()
    actions: tuple[CorporateAction, ...] = ()
    companies: tuple[CompanyDetails, ...] = ()
    reported: tuple[ReportedFigure, ...] = ()
    macro: tuple[MacroFigure, ...] = ()
    rejects: tuple[Reject, ...] = ()
    cursor: Annotated[str, Field(max_length=MAXIMUM_CURSOR_CHARACTERS)] = ""
    next: Request | None = None


def require_success(answer: HttpAnswer, vendor: str) -> None:
    """Raise the error that a status stands for; 2xx and 304 pass.

    Raises:
        VendorRejected: the credentials are refused (401, 403) or the request makes no sense to the vendor (other 4xx).
        NotFound: 404 or 410.
        VendorThrottled: 429, with the time that the vendor asks for.
        VendorUnavailable: 408, 425 and 5xx.
    """
    status = answer.status
    if 200 <= status < 300 or status == 304:
        return
    found = {"vendor": vendor, "status": status, "url": answer.url.partition("?")[0]}
    if status == 429:
        raise VendorThrottled(
            "VENDOR_THROTTLED", "The fetch resumes by itself", retry_after_seconds=retry_after_seconds(answer), **found
        )
    if status in (408, 425) or status >= 500:
        raise VendorUnavailable("VENDOR_UNAVAILABLE", "The fetch is repeated by itself", **found)
    if status in (401, 403):
        raise VendorRejected("VENDOR_CREDENTIALS_REFUSED", "Check the source's key and what its plan includes", **found)
    if status in (404, 410):
        raise NotFound("VENDOR_NOT_FOUND", "Check the source's address", **found)
    raise VendorRejected("VENDOR_REFUSED", "Check the source's configuration", **found)


def retry_after_seconds(answer: HttpAnswer) -> float:
    """What `Retry-After` asks for, as seconds or as a date, at most an hour; 30 s where it says nothing usable."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAXIMUM_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return DEFAULT_RETRY_AFTER_SECONDS
    return min(max(_seconds_until(until, answer.fetched_at), 0.0), MAXIMUM_RETRY_AFTER_SECONDS)


def _seconds_until(until: datetime, now: datetime) -> float:
    return ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
