"""One company's evidence over all passes of a backtest, laid out flat: what each statement weighs, and from when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.evidence_columns import EVENTS, columns_of
from domain.kernels import decayed_weight, signed_half_life
from domain.panel_novelty import novelty_over_time
from domain.panel_passes import ClockFace, Flags, Ints, Passes
from domain.panel_pieces import Parts, Pieces, parts_of
from domain.panel_statements import Facts, all_stretches, claims, confirmation_gain, statements_of
from domain.panel_voices import Slots, Tables, Voices, slots_of


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
    seen = statements_of(of, items, taken_back, passes, face, config, tables, window=config.windows[2])
    facts, kept = seen.facts, seen.kept
    voices = Voices.of(facts.credibility, kept.site, kept.document, config, tables)
    new = all_stretches(kept, novelty_over_time(kept, config))
    worth = claims(seen, voices, new, config, tables)
    spans = kept.first, np.minimum(kept.end, seen.alive)
    slot, slots = slots_of(voices, facts.credibility, spans, config, tables)
    parts = parts_of(seen, worth, facts.weights(tables), passes, config.windows)
    pieces = _pieces(parts, facts, slot, len(passes), config, tables)
    return EvidencePanel(pieces, slots, seen.told, of.plain and confirmation_gain(tables) >= 0.0)


def _pieces(parts: Parts, facts: Facts, slot: Ints, passes: int, config: SignalConfig, tables: Tables) -> Pieces:
    """Let parts decay with the half-lives of the kinds of event, bad news more slowly."""
    parts = parts.taken(np.argsort(slot[parts.of] * passes + parts.first))
    of = parts.of
    lives = np.concatenate([tables.half_life, tables.half_life])
    lives = signed_half_life(lives, np.repeat([0.0, -1.0], len(EVENTS)), config.negative_half_life)
    life = facts.event[of].astype(np.int64) + len(EVENTS) * (facts.sentiment[of] < 0.0)
    return Pieces(
        slot=slot[of],
        first=parts.first,
        within=parts.within,
        weight=decayed_weight(parts.start, parts.age, lives[life]),
        life=life,
        lives=lives,
        sentiment=facts.sentiment[of],
    )
