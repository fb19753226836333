"""Novelty over time: how new each statement on a company is at every pass, as the stretches in which that is constant.

Nearly all documents share no passage with any other near them in time: they are new whenever they are seen. Those that
do are gathered into groups; what `domain.novelty` says of a group depends on which of its members are seen alone, and
is told anew where that changes. Two documents alone are judged over arrays, groups of documents of one statement each
from their passages, and whatever else there is by `domain.novelty` itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.kernels import Floats
from domain.novelty import novelty
from domain.panel_passes import DAY, Flags, Ints

PAIR = 2
MANY = 50
"""Documents of a group above which distances are not measured one by one."""


@dataclass(frozen=True, eq=False)
class Stretches:
    """Statements by number, passes `first` to `end` - 1, and the novelty in them; 0 where it does not count."""

    of: Ints
    first: Ints
    end: Ints
    value: Floats


@dataclass(frozen=True, eq=False)
class Seen:
    """When each of M statements is seen: from pass `first` to `end` - 1; in canonical order."""

    items: Sequence[EvidenceItem]
    rows: Ints
    """Of each its place in `items`."""
    micros: Ints
    """When each was known."""
    first: Ints
    end: Ints
    document: Ints
    """Numbers from 0, ascending by first appearance."""
    site: Ints
    trust: Floats
    """Weight of the credibility."""
    shingles: Ints
    begins: Ints
    """Where each statement's shingles begin."""
    sizes: Ints
    symbol: str = ""
    """The company that all are taken as told of; empty: whom they name."""

    def text(self, at: int) -> Ints:
        begin = int(self.begins[at])
        return self.shingles[begin : begin + int(self.sizes[at])]


def novelty_over_time(seen: Seen, config: SignalConfig) -> Stretches:
    """The stretches of those statements whose novelty depends on others. Who is missing is new whenever seen."""
    told, window = _Documents.of(seen), round(config.novelty_window_days * DAY)
    links = _links(told, seen, window)
    if not len(links.one):
        return _NOTHING
    degree = np.bincount(np.concatenate([links.one, links.other]), minlength=len(told))
    alone, joined = (degree == 1) & (told.many == 1), _Joined()
    paired = alone[links.one] & alone[links.other]
    if _is_crowded(seen, 2 * window + told.longest, config.novelty_documents):
        never = paired & ~_maybe_forgotten(links, told, seen, window, config.novelty_documents)
        _join(joined, links.where(~never))
        _join_neighbours(joined, told, seen, window, config.novelty_documents)
        alone[[each for members in joined.groups() if len(members) > PAIR for each in members]] = False
        paired = alone[links.one] & alone[links.other]
    _join(joined, links.where(~paired))
    small: list[list[int]] = []
    large: list[list[int]] = []
    for members in joined.groups():
        if alone[members].all():
            continue
        plain = (told.many[members] == 1).all()
        (small if plain else large).append(sorted(at for each in members for at in told.own(each)))
    judged = _stretches([*_judged_small(small, seen, config), *_judged_exactly(large, seen, config)])
    return _joined_stretches(_pairs(links.where(paired), told, seen, config), judged)


class _Documents:
    """Documents by number, each with its statements."""

    def __init__(self, many: Ints, order: Ints, first: Ints, last: Ints) -> None:
        self.many, self._order = many, order
        self._starts = np.cumsum(many) - many
        self.first, self.last = first, last
        """When the first and the last of its statements were known, in microseconds."""
        self.longest = int((last - first).max()) if len(many) else 0  # a document's statements may differ

    @classmethod
    def of(cls, seen: Seen) -> _Documents:
        many = np.bincount(seen.document)
        order = np.argsort(seen.document, kind="stable") if (many > 1).any() else np.arange(len(seen.document))
        starts = np.cumsum(many) - many
        times = seen.micros[order]
        return cls(many, order, times[starts], times[starts + many - 1])

    def __len__(self) -> int:
        return len(self.many)

    def statements(self, numbers: Ints) -> Ints:
        """The first statement of each."""
        found: Ints = self._order[self._starts[numbers]]
        return found

    def own(self, number: int) -> list[int]:
        start = int(self._starts[number])
        found: list[int] = self._order[start : start + int(self.many[number])].tolist()
        return found


class _Links(NamedTuple):
    """Documents that share passages, the earlier one first, and how many neighbouring shingles say so."""

    one: Ints
    other: Ints
    shared: Ints

    def where(self, these: Flags) -> _Links:
        return _Links(self.one[these], self.other[these], self.shared[these])


def _links(told: _Documents, seen: Seen, window: int) -> _Links:
    """Documents that share a passage, each with the next in time that has it and stands within the window."""
    flat, owners = seen.shingles, np.repeat(seen.document, seen.sizes)
    candidates = _maybe_repeated(flat)
    flat, owners = flat[candidates], owners[candidates]
    order = np.argsort(flat)
    flat = flat[order]
    again = np.zeros(len(flat) + 1, dtype=np.bool_)
    again[1:-1] = flat[1:] == flat[:-1]
    shared = np.flatnonzero(again[1:] | again[:-1])
    if not len(shared):
        return _NO_LINKS
    flat, owners = flat[shared], owners[order[shared]]
    order = np.lexsort((owners, flat))
    flat, owners = flat[order], owners[order]
    both = (flat[1:] == flat[:-1]) & (owners[1:] != owners[:-1])
    keys, counts = np.unique(owners[:-1][both] * len(told) + owners[1:][both], return_counts=True)
    one, other = np.divmod(keys, len(told))
    near = told.first[other] - told.last[one] <= window + told.longest
    return _Links(one[near], other[near], counts[near])


