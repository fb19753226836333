"""The hard checks that every extraction must pass, whoever made it: only what the text itself supports survives."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

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

FACT_BASES = frozenset({"gaap", "adjusted"})
FACT_COMPARATORS = frozenset({"consensus", "yoy", "prior"})
FACT_SCALES = frozenset(
    {"thousand", "thousands", "k", "million", "millions", "mln", "mn", "mio", "mm", "m", "billion", "billions", "bln"}
    | {"bn", "b", "trillion", "trillions", "trln", "tln", "tn"}
)
FACT_CURRENCIES = frozenset(
    {"USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "CNY", "HKD", "KRW", "INR", "SGD"}
    | {"TWD", "BRL", "MXN", "ZAR", "RUB", "TRY", "PLN", "CZK", "HUF", "ILS", "THB", "IDR", "MYR", "PHP", "SAR", "AED"}
)
FACT_UNITS = frozenset(
    {"percent", "percentage points", "basis points", "per share", "cents", "pence", "dollars", "euros", "shares"}
    | {"jobs", "workers", "employees", "people", "staff", "positions", "units", "vehicles", "cars", "trucks"}
    | {"aircraft", "planes", "barrels", "%", "pct", "bps"}
)
"""What a fact's number may count; besides these the words that stand in its own quote."""
FACT_PERIOD = re.compile(
    r"(?:FY)?(?:19|20)[0-9]{2}(?:Q[1-4]|H[12]|-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?|Q[1-4]|H[12]"
)
"""A year, a part of one, a month or a last day: 2011, 2011Q3, 2011H1, 2011-06, 2011-06-30; Q3 where no year is told."""
_PERIODS = "2011, 2011Q3, 2011H1, Q3, 2011-06 or 2011-06-30"
_LONGEST_UNIT = 40

_SHORT_SURFACE = 2
"""Surfaces of at most this length must be a known name of the company: "C" stands in every second text."""
_EXCERPT = 60


def validate_extraction(extraction: Extraction, source: ExtractionInput) -> ValidatedExtraction:
    """Keep the events, entities, facts and quotes that the document supports, and say why the rest went.

    A quote survives when it stands at its offsets, or occurs exactly once (the offsets are then repaired). A fact
    survives when its quote occurs and states its number; what else it says comes from closed lists, or is emptied. An
    entity survives when its symbol is a candidate and its surface occurs and names it, or when it is the ticker the
    source itself attached. An event without quotes or without entities is dropped. Validating the result again changes
    nothing.
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
        facts = tuple(held for at, fact in enumerate(event.facts) if (held := self._fact(number, at, fact)) is not None)
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

    def _fact(self, number: int, at: int, fact: Fact) -> Fact | None:
        self.quotes_total += 1
        quote = unicodedata.normalize("NFC", fact.quote)
        if not quote.strip() or quote not in self.text:
            self._drop("FACT_QUOTE_NOT_FOUND", event=number, fact=at, quote=_excerpt(quote))
            return None
        self.quotes_valid += 1
        if fact.metric not in FACT_METRICS:
            self._drop("FACT_METRIC_UNKNOWN", event=number, fact=at, metric=_excerpt(fact.metric))
            return None
        fact = self._closed(number, at, fact, quote)
        if not states_number(quote, fact.value, fact.scale):
            self._drop("FACT_NUMBER_NOT_IN_QUOTE", event=number, fact=at, value=fact.value, quote=_excerpt(quote))
            return None
        return fact

    def _closed(self, number: int, at: int, fact: Fact, quote: str) -> Fact:
        """The fact with its words brought into the form they are listed in, and emptied where they are not listed."""
        changes: dict[str, str] = {}
        for field, read, allowed in _FACT_FIELDS:
            written = getattr(fact, field)
            if not written:
                continue
            kept = read(unicodedata.normalize("NFC", written).strip(), quote)
            if kept != written:
                changes[field] = kept
            if not kept:
                self._drop(
                    "FACT_FIELD_EMPTIED", event=number, fact=at, field=field, found=_excerpt(written), allowed=allowed
                )
        return fact.model_copy(update=changes) if changes else fact

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
        if not names_company(surface, candidate, self.candidates.values()):
            self._drop("SURFACE_NOT_A_NAME", event=number, symbol=candidate.symbol, surface=_excerpt(surface))
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


def names_company(surface: str, candidate: Candidate, known: Iterable[Candidate] = ()) -> bool:
    """Tell whether the words are a company's: they hold one of its names or its ticker, or are the head of a name.

    A name counts with and without its legal form. "Ford" is enough of "Ford Motor Company", "Motor Company" is not, nor
    is a word that opens many names ("General", "First"), or the head of another candidate's name as well. A ticker of
    one or two letters among other words needs an exchange's mark.
    """
    surface = unicodedata.normalize("NFKC", surface)
    if _holds_ticker(surface, candidate.symbol):
        return True
    words = _words(surface)
    owned = tuple(word.removesuffix("'s") for word in words)
    names = {form for name in candidate.names for form in _forms(name)}
    if any(_holds_name(surface, said, name) for said in (words, owned) for name in names):
        return True
    heads = tuple(said for said in {words, owned} if any(_is_head(said, name) for name in names))
    return any(_is_telling(said) for said in heads) and not any(
        _is_head(said, form)
        for other in known
        if other.symbol != candidate.symbol
        for name in other.names
        for form in _forms(name)
        for said in heads
    )


_SPELT = {"incorporated": "inc", "corporation": "corp", "company": "co", "companies": "co", "limited": "ltd"}
"""Legal forms that are written in full or short."""
_LEGAL_WORDS = frozenset(
    {"inc", "corp", "co", "ltd", "plc", "llc", "lp", "nv", "sa", "ag", "se", "ab", "asa", "oyj", "holding", "holdings"}
    | {"group", "the", "and", "trust", "bancorp", "cl", "class", "common", "stock", "n", "v", "s", "a", "p", "l"}
)
_GENERAL_WORDS = _LEGAL_WORDS | frozenset(
    {"american", "america", "united", "national", "first", "second", "general", "international", "global", "standard"}
    | {"new", "old", "bank", "us", "royal", "great", "southern", "northern", "western", "eastern", "north", "south"}
    | {"west", "east", "pacific", "atlantic", "central", "advanced", "applied", "public", "republic", "capital", "air"}
    | {"financial", "federal", "energy", "electric", "home", "health", "best", "big", "digital", "one", "de", "la"}
)
"""Words that open so many names that they are none alone."""
_REGISTER_MARK = re.compile(r"\s*+/[A-Z]{0,6}/?\s*+$")
"""What a register adds to a name: the state in "BANK OF AMERICA CORP /DE/"."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def _words(text: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return tuple(_SPELT.get(word, word) for word in _WORD.findall(folded))


