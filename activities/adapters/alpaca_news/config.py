"""How Alpaca's data host is asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from domain.documents import Credibility
from domain.fetching import Credential, CredentialPlace, HttpRequest
from domain.model import Model, Utc


def _base(value: str) -> str:
    if not value.startswith(("https://", "http://")) or "?" in value or "@" in value:
        raise ValueError(f"a base URL such as https://data.alpaca.markets is needed, found {value[:100]!r}")
    return value.rstrip("/")


class AlpacaNewsConfig(Model):
    """Whose news is wanted. Key and secret stand in the settings that the references name."""

    base_url: Annotated[str, AfterValidator(_base)] = "https://data.alpaca.markets"
    symbols: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9./\-]{1,20}$")], ...], Field(max_length=200)
    ] = ()
    """None: everybody's."""
    since: Utc
    """Where the first fetch begins, by the time of an article's last change."""
    limit: Annotated[int, Field(ge=1, le=50)] = 50
    """Articles a page."""
    key_credential: str = "alpaca_api_key"
    secret_credential: str = "alpaca_api_secret"  # noqa: S105 - the name of a setting
    credibility: Credibility = Credibility.WIRE


def request(config: AlpacaNewsConfig, path: str, params: dict[str, str]) -> HttpRequest:
    """Name a request to the configured host."""
    key = Credential(reference=config.key_credential, place=CredentialPlace.HEADER, name="APCA-API-KEY-ID")
    secret = Credential(reference=config.secret_credential, place=CredentialPlace.HEADER, name="APCA-API-SECRET-KEY")
    return HttpRequest(url=config.base_url + path, params=params, credentials=(key, secret))
