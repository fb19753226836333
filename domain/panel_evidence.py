"""One company's evidence over all passes of a backtest, laid out flat: what each statement weighs, and from when.

A statement is cut into pieces wherever something of it changes other than its age: its novelty, a retraction, the
look-back, or a pass that is not one trading day after the one before. Within a piece the weight decays by the same
factor from pass to pass. What a confirmation of its materiality adds is a piece of its own, for pieces are summed.
`domain.panel_scores` makes scores of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.evidence_columns import CLAIM_CODES, EVENTS, Codes, EvidenceColumns, columns_of
from domain.extraction import Materiality
from domain.kernels import Floats, decayed_weight, document_weight, signed_half_life
from domain.panel_novelty import Seen, Stretches, novelty_over_time
from domain.panel_passes import DAY, ClockFace, Flags, Ints, Passes, TradingTime, micros_of
from domain.panel_voices import CROWD, OFFICIAL, Slots, Tables, Voices, slots_of

SLACK = 1e-6
"""Trading days; far above the rounding of ages, far below what any two differ by."""
HIGH, MEDIUM = CLAIM_CODES[Materiality.HIGH], CLAIM_CODES[Materiality.MEDIUM]


@dataclass(frozen=True, eq=False)
class Pieces:
    """(P,) pieces, by slot and first pass."""

    slot: Ints
    first: Ints
    """Pass from which it counts."""
    within: Ints
    """(3, P) number of passes from the first on at which it stands inside each window."""
    weight: Floats
    """At the first pass."""
    life: Ints
    """Its half-life's place in `lives`."""
    lives: Floats
    """(L,)"""
    sentiment: Floats

    @property
    def half_life(self) -> Floats:
        found: Floats = self.lives[self.life]
        return found


@dataclass(frozen=True, eq=False)
class EvidencePanel:
    pieces: Pieces
    slots: Slots
    told: Flags
    """(K,) whether documents of the look-back spoke of the company, also such as were taken back."""
    plain: bool
    """Whether the pieces tell all: each statement is there once, and a confirmation takes nothing away."""


def lay_out(
    symbol: str,
    items: Sequence[EvidenceItem],
    taken_back: Mapping[str, datetime],
    passes: Passes,
    face: ClockFace,
    config: SignalConfig,
    tables: Tables,
) -> EvidencePanel:
    """Lay out one company's evidence."""
    of = columns_of(symbol, items)
    seen = _seen(of, items, taken_back, passes, face, config, tables)
    facts = seen.facts
    voices = Voices.of(facts.credibility, seen.kept.site, seen.kept.document, config, tables)
    stretches = _all_stretches(seen.kept, novelty_over_time(seen.kept, config))
    confirmed = _confirmed(seen, voices, stretches, config)
    slot, slots = slots_of(
        voices, facts.credibility, (seen.kept.first, np.minimum(seen.kept.end, seen.alive)), config, tables
    )
    pieces = _pieces(seen, slot, stretches, confirmed, passes, config, tables)
    gain = tables.materiality[HIGH] - tables.materiality[MEDIUM]
    return EvidencePanel(pieces, slots, seen.told, of.plain and bool(gain >= 0.0))


@dataclass(frozen=True, eq=False)
class _Facts:
    """(M,) of the statements that any pass sees, by the codes of `domain.evidence_columns`."""

    event: Codes
    role: Codes
    materiality: Codes
    credibility: Codes
    sentiment: Floats
    confidence: Floats
    """Times the validity of the quotes."""


@dataclass(frozen=True, eq=False)
class _Seen:
    kept: Seen
    """The statements that any pass sees."""
    facts: _Facts
    alive: Ints
    """Pass from which each weighs nothing any more."""
    time: TradingTime
    told: Flags


def _seen(
    of: EvidenceColumns,
    items: Sequence[EvidenceItem],
    taken_back: Mapping[str, datetime],
    passes: Passes,
    face: ClockFace,
    config: SignalConfig,
    tables: Tables,
) -> _Seen:
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
    kept = np.flatnonzero(first < end)
    rows = rows[kept]
    time = face.read(micros[kept])
    credibility, ends, document = of.credibility[rows], of.ends[rows], of.document[rows]
    begins = np.concatenate([[0], of.ends[:-1]])[rows] if len(of) else rows
    sizes = ends - begins
    shingles, begins = _flat(of.shingles, begins, sizes)
    return _Seen(
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
        ),
        facts=_Facts(
            event=of.event[rows],
            role=of.role[rows],
            materiality=of.materiality[rows],
            credibility=credibility,
            sentiment=of.sentiment[rows],
            confidence=of.confidence[rows] * of.validity[rows],
        ),
        alive=np.searchsorted(
            passes.time.days + passes.time.over, time.days + time.over + config.windows[2] + SLACK, side="right"
        ),
        time=time,
        told=told,
    )


def _canonical(of: EvidenceColumns) -> Ints:
    """The order of `available_at`, document and statement."""
    if (np.diff(of.micros) > 0).all():
        return np.arange(len(of))
    micros = of.micros.tolist()
    return np.array(sorted(range(len(of)), key=lambda at: (micros[at], of.doc_ids[at], of.evidence_ids[at])))


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


def _all_stretches(seen: Seen, found: Stretches) -> Stretches:
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


@dataclass(frozen=True, eq=False)
class _Confirmed:
    asking: Ints
    """Statements that claim much, and need another voice for that."""
    of: Ints
    """Those that are confirmed (`influence.corroborated`), from pass `first` to `end` - 1; spans do not overlap."""
    first: Ints
    end: Ints


