"""The name under which all versions of a story are known."""

from __future__ import annotations

import hashlib

MAX_STORY_CHARACTERS = 300
_DIGITS = 40


def story_of(kind: str, name: str) -> str:
    """`kind:name`; a name that is long or cannot be shown is told by its hash. No name, no story."""
    if not name:
        return ""
    story = f"{kind}:{name}"
    if len(story) <= MAX_STORY_CHARACTERS and name.isprintable():
        return story
    return f"{kind}:{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:_DIGITS]}"
