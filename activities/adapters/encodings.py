"""Encodings that text from outside is labelled with, by their byte order marks and by their many names."""

from __future__ import annotations

import codecs
import re

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CHARSET = re.compile(r"""charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_ENCODINGS = re.compile(
    r"ascii|utf-(?:8|16|32)(?:-[lb]e)?|iso8859-\d+|cp(?:125\d|437|85\d|866|874|932|949|950)|koi8-[rut]|mac-roman"
    r"|shift_jis|euc_jp|iso2022_jp|euc_kr|gb2312|gbk|gb18030|big5|tis-620"
)
_LATIN = ("ascii", "iso8859-1")


def codec_of(name: str) -> str:
    """The codec of a declared name; empty where it is unknown or none of text."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    if known in _LATIN:
        return "cp1252"
    return known if _ENCODINGS.fullmatch(known) else ""
