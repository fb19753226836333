"""What is taken out of an error's message before people read it over HTTP: secrets, and most of what was quoted."""

from __future__ import annotations

import re

LONGEST = 500
TAKEN_OUT = "***"

_KEY = re.compile(r"\bsk_[A-Za-z0-9]+_[A-Za-z0-9_\-]+")
_NAMED = re.compile(
    r"(?i)\b([a-z0-9_\-]*(?:password|passwd|secret|token|api[_\-]?key|access[_\-]?key|credential|cookie)[a-z0-9_\-]*)"
    r"([\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
)
_HEADER = re.compile(r"(?i)\b(authorization[\"']?\s*[=:]\s*[\"']?)?\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{6,}")
_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]*://)[^/\s@]+@")
_QUERY = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]*://[^\s?#\"']+)[?#][^\s\"']*")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")


def redacted(text: str, limit: int = LONGEST) -> str:
    """The text without what is or may be a secret: keys, passwords by name, credentials and queries of addresses."""
    text = _INVISIBLE.sub(" ", text[: limit * 4])
    text = _KEY.sub(TAKEN_OUT, text)
    text = _HEADER.sub(TAKEN_OUT, text)
    text = _NAMED.sub(rf"\1\2{TAKEN_OUT}", text)
    text = _USER.sub(rf"\1{TAKEN_OUT}@", text)
    text = _QUERY.sub(rf"\1?{TAKEN_OUT}", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
