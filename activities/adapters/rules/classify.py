"""Decide what kind of event a sentence tells of, by the votes of the phrases found in it."""

from __future__ import annotations

import re

from activities.adapters.rules import lexicon
from activities.adapters.rules.phrases import Hit, Kind
from activities.adapters.rules.scoring import Reading
from activities.adapters.rules.taxonomy import BOUGHT, BUY, MERGE, SELL
from activities.adapters.rules.tokens import word_set
from domain.extraction import EventType

_RATING_AGENCY = word_set("moody fitch s&p poor dbrs notch notches sovereign junk debt credit bonds ratings rtgs")
_BROKER_WORDS = word_set(
    "buy sell neutral hold overweight underweight outperform underperform analyst brokerage broker goldman"
)
_DEAL_OBJECTS = word_set(
    "stake stakes unit units firm company companies business businesses assets maker rival producer "
    "operator chain bank insurer miner shares stock division arm takeover merger bid offer interest "
    "interests rights fields field portfolio brand brands majority minority subsidiary retailer "
    "supplier developer startup start control group property loans corp inc co plc ltd"
)
_CONSUMER = re.compile(
    r"\b(?:customers?|consumers?|shoppers?|buyers?|homebuyers?|airlines?|households?|users?)\b", re.IGNORECASE
)
_RANK = {
    kind: rank
    for rank, kind in enumerate(
        (
            EventType.ACCOUNTING_FRAUD,
            EventType.CREDIT_DISTRESS,
            EventType.PRODUCT_APPROVAL,
            EventType.MA_TARGET,
            EventType.MA_ACQUIRER,
            EventType.GUIDANCE,
            EventType.EARNINGS,
            EventType.BUYBACK_DIVIDEND,
            EventType.RECALL_SAFETY,
            EventType.LITIGATION_FIRM,
            EventType.ANALYST_ACTION,
            EventType.OUTAGE_CYBER,
            EventType.LABOUR,
            EventType.CONTRACT,
            EventType.SUPPLY_CHAIN,
            EventType.ISSUANCE,
            EventType.MANAGEMENT,
            EventType.KPI_SALES,
        )
    )
}
MIN_VOTE = 0.6
"""Below this total no kind of event is named."""


def classify(reading: Reading) -> tuple[EventType, float]:
    """Return the kind of event with the most votes and its total; `OTHER` and 0 where nothing speaks up."""
    votes: dict[EventType, float] = {}
    metrics = [hit.entry for hit in reading.hits if hit.entry.kind is Kind.METRIC]
    earned = any(entry.event in (EventType.EARNINGS, EventType.KPI_SALES) for entry in metrics)
    movement = any(hit.entry.kind in (Kind.DIRECTION, Kind.BEAT) and hit.entry.tag != "place" for hit in reading.hits)
    words = {token.low for token in reading.tokens}
    for hit in reading.hits:
        entry = hit.entry
        event = entry.event
        if event is None:
            continue
        if entry.kind is Kind.METRIC:
            weight = 0.7 if entry.tag != lexicon.FORECAST else (0.8 if movement else 0.3)
        elif entry.value:
            weight = 1.0 + abs(entry.value) / 2
        else:
            weight = 0.6
        if event in (EventType.MA_ACQUIRER, EventType.MA_TARGET) and not _is_deal(
            reading, hit.first, hit.last, entry.tag
        ):
            weight = 0.2
        if event is EventType.GUIDANCE and entry.value == 0 and not metrics:
            weight = 0.1
        if event is EventType.EARNINGS and entry.kind is Kind.OPINION and not earned:
            weight = 0.1
        if event in (EventType.CREDIT_DISTRESS, EventType.ANALYST_ACTION):
            event = _rater(reading, hit, words)
            if event is EventType.OTHER:
                continue
        votes[event] = votes.get(event, 0.0) + weight
    if not votes:
        return EventType.OTHER, 0.0
    best = max(votes, key=lambda kind: (votes[kind], -_RANK.get(kind, len(_RANK))))
    return (best, votes[best]) if votes[best] >= MIN_VOTE else (EventType.OTHER, votes[best])


def _rater(reading: Reading, hit: Hit, words: set[str]) -> EventType:
    """Tell a rating agency's grade from a broker's recommendation and from an upgrade of equipment."""
    graded = reading.tokens[hit.first].low.startswith(("upgrad", "downgrad"))
    if words & _RATING_AGENCY or (not graded and hit.entry.event is EventType.CREDIT_DISTRESS):
        return EventType.CREDIT_DISTRESS
    if not graded or words & _BROKER_WORDS:
        return EventType.ANALYST_ACTION
    following = reading.tokens[hit.last] if hit.last < len(reading.tokens) else None
    named = following is None or following.has_capital or following.low in {"by", "from", "at", ","}
    return EventType.ANALYST_ACTION if named else EventType.OTHER


def _is_deal(reading: Reading, first: int, last: int, tag: str) -> bool:
    """Whether a word of buying or selling is about companies: a name or a kind of asset is bought."""
    if tag in (BOUGHT, MERGE):
        return True
    if tag not in (BUY, SELL):
        return False
    following = reading.tokens[last : last + 8]
    if not following:
        return False
    if any(_CONSUMER.fullmatch(token.low) for token in reading.tokens[max(0, first - 3) : first]):
        return False
    bought = [reading.tokens[index].low for index in range(first, last)]
    if _DEAL_OBJECTS & {*bought, *(token.low for token in following)}:
        return True
    return tag == BUY and following[0].has_capital and following[0].low not in {"apple", "i", "u.s", "us"}
