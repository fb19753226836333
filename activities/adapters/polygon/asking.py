"""How Polygon, since renamed Massive, is asked, and what its answers have in common."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from activities.adapters.polygon.answers import ANSWERS
from domain.documents import Reject, RejectReason
from domain.errors import NotFound, SourceFormatError, VendorRejected
from domain.fetching import Credential, CredentialPlace, HttpAnswer, HttpRequest
from domain.sources import PolygonAccount


def request(config: PolygonAccount, path: str, params: dict[str, str]) -> HttpRequest:
    """Name a request to the configured host."""
    return HttpRequest(url=config.base_url + path, params=params, credentials=(_credential(config),))


def read_answer(answer: HttpAnswer) -> dict[str, Any]:
    """Read a successful answer; the vendor also refuses with a success status and says so within.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    ANSWERS.require_ok(answer)
    found = ANSWERS.read_object(answer.body)
    _require_granted(found, answer)
    return found


def judge(answer: HttpAnswer) -> None:
    """Raise what the vendor refused with, in the status or within a success. What cannot be read passes.

    Raises:
        VendorError, NotFound: the vendor refused.
    """
    ANSWERS.require_ok(answer)
    try:
        found = ANSWERS.read_object(answer.body)
    except SourceFormatError:
        return
    _require_granted(found, answer)


def judge_one(answer: HttpAnswer) -> None:
    """Judge an answer about one ticker: that the vendor does not know it passes, and the next ticker follows.

    Raises:
        VendorError: the vendor refused.
    """
    with suppress(NotFound):
        judge(answer)


def is_unknown(answer: HttpAnswer) -> bool:
    """Whether the vendor says that there is no such ticker."""
    return answer.status in (404, 410)


def unknown(where: str, symbol: str) -> Reject:
    """Report a ticker that the vendor does not know."""
    detail = f"{symbol} found, allowed is a ticker that the vendor knows, in its own upper and lower case"
    return ANSWERS.refused(where, 0, "ticker", RejectReason.UNKNOWN_TICKER, detail)


def next_page(config: PolygonAccount, found: object, answer: HttpAnswer) -> HttpRequest | None:
    """Follow `next_url`, on the configured host alone: the key travels with the request.

    Raises:
        SourceFormatError: it names another host, or the page that it stands on.
    """
    if found is None or found == "":
        return None
    if not isinstance(found, str) or len(found) > 4_000 or not (found.isascii() and found.isprintable()):
        raise ANSWERS.unusable("an unreadable next_url", "a URL of at most 4,000 printable characters")
    try:
        parts, base = urlsplit(found), urlsplit(config.base_url)
        same = (parts.scheme, parts.netloc.lower()) == (base.scheme, base.netloc.lower())
    except ValueError:
        same = False
    if not same or "\\" in found:
        raise ANSWERS.unusable("next_url on another host", f"next_url on {config.base_url}")
    if found == answer.url:
        raise ANSWERS.unusable("next_url that names its own page", "next_url of a further page")
    return HttpRequest(url=found, credentials=(_credential(config),))


def _require_granted(found: dict[str, Any], answer: HttpAnswer) -> None:
    if found.get("status") in ("ERROR", "NOT_AUTHORIZED"):
        raise VendorRejected(
            "VENDOR_REFUSED",
            "Check the source's key and what its plan includes",
            vendor=ANSWERS.vendor,
            vendor_says=ANSWERS.vendor_words(answer.body),
        )


def _credential(config: PolygonAccount) -> Credential:
    return Credential(reference=config.credential, place=CredentialPlace.HEADER, name="Authorization", prefix="Bearer ")
