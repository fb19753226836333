"""Pages that ask for a login instead of saying something."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from activities.adapters.pages.models import PageKind, ParsedPage

SHORT_TEXT_CHARACTERS = 2_000
"""A page with more text than this says something, whatever forms stand around it."""
_LOOKED_AT_BYTES = 1_000_000
_MAX_FIELDS = 500
_FIELD = re.compile(rb"<input\b[^<>]{0,500}", re.IGNORECASE)
_PASSWORD = re.compile(rb"type\s{0,5}=\s{0,5}[\"']?password\b", re.IGNORECASE)
_LOGIN_PATH = re.compile(r"/(?:log-?in|sign-?in|sso|auth|account/login|users/sign_in)(?=[/.?#]|$)", re.IGNORECASE)


def asks_for_login(page: ParsedPage, body: bytes, asked: str, answered: str) -> bool:
    """Tell whether a page is a login wall: little text and a password field, or a redirect to a login's address."""
    if page.kind is not PageKind.HTML or len(page.text) > SHORT_TEXT_CHARACTERS:
        return False
    fields = _FIELD.findall(body[:_LOOKED_AT_BYTES])[:_MAX_FIELDS]
    return any(_PASSWORD.search(field) for field in fields) or (_is_login(answered) and not _is_login(asked))


def _is_login(url: str) -> bool:
    try:
        return _LOGIN_PATH.search(urlsplit(url).path[:2_000]) is not None
    except ValueError:
        return False
