"""How much one document, one site or the crowd may weigh: bounds on the worst that a single voice can do.

Two bounds, in this order. What a voice says together weighs no more than one perfect document of it would, which is the
weight of its credibility: neither twelve reworded stories nor eight events in one document add to that. Then no voice
is more than its share of its layer. A layer's score is sum(w s) / (kappa + sum w): the prior kappa is a voice that says
nothing, so that shares are defined with a single document too. Shares are of kappa + sum w after the bounds; both
bounds depend on weights alone, never on signs.

Names cost nothing where nobody vouches for them, so sites of little credibility are one voice, the crowd.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.config import SignalConfig
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.extraction import Materiality

CROWD = "crowd"


class Voice(NamedTuple):
    """Whose word an item is. Items of one name are one voice and have one share."""

    name: str
    share: float
    """Most of kappa + sum w that the voice may be, in (0, 1)."""
    most: float
    """Weight of the item's credibility. What the voice says with a credibility up to this weighs at most this."""


def limited(weights: Sequence[float], voices: Sequence[Voice], kappa: float) -> list[float]:
    """Scale weights down until no voice weighs more than its credibility, nor more than its share of kappa + their sum.

    Args:
        weights: of the items of one symbol, each at least 0.
        voices: for each item whose word it is.
        kappa: the prior's weight, above 0.

    Returns the weights in the same order; the items of a voice that are bounded together keep their proportions.
    """
    return Choir(voices).limited(weights, kappa)


class Choir:
    """The voices of one symbol's items, told apart once for weights that are bounded several times."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        told: dict[str, list[int]] = {}
        for at, voice in enumerate(voices):
            told.setdefault(voice.name, []).append(at)
        self._names = [voice.name for voice in voices]
        self._shares = {voice.name: voice.share for voice in voices}
        self._items = list(told.values())
        self._levels = [level for items in self._items for level in _levels([(at, voices[at].most) for at in items])]

    def limited(self, weights: Sequence[float], kappa: float) -> list[float]:
        """See `limited`; the weights are in the order of the voices."""
        kept = list(weights)
        for most, upto in self._levels:
            total = kept[upto[0]] if len(upto) == 1 else math.fsum([kept[at] for at in upto])
            if total > most:
                for at in upto:
                    kept[at] *= most / total
        sums = [kept[items[0]] if len(items) == 1 else math.fsum([kept[at] for at in items]) for items in self._items]
        scale = _share_scales(dict(zip(self._shares, sums, strict=True)), self._shares, kappa)
        if not scale:
            return kept
        return [weight * scale.get(name, 1.0) for weight, name in zip(kept, self._names, strict=True)]


def _levels(items: Sequence[tuple[int, float]]) -> list[tuple[float, list[int]]]:
    """What bounds one voice. The items of a crowd differ in credibility: a level is bounded with all those below it.

    So one aggregator that joins in does not lift what a dozen unknown sites may weigh, and the bound does not jump with
    who is present.
    """
    if len(items) == 1:
        return [(items[0][1], [items[0][0]])]
    return [(most, [at for at, level in items if level <= most]) for most in sorted({level for _, level in items})]


def _share_scales(sums: dict[str, float], shares: dict[str, float], kappa: float) -> dict[str, float]:
    """Factors for the voices that pass their share.

    They are bounded one after the other, the furthest first, until none passes: what is left solves
    total = kappa + sum(min(share * total, weight)).
    """
    total = kappa + math.fsum(sums.values())
    if all(weight <= shares[name] * total for name, weight in sums.items()):
        return {}
    furthest = sorted(sums, key=lambda name: (-sums[name] / shares[name], name))
    bounded: list[str] = []
    for number, name in enumerate(furthest):
        if sums[name] <= shares[name] * total:
            break
        bounded.append(name)
        free = math.fsum(sums[other] for other in furthest[number + 1 :])
        total = (kappa + free) / (1.0 - math.fsum(shares[each] for each in bounded))
    return {name: shares[name] * total / sums[name] for name in bounded}


def site_of_item(item: EvidenceItem) -> str:
    """Who answers for an item."""
    return item.site or item.publisher.casefold()


def voice_of(item: EvidenceItem, config: SignalConfig) -> Voice:
    """Whose word an item is: the crowd's where its site has little credibility.

    Else of what is filed with an authority each document speaks for itself, and a site for all it tells.
    """
    most = config.credibility[item.credibility]
    if most < config.crowd_credibility:
        return Voice(CROWD, config.site_share, most)
    if item.credibility is Credibility.OFFICIAL:
        return Voice(f"document/{item.doc_id}", config.document_share, most)
    return Voice(f"site/{site_of_item(item)}", config.site_share, most)


def corroborated(
    items: Sequence[EvidenceItem], counts: Sequence[bool], config: SignalConfig, *, voices: Sequence[Voice] = ()
) -> list[Materiality]:
    """The materiality that each item may claim: high needs a filing, or the same kind of event from a second site.

    The other site's word must stand within the novelty window before or after, and count: a copy confirms nothing.
    Nor does the crowd, neither itself nor anybody else: a confirmation may add more to a story of the press than all
    that the crowd may weigh. Signs do not matter.

    Args:
        voices: those of the items, where they are at hand.
    """
    claimed = [item.materiality for item in items]
    asking = [
        at
        for at, item in enumerate(items)
        if claimed[at] is Materiality.HIGH and item.credibility is not Credibility.OFFICIAL
    ]
    if not asking:
        return claimed
    window = timedelta(days=config.novelty_window_days)
    voices = voices or [voice_of(item, config) for item in items]
    told: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for item, voice, new in zip(items, voices, counts, strict=True):
        if new and voice.name != CROWD:
            told.setdefault((item.symbol, item.event_type), []).append((item.available_at, voice.name))
    for at in asking:
        item, own = items[at], voices[at].name
        others = told.get((item.symbol, item.event_type), ())
        if not any(name != own and abs(when - item.available_at) <= window for when, name in others):
            claimed[at] = Materiality.MEDIUM
    return claimed
