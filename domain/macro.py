"""What a document says of the economy: factors, how they moved, and the words that say so.

The event classifier (rules or a model) yields `MacroReading`; `validate_macro` keeps only what the text supports, as
`domain.validation` does for events of companies.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.extraction import Evidence, ExtractorKind
from domain.model import Model, Utc
from domain.registry import MacroFactor
from domain.text import states_number

Signed = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class MacroTopic(StrEnum):
    """What in the economy a statement is about; each bears on a factor that companies are exposed to."""

    POLICY_RATE = "policy_rate"
    INFLATION = "inflation"
    EMPLOYMENT = "employment"
    GROWTH = "growth"
    CURRENCY = "currency"
    OIL = "oil"
    TRADE = "trade"
    REGULATION = "regulation"
    GEOPOLITICS = "geopolitics"
    SECTOR = "sector"


UNITS = frozenset({"", "percent", "percentage points", "basis points", "points", "jobs", "dollars", "barrels", "index"})
"""Units of a surprise; any other is emptied."""


class Surprise(Model):
    """A release against what was expected; numbers as the quote states them."""

    actual: str
    expected: str = ""
    prior: str = ""
    unit: str = ""


class MacroEvent(Model):
    """One statement on the economy.

    `direction` in [-1, 1] is how far the factor goes up (rates: tighter, dollar: stronger, oil: dearer, regulation:
    stricter, a region or sector: stronger), not whether that is good.
    """

    topic: MacroTopic
    factor: MacroFactor
    name: Annotated[str, Field(max_length=60)] = ""
    """Which region or sector, where the factor is one."""
    direction: Signed
    confidence: Annotated[float, Field(ge=0, le=1)]
    surprise: Surprise | None = None
    region: Annotated[str, Field(max_length=60)] = ""
    """Whose economy; empty where the text does not say."""
    sectors: Annotated[tuple[Annotated[str, Field(max_length=60)], ...], Field(max_length=11)] = ()
    """Sectors that the text itself says are affected."""
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1, max_length=6)]


class MacroInput(Model):
    """A document's text as the classifier sees it: title, a blank line, then the body; NFC."""

    doc_id: str
    text: str
    language: str = "en"
    published_at: Utc


class MacroReading(Model):
    """A classifier's whole answer. No event is a valid answer: the document says nothing on the economy."""

    doc_id: str
    extractor: ExtractorKind
    extractor_version: str
    events: Annotated[tuple[MacroEvent, ...], Field(max_length=12)] = ()


class ValidatedMacro(Model):
    """What is left after the hard checks, with the reasons for everything dropped."""

    reading: MacroReading
    dropped: tuple[str, ...] = ()
    quotes_total: int
    quotes_valid: int


_HINT = re.compile(
    r"\b(?:Fed(?:eral Reserve)?|FOMC|ECB|Bank of (?:England|Japan|Canada)|BOJ|BoE|central banks?|interest rates?|"
    r"rate (?:hikes?|cuts?|rises?)|monetary policy|inflation|CPI|PPI|consumer prices|producer prices|payrolls?|"
    r"unemployment|jobless|GDP|gross domestic product|retail sales|housing starts|industrial production|PMI|ISM|"
    r"recession|Treasur(?:y|ies)|OPEC|crude|oil prices?|dollar index|tariffs?|sanctions|embargo|trade war|"
    r"debt ceiling)\b"
)
_LEAD_CHARACTERS = 600


def concerns_economy(text: str) -> bool:
    """Tell whether a document's headline or lead names a matter of the economy; cheap, and only a hint."""
    return _HINT.search(text[:_LEAD_CHARACTERS]) is not None


def validate_macro(reading: MacroReading, source: MacroInput) -> ValidatedMacro:
    """Keep the events whose quotes stand in the text; a quote that occurs once elsewhere has its offsets mended.

    A region, a sector or a number that the text does not state is taken out of its event. An event without a quote is
    dropped. Validating the result again changes nothing.
    """
    text = unicodedata.normalize("NFC", source.text)
    dropped: list[str] = []
    events: list[MacroEvent] = []
    total = valid = 0
    if reading.doc_id != source.doc_id:
        count = sum(len(event.evidence) for event in reading.events)
        return ValidatedMacro(
            reading=reading.model_copy(update={"events": ()}),
            dropped=(f"DOCUMENT_MISMATCH: found={reading.doc_id}, expected={source.doc_id}",),
            quotes_total=count,
            quotes_valid=0,
        )
    for number, event in enumerate(reading.events):
        kept = [found for quote in event.evidence if (found := _standing(quote, text)) is not None]
        total, valid = total + len(event.evidence), valid + len(kept)
        if not kept:
            dropped.append(f"EVENT_WITHOUT_EVIDENCE: event={number}, topic={event.topic.value}")
            continue
        changes: dict[str, object] = {"evidence": tuple(kept)}
        if event.region and event.region.casefold() not in text.casefold():
            dropped.append(f"REGION_NOT_FOUND: event={number}, region={event.region!r}")
            changes["region"] = ""
        if event.name and event.name.casefold() not in text.casefold():
            dropped.append(f"NAME_NOT_FOUND: event={number}, name={event.name!r}")
            changes["name"] = ""
        sectors = tuple(sector for sector in event.sectors if sector.casefold() in text.casefold())
        if sectors != event.sectors:
            dropped.append(f"SECTOR_NOT_FOUND: event={number}, sectors={sorted(set(event.sectors) - set(sectors))}")
            changes["sectors"] = sectors
        if event.surprise is not None and not _stated(event.surprise, kept):
            dropped.append(f"SURPRISE_NOT_IN_QUOTE: event={number}, actual={event.surprise.actual!r}")
            changes["surprise"] = None
        elif event.surprise is not None and event.surprise.unit not in UNITS:
            dropped.append(f"UNIT_EMPTIED: event={number}, allowed={', '.join(sorted(UNITS - {''}))}")
            changes["surprise"] = event.surprise.model_copy(update={"unit": ""})
        events.append(event.model_copy(update=changes))
    return ValidatedMacro(
        reading=reading.model_copy(update={"events": tuple(events)}),
        dropped=tuple(dropped),
        quotes_total=total,
        quotes_valid=valid,
    )


def _standing(evidence: Evidence, text: str) -> Evidence | None:
    quote = unicodedata.normalize("NFC", evidence.quote)
    if not quote.strip():
        return None
    if text[evidence.start : evidence.end] == quote:
        return Evidence(quote=quote, start=evidence.start, end=evidence.start + len(quote))
    start = text.find(quote)
    if start < 0 or text.find(quote, start + 1) >= 0:
        return None
    return Evidence(quote=quote, start=start, end=start + len(quote))


def _stated(surprise: Surprise, evidence: list[Evidence]) -> bool:
    for written in (surprise.actual, surprise.expected, surprise.prior):
        if not written:
            continue
        try:
            value = Decimal(written)
        except InvalidOperation:
            return False
        if not any(states_number(quote.quote, value) for quote in evidence):
            return False
    return True
