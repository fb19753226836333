"""A feed's bytes made into text, and what stands before its first element.

Feeds are often labelled with an encoding that they are not in. The text that is checked here is the text that is
parsed later, so that no encoding can carry a document type past the check.
"""

from __future__ import annotations

import re

from activities.adapters.encodings import BYTE_ORDER_MARKS, CHARSET, codec_of
from domain.errors import SourceFormatError

_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}["']([A-Za-z0-9._:-]{1,40})["']""")
_SEVEN_BIT = b"\x1b"
_NOT_IN_XML = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
_ELEMENT = re.compile(r"[A-Za-z_:]")


def decode(body: bytes, content_type: str) -> str:
    """Return the text of a feed: by its byte order mark, as UTF-8 if it is that, as declared, or as cp1252."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return _clean(body[len(mark) :].decode(encoding, "replace"))
    for start, encoding in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if body.startswith(start):
            return _clean(body.decode(encoding, "replace"))
    candidates = [] if _SEVEN_BIT in body else ["utf-8"]
    if declared := _DECLARED.search(body[:1_024]):
        candidates.append(codec_of(declared[1].decode("ascii")))
    if charset := CHARSET.search(content_type[:1_000]):
        candidates.append(codec_of(charset[1]))
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


def _clean(text: str) -> str:
    """Take out what XML does not allow: one stray control character would make the whole feed unreadable."""
    return text.translate(_NOT_IN_XML)
