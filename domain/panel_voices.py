"""The voices of one company's statements over arrays, and the places at which their weights are summed.

As `domain.influence` has it: the crowd is one voice, a site is one, and of what is filed each document speaks for
itself. Documents that never count at once share a lane, so that a hundred filings do not make a hundred rows.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, Self

import numpy as np

from domain.config import SignalConfig
from domain.documents import Credibility
from domain.evidence_columns import CLAIMS, EVENTS, ROLES, TRUST, TRUST_CODES, Codes
from domain.kernels import Floats
from domain.panel_passes import Ints

OFFICIAL = TRUST_CODES[Credibility.OFFICIAL]
CROWD = 0
"""Number of the crowd's voice; those of sites and documents follow."""


@dataclass(frozen=True, eq=False)
class Tables:
    """A configuration's numbers by the codes of `domain.evidence_columns`."""

    relevance: Floats
    credibility: Floats
    materiality: Floats
    half_life: Floats
    levels: Floats
    """The weights that credibilities have, ascending."""
    level: Ints
    """Of each credibility its place in them."""

    @classmethod
    def of(cls, config: SignalConfig) -> Self:
        credibility = np.array([config.credibility[each] for each in TRUST], dtype=np.float64)
        levels, level = np.unique(credibility, return_inverse=True)
        return cls(
            relevance=np.array([config.relevance[each] for each in ROLES], dtype=np.float64),
            credibility=credibility,
            materiality=np.array([config.materiality[each] for each in CLAIMS], dtype=np.float64),
            half_life=np.array([config.half_lives[each] for each in EVENTS], dtype=np.float64),
            levels=levels,
            level=level.astype(np.int64),
        )


class Alike(NamedTuple):
    """Voices `first` to `end` - 1, which have the same bounds."""

    first: int
    end: int
    share: float
    most: float
    """The lowest credibility that they speak with."""


@dataclass(frozen=True, eq=False)
class Slots:
    """Places at which pieces are summed: one for each voice and credibility. Those of a voice lie side by side."""

    most: Floats
    """(S,) weight of the credibility, ascending within a voice."""
    voice: Ints
    """(S,) number of the voice, ascending."""
    share: Floats
    """(V,) of each voice."""
    starts: Ints
    """(V,) the first slot of each voice."""
    alike: tuple[Alike, ...]
    layered: tuple[tuple[int, int, int], ...]
    """Voices with more than one slot: number, first slot, slot after the last."""

    def rows(self, alike: Alike) -> tuple[int, int]:
        """First slot of some voices, and the slot after their last."""
        end = self.starts[alike.end] if alike.end < len(self.starts) else len(self.voice)
        return int(self.starts[alike.first]), int(end)


@dataclass(frozen=True, eq=False)
class Voices:
    """Whose word each of M statements is (`influence.voice_of`), by number."""

    number: Ints
    sites: int
    """Voices of documents begin after that of so many sites."""

    @classmethod
    def of(cls, credibility: Codes, site: Ints, document: Ints, config: SignalConfig, tables: Tables) -> Self:
        sites = int(site.max()) + 1 if len(site) else 0
        number = np.where(credibility == OFFICIAL, 1 + sites + document, 1 + site)
        number[tables.credibility[credibility] < config.crowd_credibility] = CROWD
        return cls(number, sites)

    @property
    def first_document(self) -> int:
        return 1 + self.sites

    def taken(self, these: Ints) -> Voices:
        """Those of some statements."""
        return Voices(self.number[these], self.sites)


def slots_of(
    voices: Voices, credibility: Codes, spans: tuple[Ints, Ints], config: SignalConfig, tables: Tables
) -> tuple[Ints, Slots]:
    """The slot of each statement, and all of them.

    Args:
        spans: passes from which and up to which each statement weighs anything.
    """
    number, documents = voices.number.copy(), np.flatnonzero(voices.number >= voices.first_document)
    number[documents] = voices.first_document + _lanes(number[documents], spans[0][documents], spans[1][documents])
    levels = len(tables.levels)
    key = number * levels + tables.level[credibility]
    there = np.zeros((int(key.max()) // levels + 1 if len(key) else 0) * levels, dtype=np.bool_)
    there[key] = True
    told = there.reshape(-1, levels)
    share = np.full(len(told), config.site_share)
    share[voices.first_document :] = config.document_share
    lowest = tables.levels[np.argmax(told, axis=1)] if len(told) else share
    order = [voice for voice in np.lexsort((lowest, share)).tolist() if told[voice].any()]
    counts = told[order].sum(axis=1).astype(np.int64)
    starts = np.cumsum(counts) - counts
    alike, first = [], 0
    for (part, most), own in groupby(order, key=lambda voice: (float(share[voice]), float(lowest[voice]))):
        alike.append(Alike(first, first + sum(1 for _ in own), part, most))
        first = alike[-1].end
    ends = (starts + counts).tolist()
    layered = [(v, s, e) for v, (s, e) in enumerate(zip(starts.tolist(), ends, strict=True)) if e - s > 1]
    place, level = np.nonzero(told[order])
    lookup = np.zeros(len(there), dtype=np.int64)
    lookup[np.array(order, dtype=np.int64)[place] * levels + level] = np.arange(len(place))
    return lookup[key], Slots(
        most=tables.levels[level],
        voice=place.astype(np.int64),
        share=share[order],
        starts=starts,
        alike=tuple(alike),
        layered=tuple(layered),
    )


def _lanes(number: Ints, first: Ints, end: Ints) -> Ints:
    """A lane for each document that speaks for itself; two in one lane never count at once."""
    spans: dict[int, tuple[int, int]] = {}
    own = number.tolist()
    for name, begins, ends in zip(own, first.tolist(), end.tolist(), strict=True):
        known = spans.get(name, (begins, 0))
        spans[name] = min(known[0], begins), max(known[1], ends)
    lanes: dict[int, int] = {}
    free: list[tuple[int, int]] = []
    for name, (begins, ends) in sorted(spans.items(), key=lambda one: (one[1], one[0])):
        lane = heapq.heappop(free)[1] if free and free[0][0] <= begins else len(free)
        heapq.heappush(free, (max(begins, ends), lane))
        lanes[name] = lane
    return np.array([lanes[name] for name in own], dtype=np.int64)
