"""A feed's bytes made into text, and what stands before its first element.

Feeds are often labelled with an encoding that they are not in. The text that is checked here is the text that is
parsed later, so that no encoding can carry a document type past the check.
"""

from __future__ import annotations

import codecs
import re

from domain.errors import SourceFormatError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}["']([A-Za-z0-9._:-]{1,40})["']""")
_CHARSET = re.compile(r"""charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_ENCODINGS = re.compile(
    r"ascii|utf-(?:8|16|32)(?:-[lb]e)?|iso8859-\d+|cp(?:125\d|437|85\d|866|874|932|949|950)|koi8-[rut]|mac-roman"
    r"|shift_jis|euc_jp|iso2022_jp|euc_kr|gb2312|gbk|gb18030|big5|tis-620"
)
_LATIN = ("ascii", "iso8859-1")
_SEVEN_BIT = b"\x1b"
_NOT_IN_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
_ELEMENT = re.compile(r"[A-Za-z_:]")


def decode(body: bytes, content_type: str) -> str:
    """Return the text of a feed: by its byte order mark, as UTF-8 if it is that, as declared, or as cp1252."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return _clean(body[len(mark) :].decode(encoding, "replace"))
    for start, encoding in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if body.startswith(start):
            return _clean(body.decode(encoding, "replace"))
    candidates = [] if _SEVEN_BIT in body else ["utf-8"]
    if declared := _DECLARED.search(body[:1_024]):
        candidates.append(_encoding(declared[1].decode("ascii")))
    if charset := _CHARSET.search(content_type[:1_000]):
        candidates.append(_encoding(charset[1]))
    for encoding in filter(None, candidates):
        try:
            return _clean(body.decode(encoding))
        except UnicodeError:
            continue
    return _clean(body.decode("cp1252", "replace"))


def without_prolog(text: str, url: str) -> str:
    """Return the feed from its first element on; a harmless document type (RSS 0.91 has one) goes with the rest.

    Raises:
        SourceFormatError: the document type defines something, such as entities, or there is no element.
    """
    position = 0
    while (opening := text.find("<", position)) >= 0:
        if text.startswith("<!--", opening):
            end = text.find("-->", opening + 4)
        elif text.startswith("<?", opening):
            end = text.find("?>", opening + 2)
        elif text.startswith("<!", opening):
            end = text.find(">", opening)
            if "[" in text[opening : end if end >= 0 else len(text)] or text.startswith("<!ENTITY", opening):
                raise SourceFormatError(
                    "FEED_DEFINES_ENTITIES",
                    "A feed has no need of a document type of its own; check the source's address",
                    url=url,
                    found="a DOCTYPE with definitions",
                    allowed="none, or one that only names its type",
                )
        elif _ELEMENT.match(text, opening + 1):
            return text[opening:]
        else:
            end = opening
        if end < 0:
            break
        position = end + 1
    raise SourceFormatError(
        "FEED_UNREADABLE", "Check that the source's address is that of a feed", url=url, found="no XML element"
    )


def _encoding(name: str) -> str:
    """The codec of a declared name; empty where it is unknown or none of text."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    if known in _LATIN:
        return "cp1252"
    return known if _ENCODINGS.fullmatch(known) else ""


def _clean(text: str) -> str:
    """Take out what XML does not allow: one stray control character would make the whole feed unreadable."""
    return text.translate(_NOT_IN_XML)
