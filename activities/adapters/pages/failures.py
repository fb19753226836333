"""The error of a page that cannot be read, worded alike everywhere."""

from __future__ import annotations

from domain.errors import SourceFormatError

_ALLOWED = "HTML, plain text, PDF or an e-mail"


def unreadable(code: str, url: str, found: str, allowed: str = _ALLOWED, hint: str = "") -> SourceFormatError:
    """Build the error. The address is shown without its query, which may hold a key."""
    shown = "".join(character for character in url.partition("?")[0][:200] if character.isprintable())
    return SourceFormatError(code, hint or "The page is left out", url=shown, found=found, allowed=allowed)
