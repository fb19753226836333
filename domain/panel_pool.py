"""Statements on several companies side by side, as the competitive layer compares them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple, overload

import numpy as np

from domain.backtest_data import BacktestData
from domain.decisions import EvidenceItem
from domain.evidence_columns import EvidenceColumns, columns_of, micros_since_1970
from domain.influence import site_of_item
from domain.packed_texts import PackedTexts
from domain.panel_passes import Ints


class _Told(NamedTuple):
    """One company's evidence; sites and documents have numbers that all companies share."""

    items: Sequence[EvidenceItem]
    columns: EvidenceColumns
    site: Ints
    document: Ints


@dataclass(frozen=True, eq=False)
class Pool:
    """Statements of some companies, one company after the other."""

    columns: EvidenceColumns
    items: Sequence[EvidenceItem]
    whose: Ints
    """(M,) of each statement the number of its company."""


class Pools:
    """Gathers pools, and knows the names of sites and documents from one to the next."""

    def __init__(self, data: BacktestData) -> None:
        self._data = data
        self._told: dict[str, _Told] = {}
        self._sites: dict[str, int] = {}
        self._documents: dict[str, int] = {}

    def of(self, symbols: Sequence[str], oldest: datetime, newest: datetime) -> Pool:
        """What was told of some companies after `oldest` and not after `newest`."""
        span = micros_since_1970(oldest), micros_since_1970(newest)
        parts = []
        for symbol in symbols:
            told = self._of(symbol)
            start, end = np.searchsorted(told.columns.micros, span, side="right").tolist()
            parts.append((told, slice(start, end)))
        items = _Items([(told.items, these) for told, these in parts])
        sizes = [these.stop - these.start for _, these in parts]
        return Pool(_joined(parts), items, np.repeat(np.arange(len(parts)), sizes))

    def _of(self, symbol: str) -> _Told:
        if symbol not in self._told:
            items = self._data.evidence.get(symbol, ())
            columns = columns_of(symbol, items)
            codes, first = np.unique(columns.site, return_index=True)
            numbers = np.zeros(int(codes.max()) + 1 if len(codes) else 0, dtype=np.int64)
            names = [site_of_item(items[at]) for at in first.tolist()]
            numbers[codes] = [self._sites.setdefault(name, len(self._sites)) for name in names]
            documents = [self._documents.setdefault(doc, len(self._documents)) for doc in columns.doc_ids]
            document = np.array(documents, dtype=np.int64)
            self._told[symbol] = _Told(items, columns, numbers[columns.site], document)
        return self._told[symbol]


class _Items(Sequence[EvidenceItem]):
    """The items of a pool; made where they are asked for."""

    def __init__(self, parts: Sequence[tuple[Sequence[EvidenceItem], slice]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(these.stop - these.start for _, these in parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, at: int) -> EvidenceItem: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[EvidenceItem]: ...
    def __getitem__(self, at: int | slice) -> EvidenceItem | Sequence[EvidenceItem]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        number = bisect_right(self._ends, at)
        items, these = self._parts[number]
        found: EvidenceItem = items[these.stop + at - self._ends[number]]
        return found


def _joined(parts: Sequence[tuple[_Told, slice]]) -> EvidenceColumns:
    """Columns side by side; they ascend within each company alone."""
    columns = [(told.columns, these) for told, these in parts]
    shingles, ends, count = [], [], 0
    for of, these in columns:
        begin = int(of.ends[these.start - 1]) if these.start else 0
        stop = int(of.ends[these.stop - 1]) if these.stop > these.start else begin
        shingles.append(of.shingles[begin:stop])
        ends.append(of.ends[these] - begin + count)
        count += stop - begin
    sites = np.concatenate([told.site[these] for told, these in parts])
    return EvidenceColumns(
        micros=np.concatenate([of.micros[these] for of, these in columns]),
        event=np.concatenate([of.event[these] for of, these in columns]),
        role=np.concatenate([of.role[these] for of, these in columns]),
        materiality=np.concatenate([of.materiality[these] for of, these in columns]),
        credibility=np.concatenate([of.credibility[these] for of, these in columns]),
        sentiment=np.concatenate([of.sentiment[these] for of, these in columns]),
        confidence=np.concatenate([of.confidence[these] for of, these in columns]),
        validity=np.concatenate([of.validity[these] for of, these in columns]),
        site=np.unique(sites, return_inverse=True)[1],
        document=np.concatenate([told.document[these] for told, these in parts]),
        doc_ids=PackedTexts.of(doc for of, these in columns for doc in of.doc_ids[these]),
        evidence_ids=PackedTexts.of(name for of, these in columns for name in of.evidence_ids[these]),
        shingles=np.concatenate(shingles),
        ends=np.concatenate(ends),
        plain=all(of.plain for of, _ in columns),
    )
