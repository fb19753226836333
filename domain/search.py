"""Full-text search: the words that a text is found by, what a person asks for, and where in a text it stands.

Language-neutral: no word is shortened and none is left out. A word is a run of letters, marks and digits, in lower
case; a point between digits belongs to it. Texts and questions are cut into words by the same function.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from domain.errors import InvalidInput
from domain.model import Model
from domain.text import strip_invisible

INDEXED_BYTES = 500_000
"""Of a text's words, as UTF-8. The database refuses an entry of more than a megabyte; with positions this stays below.
"""
TITLE_CHARACTERS = 2_000
LONGEST_WORD = 255
SNIPPET_CHARACTERS = 240
MATCHES_LOOKED_AT = 500
"""Of a text's beginning: what its snippet is chosen among."""

_STRAY_POINT = re.compile(r"(?<![0-9])\.|\.(?![0-9])")
_CLAUSE = re.compile(r'(?P<without>-?)(?:"(?P<phrase>[^"]*)"?|(?P<plain>[^\s"]+))')
_QUOTES = dict.fromkeys(map(ord, "“”„‟«»＂"), '"')


class IndexedText(NamedTuple):
    """What a document is found by: words with a blank between them."""

    title: str
    text: str


class SearchQuery(NamedTuple):
    """A question that was understood."""

    web: str
    """As PostgreSQL's `websearch_to_tsquery` reads it: words and phrases in quotation marks, `or`, `-`."""
    words: tuple[str, ...]
    """Those that are looked for, each once."""


class Span(Model):
    start: int
    end: int


class Snippet(Model):
    """A piece of a document's text: `text[start:end]`, with the words that were found in it.

    Offsets count characters of the whole text, as those of quotes do.
    """

    start: int
    end: int
    text: str
    highlights: tuple[Span, ...] = ()


class IndexReport(Model):
    """What became of documents that were read before there was an index."""

    indexed: int
    lost: int
    """Their stored reading is gone: they cannot be found before they are read again."""


def words_of(text: str) -> list[str]:
    """Cut a text into words."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    others = {ord(char): " " for char in set(folded) if char != "." and unicodedata.category(char)[0] not in "LMN"}
    return _STRAY_POINT.sub(" ", folded.translate(others)).split()


def indexed_text(text: str) -> IndexedText:
    """The words of a document's text, whose first paragraph is its title where it has one."""
    head = text.partition("\n\n")[0][:TITLE_CHARACTERS]
    return IndexedText(title=_cut(words_of(head)), text=_cut(words_of(text)))


def read_query(question: str) -> SearchQuery:
    """Read what a person asks: words that must all occur, "phrases", `or` between two, and `-` before what must not.

    Signs inside a word bind its parts into a phrase: `third-quarter` is "third quarter".

    Raises:
        InvalidInput: there is no word to look for.
    """
    parts: list[str] = []
    words: list[str] = []
    either = False
    for clause in _CLAUSE.finditer(strip_invisible(question).translate(_QUOTES)):
        plain, phrase = clause["plain"], clause["phrase"]
        if plain is not None and not clause["without"] and plain.casefold() == "or":
            either = bool(parts) and not parts[-1].startswith("-")
            continue
        found = [word[:LONGEST_WORD] for word in words_of(plain if phrase is None else phrase)]
        if not found:
            continue
        if not clause["without"]:
            words += found
            if either:  # only between two that are looked for, so that no answer is everything but a word
                parts.append("or")
        parts.append(f'{clause["without"]}"{" ".join(found)}"')
        either = False
    if not words:
        raise InvalidInput(
            "SEARCH_WITHOUT_WORDS",
            "Name at least one word that is looked for",
            field="q",
            found=_excerpt(question),
            allowed='words, "phrases", or, -word',
        )
    return SearchQuery(" ".join(parts), tuple(dict.fromkeys(words)))


def snippet_of(text: str, words: Sequence[str], width: int = SNIPPET_CHARACTERS) -> Snippet:
    """Choose the piece in which most of the words stand together, the first of those; without any the beginning."""
    found = _matches(text, words)
    if not found:
        end = _word_end(text, min(width, len(text)))
        return Snippet(start=0, end=end, text=text[:end])
    first, last = _densest(text, found, width)
    inner = found[first : last + 1]
    spare = max(0, width - (inner[-1].end - inner[0].start))
    start = _word_start(text, max(0, inner[0].start - spare // 2))
    end = _word_end(text, min(len(text), max(start + width, inner[-1].end)))
    shown = tuple(span for span in found if start <= span.start and span.end <= end)
    return Snippet(start=start, end=end, text=text[start:end], highlights=shown)


def _matches(text: str, words: Sequence[str]) -> list[Span]:
    if not words:
        return []
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])", re.IGNORECASE)
    spans = []
    for match in pattern.finditer(text):
        spans.append(Span(start=match.start(), end=match.end()))
        if len(spans) == MATCHES_LOOKED_AT:
            break
    return spans


def _densest(text: str, found: Sequence[Span], width: int) -> tuple[int, int]:
    """First and last of the spans of the piece that holds the most different words, then the most words."""
    said = [text[span.start : span.end].casefold() for span in found]
    held: Counter[str] = Counter()
    best, chosen, first = (0, 0), (0, 0), 0
    for last, span in enumerate(found):
        held[said[last]] += 1
        while span.end - found[first].start > width and first < last:
            held[said[first]] -= 1
            if not held[said[first]]:
                del held[said[first]]
            first += 1
        if (len(held), last - first) > best:
            best, chosen = (len(held), last - first), (first, last)
    return chosen


def _word_start(text: str, at: int) -> int:
    """The beginning of the word at a place, unless that is far."""
    for back in range(min(at, 30) + 1):
        if at - back == 0 or text[at - back - 1].isspace():
            return at - back
    return at


def _word_end(text: str, at: int) -> int:
    for ahead in range(30):
        if at + ahead >= len(text) or text[at + ahead].isspace():
            return at + ahead
    return at


def _cut(words: Sequence[str]) -> str:
    joined = " ".join(words).encode()
    if len(joined) > INDEXED_BYTES:
        joined = joined[:INDEXED_BYTES].rpartition(b" ")[0] or b""
    return joined.decode(errors="ignore")


def _excerpt(question: str) -> str:
    return "".join(char if char.isprintable() else " " for char in question)[:80]
