"""Lines that read like an item's heading, entries of contents that lead to one, and titles without a number.

Each comes with a weight: how much it looks like the heading itself and not like an entry of contents or a mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from activities.adapters.edgar.item_titles import Item
from activities.adapters.edgar.readable import ReadableText

MAXIMUM_CANDIDATES = 20_000
PLAIN_HEADING = 3.0
"""The weight of a line that has an item's number and its title, and nothing against it."""
_LISTED, _DOUBTFUL, _LED_TO, _NAMED = 0.3, 0.5, 1.5, 1.0
_TELLING = frozenset({"business", "properties", "cybersecurity", "exhibits"})
"""Titles of one word that say enough without a number, alone on their line."""
_LONG = 12
"""Characters of a title that says enough without a number."""
_LONGEST_TITLE = 250
_LONGEST_LINE = 2_000
_LONGEST_PART = 120
_WRAPPED = 55
"""Characters of a line that may have been wrapped; a text filed before there was HTML has lines of eighty."""
_LINE_OF_INTEREST = re.compile(r"^[ \t]{0,200}(?:part|items?)\s{0,9}[0-9iv]", re.IGNORECASE | re.MULTILINE)
_ITEM = re.compile(
    r"[ \t]{0,200}(?:part\s{1,9}(?P<part>iv|i{1,3})\s{0,9}[,.:—–-]{0,3}\s{0,9})?"
    r"items?\s{0,9}(?P<number>[0-9]{1,2})\s?(?:\.\s?)?(?P<letter>[A-K](?![A-Za-z]))?(?P<temporary>\(T\))?"
    r"(?:\s{0,3}(?:,\s?and|and|&|,)\s{0,3}(?:item\s{0,3})?[0-9]{1,2}[A-K]?(?![0-9A-Za-z])){0,5}"
    r"(?![0-9A-Za-z(])(?P<after>[\s.:;|—–-]{0,300})",
    re.IGNORECASE,
)
_PART = re.compile(r"[ \t]{0,200}part\s{1,9}(iv|i{1,3})\b[\s.:;,|—–-]{0,9}(.{0,80})", re.IGNORECASE)
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4}
_PAGES_AT_END = re.compile(
    r"[\s.|](?:pages?\s?)?(?:[FSA]-)?[0-9]{1,3}(?:\s?[-–—]\s?[0-9]{1,3})?(?:,\s?[0-9]{1,3}(?:\s?[-–—]\s?[0-9]{1,3})?){0,9}"
    r"(?:,?\s?\([a-z]\))?$|[\s.|](?:\([a-z]\)|not applicable|none|n/a)$",
    re.IGNORECASE,
)
_LONGEST_PAGES = 60
_BEGINS_A_TITLE = re.compile(r"[A-Z\[(“\"'’‘]")
_PUNCTUATION = re.compile(r"[^a-z0-9 ]+")


class Candidate(NamedTuple):
    """What may be the heading of an item."""

    items: tuple[Item, ...]
    """One, or the same number in both parts where the part is not said."""
    title: str
    start: int
    weight: float


Titles = dict[Item, tuple[str, ...]]


def numbered(readable: ReadableText, titles: Titles) -> Iterator[Candidate]:
    """Lines that begin with an item's number, and entries of contents that do."""
    text = readable.text
    emphatic = {emphasis.start: emphasis.end for emphasis in readable.emphases}
    first = min(titles)
    openings: list[Candidate] = []
    is_first_numbered = False
    part = 0
    for found in islice(_LINE_OF_INTEREST.finditer(text), MAXIMUM_CANDIDATES):
        start = found.start()
        line = _line(text, start)
        if here := part_of(line):
            part = here
            if first.part == part and "financial" in line.lower():
                openings.append(Candidate((first,), "Financial Statements", start, _DOUBTFUL))
        lead = emphatic.get(start + len(line) - len(line.lstrip()))
        wrapped, following = _following(text, start)
        line = f"{line.rstrip()} {wrapped}" if wrapped and len(line) > _WRAPPED else line
        if candidate := _candidate(line, start, following, part, titles, lead):
            is_first_numbered |= first in candidate.items and candidate.weight >= PLAIN_HEADING
            yield candidate
    if not is_first_numbered:
        # Some quarterly reports begin with their statements and do not number them.
        yield from openings
    part = 0
    for entry in readable.contents:
        part = part_of(entry.label) or part
        candidate = _candidate(entry.label, entry.position, "", part, titles, None)
        if candidate and candidate.title:
            yield candidate._replace(weight=_LED_TO)


