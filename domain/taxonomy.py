"""What each kind of event is like: how long it matters, and which way it points for a company's peers."""

from __future__ import annotations

from typing import NamedTuple

from domain.extraction import EventType


class Traits(NamedTuple):
    """Of one kind of event.

    `half_life` is in trading days; `small` is that of small companies, where it differs. `peer` is the sign at
    competitors of what is good for the company itself: +1 shared, -1 opposite, 0 its own affair.
    """

    half_life: float
    peer: int = 0
    small: float | None = None


TAXONOMY: dict[EventType, Traits] = {
    EventType.EARNINGS: Traits(5.0, +1, small=20.0),
    EventType.GUIDANCE: Traits(10.0, +1),
    EventType.KPI_SALES: Traits(5.0, +1),
    EventType.ANALYST_ACTION: Traits(3.0),
    EventType.MA_TARGET: Traits(2.0, +1),
    EventType.MA_ACQUIRER: Traits(10.0),
    EventType.BUYBACK_DIVIDEND: Traits(10.0),
    EventType.ISSUANCE: Traits(10.0),
    EventType.INSIDER_OWNERSHIP: Traits(20.0),
    EventType.MANAGEMENT: Traits(10.0),
    EventType.PRODUCT_LAUNCH: Traits(10.0, -1),
    EventType.CONTRACT: Traits(10.0, -1),
    EventType.PRODUCT_APPROVAL: Traits(10.0, -1),
    EventType.RECALL_SAFETY: Traits(10.0, -1),
    EventType.OUTAGE_CYBER: Traits(5.0, -1),
    EventType.SUPPLY_CHAIN: Traits(5.0, +1),
    EventType.LITIGATION_FIRM: Traits(20.0),
    EventType.SECTOR_REGULATION: Traits(20.0, +1),
    EventType.CREDIT_DISTRESS: Traits(20.0, +1),
    EventType.ACCOUNTING_FRAUD: Traits(45.0, +1),
    EventType.LABOUR: Traits(5.0),
    EventType.INDEX_CHANGE: Traits(5.0),
    EventType.MACRO_RELEASE: Traits(3.0),
    EventType.POLICY_RATE: Traits(10.0),
    EventType.COMMODITY_GEOPOLITICS: Traits(10.0),
    EventType.RUMOUR: Traits(1.0),
    EventType.OTHER: Traits(5.0),
}
"""Earnings drift is gone in large companies since 2006 and lasts in small ones (Martineau 2022); a deal's target is
priced at once; a fraud is doubted for a quarter.
"""


def half_life_of(event: EventType, *, small: bool = False) -> float:
    """Trading days after which an event of the kind weighs half."""
    traits = TAXONOMY[event]
    return traits.small if small and traits.small is not None else traits.half_life
