"""Names the rules by what they are: the source of this package, word lists and constants included."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources


@cache
def rules_version() -> str:
    """`rules-2@<hash>`: any change of the rules is another version, and shows in every stored extraction."""
    hashed = hashlib.sha256()
    for file in sorted(resources.files(__package__).iterdir(), key=lambda each: each.name):
        if file.name.endswith(".py"):
            hashed.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"rules-2@{hashed.hexdigest()[:12]}"
