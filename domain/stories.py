"""Stories over sources: which documents say the same, and which correct or take back an earlier one.

Copies are found through an index and not by comparing all pairs: documents that are alike share a *band*, a hash over
some of their least shingle hashes (MinHash with banding: Broder 1997; Leskovec, Rajaraman, Ullman, chapter 3). With
rows of four and ten bands, a pair of similarity 0.9 shares one with a probability above 0.9999, one of 0.3 with 0.08.
What shares a band is then compared exactly.

A headline is anybody's to write: a document corrects or takes back only what its own site told, or sites that are not
more credible than its own. What is not allowed to is a document like any other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from domain.config import CREDIBILITY
from domain.documents import Credibility, Relation

BANDS = 10
ROWS = 4
WINDOW = timedelta(days=7)
"""How far apart the publication of two copies may lie."""
COPY_SIMILARITY = 0.9
"""Share of five-word runs in common from which on a document is a copy and is not read again."""
SAME_STORY_SIMILARITY = 0.35
"""From which on a correction may belong to a document: it repeats most of it and changes what was wrong."""


_SEED = 20_140_715
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

_CORRECTION = re.compile(
    r"^\W*(?:corrected(?:\s*\(official\))?|correction|corrects|corrected\s+and\s+replaced|clarification|refile)\b|"
    r"\b(?:correcting\s+and\s+replacing|corrects\s+(?:headline|story|paragraph|lead|to)|corrected\s+version|refiles\s+to)\b",
    re.IGNORECASE,
)
_RETRACTION = re.compile(
    r"^\W*(?:retraction|retracted|withdrawn|story\s+withdrawn|kill(?:ed)?)\b\s*[:\-–—]|"
    r"\b(?:retracts\s+(?:story|article|report)|(?:story|article|report)\s+(?:is|was|has\s+been)\s+(?:retracted|withdrawn))\b",
    re.IGNORECASE,
)
_UPDATE = re.compile(r"^\W*(?:update|upd)\s*\d{1,2}\b|^\W*\(?updated\)?\s*[:\-–—]", re.IGNORECASE)


_Numbers = np.ndarray[Any, np.dtype[np.uint64]]


def _coefficients() -> tuple[_Numbers, _Numbers]:
    """Multipliers and addends of the hash functions, the same for ever: a stored band must be found again."""
    state = _SEED
    drawn: list[int] = []
    for _ in range(2 * BANDS * ROWS):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        drawn.append(state | 1)
    values = np.array(drawn, dtype=np.uint64)
    return values[: BANDS * ROWS], values[BANDS * ROWS :]


_MULTIPLY, _ADD = _coefficients()


@dataclass(frozen=True)
class Story:
    """What is compared of a document."""

    doc_id: str
    title: str
    published_at: datetime
    available_at: datetime
    shingles: frozenset[int]
    symbols: frozenset[str] = frozenset()
    story: str = ""
    """The source's own name of the story."""
    site: str = ""
    """Who answers for it, as `domain.sources.site_of` tells."""
    credibility: Credibility = Credibility.UNKNOWN

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """Of two documents the lesser one was first."""
        return self.available_at, self.published_at, self.doc_id

    def is_as_credible_as(self, other: Story) -> bool:
        """Whether it is at least as credible, by the weights that a configuration begins with.

        Not by those in force: what documents are to each other is written down once.
        """
        return CREDIBILITY[self.credibility] >= CREDIBILITY[other.credibility]

    def may_correct(self, other: Story) -> bool:
        return self.site == other.site or self.is_as_credible_as(other)


@dataclass(frozen=True)
class Link:
    doc_id: str
    original_id: str
    relation: Relation
    similarity: float
    reason: str


class Bands(NamedTuple):
    """Signed 64-bit numbers, each once; none for a document without shingles."""

    filed: tuple[int, ...]
    """Under which a document is filed. They hold the week of publication, so that what is filed under a band does not
    grow with the years.
    """
    searched: tuple[int, ...]
    """Under which its copies may be filed: of its week, and of those before and after."""


def bands(shingles: Collection[int], published_at: datetime) -> tuple[int, ...]:
    """The bands under which a document is filed."""
    return bands_of([(shingles, published_at)])[0].filed


def searched_bands(shingles: Collection[int], published_at: datetime) -> tuple[int, ...]:
    """The bands under which a document's copies may be filed."""
    return bands_of([(shingles, published_at)])[0].searched


def bands_of(documents: Sequence[tuple[Collection[int], datetime]]) -> list[Bands]:
    """The bands of many documents at once, each given by its shingles and its time of publication."""
    found = [Bands((), ())] * len(documents)
    told = [number for number, (shingles, _) in enumerate(documents) if shingles]
    if not told:
        return found
    least = _least([documents[number][0] for number in told])
    weeks = np.array([_week(documents[number][1]) for number in told], dtype=np.int64)
    before, own, after = (_mixed(least, weeks + near).tolist() for near in (-1, 0, 1))
    for number, *each in zip(told, before, own, after, strict=True):
        one, two, three = (tuple(sorted(set(week))) for week in each)
        found[number] = Bands(filed=two, searched=one + two + three)
    return found