def named(readable: ReadableText, titles: Titles) -> Iterator[Candidate]:
    """Lines that stand out and have an item's title without its number, and entries of contents that have it."""
    for emphasis in islice(readable.emphases, MAXIMUM_CANDIDATES):
        line = readable.text[emphasis.start : emphasis.end]
        if emphasis.whole_line and (items := _items_named(line, titles)):
            yield Candidate(items, _tidied(line), emphasis.start, _NAMED)
    for entry in readable.contents:
        label, _ = _without_pages(entry.label)
        if items := _items_named(label, titles):
            yield Candidate(items, _tidied(label), entry.position, _LED_TO)


def part_of(line: str) -> int:
    """The part that a line is the heading of; 0 where it is none."""
    found = _PART.match(line)
    if not found or len(line) >= _LONGEST_PART or (found[2] and not _BEGINS_A_TITLE.match(found[2])):
        return 0
    return _ROMAN[found[1].lower()]


def _candidate(line: str, start: int, following: str, part: int, titles: Titles, lead: int | None) -> Candidate | None:
    found = _ITEM.match(line)
    if not found:
        return None
    part = _ROMAN[found["part"].lower()] if found["part"] else part
    number, letter = int(found["number"]), (found["letter"] or "").upper()
    rest = line[found.end() :]
    if rest and not _BEGINS_A_TITLE.match(rest):
        return None
    items = tuple(item for item in titles if (item.number, item.letter) == (number, letter))
    if not items:
        return None
    title, listed = _without_pages(rest)
    if not title and following and len(following) < _LONGEST_TITLE and not _ITEM.match(following):
        title = following.strip()
    plain = _plain(title)
    fitting = tuple(item for item in items if _fits(plain, titles[item]))
    if len(title) > _LONGEST_TITLE:
        if lead is not None and lead > start + found.end():
            title = line[found.end() : lead - start].strip()
        elif fitting:
            title = ""
        else:
            return None
    items = fitting or items
    if len(items) > 1:
        items = tuple(item for item in items if item.part == part) or items
    weight = _LISTED if listed else 1.0 + 2.0 * bool(fitting) + 0.5 * (lead is not None)
    if not fitting and not found["after"].strip() and lead is None:
        weight = min(weight, _DOUBTFUL)
    return Candidate(items, _tidied(title), start, weight)


def _line(text: str, start: int) -> str:
    end = text.find("\n", start, start + _LONGEST_LINE)
    return text[start : end if end >= 0 else start + _LONGEST_LINE]


def _following(text: str, start: int) -> tuple[str, str]:
    """What a line goes on with, where the next one is followed by a blank, and the first with something on it."""
    lines: list[str] = []
    for _ in range(3):
        start = text.find("\n", start) + 1
        if not start:
            break
        lines.append(_line(text, start).strip())
    wrapped = lines[0] if len(lines) > 1 and len(lines[0]) < _WRAPPED and not lines[1] else ""
    return wrapped, next((line for line in lines if line), "")


def _without_pages(rest: str) -> tuple[str, bool]:
    """A title without the pages that contents or an index name at its end, and whether they do."""
    stripped = rest.rstrip()
    found = _PAGES_AT_END.search(stripped, max(len(stripped) - _LONGEST_PAGES, 0))
    return (stripped[: found.start()].rstrip(" .|\t"), True) if found else (rest, False)


def _items_named(line: str, titles: Titles) -> tuple[Item, ...]:
    """The items whose title a line is: one of a few words as a whole, or one of many words that it begins with."""
    plain = _plain(line)
    if len(line) > _LONGEST_TITLE or len(plain) < min(map(len, _TELLING)):
        return ()
    return tuple(
        item
        for item, known in titles.items()
        if any(
            plain == title if title in _TELLING else len(title) >= _LONG and plain.startswith(title) for title in known
        )
    )


def _fits(plain: str, known: Sequence[str]) -> bool:
    return any(plain.startswith(beginning) for beginning in known)


def _plain(title: str) -> str:
    return _PUNCTUATION.sub("", title[:200].lower()).strip().removeprefix("the ")


def _tidied(title: str) -> str:
    return " ".join(title.replace("|", " ").split()).rstrip(" :—–-")
