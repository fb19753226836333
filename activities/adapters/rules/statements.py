"""Sentences as they are read, and events as they are put together from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from activities.adapters.rules.classify import classify
from activities.adapters.rules.confidence import confidence
from activities.adapters.rules.names import Mention
from activities.adapters.rules.roles import Share, shares_of
from activities.adapters.rules.scoring import Reading, read
from activities.adapters.rules.tokens import Span
from domain.extraction import Candidate, EntityRole, EventType

MAX_SENTENCES = 120
"""At most so many sentences that name a candidate are read."""
MAX_EVIDENCE = 3
LEAD_SENTENCES = 3
"""So many sentences after the headline may speak of its subject without naming it."""

_FIRM_EVENTS = frozenset(
    {
        EventType.LITIGATION_FIRM,
        EventType.PRODUCT_APPROVAL,
        EventType.RECALL_SAFETY,
        EventType.ANALYST_ACTION,
        EventType.ACCOUNTING_FRAUD,
        EventType.OUTAGE_CYBER,
        EventType.LABOUR,
    }
)
"""Kinds of events that somebody else often does to a company."""

ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|the\s+|your\s+)*(?:previous|prior|above|earlier)\b"
    r"|\b(?:you|assistant|model)\s+(?:must|shall|are\s+now)\b|\bsystem\s*(?:prompt|:)|</?[a-z_]+>|\"(?:events|entities)\"\s*:"
    r"|\bsentiment\s*[=:]",
    re.IGNORECASE,
)
"""Sentences that speak to whoever reads the document by machine are no news; rules have nothing to obey."""


_FAMILIES = (
    frozenset({EventType.EARNINGS, EventType.KPI_SALES, EventType.GUIDANCE}),
    frozenset({EventType.MA_ACQUIRER, EventType.MA_TARGET}),
    frozenset({EventType.LITIGATION_FIRM, EventType.SECTOR_REGULATION}),
)


@dataclass(slots=True)
class Statement:
    """One sentence read: what it tells of, of whom and how sure that is."""

    span: Span
    order: int
    reading: Reading
    type: EventType
    vote: float
    confidence: float
    shares: list[Share]
    is_heading: bool = False
    """It states the event by its form, as the heading of a filing's item does."""


@dataclass(slots=True)
class Draft:
    """An event being put together from the sentences that tell of it."""

    type: EventType
    statements: list[Statement]
    labels: list[Candidate] = field(default_factory=list)
    by_words: bool = True
    """Sentences may say how good or bad it is; where not, its heading alone does."""


def statement_of(text: str, span: Span, order: int, mentions: list[Mention]) -> Statement:
    reading = read(text, span.start, span.end)
    kind, vote = classify(reading)
    shares = shares_of(
        text,
        reading,
        mentions,
        is_analyst=kind in (EventType.ANALYST_ACTION, EventType.CREDIT_DISTRESS),
        is_firm_event=order == 0 and _happens_to_a_firm(kind, reading),
    )
    return Statement(span, order, reading, kind, vote, confidence(reading), shares)


def _happens_to_a_firm(kind: EventType, reading: Reading) -> bool:
    if kind is EventType.CREDIT_DISTRESS:
        return any(token.low.startswith(("downgrad", "upgrad", "rating")) for token in reading.tokens)
    return kind in _FIRM_EVENTS


def carried(text: str, mention: Mention, reading: Reading) -> Share:
    """A sentence without a name goes on about the headline's subject."""
    return Share(mention.symbol, surface(text, mention), EntityRole.SUBJECT, reading.score * 0.7, is_head=False)


def surface(text: str, mention: Mention) -> str:
    """The words that name a company; the ticker where the source's label alone connects it with the text."""
    return text[mention.start : mention.end] or mention.symbol


def same_family(one: EventType, other: EventType) -> bool:
    return any(one in family and other in family for family in _FAMILIES)
