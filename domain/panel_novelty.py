"""Novelty over time: how new each statement on a company is at every pass, as the stretches in which that is constant.

Nearly all documents share no passage with any other near them in time: they are new whenever they are seen. Those that
do are gathered into groups; what `domain.novelty` says of a group depends on which of its members are seen alone, and
is asked anew where that changes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.influence import site_of_item
from domain.novelty import novelty
from domain.panel_passes import DAY, Ints

PAIR = 2
MANY = 50
"""Documents of a group above which distances are not measured one by one."""


class Stretch(NamedTuple):
    """Passes `first` to `end` - 1, and what holds in them."""

    first: int
    end: int
    value: float


@dataclass(frozen=True, eq=False)
class Seen:
    """When each of M statements is seen: from pass `first` to `end` - 1."""

    items: Sequence[EvidenceItem]
    """In canonical order."""
    micros: Ints
    """When each was known."""
    first: Sequence[int]
    end: Sequence[int]
    alive: Sequence[int]
    """It weighs nothing from here on."""
    matters: Sequence[int]
    """From here on it does not even confirm what others say."""


def novelty_over_time(seen: Seen, config: SignalConfig) -> dict[int, list[Stretch]]:
    """By number of the statement its novelty, 0 where it does not count. Who is missing is new whenever seen."""
    return {at: stretches for members in _groups(seen, config) for at, stretches in _judged(members, seen, config)}


def _groups(seen: Seen, config: SignalConfig) -> list[list[int]]:
    """Statements whose novelty may depend on one another, by number."""
    told: dict[str, list[int]] = {}
    for at, item in enumerate(seen.items):
        told.setdefault(item.doc_id, []).append(at)
    documents = [_Told(own, int(seen.micros[own[0]]), int(seen.micros[own[-1]])) for own in told.values()]
    longest = max((one.last - one.first for one in documents), default=0)  # a document's statements may differ
    window = round(config.novelty_window_days * DAY)
    joined = _Joined()
    for one, other in _links(documents, seen.items, window + longest):
        joined.join(one, other)
    if joined.groups() and _is_crowded(seen, 2 * window + longest, config.novelty_documents):
        _join_neighbours(joined, documents, seen, window, config.novelty_documents)
    return [sorted(at for number in members for at in documents[number].own) for members in joined.groups()]


class _Told(NamedTuple):
    """A document: its statements by number, and when the first and the last of them were known, in microseconds."""

    own: list[int]
    first: int
    last: int


def _links(documents: Sequence[_Told], items: Sequence[EvidenceItem], window: int) -> list[tuple[int, int]]:
    """Documents that share a passage, each with the next in time that has it and stands within the window."""
    texts = [items[at].shingles for one in documents for at in one.own]
    numbers = [number for number, one in enumerate(documents) for _ in one.own]
    flat = np.fromiter(chain.from_iterable(texts), dtype=np.int64)
    if not flat.size:
        return []
    owners = np.repeat(numbers, [len(text) for text in texts])
    order = np.argsort(flat, kind="stable")
    flat, owners = flat[order], owners[order]
    again = np.flatnonzero((flat[1:] == flat[:-1]) & (owners[1:] != owners[:-1]))
    pairs = set(zip(owners[again].tolist(), owners[again + 1].tolist(), strict=True))
    return [(a, b) for a, b in sorted(pairs) if documents[b].first - documents[a].last <= window]


def _is_crowded(seen: Seen, reach: int, depth: int) -> bool:
    """Whether any site tells more than `depth` statements within so many microseconds."""
    by_site: dict[str, list[int]] = {}
    for at, item in enumerate(seen.items):
        by_site.setdefault(site_of_item(item), []).append(at)
    for own in by_site.values():
        if len(own) > depth:
            times = seen.micros[own]
            if (np.searchsorted(times, times + reach, side="right") - np.arange(len(times))).max() > depth:
                return True
    return False


def _join_neighbours(joined: _Joined, documents: Sequence[_Told], seen: Seen, window: int, depth: int) -> None:
    """Join what may be forgotten with those behind which it may: as many others of its site that were told nearer."""
    sites = [{site_of_item(seen.items[at]) for at in one.own} for one in documents]
    by_site: dict[str, list[tuple[int, int]]] = {}
    for number, one in enumerate(documents):
        for at in one.own:
            by_site.setdefault(site_of_item(seen.items[at]), []).append((int(seen.micros[at]), number))
    for told in by_site.values():
        told.sort()
    for members in joined.groups():
        group = [(documents[number], sites[number]) for number in members]
        for number in members:
            one = documents[number]
            for site, reach in _reaches(one, group, window).items():
                told = by_site[site]
                start = bisect_left(told, (one.first - reach, -1))
                end = bisect_right(told, (one.last + reach, len(documents)))
                if end - start > depth:
                    for _, other in told[start:end]:
                        joined.join(number, other)


def _reaches(of: _Told, group: Sequence[tuple[_Told, Collection[str]]], window: int) -> dict[str, int]:
    """How far from a document, by site, stories of its group lie that it may be compared with."""
    if len(group) > MANY:
        return {site: window for _, own in group for site in own}
    found: dict[str, int] = {}
    for other, own in group:
        apart = min(window, max(abs(other.last - of.first), abs(of.last - other.first)))
        for site in own:
            found[site] = max(found.get(site, 0), apart)
    return found


class _Joined:
    """Groups that are joined pair by pair."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def join(self, one: int, other: int) -> None:
        left, right = self._root(one), self._root(other)
        if left != right:
            self._parent[max(left, right)] = min(left, right)

    def groups(self) -> list[list[int]]:
        """Those of more than one member."""
        found: dict[int, list[int]] = {}
        for number in sorted(self._parent):
            found.setdefault(self._root(number), []).append(number)
        return [members for members in found.values() if len(members) > 1]

    def _root(self, number: int) -> int:
        parent = self._parent.setdefault(number, number)
        while parent != number:
            self._parent[number] = self._parent[parent]
            number, parent = parent, self._parent[parent]
        return number


