"""One company's statements over all passes of a backtest: when each is seen, how new it is, and what confirms it.

`domain.panel_pieces` makes of them what is summed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.evidence_columns import CLAIM_CODES, EVENTS, Codes, EvidenceColumns
from domain.extraction import Materiality
from domain.kernels import Floats, document_weight
from domain.panel_novelty import Seen, Stretches
from domain.panel_passes import DAY, ClockFace, Flags, Ints, Passes, TradingTime, micros_of
from domain.panel_voices import CROWD, OFFICIAL, Tables, Voices

HIGH, MEDIUM = CLAIM_CODES[Materiality.HIGH], CLAIM_CODES[Materiality.MEDIUM]


SLACK = 1e-6
"""Trading days; far above the rounding of ages, far below what any two differ by."""


@dataclass(frozen=True, eq=False)
class Facts:
    """(M,) of the statements that any pass sees, by the codes of `domain.evidence_columns`."""

    event: Codes
    role: Codes
    materiality: Codes
    credibility: Codes
    sentiment: Floats
    confidence: Floats
    """Times the validity of the quotes."""

    def weights(self, tables: Tables) -> Floats:
        """What each weighs where it is wholly new and its materiality is 1."""
        ones = np.ones(len(self.confidence))
        return document_weight(
            tables.relevance[self.role], tables.credibility[self.credibility], ones, self.confidence, ones
        )


@dataclass(frozen=True, eq=False)
class Statements:
    kept: Seen
    """The statements that any pass sees."""
    facts: Facts
    alive: Ints
    """Pass from which each weighs nothing any more."""
    time: TradingTime
    told: Flags
    """(K,) whether the look-back holds any, also such as were taken back."""

    def __len__(self) -> int:
        return len(self.alive)


def statements_of(
    of: EvidenceColumns,
    items: Sequence[EvidenceItem],
    taken_back: Mapping[str, datetime],
    passes: Passes,
    face: ClockFace,
    config: SignalConfig,
    tables: Tables,
    *,
    window: float,
    during: tuple[int, int] | None = None,
    symbol: str = "",
) -> Statements:
    """Find when each statement is seen.

    Args:
        window: age in trading days above which a statement weighs nothing.
        during: passes from which and up to which anything is seen; all, if not given.
        symbol: the company that all are taken as told of; empty: whom they name.
    """
    rows = _canonical(of)
    micros = of.micros[rows]
    first, end = passes.since(micros), passes.since(micros + config.lookback_days * DAY)
    count = len(passes)
    told = np.cumsum(np.bincount(first, minlength=count + 1) - np.bincount(end, minlength=count + 1))[:-1] > 0
    if taken_back:
        back = [
            (at, taken_back[of.doc_ids[row]]) for at, row in enumerate(rows.tolist()) if of.doc_ids[row] in taken_back
        ]
        if back:
            numbers = np.array([at for at, _ in back])
            end[numbers] = np.minimum(end[numbers], passes.since(micros_of([since for _, since in back])))
    if during is not None:
        first, end = np.maximum(first, during[0]), np.minimum(end, during[1])
    kept = np.flatnonzero(first < end)
    rows = rows[kept]
    time = face.read(micros[kept])
    credibility, ends, document = of.credibility[rows], of.ends[rows], of.document[rows]
    begins = np.concatenate([[0], of.ends[:-1]])[rows] if len(of) else rows
    sizes = ends - begins
    shingles, begins = _flat(of.shingles, begins, sizes)
    return Statements(
        kept=Seen(
            items=items,
            rows=rows,
            micros=micros[kept],
            first=first[kept],
            end=end[kept],
            document=_renumbered(document),
            site=of.site[rows],
            trust=tables.credibility[credibility],
            shingles=shingles,
            begins=begins,
            sizes=sizes,
            symbol=symbol,
        ),
        facts=Facts(
            event=of.event[rows],
            role=of.role[rows],
            materiality=of.materiality[rows],
            credibility=credibility,
            sentiment=of.sentiment[rows],
            confidence=of.confidence[rows] * of.validity[rows],
        ),
        alive=np.searchsorted(
            passes.time.days + passes.time.over, time.days + time.over + window + SLACK, side="right"
        ),
        time=time,
        told=told,
    )


def _canonical(of: EvidenceColumns) -> Ints:
    """The order of `available_at`, document and statement."""
    if (np.diff(of.micros) > 0).all():
        return np.arange(len(of))
    order = np.argsort(of.micros, kind="stable")
    times = of.micros[order]
    ends = np.append(np.flatnonzero(np.diff(times)) + 1, len(times))
    begins = np.concatenate([[0], ends[:-1]])
    alike = np.flatnonzero(ends - begins > 1)
    for begin, end in zip(begins[alike].tolist(), ends[alike].tolist(), strict=True):
        order[begin:end] = sorted(order[begin:end].tolist(), key=lambda at: (of.doc_ids[at], of.evidence_ids[at]))
    return order


def _renumbered(document: Ints) -> Ints:
    """Numbers from 0 without holes, ascending by first appearance."""
    rises = np.diff(document) > 0
    if rises.all():
        return np.arange(len(document))
    _, first, at = np.unique(document, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[at]


def _flat(values: Ints, begins: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    """Lay parts of an array side by side; returns them, and where each begins."""
    starts = np.cumsum(sizes) - sizes
    if len(begins) and (begins - starts == begins[0]).all():  # they lie so already
        return values[begins[0] : begins[0] + int(sizes.sum())], starts
    return values[np.repeat(begins - starts, sizes) + np.arange(int(sizes.sum()))], starts


# -- novelty and materiality ------------------------------------------------------------------------------------------


def all_stretches(seen: Seen, found: Stretches) -> Stretches:
    """The stretches in which statements are new to any degree, by statement: also of those that always are."""
    usual = np.ones(len(seen.first), dtype=np.bool_)
    usual[found.of] = False
    alone, some = np.flatnonzero(usual), np.flatnonzero(found.value > 0.0)
    of = np.concatenate([alone, found.of[some]])
    order = np.argsort(of, kind="stable")
    return Stretches(
        of[order],
        np.concatenate([seen.first[alone], found.first[some]])[order],
        np.concatenate([seen.end[alone], found.end[some]])[order],
        np.concatenate([np.ones(len(alone)), found.value[some]])[order],
    )


def claims(
    seen: Statements,
    voices: Voices,
    new: Stretches,
    config: SignalConfig,
    tables: Tables,
    *,
    about: Ints | None = None,
) -> Stretches:
    """Novelty x materiality in stretches, which are summed: what a confirmation adds is one of its own.

    Args:
        new: all stretches in which statements are new to any degree, by statement.
        about: (M,) number of the company that each is on, for only those on the same confirm each other; below 0: it
            neither confirms nor is it confirmed. All are on one, if not given.
    """
    confirmed = _confirmed(seen, voices, new, config, np.zeros(len(seen), dtype=np.int64) if about is None else about)
    worth = tables.materiality[seen.facts.materiality]
    worth[confirmed.asking] = tables.materiality[MEDIUM]
    which, at = spread(
        np.arange(len(confirmed.of)),
        np.searchsorted(new.of, confirmed.of, side="left"),
        np.searchsorted(new.of, confirmed.of, side="right"),
    )
    return Stretches(
        np.concatenate([new.of, new.of[at]]),
        np.concatenate([new.first, np.maximum(confirmed.first[which], new.first[at])]),
        np.concatenate([new.end, np.minimum(confirmed.end[which], new.end[at])]),
        np.concatenate([new.value * worth[new.of], new.value[at] * confirmation_gain(tables)]),
    )


def confirmation_gain(tables: Tables) -> float:
    """What a confirmation adds to the materiality of what claims much."""
    return float(tables.materiality[HIGH] - tables.materiality[MEDIUM])


@dataclass(frozen=True, eq=False)
class _Confirmed:
    asking: Ints
    """Statements that claim much, and need another voice for that."""
    of: Ints
    """Those that are confirmed (`influence.corroborated`), from pass `first` to `end` - 1; spans do not overlap."""
    first: Ints
    end: Ints


def _confirmed(seen: Statements, voices: Voices, new: Stretches, config: SignalConfig, about: Ints) -> _Confirmed:
    facts, micros = seen.facts, seen.kept.micros
    asking = np.flatnonzero((facts.materiality == HIGH) & (facts.credibility != OFFICIAL) & (about >= 0))
    told = np.flatnonzero((voices.number != CROWD) & (about >= 0))
    nothing = asking[:0]
    if not len(asking) or not len(told):
        return _Confirmed(asking, nothing, nothing, nothing)
    window = round(config.novelty_window_days * DAY)
    lane = int(micros[-1] - micros[0]) + 2 * window
    kind = facts.event.astype(np.int64) + len(EVENTS) * about
    times = micros - micros[0] + kind * lane  # no window reaches another kind of event, or another company
    told = told[np.argsort(times[told], kind="stable")]
    begin = np.searchsorted(times[told], times[asking] - window, side="left")
    close = np.searchsorted(times[told], times[asking] + window, side="right")
    which, near = spread(asking, begin, close)
    near = told[near]
    apart = voices.number[near] != voices.number[which]
    of, at = spread(
        which[apart],
        np.searchsorted(new.of, near[apart], side="left"),
        np.searchsorted(new.of, near[apart], side="right"),
    )
    first = np.maximum(new.first[at], seen.kept.first[of])
    end = np.minimum(new.end[at], seen.kept.end[of])
    real = np.flatnonzero(first < end)
    return _Confirmed(asking, *united(of[real], first[real], end[real], len(seen.told)))


def spread(values: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Each value as many times as there are places from `begin` to `end` - 1, and those places."""
    counts = end - begin
    starts = np.cumsum(counts) - counts
    return np.repeat(values, counts), np.arange(int(counts.sum())) + np.repeat(begin - starts, counts)


def united(of: Ints, first: Ints, end: Ints, passes: int) -> tuple[Ints, Ints, Ints]:
    """Join the spans of each statement that overlap or touch."""
    if not len(of):
        return of, first, end
    width = passes + 2  # one statement's spans end before the next one's begin
    starts, ends = of * width + first, of * width + end
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    begins = np.concatenate([[True], starts[1:] > ends[:-1]])
    last = np.append(np.flatnonzero(begins)[1:] - 1, len(starts) - 1)
    of = of[order][begins]
    return of, starts[begins] - of * width, ends[last] - of * width
