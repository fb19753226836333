"""Bytes of a page made into text."""

from __future__ import annotations

import codecs
import re

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHARSET = re.compile(r"""charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_META = re.compile(rb"""<meta[^>]{0,300}?charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_META_BYTES = 4_096
_ENCODINGS = re.compile(
    r"ascii|utf-(?:8|16|32)(?:-[lb]e)?|iso8859-\d+|cp(?:125\d|437|85\d|866|874|932|949|950)|koi8-[rut]|mac-roman"
    r"|shift_jis|euc_jp|iso2022_jp|euc_kr|gb2312|gbk|gb18030|big5|tis-620"
)
_LATIN = ("ascii", "iso8859-1")


def has_byte_order_mark(body: bytes) -> bool:
    return any(body.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS)


def decode(body: bytes, content_type: str) -> str:
    """Return a page's text: by its byte order mark, as UTF-8 if it is that, else as declared, else as cp1252."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    candidates = [] if b"\x1b" in body else ["utf-8"]
    if charset := _CHARSET.search(content_type[:1_000]):
        candidates.append(_encoding(charset[1]))
    if meta := _META.search(body[:_META_BYTES]):
        candidates.append(_encoding(meta[1].decode("ascii")))
    for encoding in filter(None, candidates):
        try:
            return body.decode(encoding)
        except UnicodeError:
            continue
    return body.decode("cp1252", "replace")


def _encoding(name: str) -> str:
    """The codec of a declared name; empty where it is unknown or none of text."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    if known in _LATIN:
        return "cp1252"
    return known if _ENCODINGS.fullmatch(known) else ""
