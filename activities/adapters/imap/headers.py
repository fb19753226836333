"""Who a mail says it is from, read from its raw header. Senders write what they like here: nothing is proven."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_HEADER_BYTES = 262_144
_MAX_FROM_CHARACTERS = 2_000
_BETWEEN = re.compile(r"<([^<>]{3,320})>")
_ADDRESS = re.compile(r"[^\s@<>(),;:\"]{1,64}@[A-Za-z0-9.\-]{1,255}")


def sender_of(message: bytes) -> str:
    """Return the sender's address in lower case, empty where there is none that can be read."""
    written = _from_line(message)
    for candidate in reversed(_BETWEEN.findall(written)):
        if _ADDRESS.fullmatch(candidate.strip()):
            return str(candidate).strip().lower()
    found = _ADDRESS.search(written)
    return found[0].lower() if found else ""


def is_wanted(sender: str, wanted: Iterable[str]) -> bool:
    """Tell whether a sender is one of the addresses, or of one of the domains (`@example.com`); none are everybody.

    A domain is meant exactly: its subdomains are others.
    """
    named = [each.strip().lower() for each in wanted]
    return not named or sender in named or f"@{sender.rpartition('@')[2]}" in named


def _from_line(message: bytes) -> str:
    """The first `From` header, its continuations joined."""
    parts: list[str] = []
    for line in message[:MAX_HEADER_BYTES].splitlines():
        if not line or sum(map(len, parts)) > _MAX_FROM_CHARACTERS:
            break
        text = line.decode("utf-8", "replace")
        if parts:
            if not text.startswith((" ", "\t")):
                break
            parts.append(text)
        elif text[:5].lower() == "from:":
            parts.append(text[5:])
    return " ".join(parts)[:_MAX_FROM_CHARACTERS]
