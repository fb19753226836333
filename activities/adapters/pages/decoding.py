"""Bytes of a page made into text."""

from __future__ import annotations

import re

from activities.adapters.encodings import BYTE_ORDER_MARKS, CHARSET, codec_of

_META = re.compile(rb"""<meta[^>]{0,300}?charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_META_BYTES = 4_096


def has_byte_order_mark(body: bytes) -> bool:
    return any(body.startswith(mark) for mark, _ in BYTE_ORDER_MARKS)


def decode(body: bytes, content_type: str) -> str:
    """Return a page's text: by its byte order mark, as UTF-8 if it is that, else as declared, else as cp1252."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    candidates = [] if b"\x1b" in body else ["utf-8"]
    if charset := CHARSET.search(content_type[:1_000]):
        candidates.append(codec_of(charset[1]))
    if meta := _META.search(body[:_META_BYTES]):
        candidates.append(codec_of(meta[1].decode("ascii")))
    for encoding in filter(None, candidates):
        try:
            return body.decode(encoding)
        except UnicodeError:
            continue
    return body.decode("cp1252", "replace")
