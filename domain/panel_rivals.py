"""The competitive layer of a company at all passes at once, from what was told of its competitors.

As `domain.competitive_layer` has it. While the same links are in force, what is told of a company and of its
competitors is one pool, in which novelty is told; what its competitors' part weighs is summed. The lag kernel
(1 - 2^(-t/rise)) 2^(-t/fall) is the difference of two decays, so that a piece has two weights. What a competitor's
measured co-movement carries over may change with every pass: such words are summed competitor by competitor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from domain.backtest_data import BacktestData
from domain.config import SignalConfig
from domain.evidence_columns import EVENTS
from domain.kernels import Floats
from domain.panel_novelty import Stretches, novelty_over_time
from domain.panel_passes import ClockFace, Ints, Passes, micros_of
from domain.panel_pieces import Parts, parts_of
from domain.panel_pool import Pools
from domain.panel_scores import Workspace, bounded_score
from domain.panel_statements import Statements, all_stretches, claims, confirmation_gain, statements_of, united
from domain.panel_voices import Tables, Voices, slots_of

OWN = 0
"""Number of the company itself in its pool."""


@dataclass(frozen=True)
class _Spell:
    """Passes `first` to `end` - 1, through which the same links are in force."""

    first: int
    end: int
    links: Mapping[str, float]


class Rivals:
    """Scores the competitive layer of one company after the other."""

    def __init__(
        self, data: BacktestData, passes: Passes, face: ClockFace, config: SignalConfig, tables: Tables
    ) -> None:
        self._data, self._passes, self._face, self._config, self._tables = data, passes, face, config, tables
        self._pools, self._space = Pools(data), Workspace()
        layer = config.competitive
        self._signs = layer.sign_weight * np.array([layer.peer_signs[event] for event in EVENTS])

    def score(self, symbol: str) -> Floats | None:
        """S_x at each of K passes, (K,); None where arrays cannot tell it."""
        found = np.zeros(len(self._passes))
        for spell in self._spells(symbol):
            score = self._score(symbol, spell)
            if score is None:
                return None
            found[spell.first : spell.end] = score
        return found

    def _spells(self, symbol: str) -> list[_Spell]:
        """The spells in which there are any links."""
        changes = sorted({since for history in self._data.links.get(symbol, {}).values() for since, _ in history})
        begins = sorted({0, *self._passes.since(micros_of(changes)).tolist()} - {len(self._passes)})
        spells = []
        for first, end in zip(begins, [*begins[1:], len(self._passes)], strict=True):
            known = self._data.links_at(symbol, self._passes.as_of[first])
            links = {rival: strength for rival, strength in known.items() if strength > 0.0 and rival != symbol}
            if links:
                spells.append(_Spell(first, end, links))
        return spells

    def _score(self, symbol: str, spell: _Spell) -> Floats | None:
        """The layer's score at the passes of a spell; None where arrays cannot tell it."""
        config, layer, tables, passes = self._config, self._config.competitive, self._tables, self._passes
        oldest = passes.as_of[spell.first] - timedelta(days=config.lookback_days)
        pool = self._pools.of([symbol, *spell.links], oldest, passes.as_of[spell.end - 1])
        if not pool.columns.plain or confirmation_gain(tables) < 0.0:
            return None
        seen = statements_of(
            pool.columns,
            pool.items,
            self._data.taken_back,
            passes,
            self._face,
            config,
            tables,
            window=layer.window,
            during=(spell.first, spell.end),
            symbol=symbol,
        )
        facts, kept = seen.facts, seen.kept
        whose = pool.whose[kept.rows]
        voices = Voices.of(facts.credibility, kept.site, kept.document, config, tables)
        new = all_stretches(kept, novelty_over_time(kept, config))
        worth = claims(seen, voices, new, config, tables, about=whose - 1)
        read = _read(seen, worth, whose)
        if read is None:
            return None
        theirs = np.flatnonzero(whose != OWN)
        ends = np.minimum(kept.end, seen.alive)
        lookup = np.zeros(len(seen), dtype=np.int64)
        lookup[theirs], slots = slots_of(
            voices.taken(theirs), facts.credibility[theirs], (kept.first[theirs], ends[theirs]), config, tables
        )
        strength = np.array([0.0, *spell.links.values()])[whose]
        parts = parts_of(seen, read, facts.weights(tables) * strength, passes, (layer.window,))
        carried = self._carried(symbol, list(spell.links), spell)
        sums = _Sums(parts, lookup[parts.of], len(slots.most), spell, config, self._space)
        sentiment = facts.sentiment[parts.of]
        tone = sums.summed(sentiment * self._signs[facts.event[parts.of]])
        for number, by_pass in carried.items():
            tone += by_pass * sums.summed(np.where(whose[parts.of] == number, sentiment, 0.0))
        return bounded_score(sums.summed(np.ones(len(sentiment))), tone, slots, config.kappa)

    def _carried(self, symbol: str, rivals: Sequence[str], spell: _Spell) -> dict[int, Floats]:
        """What the measured co-movement with a competitor adds to b at each pass, by its number in the pool."""
        layer, found = self._config.competitive, {}
        for number, rival in enumerate(rivals, start=OWN + 1):
            history = self._data.comovements.get(symbol, {}).get(rival, ())
            by_pass = np.zeros(len(self._passes))
            begins = self._passes.since(micros_of([since for since, _ in history])).tolist()
            for begin, (_, measured) in zip(begins, history, strict=True):
                by_pass[begin:] = layer.comovement_weight * measured.shrunk(layer.comovement_prior)
            if by_pass[spell.first : spell.end].any():
                found[number] = by_pass[spell.first : spell.end]
        return found


