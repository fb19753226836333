"""How Alpaca's data host is asked."""

from __future__ import annotations

from domain.fetching import Credential, CredentialPlace, HttpRequest
from domain.sources import AlpacaAccount


def request(config: AlpacaAccount, path: str, params: dict[str, str]) -> HttpRequest:
    """Name a request to the configured host."""
    key = Credential(reference=config.key_credential, place=CredentialPlace.HEADER, name="APCA-API-KEY-ID")
    secret = Credential(reference=config.secret_credential, place=CredentialPlace.HEADER, name="APCA-API-SECRET-KEY")
    return HttpRequest(url=config.base_url + path, params=params, credentials=(key, secret))
