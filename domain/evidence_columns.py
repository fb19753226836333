"""One company's evidence as columns: what arrays compute with, and the items themselves only where they are asked for.

A backtest of years reads a million statements and names a few thousand of them. So it keeps them as the book's query
returns them, column by column; `RecordedEvidence` is a sequence of `EvidenceItem` all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise, repeat
from typing import Any, NamedTuple, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.extraction import EntityRole, EventType, ExtractorKind, Materiality
from domain.influence import site_of_item
from domain.model import assembled
from domain.packed_texts import PackedTexts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int8]
T = TypeVar("T")

EVENTS, ROLES = tuple(EventType), tuple(EntityRole)
CLAIMS, TRUST, READERS = tuple(Materiality), tuple(Credibility), tuple(ExtractorKind)
"""Codes are places in these."""
EVENT_CODES = {event: code for code, event in enumerate(EVENTS)}
ROLE_CODES = {role: code for code, role in enumerate(ROLES)}
CLAIM_CODES = {claim: code for code, claim in enumerate(CLAIMS)}
TRUST_CODES = {trust: code for code, trust in enumerate(TRUST)}
READER_CODES = {reader: code for code, reader in enumerate(READERS)}
_FIELDS = tuple(EvidenceItem.model_fields)
_MICRO = timedelta(microseconds=1)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


def micros_since_1970(instant: datetime) -> int:
    """Microseconds, exactly."""
    return (instant - _UNIX) // _MICRO


def instant_of(micros: int) -> datetime:
    return _UNIX + timedelta(microseconds=micros)


class Written(NamedTuple):
    """(M,) what is only read where a statement is named."""

    published: Ints
    """When its document was, in microseconds since 1970."""
    extractor: Codes
    extraction_id: PackedTexts
    content_hash: PackedTexts
    publisher: PackedTexts
    site: PackedTexts
    title: PackedTexts
    quote: PackedTexts


@dataclass(frozen=True, eq=False)
class EvidenceColumns:
    """(M,) statements on one company, by the instant at which they were known."""

    micros: Ints
    """When each was known, since 1970."""
    event: Codes
    role: Codes
    materiality: Codes
    credibility: Codes
    sentiment: Floats
    confidence: Floats
    validity: Floats
    """Of the quotes."""
    site: Ints
    """Who answers for it (`influence.site_of_item`), as a number from 0."""
    document: Ints
    """Its document, as a number from 0 in the order of first appearance."""
    doc_ids: PackedTexts
    evidence_ids: PackedTexts
    shingles: Ints
    """Those of all statements one after the other, within each ascending, each once."""
    ends: Ints
    """Where each statement's end."""
    plain: bool
    """Whether each statement is there once, and on the company alone."""

    def __len__(self) -> int:
        return len(self.micros)

    @classmethod
    def of(cls, symbol: str, items: Sequence[EvidenceItem]) -> Self:
        texts = [item.shingles for item in items]
        return cls(
            micros=np.array([micros_since_1970(item.available_at) for item in items], dtype=np.int64),
            event=coded([EVENT_CODES[item.event_type] for item in items]),
            role=coded([ROLE_CODES[item.role] for item in items]),
            materiality=coded([CLAIM_CODES[item.materiality] for item in items]),
            credibility=coded([TRUST_CODES[item.credibility] for item in items]),
            sentiment=np.array([item.sentiment for item in items], dtype=np.float64),
            confidence=np.array([item.confidence for item in items], dtype=np.float64),
            validity=np.array([item.quote_validity for item in items], dtype=np.float64),
            site=numbered([site_of_item(item) for item in items]),
            document=numbered([item.doc_id for item in items]),
            doc_ids=PackedTexts.of(item.doc_id for item in items),
            evidence_ids=PackedTexts.of(item.evidence_id for item in items),
            **passages(texts),
            plain=len({item.evidence_id for item in items}) == len(items)
            and all(item.symbol == symbol for item in items),
        )


def coded(codes: Sequence[int] | NDArray[np.integer[Any]]) -> Codes:
    return np.asarray(codes, dtype=np.int8)


