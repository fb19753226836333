"""A text in pieces, those marked that an extractor quoted from it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Quote:
    """A passage of the text, and what was read from it."""

    start: int
    end: int
    key: str = ""
    """Names the statement, so that a link can lead to the passage."""


@dataclass(frozen=True)
class Piece:
    text: str
    quotes: tuple[Quote, ...] = ()
    """Those that cover it; none for plain text."""
    anchors: tuple[str, ...] = ()
    """Keys of those that begin here."""


def located(text: str, quote: str, key: str = "", *, hint: int = 0) -> Quote | None:
    """Find a quote where the text has it word for word, at `hint` or the first time after it; None where it has not."""
    if not quote:
        return None
    at = text.find(quote, max(0, hint))
    if at < 0:
        at = text.find(quote)
    return None if at < 0 else Quote(at, at + len(quote), key)


def pieces(text: str, quotes: Sequence[Quote]) -> list[Piece]:
    """Cut a text at the edges of its quotes. They may overlap; the pieces joined are the text again."""
    inside = sorted(
        (quote for quote in quotes if 0 <= quote.start < quote.end <= len(text)),
        key=lambda each: (each.start, each.end),
    )
    edges = sorted({0, len(text), *(quote.start for quote in inside), *(quote.end for quote in inside)})
    found = []
    for start, end in itertools.pairwise(edges):
        covering = tuple(quote for quote in inside if quote.start <= start and end <= quote.end)
        anchors = tuple(quote.key for quote in covering if quote.start == start and quote.key)
        found.append(Piece(text[start:end], covering, anchors))
    return found
