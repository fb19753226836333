"""Layer scores of one company at all passes at once, from its pieces of evidence (`domain.panel_evidence`).

The arithmetic is that of `domain.signals`, in another order of additions: results differ from it by less than 1e-12.
Sums over pieces are one `bincount` for each window, into slots x passes; voices are bounded exactly at those passes at
which a bound bites.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from domain.config import SignalConfig
from domain.kernels import Floats, contradiction, decayed_weight, horizon_of, layer_score
from domain.panel_evidence import EvidencePanel
from domain.panel_passes import Ints
from domain.panel_pieces import Pieces
from domain.panel_voices import Slots


@dataclass(frozen=True, eq=False)
class Details:
    """What entry gates need besides the score; (C,)."""

    contradiction: Floats
    horizon: Floats


def company_scores(panel: EvidencePanel, passes: int, config: SignalConfig, space: Workspace) -> Floats:
    """The company layer's score at each of K passes, (K,)."""
    score = np.zeros(passes)
    pieces, slots = panel.pieces, panel.slots
    if not len(pieces.first):
        return score
    weights, signed = _sums(pieces, len(slots.most), passes, space)
    for window, part in enumerate(config.window_weights):
        score += part * bounded_score(weights[window], signed[window], slots, config.kappa)
    return score


def bounded_score(weight: Floats, tone: Floats, slots: Slots, kappa: float) -> Floats:
    """A layer's score in one window at each of K passes, its voices bounded, (K,).

    Args:
        weight: summed by slot and pass, (S, K).
        tone: the same of weight x sentiment.
    """
    total, net = weight.sum(axis=0), tone.sum(axis=0)
    tight = _tight(weight, total, slots, kappa)
    if len(tight):
        bounded = weight[:, tight]
        scale = _scales(bounded, slots, kappa)
        total[tight] = (bounded * scale).sum(axis=0)
        net[tight] = (tone[:, tight] * scale).sum(axis=0)
    return layer_score(net, total, kappa)


def company_details(panel: EvidencePanel, at: Ints, config: SignalConfig) -> Details:
    """Contradiction and horizon at some passes `at`, ascending, (C,)."""
    pieces, slots = panel.pieces, panel.slots
    cells = _Cells(pieces, slots, at)
    lives, magnitudes = np.zeros(len(at)), np.zeros(len(at))
    net, absolute = lives, lives
    for window, part in enumerate(config.window_weights):
        inside = cells.weights * (cells.steps < pieces.within[window][cells.of])
        size, sentiment = np.abs(pieces.sentiment[cells.of]), pieces.sentiment[cells.of]
        weight = cells.sums(inside)
        scale = _scales(weight, slots, config.kappa)
        prior = config.kappa + (weight * scale).sum(axis=0)
        absolute = (cells.sums(inside * size) * scale).sum(axis=0)
        lived = cells.sums(inside * size * pieces.half_life[cells.of])
        lives = lives + part * (lived * scale).sum(axis=0) / prior
        magnitudes = magnitudes + part * absolute / prior
        net = (cells.sums(inside * sentiment) * scale).sum(axis=0)  # of the last window in the end: it holds all others
    return Details(contradiction(net, absolute), horizon_of(lives, magnitudes, config))


class Workspace:
    """Arrays that are filled again for one company after the other.

    To ask the system for new memory each time costs more than all the arithmetic. What was given is overwritten when
    the same name is asked for again.
    """

    def __init__(self) -> None:
        self._floats: dict[str, Floats] = {}
        self._ints: dict[str, Ints] = {}

    def floats(self, name: str, *shape: int) -> Floats:
        size = prod(shape)
        if name not in self._floats or self._floats[name].size < size:
            self._floats[name] = np.empty(size, dtype=np.float64)
        return self._floats[name][:size].reshape(shape)

    def ints(self, name: str, *shape: int) -> Ints:
        size = prod(shape)
        if name not in self._ints or self._ints[name].size < size:
            self._ints[name] = np.empty(size, dtype=np.int64)
        return self._ints[name][:size].reshape(shape)


