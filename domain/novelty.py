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
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import numpy as np

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


@dataclass(frozen=True, eq=False)
class _Document:
    doc_id: str
    available_at: datetime
    site: str
    credibility: float
    shingles: frozenset[int]

    @property
    def rank(self) -> tuple[float, datetime, str]:
        """Of two documents the lesser one has the first claim to a story."""
        return -self.credibility, self.available_at, self.doc_id


def novelty(items: Sequence[EvidenceItem], config: SignalConfig) -> list[tuple[float, bool]]:
    """Tell for each item how new its document is, in [0, 1], and whether it counts.

    A document is compared with the stories of its symbol that rank before it by credibility, `available_at` and
    `doc_id`: those within seven days, and of each site the ten that were told nearest to it in time (numbers from the
    configuration). Items of one document share its result. A document without shingles cannot be compared and is taken
    as new. The result does not depend on the order of `items`.
    """
    judged: dict[tuple[str, str], tuple[float, bool]] = {}
    for symbol, documents in _documents(items, config).items():
        stories = _Stories(documents, config)
        for document in sorted(documents, key=lambda each: each.rank):
            similarity = stories.similarity(document)
            counts = similarity < config.duplicate_similarity
            judged[symbol, document.doc_id] = (1.0 - similarity, counts)
            if counts:
                stories.add(document)
    return [judged[item.symbol, item.doc_id] for item in items]


def _documents(items: Sequence[EvidenceItem], config: SignalConfig) -> dict[str, list[_Document]]:
    """Gather items into documents by symbol; a document is known from the earliest of its items."""
    told: dict[tuple[str, str], list[EvidenceItem]] = {}
    for item in items:
        told.setdefault((item.symbol, item.doc_id), []).append(item)
    documents: dict[str, list[_Document]] = {}
    for (symbol, doc_id), own in told.items():
        document = _Document(
            doc_id=doc_id,
            available_at=min(item.available_at for item in own),
            site=min(site_of_item(item) for item in own),
            credibility=max(config.credibility[item.credibility] for item in own),
            shingles=frozenset(chain.from_iterable({item.shingles for item in own})),
        )
        documents.setdefault(symbol, []).append(document)
    return documents


class _Stories:
    """The stories of one symbol so far, found by the shingles that more than one of its documents has."""

    def __init__(self, documents: Sequence[_Document], config: SignalConfig) -> None:
        self._window = timedelta(days=config.novelty_window_days)
        self._depth = config.novelty_documents
        self._shared = _shared_shingles(documents)
        self._holders: dict[int, list[_Document]] = {}
        self._told: dict[str, list[datetime]] = {}
        """By site, ascending."""

    def add(self, story: _Document) -> None:
        insort(self._told.setdefault(story.site, []), story.available_at)
        for shingle in story.shingles & self._shared:
            self._holders.setdefault(shingle, []).append(story)

    def similarity(self, document: _Document) -> float:
        """The largest similarity to a story that is remembered."""
        common = Counter(
            chain.from_iterable(self._holders.get(shingle, ()) for shingle in document.shingles & self._shared)
        )
        size, most = len(document.shingles), 0.0
        for story, shared in common.items():
            likeness = shared / (size + len(story.shingles) - shared)
            if likeness > most and self._is_remembered(story, document):
                most = likeness
        return most

    def _is_remembered(self, story: _Document, document: _Document) -> bool:
        apart = abs(story.available_at - document.available_at)
        if apart > self._window:
            return False
        told = self._told[story.site]
        nearer = bisect_left(told, document.available_at + apart) - bisect_right(told, document.available_at - apart)
        return nearer < self._depth


def _shared_shingles(documents: Sequence[_Document]) -> set[int]:
    every = np.fromiter(chain.from_iterable(document.shingles for document in documents), dtype=np.int64)
    shingles, holders = np.unique(every, return_counts=True)
    return set(shingles[holders > 1].tolist())
