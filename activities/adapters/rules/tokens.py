"""Cut a text into sentences and words, always with offsets into the text itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


def word_set(words: str) -> frozenset[str]:
    """Read a list of words separated by blanks."""
    return frozenset(words.split())


MAX_SENTENCE_CHARS = 1_000
"""A sentence is at most this long, so that it can be quoted whole."""


class Span(NamedTuple):
    """A stretch of the text, `text[start:end]`."""

    start: int
    end: int


class Token(NamedTuple):
    """One word, number or mark; `low` is what rules compare."""

    low: str
    start: int
    end: int
    is_number: bool
    has_capital: bool
    value: float
    """The number's value with its thousands separators removed; 0 for words."""


_TOKEN = re.compile(
    r"(?P<num>(?:(?<![A-Za-z])|(?<=[A-Z]{3}))\d[\d,]*(?:[ ]?\.\d+)?(?:[ ]?,\d{3})*|\.\d+)"
    r"|(?P<word>(?:EUR|USD|GBP|SEK|NOK|DKK|CHF|GBX)(?=\d)|[^\W\d_]+(?:[.&][A-Za-z]+(?=\W|$)|\d+)?"
    r"|['’](?:s|t|re|ll|ve|d)\b)"
    r"|(?P<mark>[%$€£;:,()*?!|\"“”]|--|[-–—+−]|\.(?=\s|$))"
)
_ABBREVIATIONS = word_set(
    "inc corp co ltd plc mr mrs ms dr st no vs jan feb mar apr jun jul aug sept sep oct nov dec u.s u.k e.g i.e "
    "approx oyj dept gov sen rep gen est incl excl fig art"
)
_BOUNDARY = re.compile(
    r"(?P<stop>[.!?][\"'”’)]?)(?=\s)|(?P<line>\s*\n\s*)|(?P<bullet>\s+[*|•]\s+)"
    r"|(?P<note>\s*\((?=(?:Adds|Rewrites|Updates|Corrects|Recasts|Refiles|Repeats|Changes|Releads|Writes|"
    r"Removes|Refines|Reporting by|"
    r"Editing by|Writing by|Compiled by)\b))"
)


def tokens_of(text: str, start: int, end: int) -> list[Token]:
    """Read the words, numbers and marks of `text[start:end]`.

    A hyphen inside a word joins nothing and says nothing ("lay-offs" reads as "lay offs"); a free dash is a mark.
    """
    found: list[Token] = []
    append = found.append
    for match in _TOKEN.finditer(text, start, end):
        kind = match.lastgroup
        raw = match.group()
        if kind == "word":
            append(Token(raw.lower().replace("’", "'"), match.start(), match.end(), False, raw != raw.lower(), 0.0))
        elif kind == "num":
            digits = raw.replace(",", "").replace(" ", "")
            append(Token(raw, match.start(), match.end(), True, False, float(digits) if len(digits) < 30 else 0.0))
        elif raw in "-." and _says_nothing(text, match.start(), end, found):
            continue
        else:
            append(Token(raw, match.start(), match.end(), False, False, 0.0))
    return found


def _says_nothing(text: str, at: int, end: int, before: list[Token]) -> bool:
    """Whether a hyphen stands inside a word or a dot belongs to an abbreviation."""
    if text[at] == "-":
        return 0 < at < end - 1 and text[at - 1].isalnum() and text[at + 1].isalpha()
    word = before[-1].low if before and before[-1].end == at else ""
    return len(word) == 1 or "." in word or word in _ABBREVIATIONS


def sentences_of(text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Yield the sentences of a text, blanks trimmed. A line end or a bullet ends a sentence too."""
    stop = len(text) if end is None else end
    begin = start
    for match in _BOUNDARY.finditer(text, start, stop):
        if match.lastgroup == "stop" and _is_abbreviation(text, begin, match.start()):
            continue
        close = match.end() if match.lastgroup == "stop" else match.start()
        yield from _trimmed(text, begin, close)
        begin = match.end()
    yield from _trimmed(text, begin, stop)


def _is_abbreviation(text: str, begin: int, dot: int) -> bool:
    if text[dot] != ".":
        return False
    word_start = dot
    while word_start > begin and not text[word_start - 1].isspace() and dot - word_start < 12:
        word_start -= 1
    word = text[word_start:dot].lower()
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha())


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the stretch without outer blanks and bullets, cut at blanks where it is too long to quote."""
    while start < end and (text[start].isspace() or text[start] in "*|•"):
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > MAX_SENTENCE_CHARS:
        cut = text.rfind(" ", start + 1, start + MAX_SENTENCE_CHARS)
        cut = cut if cut > start else start + MAX_SENTENCE_CHARS
        yield Span(start, cut)
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if end > start:
        yield Span(start, end)
