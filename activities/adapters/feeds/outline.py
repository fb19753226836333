"""What feedparser would lose: every ticker of an entry, not the last one only, and the time of a trading halt.

It also measures how deep elements lie within each other, because parsing gets slow with depth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from io import BytesIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from domain.errors import SourceFormatError

MAX_DEPTH = 100
MAX_VALUES = 500
_ENTRY_NAMES = frozenset({"item", "entry"})
_SEEKING_ALPHA = "seekingalpha.com"
_NASDAQ_TRADER = "nasdaqtrader.com"
_MAX_CHARACTERS = 64
_TAG = re.compile(r"<(/?)[A-Za-z_][^<>]{0,2000}?(/?)>")
_CHARACTER_DATA = re.compile(r"<!\[CDATA\[.*?\]\]>", re.DOTALL)


@dataclass(slots=True)
class Extras:
    """Of one entry."""

    symbols: list[str] = field(default_factory=list)
    halt_date: str = ""
    halt_time: str = ""


def read_extras(text: str, url: str) -> list[Extras]:
    """Read the extras of each entry in order; of a feed that is not well formed, of none.

    Raises:
        SourceFormatError: elements lie too deep within each other.
    """
    extras: list[Extras] = []
    depth = 0
    parents: list[Element] = []
    try:
        for event, element in iterparse(BytesIO(text.encode()), ("start", "end"), forbid_dtd=True):
            if event == "start":
                depth += 1
                parents.append(element)
                _require_depth(depth, url)
                if _local(element.tag) in _ENTRY_NAMES:
                    extras.append(Extras())
                continue
            depth -= 1
            parents.pop()
            if extras:
                _take(extras[-1], element)
            element.clear()
            if parents:
                parents[-1].remove(element)
    except (ParseError, DefusedXmlException, ValueError):
        _require_depth(_unclosed(text), url)
        return []
    return extras


def _take(extras: Extras, element: Element) -> None:
    namespace, name = element.tag.rpartition("}")[0], _local(element.tag)
    value = (element.text or "").strip()
    if not value or len(value) > _MAX_CHARACTERS:
        return
    if _NASDAQ_TRADER in namespace:
        if name == "haltdate":
            extras.halt_date = value
        elif name == "halttime":
            extras.halt_time = value
    names_ticker = (_SEEKING_ALPHA in namespace and name == "symbol") or (
        _NASDAQ_TRADER in namespace and name == "issuesymbol"
    )
    if names_ticker and len(extras.symbols) < MAX_VALUES:
        extras.symbols.append(value)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def _unclosed(text: str) -> int:
    """How many elements of a malformed feed are open at once, as far as its tags tell."""
    most = now = 0
    for tag in _TAG.finditer(_CHARACTER_DATA.sub("", text)):
        if tag[1]:
            now = max(now - 1, 0)
        elif not tag[2]:
            now += 1
            most = max(most, now)
    return most


def _require_depth(depth: int, url: str) -> None:
    if depth > MAX_DEPTH:
        raise SourceFormatError(
            "FEED_TOO_DEEP",
            "Check that the source's address is that of a feed",
            url=url,
            found=f"more than {MAX_DEPTH} elements within each other",
            allowed=MAX_DEPTH,
        )