def _maybe_repeated(hashes: Ints) -> Ints:
    """Places of all hashes that are there more than once, and of some others: few are left to be sorted."""
    size = 1 << (4 * len(hashes)).bit_length()
    last_bits = hashes & (size - 1)
    return np.flatnonzero(np.bincount(last_bits, minlength=size)[last_bits] > 1)


_NO_LINKS = _Links(*(np.zeros(0, dtype=np.int64),) * 3)


# -- two documents ----------------------------------------------------------------------------------------------------


def _pairs(links: _Links, told: _Documents, seen: Seen, config: SignalConfig) -> Stretches:
    """Judge documents of one statement each, two by two: what `novelty` gives."""
    one, other = told.statements(links.one), told.statements(links.other)
    likeness = links.shared / (seen.sizes[one] + seen.sizes[other] - links.shared)
    value = np.where(likeness < config.duplicate_similarity, 1.0 - likeness, 0.0)
    value[seen.micros[other] - seen.micros[one] > round(config.novelty_window_days * DAY)] = 1.0
    later = seen.trust[one] >= seen.trust[other]  # the other one comes later in rank
    found = [
        _alone_and_together(at, beside, np.where(behind, value, 1.0), seen)
        for at, beside, behind in ((one, other, ~later), (other, one, later))
    ]
    return _joined_stretches(*found)


def _alone_and_together(at: Ints, beside: Ints, value: Floats, seen: Seen) -> Stretches:
    """The stretches before, with and after another statement, beside which it has the value."""
    first, end = seen.first[at], seen.end[at]
    start, stop = np.maximum(first, seen.first[beside]), np.minimum(end, seen.end[beside])
    apart = start >= stop
    start[apart], stop[apart] = end[apart], end[apart]
    ones = np.ones(len(at))
    firsts, ends = np.concatenate([first, start, stop]), np.concatenate([start, stop, end])
    kept = np.flatnonzero(firsts < ends)
    values = np.concatenate([ones, value, ones])
    return Stretches(np.concatenate([at, at, at])[kept], firsts[kept], ends[kept], values[kept])


# -- groups -----------------------------------------------------------------------------------------------------------


class _Judged(NamedTuple):
    at: int
    first: int
    end: int
    value: float


def _judged_small(groups: Sequence[Sequence[int]], seen: Seen, config: SignalConfig) -> Iterator[_Judged]:
    """Judge groups of documents of one statement each: what `novelty` gives."""
    window = round(config.novelty_window_days * DAY)
    for members in groups:
        first, end, micros = (column[members].tolist() for column in (seen.first, seen.end, seen.micros))
        alike = _alike([seen.text(at).tolist() for at in members], micros, window)
        trust, site = seen.trust[members].tolist(), seen.site[members].tolist()
        ranked = sorted(range(len(members)), key=lambda place: (-trust[place], place))
        forgets = len(members) > config.novelty_documents
        open_at: dict[int, tuple[int, float]] = {}
        for start, stop in pairwise(sorted({*first, *end})):
            stories: set[int] = set()
            told: dict[int, list[int]] = {}
            for place in ranked:
                if not first[place] <= start < end[place]:
                    continue
                like = 0.0
                for story, likeness in alike[place]:
                    if story in stories and likeness > like:
                        nearer = _nearer(told[site[story]], micros[place], micros[story]) if forgets else 0
                        like = likeness if nearer < config.novelty_documents else like
                value = 0.0
                if like < config.duplicate_similarity:
                    stories.add(place)
                    value = 1.0 - like
                    if forgets:
                        insort(told.setdefault(site[place], []), micros[place])
                begun = open_at.get(place)
                if begun is None:
                    open_at[place] = start, value
                elif begun[1] != value:
                    yield _Judged(members[place], begun[0], start, begun[1])
                    open_at[place] = start, value
                if stop == end[place]:
                    yield _Judged(members[place], open_at[place][0], stop, value)


def _alike(texts: Sequence[Sequence[int]], micros: Sequence[int], window: int) -> list[list[tuple[int, float]]]:
    """Of each text the others within the window that share passages with it, and how like it they are."""
    holders: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        for shingle in text:
            holders.setdefault(shingle, []).append(place)
    shared: dict[tuple[int, int], int] = {}
    for places in holders.values():
        for pair in combinations(places, 2):
            shared[pair] = shared.get(pair, 0) + 1
    found: list[list[tuple[int, float]]] = [[] for _ in texts]
    for (one, two), common in shared.items():
        if abs(micros[one] - micros[two]) <= window:
            likeness = common / (len(texts[one]) + len(texts[two]) - common)
            found[one].append((two, likeness))
            found[two].append((one, likeness))
    return found


