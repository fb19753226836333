"""Novelty: how much of a document was not told by others that are better placed to tell it.

Documents are compared by the sets of their 5-word shingles (Jaccard similarity), each with the stories of those that
are more credible, told before or after it, and of those as credible, told before it. What repeats one of them joins its
story and does not count. So a story counts with its most credible teller, among equals with the earliest, and its decay
runs from that document: whoever copies a wire before we hear the wire neither silences it nor counts beside it. Until
the wire is heard, the copy counts for what it is.

Documents are compared with stories, not with copies, so that adding a copy changes no other document's novelty.
Source of the rule: staleness as similarity to the previous ten stories (Tetlock 2011). They are ten of each site:
nobody makes a story forgotten but its own teller, by telling ten others. A copy that this makes new again is bounded
by what its site, or the crowd, may weigh.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.influence import site_of_item

SHINGLE_WORDS = 5
_WORD = re.compile(r"\w+")


def shingles(text: str) -> tuple[int, ...]:
    """Hash every run of five words to 63 bits; ascending, each once.

    Words are case-folded after compatibility normalisation; punctuation separates. A text of fewer words gives one
    shingle of what there is, a text without words none.
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    if not words:
        return ()
    runs = range(max(1, len(words) - SHINGLE_WORDS + 1))
    return tuple(sorted({_hash63(" ".join(words[start : start + SHINGLE_WORDS])) for start in runs}))


def _hash63(words: str) -> int:
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") >> 1


class _Document(NamedTuple):
    doc_id: str
    available_at: datetime
    site: str
    credibility: float
    shingles: frozenset[int]


def novelty(items: Sequence[EvidenceItem], config: SignalConfig, *, symbol: str = "") -> list[tuple[float, bool]]:
    """Tell for each item how new its document is, in [0, 1], and whether it counts.

    A document is compared with the stories of its symbol that rank before it by credibility, `available_at` and
    `doc_id`: those within seven days, and of each site the ten that were told nearest to it in time (numbers from the
    configuration). Items of one document share its result. A document without shingles cannot be compared and is taken
    as new. The result does not depend on the order of `items`.

    Args:
        symbol: take all items as told of this one, whichever they name; empty: of the one that each names.
    """
    compared = _compared(items, config, symbol)
    if compared is not None:
        found = _judged(compared.documents, config, compared.shared)
        return [found.get(item.doc_id, NEW) for item in items]
    told: dict[tuple[str, str], list[EvidenceItem]] = {}
    for item in items:
        told.setdefault((symbol or item.symbol, item.doc_id), []).append(item)
    documents: dict[str, list[_Document]] = {}
    for (about, doc_id), own in told.items():
        text = frozenset().union(*(item.shingles for item in own))
        documents.setdefault(about, []).append(_document(doc_id, own, text, config))
    judged = {
        about: _judged(found, config, _shared(one.shingles for one in found)) for about, found in documents.items()
    }
    return [judged[symbol or item.symbol][item.doc_id] for item in items]


NEW = 1.0, True
"""What is said of a document that shares no passage with another."""


class _Compared(NamedTuple):
    documents: list[_Document]
    """Those that have a passage in common with another, and all of their sites where stories may be forgotten."""
    shared: set[int]
    """Shingles that more than one document has."""


def _compared(items: Sequence[EvidenceItem], config: SignalConfig, symbol: str) -> _Compared | None:
    """What must be compared, for all other documents are new.

    None where that does not tell: items of several symbols, statements of one document that differ in what it says.
    """
    told: dict[str, list[EvidenceItem]] = {}
    sites: dict[str, list[str]] = {}
    for item in items:
        own = told.setdefault(item.doc_id, [])
        if own and own[0].shingles != item.shingles:
            return None
        own.append(item)
        sites.setdefault(site_of_item(item), []).append(item.doc_id)
    if not symbol and any(item.symbol != items[0].symbol for item in items):
        return None
    texts = {doc_id: frozenset(own[0].shingles) for doc_id, own in told.items()}
    shared = _shared(texts.values())
    sharing = {doc_id for doc_id, text in texts.items() if not shared.isdisjoint(text)}
    crowded = [own for own in sites.values() if len(own) > config.novelty_documents and not sharing.isdisjoint(own)]
    kept = sharing.union(*crowded)
    documents = [_document(doc_id, own, texts[doc_id], config) for doc_id, own in told.items() if doc_id in kept]
    return _Compared(documents, shared)