def _read(seen: Statements, worth: Stretches, whose: Ints) -> Stretches | None:
    """What the layer reads: what is told of competitors, but while its document is one of the company's own.

    None where a document of the company is seen, is gone, and is seen again.
    """
    own = np.flatnonzero(whose == OWN)
    document, first, end = united(seen.kept.document[own], seen.kept.first[own], seen.kept.end[own], len(seen.told))
    if (np.diff(document) == 0).any():
        return None
    passes, documents = len(seen.told), int(seen.kept.document.max(initial=-1)) + 1
    known, gone = np.full(documents, passes + 1), np.full(documents, passes + 1)
    known[document], gone[document] = first, end
    theirs = np.flatnonzero(whose[worth.of] != OWN)
    of, value = worth.of[theirs], worth.value[theirs]
    told = seen.kept.document[of]
    firsts = np.concatenate([worth.first[theirs], np.maximum(worth.first[theirs], gone[told])])
    ends = np.concatenate([np.minimum(worth.end[theirs], known[told]), worth.end[theirs]])
    kept = np.flatnonzero(firsts < ends)
    return Stretches(np.tile(of, 2)[kept], firsts[kept], ends[kept], np.tile(value, 2)[kept])


class _Sums:
    """Sums of what parts weigh, by slot and pass of a spell."""

    def __init__(
        self, parts: Parts, slot: Ints, slots: int, spell: _Spell, config: SignalConfig, space: Workspace
    ) -> None:
        layer = config.competitive
        steps = np.arange(int(parts.within[0].max(initial=0)))
        shape = len(slot), len(steps)
        lives = layer.lag_fall, 1.0 / (1.0 / layer.lag_fall + 1.0 / layer.lag_rise)
        weights, arriving = space.floats("weights", *shape), space.floats("arriving", *shape)
        for life, found in zip(lives, (weights, arriving), strict=True):
            np.multiply.outer(parts.start * np.exp2(-parts.age / life), np.exp2(-steps / life), out=found)
        weights -= arriving
        np.copyto(weights, 0.0, where=steps >= parts.within[0][:, None])
        self._passes, self._slots = spell.end - spell.first, slots
        self._width = self._passes + len(steps)  # what lies beyond the last pass is 0
        begins = slot * self._width + parts.first - spell.first
        self._weights = weights
        self._places = np.add(begins[:, None], steps, out=space.ints("places", *shape))

    def summed(self, factor: Floats) -> Floats:
        """Sums of the weights times a factor of each part, (S, K)."""
        some = np.flatnonzero(factor)
        weights, places = (
            (self._weights * factor[:, None], self._places)
            if len(some) == len(factor)
            else (self._weights[some] * factor[some, None], self._places[some])
        )
        found = np.bincount(places.ravel(), weights.ravel(), self._slots * self._width)
        return found.astype(np.float64, copy=False).reshape(self._slots, self._width)[:, : self._passes]
