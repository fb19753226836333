"""How much one document or one site may weigh: bounds on the worst that a single voice can do.

A layer's score is sum(w s) / (kappa + sum w): the prior kappa is a voice that says nothing, so that shares are defined
with a single document too. Shares are of kappa + sum w after the bounds, and depend on weights alone, never on signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.extraction import Materiality


def limited(weights: Sequence[float], voices: Sequence[tuple[str, float]], kappa: float) -> list[float]:
    """Scale weights down until no voice has more than its share of kappa + their sum.

    Args:
        weights: of the items of one symbol, each at least 0.
        voices: for each item whose word it is, and the share in (0, 1) that this voice may have.
        kappa: the prior's weight, above 0.

    Returns the weights in the same order; the items of a voice that is bounded keep their proportions.
    """
    told: dict[tuple[str, float], list[float]] = {}
    for weight, voice in zip(weights, voices, strict=True):
        told.setdefault(voice, []).append(weight)
    sums = {voice: math.fsum(parts) for voice, parts in told.items()}
    # Voices that pass their share are bounded one after the other, the furthest first, until none does: what is left
    # solves total = kappa + sum(min(share * total, weight)).
    furthest = sorted(sums, key=lambda voice: (-sums[voice] / voice[1], voice))
    bounded: list[tuple[str, float]] = []
    total = kappa + math.fsum(sums.values())
    for number, voice in enumerate(furthest):
        if sums[voice] <= voice[1] * total:
            break
        bounded.append(voice)
        free = math.fsum(sums[other] for other in furthest[number + 1 :])
        total = (kappa + free) / (1.0 - math.fsum(share for _, share in bounded))
    scale = {voice: voice[1] * total / sums[voice] for voice in bounded}
    return [weight * scale.get(voice, 1.0) for weight, voice in zip(weights, voices, strict=True)]


def voice_of(item: EvidenceItem, config: SignalConfig) -> tuple[str, float]:
    """Whose word an item is: of what is filed with an authority each document speaks for itself, else its site does."""
    if item.credibility is Credibility.OFFICIAL:
        return f"document/{item.doc_id}", config.document_share
    return f"site/{item.site or item.publisher.casefold()}", config.site_share


def corroborated(items: Sequence[EvidenceItem], counts: Sequence[bool], config: SignalConfig) -> list[Materiality]:
    """The materiality that each item may claim: high needs a filing, or the same kind of event from a second site.

    The other site's word must stand within the novelty window before or after, and count: a copy confirms nothing.
    Signs do not matter.
    """
    window = timedelta(days=config.novelty_window_days)
    told: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for item, new in zip(items, counts, strict=True):
        if new:
            told.setdefault((item.symbol, item.event_type), []).append((item.available_at, voice_of(item, config)[0]))
    found = []
    for item in items:
        claimed = item.materiality
        if claimed is Materiality.HIGH and item.credibility is not Credibility.OFFICIAL:
            voice = voice_of(item, config)[0]
            others = told.get((item.symbol, item.event_type), ())
            if not any(other != voice and abs(at - item.available_at) <= window for at, other in others):
                claimed = Materiality.MEDIUM
        found.append(claimed)
    return found
