"""One company's evidence over all passes of a backtest, laid out flat: what each statement weighs, and from when.

A statement is cut into pieces wherever something of it changes other than its age: its novelty, whether its materiality
is confirmed, a retraction, the look-back, or a pass that is not one trading day after the one before. Within a piece
the weight decays by the same factor from pass to pass. `domain.panel_scores` makes scores of the pieces.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.extraction import Materiality
from domain.influence import CROWD, Voice, voice_of
from domain.kernels import Floats, decayed_weight, document_weight, signed_half_life
from domain.panel_novelty import Seen, Stretch, novelty_over_time
from domain.panel_passes import DAY, ClockFace, Flags, Ints, Passes, TradingTime, micros_of

SLACK = 1e-6
"""Trading days; far above the rounding of ages, far below what any two differ by."""
_CANONICAL = attrgetter("available_at", "doc_id", "evidence_id")
_DOCUMENT = "document/"


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
    half_life: Floats
    sentiment: Floats


@dataclass(frozen=True, eq=False)
class EvidencePanel:
    pieces: Pieces
    slots: Slots
    told: Flags
    """(K,) whether documents of the look-back spoke of the company, also such as were taken back."""


def lay_out(
    items: Sequence[EvidenceItem],
    taken_back: Mapping[str, datetime],
    passes: Passes,
    face: ClockFace,
    config: SignalConfig,
) -> EvidencePanel:
    """Lay out one company's evidence. No statement may be in it twice (`is_plain`)."""
    seen = _seen(items, taken_back, passes, face, config)
    voices = _voices(seen.kept.items, config)
    new = novelty_over_time(seen.kept, config)
    confirmed = _confirmed(seen.kept, voices, new, config)
    slot, slots = _slots(seen.kept, voices)
    return EvidencePanel(_pieces(seen, slot, new, confirmed, passes, config), slots, seen.told)


def is_plain(symbol: str, items: Sequence[EvidenceItem]) -> bool:
    """Whether the evidence is on the company alone, each statement once."""
    return len({item.evidence_id for item in items}) == len(items) and all(item.symbol == symbol for item in items)


@dataclass(frozen=True, eq=False)
class _Seen:
    kept: Seen
    """The statements that any pass sees."""
    time: TradingTime
    told: Flags


def _seen(
    items: Sequence[EvidenceItem],
    taken_back: Mapping[str, datetime],
    passes: Passes,
    face: ClockFace,
    config: SignalConfig,
) -> _Seen:
    ordered = sorted(items, key=_CANONICAL)
    micros = micros_of([item.available_at for item in ordered])
    first, end = passes.since(micros), passes.since(micros + config.lookback_days * DAY)
    seen = np.zeros(len(passes) + 1, dtype=np.int64)
    np.add.at(seen, first, 1)
    np.add.at(seen, end, -1)
    if taken_back:
        back = [(at, taken_back[item.doc_id]) for at, item in enumerate(ordered) if item.doc_id in taken_back]
        if back:
            numbers = np.array([at for at, _ in back])
            end[numbers] = np.minimum(end[numbers], passes.since(micros_of([since for _, since in back])))
    kept = np.flatnonzero(first < end)
    time = face.read(micros[kept])
    confirming = face.read(micros[kept] + round(config.novelty_window_days * DAY))
    clock = passes.time.days + passes.time.over
    alive, matters = (
        np.searchsorted(clock, one.days + one.over + config.windows[2] + SLACK, side="right").tolist()
        for one in (time, confirming)
    )
    return _Seen(
        Seen(
            items=[ordered[at] for at in kept.tolist()],
            micros=micros[kept],
            first=first[kept].tolist(),
            end=end[kept].tolist(),
            alive=alive,
            matters=matters,
        ),
        time,
        np.cumsum(seen)[:-1] > 0,
    )


# -- materiality ------------------------------------------------------------------------------------------------------


