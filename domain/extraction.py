"""What an extractor says about a document, and the hard checks that every answer must pass.

The extractor (rules or a model) yields `Extraction`; `validate_extraction` keeps only what the text itself supports:
quotes that occur, surfaces that occur and resolve, numbers that parse from their own quote.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.documents import Section
from domain.model import Model, Utc


class EventType(StrEnum):
    EARNINGS = "earnings"
    GUIDANCE = "guidance"
    KPI_SALES = "kpi_sales"
    ANALYST_ACTION = "analyst_action"
    MA_TARGET = "ma_target"
    MA_ACQUIRER = "ma_acquirer"
    BUYBACK_DIVIDEND = "buyback_dividend"
    ISSUANCE = "issuance"
    INSIDER_OWNERSHIP = "insider_ownership"
    MANAGEMENT = "management"
    PRODUCT_LAUNCH = "product_launch"
    CONTRACT = "contract"
    PRODUCT_APPROVAL = "product_approval"
    RECALL_SAFETY = "recall_safety"
    OUTAGE_CYBER = "outage_cyber"
    SUPPLY_CHAIN = "supply_chain"
    LITIGATION_FIRM = "litigation_firm"
    SECTOR_REGULATION = "sector_regulation"
    CREDIT_DISTRESS = "credit_distress"
    ACCOUNTING_FRAUD = "accounting_fraud"
    LABOUR = "labour"
    INDEX_CHANGE = "index_change"
    MACRO_RELEASE = "macro_release"
    POLICY_RATE = "policy_rate"
    COMMODITY_GEOPOLITICS = "commodity_geopolitics"
    RUMOUR = "rumour"
    OTHER = "other"


class EntityRole(StrEnum):
    SUBJECT = "subject"
    ACQUIRER = "acquirer"
    TARGET = "target"
    SUPPLIER = "supplier"
    CUSTOMER = "customer"
    COMPETITOR = "competitor"
    REGULATOR = "regulator"
    ANALYST = "analyst"
    MENTION = "mention"


class Materiality(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Horizon(StrEnum):
    INTRADAY = "intraday"
    DAYS = "days"
    WEEKS = "weeks"
    QUARTERS = "quarters"


class ExtractorKind(StrEnum):
    RULES = "rules"
    MODEL = "model"


class Evidence(Model):
    """A verbatim quote: `text[start:end] == quote` on the document's NFC text, offsets in code points."""

    quote: Annotated[str, Field(min_length=1, max_length=1_000)]
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]


class Entity(Model):
    """A company in an event. `sentiment` in [-1, 1] is the event's effect on this company's value."""

    symbol: str
    surface: Annotated[str, Field(min_length=1, max_length=200)]
    """The words that name it in the text; for a label given only by the source, the ticker itself."""
    role: EntityRole
    sentiment: Annotated[float, Field(ge=-1, le=1)]


class Fact(Model):
    """A number stated in the text, with the words it stands in."""

    metric: str
    value: Decimal
    unit: str = ""
    currency: str = ""
    scale: str = ""
    period: str = ""
    basis: str = ""
    comparator: str = ""
    quote: Annotated[str, Field(min_length=1, max_length=1_000)]


class Event(Model):
    """One thing that happened, to whom, and the words that say so."""

    type: EventType
    entities: Annotated[tuple[Entity, ...], Field(min_length=1)]
    materiality: Materiality
    horizon: Horizon
    confidence: Annotated[float, Field(ge=0, le=1)]
    facts: tuple[Fact, ...] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1)]


class Candidate(Model):
    """A company that the document may be about: the names to look for, and whether the source itself labelled it."""

    symbol: str
    names: tuple[str, ...]
    """Company name and aliases, longest first, for example `("General Motors", "GM")`."""
    labelled: bool = False
    """True when the source attached this symbol to the document."""


class ExtractionInput(Model):
    """A document's text as the extractor sees it: title, a blank line, then the body; NFC."""

    doc_id: str
    text: str
    language: str = "en"
    published_at: Utc
    candidates: tuple[Candidate, ...]
    sections: tuple[Section, ...] = ()
    """Of `text`, where its source has any: items of a report, parts of a page."""
    filed: bool = False
    """Whether it was filed with an authority and read there: only then its form and headings mean what they say."""


class Extraction(Model):
    """An extractor's whole answer. No event is a valid answer: the document says nothing about its candidates."""

    doc_id: str
    extractor: ExtractorKind
    extractor_version: str
    """For rules their version; for a model `<name>@<digest>#<prompt hash>`."""
    events: tuple[Event, ...] = ()


class ValidatedExtraction(Model):
    """What is left after the hard checks, with the reasons for everything dropped."""

    extraction: Extraction
    dropped: tuple[str, ...] = ()
    quotes_total: int
    quotes_valid: int

    @property
    def quote_validity(self) -> float:
        """Share of quotes that occur in the text, in [0, 1]; 1 when there was none to check."""
        return self.quotes_valid / self.quotes_total if self.quotes_total else 1.0


def document_text(title: str, body: str) -> str:
    """Join title and body into the text that offsets refer to."""
    parts = [part for part in (title.strip(), body.strip()) if part]
    return unicodedata.normalize("NFC", "\n\n".join(parts))