def _sums(pieces: Pieces, slots: int, passes: int, space: Workspace) -> tuple[list[Floats], list[Floats]]:
    """Sums of weights and of weights x sentiments in each window, (S, K) each."""
    within = pieces.within[:, :, None]
    steps = np.arange(int(within[2].max()))
    shape = len(pieces.first), len(steps)
    decay = np.exp2(-steps / pieces.lives[:, None])
    weights = np.take(decay, pieces.life, axis=0, out=space.floats("weights", *shape), mode="clip")
    weights *= pieces.weight[:, None]
    np.copyto(weights, 0.0, where=steps >= within[2])
    width = passes + len(steps)  # what lies beyond the last pass is 0
    begins = pieces.slot * width + pieces.first
    places = np.add(begins[:, None], steps, out=space.ints("places", *shape))
    signed = np.flatnonzero(pieces.sentiment)
    tones = np.take(weights, signed, axis=0, out=space.floats("tones", len(signed), len(steps)), mode="clip")
    tones *= pieces.sentiment[signed, None]

    def summed(values: Floats, at: Ints, within: Ints) -> list[Floats]:
        found = []
        for inner in within[:2]:
            most = int(inner.max(initial=0))
            inside = np.where(steps[:most] < inner, values[:, :most], 0.0)
            found.append(np.bincount(at[:, :most].ravel(), inside.ravel(), slots * width))
        found.append(np.bincount(at.ravel(), values.ravel(), slots * width))
        return [sums.astype(np.float64, copy=False).reshape(slots, width)[:, :passes] for sums in found]

    return summed(weights, places, within), summed(tones, places[signed], within[:, signed])


class _Cells:
    """Weights of pieces at some passes: a row for each piece and pass at which it counts, (R,)."""

    def __init__(self, pieces: Pieces, slots: Slots, at: Ints) -> None:
        begin = np.searchsorted(at, pieces.first, side="left")
        count = np.searchsorted(at, pieces.first + pieces.within[2], side="left") - begin
        self.of = np.repeat(np.arange(len(count)), count)
        which = np.arange(len(self.of)) - np.repeat(np.cumsum(count) - count, count) + begin[self.of]
        self.steps = at[which] - pieces.first[self.of]
        self.weights = decayed_weight(pieces.weight[self.of], self.steps.astype(np.float64), pieces.half_life[self.of])
        self._shape = len(slots.most), len(at)
        self._places = pieces.slot[self.of] * len(at) + which

    def sums(self, values: Floats) -> Floats:
        """(S, C)"""
        slots, passes = self._shape
        found = np.bincount(self._places, values, slots * passes)
        return found.astype(np.float64, copy=False).reshape(slots, passes)


def _tight(weight: Floats, total: Floats, slots: Slots, kappa: float) -> Ints:
    """Passes at which some voice may pass a bound."""
    over = np.zeros(len(total), dtype=np.bool_)
    for alike in slots.alike:
        first, end = slots.rows(alike)
        largest = weight[first:end].max(axis=0)
        for voice, start, stop in slots.layered:
            if alike.first <= voice < alike.end:
                np.maximum(largest, weight[start:stop].sum(axis=0), out=largest)
        over |= largest > np.minimum(alike.most, alike.share * (kappa + total))
    return np.flatnonzero(over)


def _voices(weight: Floats, slots: Slots) -> Floats:
    """What each voice weighs, (V, C)."""
    if not slots.layered:
        return weight
    voices: Floats = weight[slots.starts]
    for voice, start, end in slots.layered:
        voices[voice] = weight[start:end].sum(axis=0)
    return voices


def _scales(weight: Floats, slots: Slots, kappa: float) -> Floats:
    """What the weights at each slot and pass are multiplied by, (S, C): `influence.limited` for many passes."""
    kept = np.minimum(weight, slots.most[:, None])
    for _, start, end in slots.layered:
        for level in range(start + 1, end):
            below = kept[start : level + 1]
            below[-1] = weight[level]
            total = below.sum(axis=0)
            below *= np.where(total > slots.most[level], slots.most[level] / np.where(total > 0.0, total, 1.0), 1.0)
    voices = _voices(kept, slots)
    biting = np.flatnonzero((voices > slots.share[:, None] * (kappa + voices.sum(axis=0))).any(axis=0))
    if len(biting):
        kept[:, biting] *= _share_scales(voices[:, biting], slots.share, kappa)[slots.voice]
    return np.divide(kept, weight, out=np.ones_like(weight), where=weight > 0.0)


def _share_scales(voices: Floats, share: Floats, kappa: float) -> Floats:
    """Factors for the voices that pass their share, (V, C).

    Those that pass it are bounded, which makes the total smaller, until none passes any more. So whoever is bounded
    once stays so, and the order does not matter: the total is the one that `domain.influence` ends with.
    """
    part = share[:, None]
    total = kappa + voices.sum(axis=0)
    bounded = voices > part * total
    while True:
        free = np.where(bounded, 0.0, voices).sum(axis=0)
        total = (kappa + free) / (1.0 - np.where(bounded, part, 0.0).sum(axis=0))
        passing = ~bounded & (voices > part * total)
        if not passing.any():
            return np.where(bounded, part * total / np.where(bounded, voices, 1.0), 1.0)
        bounded |= passing
