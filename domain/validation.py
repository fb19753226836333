"""The hard checks that every extraction must pass, whoever made it: only what the text itself supports survives."""

from __future__ import annotations

import re
import unicodedata

from domain.extraction import (
    Candidate,
    Entity,
    Event,
    Evidence,
    Extraction,
    ExtractionInput,
    Fact,
    ValidatedExtraction,
)
from domain.text import states_number

FACT_METRICS = frozenset(
    {"eps", "revenue", "profit", "guidance_low", "guidance_high", "margin", "dividend", "deal_value", "units"}
)
"""What a fact may be about; anything else is dropped."""

_SHORT_SURFACE = 2
"""Surfaces of at most this length must be a known name of the company: "C" stands in every second text."""
_EXCERPT = 60


def validate_extraction(extraction: Extraction, source: ExtractionInput) -> ValidatedExtraction:
    """Keep the events, entities, facts and quotes that the document supports, and say why the rest went.

    A quote survives when it stands at its offsets, or occurs exactly once (the offsets are then repaired). A fact
    survives when its quote occurs and states its number. An entity survives when its symbol is a candidate and its
    surface occurs, or when it is the ticker the source itself attached. An event without quotes or without entities
    is dropped. Validating the result again changes nothing.
    """
    check = _Check(extraction, source)
    events = tuple(event for number, found in enumerate(extraction.events) if (event := check.event(number, found)))
    return ValidatedExtraction(
        extraction=extraction.model_copy(update={"events": events}),
        dropped=tuple(check.dropped),
        quotes_total=check.quotes_total,
        quotes_valid=check.quotes_valid,
    )


class _Check:
    """One pass over one extraction: the text, the candidates and the tally."""

    def __init__(self, extraction: Extraction, source: ExtractionInput) -> None:
        self.text = unicodedata.normalize("NFC", source.text)
        self.candidates = {candidate.symbol: candidate for candidate in source.candidates}
        self.owners = _owners_of_names(source.candidates)
        self.foreign = extraction.doc_id != source.doc_id
        self.doc_ids = (extraction.doc_id, source.doc_id)
        self.dropped: list[str] = []
        self.quotes_total = 0
        self.quotes_valid = 0

    def event(self, number: int, event: Event) -> Event | None:
        if self.foreign:
            self._drop("DOCUMENT_MISMATCH", event=number, found=self.doc_ids[0], expected=self.doc_ids[1])
            self.quotes_total += len(event.evidence) + len(event.facts)
            return None
        evidence = tuple(
            kept for at, quote in enumerate(event.evidence) if (kept := self._evidence(number, at, quote)) is not None
        )
        facts = tuple(fact for at, fact in enumerate(event.facts) if self._fact_holds(number, at, fact))
        entities = tuple(entity for entity in event.entities if self._entity_holds(number, entity))
        if not evidence:
            self._drop("EVENT_WITHOUT_EVIDENCE", event=number, type=event.type.value)
            return None
        if not entities:
            self._drop("EVENT_WITHOUT_ENTITY", event=number, type=event.type.value)
            return None
        return event.model_copy(update={"evidence": evidence, "facts": facts, "entities": entities})

    def _evidence(self, number: int, at: int, evidence: Evidence) -> Evidence | None:
        self.quotes_total += 1
        quote = unicodedata.normalize("NFC", evidence.quote)
        if not quote.strip():
            self._drop("EVIDENCE_BLANK", event=number, evidence=at)
            return None
        if self.text[evidence.start : evidence.end] == quote:
            start = evidence.start
        else:
            start = self.text.find(quote)
            if start < 0:
                self._drop("EVIDENCE_NOT_FOUND", event=number, evidence=at, quote=_excerpt(quote))
                return None
            if self.text.find(quote, start + 1) >= 0:
                self._drop("EVIDENCE_AMBIGUOUS", event=number, evidence=at, quote=_excerpt(quote))
                return None
        self.quotes_valid += 1
        return Evidence(quote=quote, start=start, end=start + len(quote))

    def _fact_holds(self, number: int, at: int, fact: Fact) -> bool:
        self.quotes_total += 1
        quote = unicodedata.normalize("NFC", fact.quote)
        if not quote.strip() or quote not in self.text:
            self._drop("FACT_QUOTE_NOT_FOUND", event=number, fact=at, quote=_excerpt(quote))
            return False
        self.quotes_valid += 1
        if fact.metric not in FACT_METRICS:
            self._drop("FACT_METRIC_UNKNOWN", event=number, fact=at, metric=_excerpt(fact.metric))
            return False
        if not states_number(quote, fact.value, fact.scale):
            self._drop("FACT_NUMBER_NOT_IN_QUOTE", event=number, fact=at, value=fact.value, quote=_excerpt(quote))
            return False
        return True

    def _entity_holds(self, number: int, entity: Entity) -> bool:
        candidate = self.candidates.get(entity.symbol)
        if candidate is None:
            self._drop("SYMBOL_NOT_A_CANDIDATE", event=number, symbol=_excerpt(entity.symbol))
            return False
        surface = unicodedata.normalize("NFC", entity.surface)
        if candidate.labelled and surface == candidate.symbol:
            return True
        owners = self.owners.get(surface.casefold(), frozenset())
        if owners and candidate.symbol not in owners:
            self._drop("SURFACE_OF_ANOTHER_COMPANY", event=number, symbol=candidate.symbol, surface=_excerpt(surface))
            return False
        if not surface_occurs(surface, candidate, self.text):
            self._drop("SURFACE_NOT_FOUND", event=number, symbol=candidate.symbol, surface=_excerpt(surface))
            return False
        return True

    def _drop(self, code: str, **fields: object) -> None:
        self.dropped.append(f"{code}: " + ", ".join(f"{name}={value}" for name, value in fields.items()))


def surface_occurs(surface: str, candidate: Candidate, text: str) -> bool:
    """Tell whether the words occur in the text as words of their own.

    Up to three characters and all-capital surfaces must match in case ("GE" is no "ge"); longer ones may differ in
    case, but must show a capital or a digit in the text, as names do. One or two characters must besides be a known
    name or the symbol of the company.
    """
    surface = surface.strip()
    if not any(char.isalnum() for char in surface):
        return False
    if len(surface) <= _SHORT_SURFACE and surface not in {*candidate.names, candidate.symbol}:
        return False
    exact = len(surface) <= 3 or surface.isupper()
    pattern = re.compile(rf"(?<!\w){re.escape(surface)}(?!\w)", 0 if exact else re.IGNORECASE)
    return any(exact or any(c.isupper() or c.isdigit() for c in match[0]) for match in pattern.finditer(text))


def _owners_of_names(candidates: tuple[Candidate, ...]) -> dict[str, frozenset[str]]:
    owners: dict[str, set[str]] = {}
    for candidate in candidates:
        for name in (candidate.symbol, *candidate.names):
            owners.setdefault(unicodedata.normalize("NFC", name).casefold(), set()).add(candidate.symbol)
    return {name: frozenset(symbols) for name, symbols in owners.items()}


def _excerpt(text: str) -> str:
    """Shorten foreign text for a message and make it printable."""
    printable = "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in text)
    return printable if len(printable) <= _EXCERPT else printable[: _EXCERPT - 1] + "…"