def _confirmed(
    seen: Seen, voices: Sequence[Voice], new: Mapping[int, list[Stretch]], config: SignalConfig
) -> dict[int, list[tuple[int, int]]]:
    """When each statement that claims much is confirmed by another voice (`influence.corroborated`), by its number."""
    asking = [
        at
        for at, item in enumerate(seen.items)
        if item.materiality is Materiality.HIGH and item.credibility is not Credibility.OFFICIAL
    ]
    if not asking:
        return {}
    told: dict[str, list[int]] = {}
    asked = {seen.items[at].event_type for at in asking}
    for at, item in enumerate(seen.items):
        if item.event_type in asked and voices[at].name != CROWD:
            told.setdefault(item.event_type, []).append(at)
    times = {event: seen.micros[numbers].tolist() for event, numbers in told.items()}
    window, micros = round(config.novelty_window_days * DAY), seen.micros.tolist()
    found = {}
    for at in asking:
        event, own = seen.items[at].event_type, voices[at].name
        known = times.get(event, [])
        start, end = bisect_left(known, micros[at] - window), bisect_right(known, micros[at] + window)
        spans = [
            (stretch.first, stretch.end)
            for number in told.get(event, [])[start:end]
            if voices[number].name != own
            for stretch in new.get(number) or (Stretch(seen.first[number], seen.end[number], 1.0),)
            if stretch.value > 0.0
        ]
        found[at] = _union(spans)
    return found


def _union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, end in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((first, end))
    return joined


# -- voices -----------------------------------------------------------------------------------------------------------


def _voices(items: Sequence[EvidenceItem], config: SignalConfig) -> list[Voice]:
    """`voice_of` each; a site's is the same all the time."""
    known: dict[tuple[Credibility, str, str], Voice] = {}
    found = []
    for item in items:
        if item.credibility is Credibility.OFFICIAL:
            found.append(voice_of(item, config))
            continue
        key = item.credibility, item.site, item.publisher
        voice = known.get(key)
        if voice is None:
            voice = known[key] = voice_of(item, config)
        found.append(voice)
    return found


def _slots(seen: Seen, voices: Sequence[Voice]) -> tuple[Ints, Slots]:
    """The slot of each statement, and all of them.

    A document that speaks for itself has its slot for as long as it counts; others have it after that.
    """
    lanes = _lanes(seen, voices)
    names = [lanes.get(voice.name, voice.name) for voice in voices]
    levels: dict[str, tuple[float, set[float]]] = {}
    for name, voice in zip(names, voices, strict=True):
        levels.setdefault(name, (voice.share, set()))[1].add(voice.most)
    bounds = {name: (share, min(mosts)) for name, (share, mosts) in levels.items()}
    order = sorted(levels, key=lambda name: (bounds[name], name))
    keys = [(name, most) for name in order for most in sorted(levels[name][1])]
    counts = np.array([len(levels[name][1]) for name in order], dtype=np.int64)
    starts = np.cumsum(counts) - counts
    places = {key: number for number, key in enumerate(keys)}
    alike, first = [], 0
    for (share, most), own in groupby(order, key=bounds.__getitem__):
        alike.append(Alike(first, first + sum(1 for _ in own), share, most))
        first = alike[-1].end
    ends = (starts + counts).tolist()
    layered = [(v, s, e) for v, (s, e) in enumerate(zip(starts.tolist(), ends, strict=True)) if e - s > 1]
    slots = Slots(
        most=np.array([most for _, most in keys], dtype=np.float64),
        voice=np.repeat(np.arange(len(order)), counts),
        share=np.array([levels[name][0] for name in order], dtype=np.float64),
        starts=starts,
        alike=tuple(alike),
        layered=tuple(layered),
    )
    slot = [places[name, voice.most] for name, voice in zip(names, voices, strict=True)]
    return np.array(slot, dtype=np.int64), slots


def _lanes(seen: Seen, voices: Sequence[Voice]) -> dict[str, str]:
    """A lane for each document that speaks for itself; two in one lane never count at once."""
    spans: dict[str, tuple[int, int]] = {}
    for at, item in enumerate(seen.items):
        name = voices[at].name
        if item.credibility is Credibility.OFFICIAL and name.startswith(_DOCUMENT):
            known = spans.get(name, (seen.first[at], 0))
            spans[name] = min(known[0], seen.first[at]), max(known[1], min(seen.end[at], seen.alive[at]))
    lanes: dict[str, str] = {}
    free: list[tuple[int, int]] = []
    for name, (first, end) in sorted(spans.items(), key=lambda one: (one[1], one[0])):
        number = heapq.heappop(free)[1] if free and free[0][0] <= first else len(free)
        heapq.heappush(free, (max(first, end), number))
        lanes[name] = f"{_DOCUMENT}{number}"
    return lanes


# -- pieces -----------------------------------------------------------------------------------------------------------