def _shared(texts: Iterable[frozenset[int]]) -> set[int]:
    """Shingles that more than one text has."""
    seen: set[int] = set()
    shared: set[int] = set()
    for text in texts:
        shared |= seen & text
        seen |= text
    return shared


def _document(doc_id: str, own: Sequence[EvidenceItem], text: frozenset[int], config: SignalConfig) -> _Document:
    """Gather items into their document, which is known from the earliest of them."""
    first = own[0]
    if len(own) == 1:
        return _Document(doc_id, first.available_at, site_of_item(first), config.credibility[first.credibility], text)
    return _Document(
        doc_id=doc_id,
        available_at=min(item.available_at for item in own),
        site=min(site_of_item(item) for item in own),
        credibility=max(config.credibility[item.credibility] for item in own),
        shingles=text,
    )


def _judged(documents: Sequence[_Document], config: SignalConfig, shared: set[int]) -> dict[str, tuple[float, bool]]:
    """Judge the documents of one symbol, by `doc_id`: the first in rank has the first claim to a story."""
    ranked = sorted(documents, key=lambda each: (-each.credibility, each.available_at, each.doc_id))
    stories = _Stories(ranked, config, shared)
    judged = {}
    for at, document in enumerate(ranked):
        similarity = stories.similarity(at)
        counts = similarity < config.duplicate_similarity
        judged[document.doc_id] = (1.0 - similarity, counts)
        if counts:
            stories.add(at)
    return judged


class _Passage(NamedTuple):
    """Shingles that the very same documents have, which are more than one."""

    size: int
    stories: list[int]
    """Those of the documents that are stories, by their place."""


class _Stories:
    """The stories of one symbol so far, found by the passages that more than one of its documents has.

    Documents are named by their place in the order of rank.
    """

    def __init__(self, documents: Sequence[_Document], config: SignalConfig, shared: set[int]) -> None:
        self._window = timedelta(days=config.novelty_window_days)
        self._depth = config.novelty_documents
        self._documents = documents
        self._passages = _passages(documents, shared)
        self._told: dict[str, list[datetime]] = {}
        """By site, ascending."""

    def add(self, at: int) -> None:
        story = self._documents[at]
        insort(self._told.setdefault(story.site, []), story.available_at)
        for passage in self._passages.get(at, ()):
            passage.stories.append(at)

    def similarity(self, at: int) -> float:
        """The largest similarity to a story that is remembered."""
        common: dict[int, int] = {}
        for passage in self._passages.get(at, ()):
            for story in passage.stories:
                common[story] = common.get(story, 0) + passage.size
        document, most = self._documents[at], 0.0
        for place, shared in common.items():
            other = self._documents[place]
            likeness = shared / (len(document.shingles) + len(other.shingles) - shared)
            if likeness > most and self._is_remembered(other, document):
                most = likeness
        return most

    def _is_remembered(self, story: _Document, document: _Document) -> bool:
        apart = abs(story.available_at - document.available_at)
        if apart > self._window:
            return False
        told = self._told[story.site]
        nearer = bisect_left(told, document.available_at + apart) - bisect_right(told, document.available_at - apart)
        return nearer < self._depth


def _passages(documents: Sequence[_Document], shared: set[int]) -> dict[int, list[_Passage]]:
    """The passages of each document that has any."""
    holders: dict[int, list[int]] = {}
    for at, document in enumerate(documents):
        for shingle in document.shingles & shared:
            holders.setdefault(shingle, []).append(at)
    sizes = Counter(tuple(places) for places in holders.values() if len(places) > 1)
    found: dict[int, list[_Passage]] = {}
    for places, size in sizes.items():
        passage = _Passage(size, [])
        for at in places:
            found.setdefault(at, []).append(passage)
    return found
