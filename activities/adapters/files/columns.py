"""Which column of a file holds what: as configured, or recognised by name."""

from __future__ import annotations

from collections.abc import Sequence

from activities.adapters.files.rejects import listed
from domain.errors import SourceFormatError
from domain.sources import ColumnMapping

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "title": ("headline", "title", "subject"),
    "text": ("lead", "text", "body", "summary", "content", "new_text"),
    "published": ("published_at", "published", "datetime", "timestamp", "date", "time", "created_at"),
    "tickers": ("ticker", "tickers", "symbol", "symbols"),
    "url": ("url", "link"),
    "publisher": ("publisher", "source", "author"),
}
"""For each field of `ColumnMapping` the recognised names, the preferred one first."""


def wanted_names(mapping: ColumnMapping | None) -> list[frozenset[str]]:
    """Return the lower-case names a header should hold, a group for each field."""
    if mapping is None:
        return [frozenset(names) for names in KNOWN_NAMES.values()]
    return [frozenset({name.lower()}) for name in mapping.model_dump().values() if name]


def resolve(found: Sequence[str], mapping: ColumnMapping | None) -> dict[str, str]:
    """Return for each field that the names offer the name as the file spells it; case is ignored where it differs."""
    if mapping is None:
        candidates = KNOWN_NAMES
    else:
        candidates = {field: (name,) for field, name in mapping.model_dump().items() if name}
    exact = set(found)
    spelled: dict[str, str] = {}
    for name in found:
        spelled.setdefault(name.lower(), name)
    resolved: dict[str, str] = {}
    for field, names in candidates.items():
        for name in names:
            if name in exact:
                resolved[field] = name
            elif name.lower() in spelled:
                resolved[field] = spelled[name.lower()]
            else:
                continue
            break
    return resolved


def require(found: Sequence[str], mapping: ColumnMapping | None, *, path: str, what: str) -> dict[str, str]:
    """Resolve the names and insist on those without which no document can be read.

    Args:
        what: what carries the names, for the message: `columns` or `keys`.

    Raises:
        SourceFormatError: a configured name is absent, or the time or both title and text cannot be told.
    """
    resolved = resolve(found, mapping)
    if mapping is not None:
        missing = [
            f"{field}={name!r}" for field, name in mapping.model_dump().items() if name and field not in resolved
        ]
    else:
        missing = []
    if "published" not in resolved and not any(entry.startswith("published=") for entry in missing):
        missing.append("published")
    if not {"title", "text"} & resolved.keys() and not any(e.startswith(("title=", "text=")) for e in missing):
        missing.append("title or text")
    if missing:
        known = "; ".join(f"{field}: {', '.join(names)}" for field, names in KNOWN_NAMES.items())
        raise SourceFormatError(
            "SOURCE_COLUMNS_UNKNOWN",
            hint=f"Name the {what} in the source's `columns` (title, text, published, tickers, url, publisher), "
            f"or rename them; recognised without configuration are {known}",
            path=path,
            missing=", ".join(missing),
            found=listed(found),
        )
    return resolved
