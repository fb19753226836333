"""How Polygon, since renamed Massive, is asked: the host is configuration, because both names answer."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from activities.adapters.polygon.answers import ANSWERS
from domain.documents import Credibility
from domain.errors import VendorRejected
from domain.fetching import Credential, CredentialPlace, HttpAnswer, HttpRequest
from domain.model import Model, Utc


def _host_only(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError(f"a base URL such as https://api.massive.com is needed, found {value[:100]!r}")
    return value.rstrip("/")


class PolygonConfig(Model):
    """One account's view of the vendor. The key itself stands in the setting that `credential` names."""

    base_url: Annotated[str, AfterValidator(_host_only)] = "https://api.massive.com"
    tickers: Annotated[tuple[str, ...], Field(max_length=500)] = ()
    """Whose news is wanted; none: everybody's. The vendor filters by one ticker; several are filtered here."""
    since: Utc
    """Where the first fetch of news begins."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    """Records a page."""
    credential: str = "polygon_api_key"
    credibility: Credibility = Credibility.AGGREGATOR


def request(config: PolygonConfig, path: str, params: dict[str, str]) -> HttpRequest:
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
    if found.get("status") in ("ERROR", "NOT_AUTHORIZED"):
        raise VendorRejected(
            "VENDOR_REFUSED",
            "Check the source's key and what its plan includes",
            vendor=ANSWERS.vendor,
            vendor_says=ANSWERS.vendor_words(answer.body),
        )
    return found


def next_page(config: PolygonConfig, found: object, answer: HttpAnswer) -> HttpRequest | None:
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


def _credential(config: PolygonConfig) -> Credential:
    return Credential(reference=config.credential, place=CredentialPlace.HEADER, name="Authorization", prefix="Bearer ")
