"""The error of a page that cannot be read, worded alike everywhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError

_ALLOWED = "HTML, plain text, PDF or an e-mail"
_EMPTY = "PAGE_EMPTY"
_MAX_NAME_CHARACTERS = 200
_MAX_DETAIL_CHARACTERS = 1_000


def unreadable(code: str, url: str, found: str, allowed: str = _ALLOWED, hint: str = "") -> SourceFormatError:
    """Build the error. The address is shown without its query, which may hold a key."""
    shown = "".join(character for character in url.partition("?")[0][:200] if character.isprintable())
    return SourceFormatError(code, hint or "The page is left out", url=shown, found=found, allowed=allowed)


def refused(file: str, error: SourceFormatError) -> Reject:
    """Report a page that was left out; what was found in it is the error's message."""
    reason = RejectReason.EMPTY_DOCUMENT if error.code == _EMPTY else RejectReason.MALFORMED_ROW
    return Reject(
        file=printable(file[:_MAX_NAME_CHARACTERS]),
        line=0,
        reason=reason,
        detail=printable(str(error)[:_MAX_DETAIL_CHARACTERS]),
    )


def shown_name(url: str) -> str:
    """Host and path, for people; a query may hold a key."""
    try:
        parts = urlsplit(url)
        name = f"{parts.hostname or ''}{parts.path}"
    except ValueError:
        name = "page"
    return printable(name[:_MAX_NAME_CHARACTERS])


def printable(text: str) -> str:
    """Replace what a terminal or a log would act on."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
