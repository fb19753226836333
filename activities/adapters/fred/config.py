"""How FRED is asked."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.documents import Credibility
from domain.fetching import Credential, CredentialPlace, HttpRequest
from domain.model import Model


def _base(value: str) -> str:
    if not value.startswith(("https://", "http://")) or "?" in value or "@" in value:
        raise ValueError(f"a base URL such as https://api.stlouisfed.org is needed, found {value[:100]!r}")
    return value.rstrip("/")


class FredSeries(Model):
    """One series, and what people call it."""

    id: Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,25}$")]
    title: Annotated[str, Field(max_length=300)] = ""
    units: Annotated[str, Field(max_length=100)] = ""


class FredConfig(Model):
    """Whose releases are followed. The key itself stands in the setting that `credential` names."""

    base_url: Annotated[str, AfterValidator(_base)] = "https://api.stlouisfed.org"
    series: Annotated[tuple[FredSeries, ...], Field(min_length=1, max_length=80)]
    since: date
    """What was published after this day becomes documents; what was known on it is the base of revisions.

    The vendor allows at most 2,000 vintages in an answer: a daily series needs a later day than a quarterly one.
    """
    observations_from: date | None = None
    """First period looked at; None: all."""
    credential: str = "fred_api_key"
    credibility: Credibility = Credibility.OFFICIAL


def request(config: FredConfig, path: str, params: dict[str, str]) -> HttpRequest:
    """Name a request for JSON; the vendor takes its key in the query alone."""
    credential = Credential(reference=config.credential, place=CredentialPlace.QUERY, name="api_key")
    return HttpRequest(
        url=f"{config.base_url}/fred/{path}", params={"file_type": "json", **params}, credentials=(credential,)
    )
