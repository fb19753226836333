"""How FRED is asked."""

from __future__ import annotations

from domain.fetching import Credential, CredentialPlace, HttpRequest
from domain.sources import FredConfig


def request(config: FredConfig, path: str, params: dict[str, str]) -> HttpRequest:
    """Name a request for JSON; the vendor takes its key in the query alone."""
    credential = Credential(reference=config.credential, place=CredentialPlace.QUERY, name="api_key")
    return HttpRequest(
        url=f"{config.base_url}/fred/{path}", params={"file_type": "json", **params}, credentials=(credential,)
    )
