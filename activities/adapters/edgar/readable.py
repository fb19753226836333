"""A text as lines, with what stood out in it, and without what only pages need: numbers, running heads, links back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Annotated, NamedTuple

from pydantic import Field

from domain.model import Model

MAXIMUM_LINES = 1_000_000
MAXIMUM_HEADINGS = 50_000
LONGEST_HEADING = 160
PAGE_BREAK = "\x06"
"""A line of its own where a page ends."""
_NEAR = 3
"""Lines before and behind the end of a page that may belong to the page and not to the text."""
_REPEATED = 3
_LONGEST_RUNNING_HEAD = 150
_PAGE_NUMBER = re.compile(
    r"[-–—|\s]{0,9}(?:page\s{1,3})?(?:([A-Z]{1,2})\s?-\s?)?([0-9]{1,4}|[ivxlc]{1,7})(?:\s{1,3}of\s{1,3}[0-9]{1,4})?"
    r"[-–—|\s]{0,9}",
    re.IGNORECASE,
)
_LINK_BACK = re.compile(
    r"(?:(?:return|back) to )?(?:the )?(?:table of contents|contents|toc|index|top)(?: of (?:this )?page)?",
    re.IGNORECASE,
)
_NAMES_A_SCALE = re.compile(r"\b(?:thousands?|millions?|billions?|ended|as of|per share|except)\b", re.IGNORECASE)
_FORM_NAME = re.compile(r"\b(?:form\s)?(?:10-?[kq]|20-?f|8-?k|6-?k)\b", re.IGNORECASE)
_NUMBER_AT_AN_END = re.compile(r"^[^0-9a-z]{0,9}[0-9]{1,3}(?![0-9.,])|(?<![0-9.,$])[0-9]{1,3}[^0-9a-z]{0,9}$")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


class Line(NamedTuple):
    """A line, and how many of its first characters stand out: bold, underlined or italic."""

    text: str
    lead: int = 0
    targets: tuple[int, ...] = ()
    """Which entries of the contents lead here."""


class Emphasis(Model):
    """The emphasised beginning of a line: `text[start:end]`, which may be a heading."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    whole_line: bool
    """Nothing follows it on the line."""


class ContentsEntry(Model):
    """An entry of a table of contents with links, and where in the text it leads."""

    label: str
    position: Annotated[int, Field(ge=0)]


class ReadableText(Model):
    """A document's text and what stands out in it."""

    text: str
    emphases: tuple[Emphasis, ...] = ()
    contents: tuple[ContentsEntry, ...] = ()
    """In the order of the contents. The tables themselves are not in the text."""


def assembled(lines: Iterable[Line], labels: Sequence[str] = ()) -> ReadableText:
    """The text of lines, the ends of pages among them, without page numbers and running heads."""
    kept = _without_page_furniture(list(islice(lines, MAXIMUM_LINES)))
    emphases: list[Emphasis] = []
    texts: list[str] = []
    positions: dict[int, int] = {}
    at = 0
    for line in kept:
        for target in line.targets:
            positions.setdefault(target, at)
        indent = len(line.text) - len(line.text.lstrip())
        if indent < line.lead <= LONGEST_HEADING and len(emphases) < MAXIMUM_HEADINGS:
            end = at + line.lead
            emphases.append(Emphasis(start=at + indent, end=end, whole_line=line.lead == len(line.text)))
        texts.append(line.text)
        at += len(line.text) + 1
    contents = tuple(
        ContentsEntry(label=label, position=positions[target])
        for target, label in enumerate(labels)
        if target in positions
    )
    return ReadableText(text="\n".join(texts), emphases=tuple(emphases), contents=contents)


def _without_page_furniture(lines: Sequence[Line]) -> list[Line]:
    """Leave out the ends of pages, and what repeats or counts there.

    A number alone on its line is a page's where a page ends, or where the numbers before or behind it count on. The
    first of repeated lines stays: it is where a heading that runs on begins.
    """
    breaks = [at for at, line in enumerate(lines) if line.text == PAGE_BREAK]
    edges = _edges(lines, breaks)
    dropped = {at for at in edges if _is_page_number(lines[at].text)}
    dropped |= _counting(lines)
    at_edges = Counter(key for at in edges if (key := _running_head(lines[at].text)))
    seen: set[str] = set()
    for at in sorted(edges):
        key = _running_head(lines[at].text)
        if key and at_edges[key] >= _REPEATED:
            if key in seen:
                dropped.add(at)
            seen.add(key)
    return _left(lines, dropped)


def _left(lines: Sequence[Line], dropped: set[int]) -> list[Line]:
    """The other lines, without blank ones at the beginning and the end, and one where several follow each other."""
    kept: list[Line] = []
    targets: tuple[int, ...] = ()
    for at, line in enumerate(lines):
        targets += line.targets
        if at in dropped or line.text == PAGE_BREAK or _LINK_BACK.fullmatch(line.text.strip()):
            continue
        # A blank line of plain text parts its paragraphs; one that only contents lead to is none.
        if not line.text and (line.targets or not kept or not kept[-1].text):
            continue
        kept.append(line._replace(targets=targets))
        targets = ()
    while kept and not kept[-1].text:
        kept.pop()
    return kept


def _edges(lines: Sequence[Line], breaks: Sequence[int]) -> set[int]:
    """Where the lines next to the ends of pages stand."""
    edges: set[int] = set()
    for at in breaks:
        for step in (-1, 1):
            found, there = 0, at + step
            while found < _NEAR and 0 <= there < len(lines) and abs(there - at) < 4 * _NEAR:
                if lines[there].text == PAGE_BREAK:
                    break
                if stripped := lines[there].text.strip():
                    edges.add(there)
                    found += not _LINK_BACK.fullmatch(stripped)
                there += step
    return edges


def _counting(lines: Sequence[Line]) -> set[int]:
    """Lines that hold a number alone, and one more or less than the next or the one before."""
    numbers = [(at, number) for at, line in enumerate(lines) if (number := _page_number(line.text))]
    found: set[int] = set()
    for (at, before), (next_at, following) in pairwise(numbers):
        if before[0] == following[0] and following[1] == before[1] + 1 and before[1] < 1_000:
            found |= {at, next_at}
    return found


def _is_page_number(text: str) -> bool:
    return _page_number(text) is not None


def _page_number(text: str) -> tuple[str, int] | None:
    stripped = text.strip()
    found = _PAGE_NUMBER.fullmatch(stripped) if len(stripped) < 30 else None
    if not found:
        return None
    digits = found[2].lower()
    if digits.isdigit():
        return (found[1] or "").upper(), int(digits)
    values = [_ROMAN[letter] for letter in digits]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return "roman", sum(-value if value < following else value for value, following in pairs)


def _running_head(text: str) -> str:
    """What a line is known by from page to page, whatever page number it ends in; empty where a table may need it."""
    stripped = text.strip()
    if not stripped or len(stripped) > _LONGEST_RUNNING_HEAD or not any(char.isalpha() for char in stripped):
        return ""
    if _NAMES_A_SCALE.search(stripped):
        return ""
    key = _NUMBER_AT_AN_END.sub("#", " ".join(stripped.lower().split()))
    return "" if "#" in key and "|" in key and not _FORM_NAME.search(stripped) else key
