"""Documents and candidates with sane defaults."""

from __future__ import annotations

from datetime import UTC, datetime

from activities.adapters.rules import RulesExtractor
from domain.extraction import Candidate, Entity, Event, EventType, Extraction, ExtractionInput, document_text

PUBLISHED = datetime(2011, 7, 6, 20, 0, tzinfo=UTC)

COMPANIES: dict[str, tuple[str, ...]] = {
    "AAPL": ("Apple Inc", "Apple"),
    "AMZN": ("Amazon.com Inc", "Amazon.com", "Amazon"),
    "BAC": ("Bank of America Corporation", "Bank of America", "BofA"),
    "C": ("Citigroup Inc", "Citigroup", "Citi"),
    "D": ("Dominion Energy Inc", "Dominion Energy", "Dominion"),
    "F": ("Ford Motor Company", "Ford Motor", "Ford"),
    "GE": ("General Electric Company", "General Electric", "GE"),
    "GM": ("General Motors Company", "General Motors", "GM"),
    "GOOG": ("Google Inc", "Google"),
    "GS": ("Goldman Sachs Group Inc (The)", "Goldman Sachs", "Goldman"),
    "MA": ("Mastercard Inc", "Mastercard"),
    "PFE": ("Pfizer Inc", "Pfizer"),
    "T": ("AT&T Inc", "AT&T"),
    "TGT": ("Target Corporation", "Target"),
    "WMT": ("Wal-Mart Stores Inc", "Wal-Mart", "Walmart"),
}


def candidate(symbol: str, *, labelled: bool = False) -> Candidate:
    return Candidate(symbol=symbol, names=COMPANIES[symbol], labelled=labelled)


def document(
    title: str, body: str = "", *, label: str = "", symbols: tuple[str, ...] = tuple(COMPANIES)
) -> ExtractionInput:
    """A document whose candidates are all companies above, one of them labelled by the source."""
    return ExtractionInput(
        doc_id="d0c",
        text=document_text(title, body),
        published_at=PUBLISHED,
        candidates=tuple(candidate(symbol, labelled=symbol == label) for symbol in symbols),
    )


_EXTRACTOR = RulesExtractor()


def extracted(title: str, body: str = "", *, label: str = "") -> Extraction:
    return _EXTRACTOR.extract(document(title, body, label=label))


def main_event(title: str, body: str = "", *, label: str = "") -> Event:
    """The first event of a document, which is its headline's."""
    events = extracted(title, body, label=label).events
    assert events, f"no event in {title!r}"
    return events[0]


def entity_of(event: Event, symbol: str) -> Entity:
    return next(entity for entity in event.entities if entity.symbol == symbol)


def types_of(extraction: Extraction) -> set[EventType]:
    return {event.type for event in extraction.events}