@lru_cache(maxsize=16_384)
def _forms(name: str) -> tuple[tuple[str, ...], ...]:
    """The words of a name as it is given, and with less and less of its legal form while that leaves a name."""
    given = _words(name)
    core = _words(_REGISTER_MARK.sub("", name))
    core = core[core[:1] == ("the",) and len(core) > 1 :]
    forms = [given, core]
    while len(core) > 1 and core[-1] in _LEGAL_WORDS:
        core = core[:-1]
        if len(core) > 1 or (core[0] not in _GENERAL_WORDS and len(core[0]) > _SHORT_SURFACE):
            forms.append(core)
    return tuple(dict.fromkeys(form for form in forms if form))


def _holds_name(surface: str, words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether the words of a name stand in a row; one of up to three letters must besides show a capital."""
    at = next((at for at in range(len(words) - len(name) + 1) if words[at : at + len(name)] == name), None)
    if at is None:
        return False
    if len(name) > 1 or len(name[0]) > 3:
        return True
    return any(
        found[0][0].isupper() or found[0][0].isdigit() for found in _WORD.finditer(surface) if _words(found[0]) == name
    )


def _is_telling(words: tuple[str, ...]) -> bool:
    return bool(words) and words[0] not in _GENERAL_WORDS and len(words[0]) > _SHORT_SURFACE


def _is_head(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    return len(words) < len(name) and name[: len(words)] == words


def _holds_ticker(surface: str, symbol: str) -> bool:
    if surface.strip() == symbol:
        return True
    ticker = re.escape(symbol)
    if len(symbol) > _SHORT_SURFACE:
        return re.search(rf"(?<!\w){ticker}(?!\w)", surface) is not None
    return re.search(rf"[:$<(]\s?{ticker}(?!\w)|(?<!\w){ticker}\.(?:N|O|OQ|K)(?!\w)", surface) is not None


def _owners_of_names(candidates: tuple[Candidate, ...]) -> dict[str, frozenset[str]]:
    owners: dict[str, set[str]] = {}
    for candidate in candidates:
        for name in (candidate.symbol, *candidate.names):
            owners.setdefault(unicodedata.normalize("NFC", name).casefold(), set()).add(candidate.symbol)
    return {name: frozenset(symbols) for name, symbols in owners.items()}


def _one_of(listed: frozenset[str], shaped: Callable[[str], str]) -> Callable[[str, str], str]:
    def read(written: str, quote: str) -> str:
        return shaped(written) if shaped(written) in listed else ""

    return read


def _unit(written: str, quote: str) -> str:
    """A listed unit, or words of the quote, as they stand there."""
    if written.lower() in FACT_UNITS:
        return written.lower()
    if len(written) > _LONGEST_UNIT or not written.isprintable() or not any(char.isalpha() for char in written):
        return ""
    return written if re.search(rf"(?<!\w){re.escape(written)}(?!\w)", quote) else ""


def _period(written: str, quote: str) -> str:
    return written.upper() if FACT_PERIOD.fullmatch(written.upper()) else ""


_FACT_FIELDS: tuple[tuple[str, Callable[[str, str], str], str], ...] = (
    ("unit", _unit, "a known unit or words of the quote"),
    ("currency", _one_of(FACT_CURRENCIES, str.upper), "a known ISO code"),
    ("scale", _one_of(FACT_SCALES, str.lower), "thousand, million, billion or trillion"),
    ("period", _period, _PERIODS),
    ("basis", _one_of(FACT_BASES, str.lower), "gaap or adjusted"),
    ("comparator", _one_of(FACT_COMPARATORS, str.lower), "consensus, yoy or prior"),
)


def _excerpt(text: str) -> str:
    """Shorten foreign text for a message and make it printable."""
    printable = "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in text)
    return printable if len(printable) <= _EXCERPT else printable[: _EXCERPT - 1] + "…"
