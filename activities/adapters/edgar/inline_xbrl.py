"""Facts of an inline XBRL document: a report for readers whose values are tagged where they stand.

The document is read once from its beginning to its end, and every tagged value is a stretch of the text met on the
way. So tags may stand in each other, and a value may continue elsewhere, without anything being read twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from lxml import etree, html

from activities.adapters.edgar.fields import Refused, parse_text, reject, shown
from activities.adapters.edgar.xbrl import (
    MAXIMUM_CHARACTERS,
    MAXIMUM_FACTS,
    MAXIMUM_REJECTS,
    MAXIMUM_TAGS,
    XbrlFact,
    XbrlReport,
    declared_prefixes,
    exact,
    kind_and_name,
    parse_decimals,
    read_references,
    referred,
)
from activities.adapters.edgar.xbrl_formats import number_of, transformed
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError

MAXIMUM_TEXT = 50_000
"""Characters that are kept of one value."""
_MAXIMUM_WORK = 60_000_000
"""Characters of all values together, for one may stand in another."""
_PIECE = 50
"""What looking at a piece of a value costs beside its characters."""
_MAXIMUM_CONTINUATIONS = 500
_MAXIMUM_SCALE = 40
_LONGEST_NUMBER = 500
_BLOCKS = frozenset({"p", "div", "br", "tr", "td", "th", "li", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr"})
_BREAK = "\x00"
_UNREAD = frozenset({"script", "style"})
_MARK = "inlinexbrl"


class _Stretch(NamedTuple):
    element: Any
    name: str
    start: int
    end: int
    hidden: bool


class _Walked(NamedTuple):
    text: str
    facts: list[_Stretch]
    continuations: dict[str, _Stretch]
    excluded: list[tuple[int, int]]
    budget: _Budget


class _Budget:
    """What may be spent on the values of a document, so that values within values end somewhere."""

    def __init__(self) -> None:
        self._left = _MAXIMUM_WORK

    def spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise SourceFormatError("EDGAR_XBRL_TOO_LARGE", "Its values hold each other", limit=_MAXIMUM_WORK)


def is_inline_xbrl(markup: str) -> bool:
    """Whether a document declares inline XBRL at its beginning."""
    return _MARK in markup[:200_000].lower()


def parse_inline_xbrl(markup: str, file: str = "") -> XbrlReport:
    """Read the facts of a document. Markup that is no XML is read as a browser would.

    Raises:
        SourceFormatError: it is no markup at all, is too large, defines entities, or its values are too long together.
    """
    root = _tree(markup)
    prefixes = declared_prefixes(root.attrib)
    walked = _walk(root, prefixes)
    contexts, units = read_references(root.iter(), prefixes)
    facts: list[XbrlFact] = []
    rejects: list[Reject] = []
    rejected = 0
    for number, stretch in enumerate(walked.facts, 1):
        attributes = {kind_and_name(name, prefixes)[1]: value for name, value in stretch.element.attrib.items()}
        try:
            fact = _fact(stretch, attributes, walked, contexts, units)
        except Refused as refused:
            rejected += 1
            if rejected <= MAXIMUM_REJECTS:
                rejects.append(reject(file, number, refused, str(attributes.get("name", ""))))
            continue
        facts.append(fact)
    return XbrlReport(facts=tuple(facts), rejects=tuple(rejects), rejected=rejected)


def _tree(markup: str) -> Any:
    if len(markup) > MAXIMUM_CHARACTERS:
        raise SourceFormatError("EDGAR_XBRL_TOO_LARGE", found=len(markup), limit=MAXIMUM_CHARACTERS)
    if (tags := markup.count("<")) > MAXIMUM_TAGS:
        raise SourceFormatError("EDGAR_XBRL_TOO_LARGE", tags=tags, limit=MAXIMUM_TAGS)
    markup = markup.strip("\ufeff \t\r\n")
    try:
        return fromstring(markup, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        pass
    parser = html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, recover=True, huge_tree=True
    )
    try:
        return html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError):
        raise SourceFormatError("EDGAR_XBRL_UNUSABLE", "Inline XBRL is a web page", found=shown(markup[:40])) from None


def _walk(root: Any, prefixes: dict[str, str]) -> _Walked:
    parts: list[str] = []
    length = unread = hidden = 0
    facts: list[_Stretch] = []
    continuations: dict[str, _Stretch] = {}
    excluded: list[tuple[int, int]] = []
    begun: list[tuple[int, int]] = []
    for starts, element in _events(root):
        kind, name = kind_and_name(element.tag, prefixes)
        is_unread = not kind and name in _UNREAD
        if starts:
            unread += is_unread
            hidden += kind == "ix" and name == "header"
            if kind == "ix":
                if name in ("nonfraction", "nonnumeric", "fraction"):
                    begun.append((length, len(facts)))
                    facts.append(_Stretch(element, name, length, length, hidden > 0))
                elif name in ("continuation", "exclude"):
                    begun.append((length, -1))
                if len(facts) > MAXIMUM_FACTS:
                    raise SourceFormatError("EDGAR_XBRL_TOO_LARGE", facts=len(facts), limit=MAXIMUM_FACTS)
            text = element.text
        else:
            unread -= is_unread
            hidden -= kind == "ix" and name == "header"
            if kind == "ix" and name in ("nonfraction", "nonnumeric", "fraction", "continuation", "exclude"):
                start, at = begun.pop()
                if at >= 0:
                    facts[at] = facts[at]._replace(end=length)
                elif name == "exclude":
                    excluded.append((start, length))
                else:
                    stretch = _Stretch(element, name, start, length, hidden > 0)
                    continuations.setdefault(str(element.get("id") or ""), stretch)
            text = element.tail
        if not kind and name in _BLOCKS:
            parts.append(_BREAK)
            length += 1
        if text and not unread:
            parts.append(text.replace(_BREAK, " "))
            length += len(text)
    return _Walked("".join(parts), facts, continuations, sorted(excluded), _Budget())


def _events(root: Any) -> Iterator[tuple[bool, Any]]:
    """Each element when it starts and when it ends, without recursion."""
    yield True, root
    open_elements = [(root, iter(root))]
    while open_elements:
        element, children = open_elements[-1]
        child = next(children, None)
        if child is None:
            open_elements.pop()
            yield False, element
        else:
            yield True, child
            open_elements.append((child, iter(child)))


def _fact(
    stretch: _Stretch, attributes: dict[str, str], walked: _Walked, contexts: dict[str, Any], units: dict[str, Any]
) -> XbrlFact:
    if stretch.name == "fraction":
        raise Refused(RejectReason.MALFORMED_ROW, "a fraction found, allowed are numbers and texts", "fact")
    context = referred(contexts, attributes.get("contextref"), "contextRef")
    common: dict[str, Any] = {
        "concept": parse_text(attributes.get("name"), "name"),
        "nil": attributes.get("nil", "").strip() in ("true", "1"),
        "entity": context.entity,
        "start": context.start,
        "end": context.end,
        "dimensions": context.dimensions,
        "hidden": stretch.hidden,
    }
    form = attributes.get("format", "").strip()
    if stretch.name == "nonnumeric":
        raw, truncated = _text(stretch, attributes.get("continuedat"), walked)
        text = "" if common["nil"] else _tidied(raw)
        if form and not common["nil"]:
            found = transformed(form, text)
            text = text if found is None else found
        return XbrlFact(**common, text=text, truncated=truncated)
    unit = referred(units, attributes.get("unitref"), "unitRef")
    decimals = parse_decimals(attributes.get("decimals"))
    if common["nil"]:
        return XbrlFact(**common, unit=unit, decimals=decimals)
    raw, _ = _text(stretch, None, walked, _LONGEST_NUMBER)
    number = exact(number_of(form, raw), _scale(attributes.get("scale", "")), _is_negative(attributes.get("sign", "")))
    return XbrlFact(**common, unit=unit, decimals=decimals, number=number)


def _text(stretch: _Stretch, continued_at: str | None, walked: _Walked, limit: int = MAXIMUM_TEXT) -> tuple[str, bool]:
    """The text of a stretch and of those that continue it, and whether it was longer than the limit."""
    pieces: list[str] = []
    room = limit
    seen: set[str] = set()
    part: _Stretch | None = stretch
    while part is not None:
        for start, end in _without(walked, part.start, part.end):
            piece = walked.text[start : min(end, start + room + 1)]
            pieces.append(piece)
            walked.budget.spend(len(piece))
            room -= len(piece)
            if room < 0:
                return "".join(pieces)[:limit], True
        if not continued_at or continued_at in seen or len(seen) >= _MAXIMUM_CONTINUATIONS:
            break
        seen.add(continued_at)
        part = walked.continuations.get(continued_at)
        continued_at = part.element.get("continuedAt") or part.element.get("continuedat") if part else None
    return "".join(pieces), False


def _without(walked: _Walked, start: int, end: int) -> Iterator[tuple[int, int]]:
    """What is left of a stretch without the stretches excluded in it."""
    at = start
    for begins, ends in islice(walked.excluded, bisect_left(walked.excluded, (start, start)), None):
        walked.budget.spend(_PIECE)
        if begins >= end:
            break
        # A stretch that ends behind this one holds it: it is the value itself that is excluded from another.
        if begins >= at and ends <= end and (begins, ends) != (start, end):
            yield at, begins
            at = ends
    walked.budget.spend(_PIECE)
    yield at, end


def _tidied(text: str) -> str:
    """One space between words, lines apart where blocks are."""
    lines = (" ".join(line.split()) for line in text.split(_BREAK))
    return "\n".join(line for line in lines if line)


def _scale(text: str) -> int:
    text = text.strip() or "0"
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 2 and int(digits) <= _MAXIMUM_SCALE):
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(text)} found, allowed is a power of ten", "scale")
    return -int(digits) if text.startswith("-") else int(digits)


def _is_negative(text: str) -> bool:
    if text.strip() not in ("", "-"):
        raise Refused(RejectReason.MALFORMED_ROW, f"{shown(text)} found, allowed is a minus", "sign")
    return bool(text.strip())