def _least(sets: Sequence[Collection[int]]) -> _Numbers:
    """Of each set of shingles the least of every hash function: (sets, bands, rows)."""
    sizes = np.array([len(each) for each in sets])
    hashes = np.fromiter(chain.from_iterable(sets), dtype=np.uint64, count=int(sizes.sum()))
    begins = np.cumsum(sizes) - sizes
    # Wraps around on purpose: multiplication modulo 2**64 mixes upwards, the shift takes the well-mixed half. Function
    # by function, so that a batch of long texts needs little memory.
    least = [
        np.minimum.reduceat((hashes * multiply + add) >> np.uint64(29), begins)
        for multiply, add in zip(_MULTIPLY, _ADD, strict=True)
    ]
    return np.array(least, dtype=np.uint64).T.reshape(len(sets), BANDS, ROWS)


def _mixed(least: _Numbers, weeks: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """One number for each band of each set: (sets, bands)."""
    mixed: Any = np.repeat((weeks % 2**32).astype(np.uint64)[:, None], BANDS, axis=1)
    for row in range(ROWS):
        mixed = (mixed ^ least[:, :, row]) * np.uint64(0x9E37_79B9_7F4A_7C15)
        mixed ^= mixed >> np.uint64(32)
    mixed = mixed * np.uint64(16) + np.arange(BANDS, dtype=np.uint64)
    return np.asarray(mixed.astype(np.int64))


def _week(instant: datetime) -> int:
    return (instant - _EPOCH).days // WINDOW.days


def marked_relation(title: str) -> Relation | None:
    """What a headline itself says that a document is to an earlier one: `CORRECTED-`, `RETRACTION:`, `UPDATE 2-`."""
    head = title[:300]
    if _RETRACTION.search(head):
        return Relation.RETRACTION
    if _CORRECTION.search(head):
        return Relation.CORRECTION
    return Relation.UPDATE if _UPDATE.search(head) else None


def similarity(left: frozenset[int], right: frozenset[int]) -> float:
    """Jaccard similarity of two sets of shingles; 0 where one is empty."""
    if not left or not right:
        return 0.0
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)


def link(document: Story, candidates: Sequence[Story]) -> Link | None:
    """What a document is to the most similar of those before it; None where it is a story of its own.

    The same story by the source's own name counts first; then a correction or retraction that names itself so, of a
    document about the same symbols, if it may; then a copy, whoever published it.
    """
    before = [
        each
        for each in candidates
        if each.order < document.order and abs(document.published_at - each.published_at) <= WINDOW
    ]
    versions = [
        each for each in candidates if document.story and each.story == document.story and each.order < document.order
    ]
    marked = marked_relation(document.title)
    if versions:
        newest = max(versions, key=lambda each: each.order)
        share = similarity(document.shingles, newest.shingles)
        # A version that changes one figure is worth reading; one that changes none is a copy.
        plain = Relation.DUPLICATE if share == 1.0 else Relation.UPDATE
        relation = marked if marked is not None and document.may_correct(newest) else plain
        return Link(document.doc_id, newest.doc_id, relation, share, f"the source calls both {document.story}")
    alike = sorted(
        ((similarity(document.shingles, each.shingles), each) for each in before),
        key=lambda pair: (-pair[0], pair[1].order),
    )
    if marked in (Relation.CORRECTION, Relation.RETRACTION):
        found = _corrected(document, alike)
        if found is not None:
            return Link(document.doc_id, found[1].doc_id, marked, found[0], "its headline says so")
    if alike and alike[0][0] >= COPY_SIMILARITY:
        share, original = alike[0]
        if marked is Relation.RETRACTION and document.may_correct(original):
            return None
        return Link(
            document.doc_id, original.doc_id, Relation.DUPLICATE, share, f"{share:.0%} of its five-word runs in common"
        )
    return None


def _corrected(document: Story, alike: Sequence[tuple[float, Story]]) -> tuple[float, Story] | None:
    """The document that a correction is of: the most similar that it may correct, by words or by headline, with a
    symbol in common.
    """
    words = title_words(document.title)
    best: tuple[float, Story] | None = None
    for share, each in alike:
        if not document.may_correct(each):
            continue
        if document.symbols and each.symbols and document.symbols.isdisjoint(each.symbols):
            continue
        if marked_relation(each.title) is Relation.RETRACTION:
            continue
        other = title_words(each.title)
        common = len(words & other) / max(1, len(words | other))
        score = max(share, common)
        if score >= SAME_STORY_SIMILARITY and (best is None or score > best[0]):
            best = (score, each)
    return best


_WORD = re.compile(r"\w+")
_MARKS = frozenset(
    {"corrected", "correction", "corrects", "retraction", "retracted", "withdrawn", "update", "updated", "official"}
)


@lru_cache(maxsize=2_048)
def title_words(title: str) -> frozenset[str]:
    """The words of a headline without the marks that a correction adds."""
    return frozenset(word for word in _WORD.findall(title.casefold()) if word not in _MARKS)
