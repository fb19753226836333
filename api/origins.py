"""Where a browser stands: whether its cookie is safe on the way, and whether the page that asks is ours."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from api.errors import Forbidden

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts to which browsers send Secure cookies without TLS."""


def require_private_way(request: Request) -> None:
    """Refuse to sign anybody in where the cookie would travel in clear text.

    Raises:
        Forbidden: plain http to a host that is not this machine.
    """
    host = request.url.hostname or ""
    if request.url.scheme == "https" or host in _LOOPBACK or host.endswith(".localhost"):
        return
    raise Forbidden(
        "ORIGIN_NOT_PRIVATE",
        "Open it as http://127.0.0.1 (through an SSH tunnel from elsewhere), or put TLS in front of it",
        found=f"{request.url.scheme}://{host[:200]}",
        allowed="https, or http on 127.0.0.1 and localhost",
    )


def require_same_origin(request: Request) -> None:
    """Refuse a sign-in that another site's page makes a browser send.

    Raises:
        Forbidden: the browser says that the page is another one's.
    """
    origin = request.headers.get("origin")
    fetched = request.headers.get("sec-fetch-site")
    foreign = fetched is not None and fetched not in ("same-origin", "none")
    if origin is not None:
        foreign = foreign or urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign:
        raise Forbidden(
            "ORIGIN_FOREIGN", "Sign in on the dashboard's own page", origin=(origin or "another site")[:200]
        )


def address_of(request: Request) -> str:
    """The caller's address as the server saw it, or as a proxy on a trusted address told it."""
    return request.client.host if request.client is not None else "unknown"