def numbered(names: Sequence[str]) -> Ints:
    """Number names from 0 in the order in which they first appear."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def passages(texts: Sequence[Sequence[int]]) -> dict[str, Ints]:
    """Lay shingles out flat, as `EvidenceColumns` holds them."""
    flat = np.fromiter(chain.from_iterable(texts), dtype=np.int64)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    falls = np.flatnonzero(flat[1:] <= flat[:-1]) + 1
    if not np.isin(falls, ends).all():  # within a text
        tidy = [sorted(set(text)) for text in texts]
        return passages(tidy)
    return {"shingles": flat, "ends": ends}


class RecordedEvidence(Sequence[EvidenceItem]):
    """A company's evidence; an item is made when it is asked for, and is the same object from then on."""

    def __init__(self, symbol: str, columns: EvidenceColumns, written: Written) -> None:
        self.symbol, self.columns, self._written = symbol, columns, written
        self._made: dict[int, EvidenceItem] = {}

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        """What was made of the columns stays where it was made."""
        return type(self), (self.symbol, self.columns, self._written)

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, at: int) -> EvidenceItem: ...
    @overload
    def __getitem__(self, at: slice) -> list[EvidenceItem]: ...
    def __getitem__(self, at: int | slice) -> EvidenceItem | list[EvidenceItem]:
        if isinstance(at, slice):
            places = range(*at.indices(len(self)))
            if places.step == 1:
                return self._items(places)
            return [self[each] for each in places]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at %= len(self)
        return self._items(range(at, at + 1))[0]

    def between(self, oldest: datetime, as_of: datetime) -> list[EvidenceItem]:
        """What became known after `oldest` and not after `as_of`."""
        return self._items(self.places(oldest, as_of))

    def places(self, oldest: datetime, as_of: datetime) -> range:
        """Where that stands."""
        ends = [micros_since_1970(oldest), micros_since_1970(as_of)]
        start, end = np.searchsorted(self.columns.micros, ends, side="right").tolist()
        return range(start, end)

    @property
    def read_by_models(self) -> list[datetime]:
        """When the documents were published of which a model read what is stated here, one for each statement."""
        of_models = self._written.extractor != READER_CODES[ExtractorKind.RULES]
        return [instant_of(each) for each in self._written.published[of_models].tolist()]

    def _items(self, places: range) -> list[EvidenceItem]:
        """Items that stand side by side."""
        made = self._made
        missing = [at for at in places if at not in made]
        if missing:
            self._make(slice(missing[0], missing[-1] + 1))
        return [made[at] for at in places]

    def _make(self, these: slice) -> None:
        """Put items together again that are not there yet; the book's columns were valid when they were written.

        Values are taken out of the columns side by side, which costs a third of taking them one by one.
        """
        of, written, made = self.columns, self._written, self._made
        starts = [int(of.ends[these.start - 1]) if these.start else 0, *of.ends[these].tolist()]
        texts = of.shingles[starts[0] : starts[-1]].tolist()
        rows = zip(  # in the order of the item's fields
            of.evidence_ids[these],
            of.doc_ids[these],
            written.extraction_id[these],
            repeat(self.symbol, len(starts) - 1),
            map(instant_of, of.micros[these].tolist()),
            map(instant_of, written.published[these].tolist()),
            map(EVENTS.__getitem__, of.event[these].tolist()),
            map(ROLES.__getitem__, of.role[these].tolist()),
            map(CLAIMS.__getitem__, of.materiality[these].tolist()),
            of.sentiment[these].tolist(),
            of.confidence[these].tolist(),
            of.validity[these].tolist(),
            map(TRUST.__getitem__, of.credibility[these].tolist()),
            map(READERS.__getitem__, written.extractor[these].tolist()),
            written.content_hash[these],
            written.publisher[these],
            written.site[these],
            written.title[these],
            written.quote[these],
            (tuple(texts[start - starts[0] : end - starts[0]]) for start, end in pairwise(starts)),
            strict=True,
        )
        for at, row in enumerate(rows, start=these.start):
            if at not in made:
                made[at] = assembled(EvidenceItem, dict(zip(_FIELDS, row, strict=True)))


def columns_of(symbol: str, items: Sequence[EvidenceItem]) -> EvidenceColumns:
    """The columns of a company's evidence, whichever way it is kept."""
    return items.columns if isinstance(items, RecordedEvidence) else EvidenceColumns.of(symbol, items)


def read_by_models(items: Sequence[EvidenceItem]) -> list[datetime]:
    """As `RecordedEvidence.read_by_models`, whichever way evidence is kept."""
    if isinstance(items, RecordedEvidence):
        return items.read_by_models
    return [item.published_at for item in items if item.extractor is not ExtractorKind.RULES]