def _nearer(told: Sequence[int], at: int, story: int) -> int:
    """How many stories of a site were told nearer to an instant than one of them."""
    apart = abs(at - story)
    return bisect_left(told, at + apart) - bisect_right(told, at - apart)


def _judged_exactly(groups: Sequence[Sequence[int]], seen: Seen, config: SignalConfig) -> Iterator[_Judged]:
    for members in groups:
        first, end = seen.first[members].tolist(), seen.end[members].tolist()
        items = [seen.items[row] for row in seen.rows[members].tolist()]
        for start, stop in pairwise(sorted({*first, *end})):
            present = [place for place in range(len(members)) if first[place] <= start < end[place]]
            judged = novelty([items[place] for place in present], config, symbol=seen.symbol)
            for place, (new, counts) in zip(present, judged, strict=True):
                yield _Judged(members[place], start, stop, new if counts else 0.0)


def _stretches(judged: Iterable[_Judged]) -> Stretches:
    columns = list(zip(*judged, strict=True)) or [(), (), (), ()]
    of, first, end = (np.array(column, dtype=np.int64) for column in columns[:3])
    return Stretches(of, first, end, np.array(columns[3], dtype=np.float64))


def _joined_stretches(one: Stretches, other: Stretches) -> Stretches:
    return Stretches(
        np.concatenate([one.of, other.of]),
        np.concatenate([one.first, other.first]),
        np.concatenate([one.end, other.end]),
        np.concatenate([one.value, other.value]),
    )


_NOTHING = _stretches(())


def _join(joined: _Joined, links: _Links) -> None:
    for one, other in zip(links.one.tolist(), links.other.tolist(), strict=True):
        joined.join(one, other)


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


# -- crowds -----------------------------------------------------------------------------------------------------------


def _is_crowded(seen: Seen, reach: int, depth: int) -> bool:
    """Whether any site tells more than `depth` statements within so many microseconds."""
    few = seen.site.max() <= np.iinfo(np.int16).max  # small numbers are sorted by their digits
    order = np.argsort(seen.site.astype(np.int16) if few else seen.site, kind="stable")
    site, times = seen.site[order], seen.micros[order]
    near = (site[depth:] == site[:-depth]) & (times[depth:] - times[:-depth] <= reach)
    return bool(near.any())


def _maybe_forgotten(links: _Links, told: _Documents, seen: Seen, window: int, depth: int) -> Flags:
    """Whether of two documents of one statement each one may be forgotten beside the other, (L,).

    That takes so many others of its site that were told nearer.
    """
    one, other = told.statements(links.one), told.statements(links.other)
    micros = seen.micros - seen.micros.min()
    lane = int(micros.max()) + 2 * window + 1  # no window reaches another site
    if lane * (int(seen.site.max()) + 1) > np.iinfo(np.int64).max:
        return np.ones(len(one), dtype=np.bool_)
    keys = np.sort(seen.site * lane + micros)
    apart = np.minimum(np.abs(micros[one] - micros[other]), window)  # what is farther is not compared
    crowded = np.zeros(len(one), dtype=np.bool_)
    for at, story in ((one, other), (other, one)):
        place = seen.site[story] * lane + micros[at]
        near = np.searchsorted(keys, place + apart, side="right") - np.searchsorted(keys, place - apart, side="left")
        crowded |= near > depth
    return crowded


def _join_neighbours(joined: _Joined, told: _Documents, seen: Seen, window: int, depth: int) -> None:
    """Join what may be forgotten with those behind which it may: as many others of its site that were told nearer."""
    sites, micros, numbers = seen.site.tolist(), seen.micros.tolist(), seen.document.tolist()
    by_site: dict[int, list[tuple[int, int]]] = {}
    for site, at, number in zip(sites, micros, numbers, strict=True):
        by_site.setdefault(site, []).append((at, number))
    for of_site in by_site.values():
        of_site.sort()
    for members in joined.groups():
        group = [
            _Told(int(told.first[each]), int(told.last[each]), {sites[at] for at in told.own(each)}) for each in members
        ]
        for number, one in zip(members, group, strict=True):
            for site, reach in _reaches(one, group, window).items():
                start = bisect_left(by_site[site], (one.first - reach, -1))
                end = bisect_right(by_site[site], (one.last + reach, len(told)))
                if end - start > depth:
                    for _, other in by_site[site][start:end]:
                        joined.join(number, other)


class _Told(NamedTuple):
    """A document: when the first and the last of its statements were known, and by whom they are."""

    first: int
    last: int
    sites: Collection[int]


def _reaches(of: _Told, group: Sequence[_Told], window: int) -> dict[int, int]:
    """How far from a document, by site, stories of its group lie that it may be compared with."""
    if len(group) > MANY:
        return {site: window for other in group for site in other.sites}
    found: dict[int, int] = {}
    for other in group:
        apart = min(window, max(abs(other.last - of.first), abs(of.last - other.first)))
        for site in other.sites:
            found[site] = max(found.get(site, 0), apart)
    return found
