"""Where a report speaks of its competition: the parts of its business that are headed so, or else what names rivals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from activities.adapters.edgar.readable import Emphasis, ReadableText

MAXIMUM_PARTS = 50
_LONGEST_HEADING = 100
_MOST_WORDS = 9
_SHORTEST = 300
"""Characters that a part has at least, where it goes on: subheadings may follow its heading at once."""
_HEADING = re.compile(r"\b(?:competition|competitors?|competitive)\b", re.IGNORECASE)
_IS_A_RISK = re.compile(
    r"\b(?:could|may|might|will|face|are|is|if|our ability|risks?|laws?|advantages?|strengths?|non-?compet\w*)\b", re.I
)
_RUN_IN = re.compile(r"[ \t]{0,200}([A-Z][\w&/,'’-]{0,30}(?: [\w&/,'’-]{1,30}){0,7})(?:[.:—–]| [—–-] )\s?(?=\S)")
_NAMES_RIVALS = re.compile(
    r"\bcompet(?:itors? (?:include|are|such as)|es? (?:primarily |directly |principally )?(?:with|against)|ing with)\b"
    r"|\bcompetition from\b|\b(?:principal|major|primary|main|key|significant|current|largest) competitors?\b",
    re.IGNORECASE,
)
_SMALL_WORDS = frozenset({"and", "of", "the", "in", "for", "to", "with", "a", "an", "on", "or", "by"})
_LINE = re.compile(r"[^\n]+")


class _Mark(NamedTuple):
    """The beginning of a part: a line of its own, or what runs into a paragraph."""

    start: int
    end: int
    whole_line: bool


def competition_parts(readable: ReadableText, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """The parts between two offsets that are headed as being about competition."""
    marks = sorted(_marks(readable, start, end))
    parts: list[tuple[int, int]] = []
    for at, mark in enumerate(marks):
        if (parts and mark.start < parts[-1][1]) or len(parts) >= MAXIMUM_PARTS:
            continue
        if not _is_about_competition(readable.text[mark.start : mark.end]):
            continue
        ends = next(
            (marks[to].start for to in range(at + 1, len(marks)) if _ends_part(readable.text, marks, at, to)), end
        )
        parts.append((mark.start, ends))
    return tuple(parts)


def rival_paragraphs(text: str, start: int, end: int) -> Iterator[str]:
    """The paragraphs between two offsets that say whom the company competes with."""
    for paragraph in _paragraphs(text, start, end):
        if _NAMES_RIVALS.search(paragraph):
            yield paragraph


def _marks(readable: ReadableText, start: int, end: int) -> Iterator[_Mark]:
    """What may head a part: what stands out, or where nothing does, what reads like a heading."""
    within = [found for found in readable.emphases if start <= found.start < end]
    if within:
        yield from (_Mark(found.start, found.end, found.whole_line) for found in within if _heads(readable, found))
        return
    has_blank_lines = readable.text.count("\n\n", start, end) >= 3
    before_is_blank = True
    for line in _LINE.finditer(readable.text, start, end):
        words = line[0].strip()
        if (before_is_blank or not has_blank_lines) and _reads_like_a_heading(words):
            yield _Mark(line.start(), line.end(), True)
        elif found := _RUN_IN.match(line[0]):
            yield _Mark(line.start(), line.start() + found.end(1), False)
        before_is_blank = readable.text.startswith("\n\n", line.end())


def _heads(readable: ReadableText, found: Emphasis) -> bool:
    """Whether an emphasis is a heading: short, with a letter, and no cell of a table."""
    words = readable.text[found.start : found.end]
    return len(words) <= _LONGEST_HEADING and "|" not in words and any(letter.isalpha() for letter in words)


def _ends_part(text: str, marks: list[_Mark], at: int, to: int) -> bool:
    """Whether one mark ends the part that another begins. What a colon introduces belongs to it, if it is about it."""
    begins, ends = marks[at], marks[to]
    if ends.start - begins.start < _SHORTEST or (begins.whole_line and not ends.whole_line):
        return False
    introduced = text[ends.start : ends.end].rstrip().endswith(":") or text[
        max(ends.start - 5, 0) : ends.start
    ].rstrip().endswith(":")
    following = marks[to + 1].start if to + 1 < len(marks) else ends.end + _SHORTEST
    return not (introduced and "compet" in text[ends.end : following].lower())


def _reads_like_a_heading(words: str) -> bool:
    if not 3 <= len(words) <= 70 or words[-1] in ".,;:" or any(char.isdigit() or char == "|" for char in words):
        return False
    plain = [word for word in words.split() if word.lower() not in _SMALL_WORDS]
    return bool(plain) and all(word[0].isupper() or not word[0].isalpha() for word in plain)


def _is_about_competition(heading: str) -> bool:
    words = heading.strip(" .:—–-")
    return len(words.split()) <= _MOST_WORDS and bool(_HEADING.search(words)) and not _IS_A_RISK.search(words)


def _paragraphs(text: str, start: int, end: int) -> Iterator[str]:
    """Paragraphs: of a text with blank lines what stands between them, else its lines."""
    part = text[start:end]
    blank_lines = part.count("\n\n")
    pieces = part.split("\n\n") if blank_lines > 5 and blank_lines * 30 > part.count("\n") else part.split("\n")
    yield from islice((piece.strip() for piece in pieces if piece.strip()), 200_000)