def _pieces(
    seen: _Seen,
    slot: Ints,
    new: Mapping[int, list[Stretch]],
    confirmed: Mapping[int, list[tuple[int, int]]],
    passes: Passes,
    config: SignalConfig,
) -> Pieces:
    items = seen.kept.items
    claims = [
        Materiality.MEDIUM if at in confirmed else item.materiality for at, item in enumerate(items)
    ]  # what is confirmed for some passes is set below
    of = list(range(len(items)))
    first, end = list(seen.kept.first), list(seen.kept.end)
    novelty, materiality = [1.0] * len(items), [config.materiality[claim] for claim in claims]
    for at in sorted(new.keys() | {at for at, spans in confirmed.items() if spans}):
        stretches = new.get(at) or [Stretch(first[at], end[at], 1.0)]
        end[at] = first[at]
        for one, spans in ((stretch, confirmed.get(at, [])) for stretch in stretches):
            for start, stop, sure in _cut(one, spans):
                of.append(at)
                first.append(start)
                end.append(stop)
                novelty.append(one.value)
                materiality.append(config.materiality[Materiality.HIGH if sure else claims[at]])
    return _measured(
        seen,
        slot,
        np.array(of, dtype=np.int64),
        (np.array(first, dtype=np.int64), np.array(end, dtype=np.int64)),
        np.array(novelty) * np.array(materiality),
        passes,
        config,
    )


def _cut(stretch: Stretch, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """Cut a stretch where a confirmation begins or ends."""
    found, at = [], stretch.first
    for first, end in spans:
        start, stop = max(first, at), min(end, stretch.end)
        if start < stop:
            if at < start:
                found.append((at, start, False))
            found.append((start, stop, True))
            at = stop
    return [*found, (at, stretch.end, False)] if at < stretch.end else found


def _measured(
    seen: _Seen,
    slot: Ints,
    of: Ints,
    spans: tuple[Ints, Ints],
    scale: Floats,
    passes: Passes,
    config: SignalConfig,
) -> Pieces:
    """Cut spans of statements where passes are uneven, and measure them.

    Args:
        of: number of the statement of each span.
        spans: first passes, and those after the last.
        scale: novelty x materiality of each span.
    """
    items = seen.kept.items
    first, end = spans
    end = np.minimum(end, np.array(seen.kept.alive, dtype=np.int64)[of])
    kept = np.flatnonzero(first < end)
    of, first, end, scale = of[kept], first[kept], end[kept], scale[kept]
    cuts = passes.stretch[end - 1] - passes.stretch[first] + 1 if len(of) else first
    again = np.repeat(np.arange(len(of)), cuts)
    nth = np.arange(len(again)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    stretch = passes.stretch[first][again] + nth if len(of) else again
    first = np.maximum(first[again], passes.starts[stretch])
    end = np.minimum(end[again], passes.starts[stretch + 1])
    of, scale = of[again], scale[again]

    def column(values: list[float]) -> Floats:
        return np.array(values, dtype=np.float64)[of]

    sentiment = column([item.sentiment for item in items])
    half_life = column([config.half_lives[item.event_type] for item in items])
    half_life = signed_half_life(half_life, sentiment, config.negative_half_life)
    start = document_weight(
        column([config.relevance[item.role] for item in items]),
        column([config.credibility[item.credibility] for item in items]),
        scale,
        column([item.confidence * item.quote_validity for item in items]),
        np.ones(len(of)),
    )
    told = TradingTime(seen.time.days[of], seen.time.over[of])
    age = passes.age(first, told)
    within = np.array([_within(window, age, first, end, told, passes) for window in config.windows])
    counts = np.flatnonzero((within[2] > 0) & (start > 0.0))
    order = counts[np.lexsort((first[counts], slot[of[counts]]))]
    return Pieces(
        slot=slot[of[order]],
        first=first[order],
        within=within[:, order],
        weight=decayed_weight(start, age, half_life)[order],
        half_life=half_life[order],
        sentiment=sentiment[order],
    )


def _within(window: float, age: Floats, first: Ints, end: Ints, told: TradingTime, passes: Passes) -> Ints:
    """The number of passes of each piece whose age is within a window, which is exact at its very end."""
    more = np.floor(window - age + SLACK).astype(np.int64)
    last = np.clip(first + more, first, end - 1)
    beyond = passes.age(last, told) > window
    return np.where(more < 0, 0, last - first + 1 - beyond)
