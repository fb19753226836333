"""Novelty: how much of a document was not already told by earlier ones.

Documents are compared by the sets of their 5-word shingles (Jaccard similarity). A document that repeats an earlier
one joins its story and does not count; only the earliest of a story counts, and its decay runs from that document.
Documents are compared with stories, not with copies, so that adding a copy changes no other document's novelty.
Source of the rule: staleness as similarity to the previous ten stories (Tetlock 2011).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.config import SignalConfig
from domain.decisions import EvidenceItem

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


@dataclass(frozen=True)
class _Document:
    symbol: str
    doc_id: str
    available_at: datetime
    shingles: frozenset[int]


def novelty(items: Sequence[EvidenceItem], config: SignalConfig) -> list[tuple[float, bool]]:
    """Tell for each item how new its document is, in [0, 1], and whether it counts.

    A document is compared with the most recent ten earlier stories of its symbol within seven days (numbers from the
    configuration), ordered by `available_at`, then `doc_id`. Items of one document share its result. A document
    without shingles cannot be compared and is taken as new. The result does not depend on the order of `items`.
    """
    window = timedelta(days=config.novelty_window_days)
    stories: dict[str, list[_Document]] = {}
    judged: dict[tuple[str, str], tuple[float, bool]] = {}
    for document in _documents(items):
        told = stories.setdefault(document.symbol, [])
        similarity = 0.0
        for story in reversed(told[-config.novelty_documents :]):
            if document.available_at - story.available_at > window:
                break
            similarity = max(similarity, _jaccard(document.shingles, story.shingles))
        counts = similarity < config.duplicate_similarity
        judged[document.symbol, document.doc_id] = (1.0 - similarity, counts)
        if counts:
            told.append(document)
    return [judged[item.symbol, item.doc_id] for item in items]


def _documents(items: Sequence[EvidenceItem]) -> list[_Document]:
    """Gather items into documents, oldest first; a document is known from the earliest of its items."""
    known: dict[tuple[str, str], tuple[datetime, set[int]]] = {}
    for item in items:
        key = (item.symbol, item.doc_id)
        since, words = known.setdefault(key, (item.available_at, set()))
        words.update(item.shingles)
        known[key] = (min(since, item.available_at), words)
    documents = [
        _Document(symbol=symbol, doc_id=doc_id, available_at=since, shingles=frozenset(words))
        for (symbol, doc_id), (since, words) in known.items()
    ]
    return sorted(documents, key=lambda document: (document.symbol, document.available_at, document.doc_id))


def _jaccard(left: frozenset[int], right: frozenset[int]) -> float:
    if not left or not right:
        return 0.0
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)