def _confirmed(seen: _Seen, voices: Voices, new: Stretches, config: SignalConfig) -> _Confirmed:
    facts, micros = seen.facts, seen.kept.micros
    asking = np.flatnonzero((facts.materiality == HIGH) & (facts.credibility != OFFICIAL))
    told = np.flatnonzero(voices.number != CROWD)
    nothing = asking[:0]
    if not len(asking) or not len(told):
        return _Confirmed(asking, nothing, nothing, nothing)
    window = round(config.novelty_window_days * DAY)
    lane = int(micros[-1] - micros[0]) + 2 * window
    times = micros - micros[0] + facts.event.astype(np.int64) * lane  # no window reaches another kind of event
    told = told[np.argsort(times[told], kind="stable")]
    begin = np.searchsorted(times[told], times[asking] - window, side="left")
    close = np.searchsorted(times[told], times[asking] + window, side="right")
    which, near = _spread(asking, begin, close)
    near = told[near]
    apart = voices.number[near] != voices.number[which]
    of, at = _spread(
        which[apart],
        np.searchsorted(new.of, near[apart], side="left"),
        np.searchsorted(new.of, near[apart], side="right"),
    )
    first = np.maximum(new.first[at], seen.kept.first[of])
    end = np.minimum(new.end[at], seen.kept.end[of])
    real = np.flatnonzero(first < end)
    return _Confirmed(asking, *_united(of[real], first[real], end[real], len(seen.told)))


def _spread(values: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Each value as many times as there are places from `begin` to `end` - 1, and those places."""
    counts = end - begin
    starts = np.cumsum(counts) - counts
    return np.repeat(values, counts), np.arange(int(counts.sum())) + np.repeat(begin - starts, counts)


def _united(of: Ints, first: Ints, end: Ints, passes: int) -> tuple[Ints, Ints, Ints]:
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


# -- pieces -----------------------------------------------------------------------------------------------------------


def _pieces(
    seen: _Seen,
    slot: Ints,
    new: Stretches,
    confirmed: _Confirmed,
    passes: Passes,
    config: SignalConfig,
    tables: Tables,
) -> Pieces:
    claims = tables.materiality[seen.facts.materiality]
    claims[confirmed.asking] = tables.materiality[MEDIUM]
    which, at = _spread(
        np.arange(len(confirmed.of)),
        np.searchsorted(new.of, confirmed.of, side="left"),
        np.searchsorted(new.of, confirmed.of, side="right"),
    )
    first = np.maximum(confirmed.first[which], new.first[at])
    end = np.minimum(confirmed.end[which], new.end[at])
    gain = new.value[at] * (tables.materiality[HIGH] - tables.materiality[MEDIUM])
    return _measured(
        seen,
        slot,
        np.concatenate([new.of, new.of[at]]),
        (np.concatenate([new.first, first]), np.concatenate([new.end, end])),
        np.concatenate([new.value * claims[new.of], gain]),
        passes,
        config,
        tables,
    )


def _measured(
    seen: _Seen,
    slot: Ints,
    of: Ints,
    spans: tuple[Ints, Ints],
    scale: Floats,
    passes: Passes,
    config: SignalConfig,
    tables: Tables,
) -> Pieces:
    """Cut spans of statements where passes are uneven, and measure them.

    Args:
        of: number of the statement of each span.
        spans: first passes, and those after the last.
        scale: novelty x materiality of each span.
    """
    facts = seen.facts
    sentiment = facts.sentiment
    life = facts.event.astype(np.int64) + len(EVENTS) * (sentiment < 0.0)
    lives = np.concatenate([tables.half_life, tables.half_life])
    lives = signed_half_life(lives, np.repeat([0.0, -1.0], len(EVENTS)), config.negative_half_life)
    full = document_weight(
        tables.relevance[facts.role],
        tables.credibility[facts.credibility],
        np.ones(len(sentiment)),
        facts.confidence,
        np.ones(len(sentiment)),
    )
    first, end = spans
    end = np.minimum(end, seen.alive[of])
    start = full[of] * scale
    kept = np.flatnonzero((first < end) & (start > 0.0))
    of, first, end, start = of[kept], first[kept], end[kept], start[kept]
    if len(of) and len(passes.starts) > 2:
        again, first, end = _cut_where_uneven(first, end, passes)
        of, start = of[again], start[again]
    told = TradingTime(seen.time.days[of], seen.time.over[of])
    age = passes.age(first, told)
    within = np.array([_within(window, age, first, end, told, passes) for window in config.windows])
    counts = np.flatnonzero(within[2] > 0)
    order = counts[np.argsort((slot[of] * len(passes) + first)[counts])]
    of = of[order]
    return Pieces(
        slot=slot[of],
        first=first[order],
        within=within[:, order],
        weight=decayed_weight(start[order], age[order], lives[life[of]]),
        life=life[of],
        lives=lives,
        sentiment=sentiment[of],
    )


def _cut_where_uneven(first: Ints, end: Ints, passes: Passes) -> tuple[Ints, Ints, Ints]:
    """Spans that hold an uneven pass become several; returns which each is of, first passes and those after."""
    cuts = passes.stretch[end - 1] - passes.stretch[first] + 1
    again = np.repeat(np.arange(len(first)), cuts)
    nth = np.arange(len(again)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    stretch = passes.stretch[first][again] + nth
    return (
        again,
        np.maximum(first[again], passes.starts[stretch]),
        np.minimum(end[again], passes.starts[stretch + 1]),
    )


def _within(window: float, age: Floats, first: Ints, end: Ints, told: TradingTime, passes: Passes) -> Ints:
    """The number of passes of each piece whose age is within a window, which is exact at its very end."""
    more = np.floor(window - age + SLACK).astype(np.int64)
    last = np.clip(first + more, first, end - 1)
    beyond = passes.age(last, told) > window
    return np.where(more < 0, 0, last - first + 1 - beyond)