def _judged(members: Sequence[int], seen: Seen, config: SignalConfig) -> list[tuple[int, list[Stretch]]]:
    found: dict[int, list[Stretch]] = {at: [] for at in members}
    changes = sorted({seen.first[at] for at in members} | {seen.end[at] for at in members})
    for start, end in pairwise(changes):
        present = [at for at in members if seen.first[at] <= start < seen.end[at]]
        if any(start < seen.matters[at] for at in present):
            for at, value in zip(present, _values([seen.items[at] for at in present], config), strict=True):
                stretches = found[at]
                if stretches and stretches[-1].end == start and stretches[-1].value == value:
                    stretches[-1] = Stretch(stretches[-1].first, end, value)
                else:
                    stretches.append(Stretch(start, end, value))
    return list(found.items())


def _values(items: Sequence[EvidenceItem], config: SignalConfig) -> list[float]:
    if len(items) == 1:
        return [1.0]
    if len(items) == PAIR and items[0].doc_id != items[1].doc_id:
        return _pair(items[0], items[1], config)
    return [new if counts else 0.0 for new, counts in novelty(items, config)]


def _pair(one: EvidenceItem, other: EvidenceItem, config: SignalConfig) -> list[float]:
    """Judge two documents of one statement each: what `novelty` gives, without its ceremony."""
    if abs(one.available_at - other.available_at) > timedelta(days=config.novelty_window_days):
        return [1.0, 1.0]
    left, right = set(one.shingles), set(other.shingles)
    shared = len(left & right)
    likeness = shared / (len(left) + len(right) - shared) if shared else 0.0
    value = 1.0 - likeness if likeness < config.duplicate_similarity else 0.0
    ranks = [(-config.credibility[item.credibility], item.available_at, item.doc_id) for item in (one, other)]
    return [1.0, value] if ranks[0] < ranks[1] else [value, 1.0]
