"""The document extractor: which events a document reports about listed companies, in whose words.

The model returns quotes without offsets; each is looked up in the text here, and the hard checks of the domain run
after that as for any extractor.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from activities.adapters.agents import frame
from activities.adapters.agents.frame import Answer, Number, Quote, Signed, Unit
from domain.agents import AgentKind, AgentSettings
from domain.extraction import (
    Candidate,
    Entity,
    EntityRole,
    Event,
    EventType,
    Extraction,
    ExtractionInput,
    ExtractorKind,
    Fact,
    Horizon,
    Materiality,
)
from domain.prompting import Judged, Message, Prompt
from domain.text import strip_invisible
from domain.validation import FACT_METRICS, validate_extraction

TASK = """\
You read one document about listed companies and say which events it reports. Report only what the document says, and
do not use other knowledge. A document that tells nothing about the listed companies has no events. Lists, market
reports and passing mentions are of low materiality. In a contrast or a deal the companies differ in sentiment.
"""

FIELDS = """\
What to return
- "events": a list, which may be empty.
- "type": one of {event_types}.
- "entities": the companies concerned, only from the list of candidates, each once.
  "symbol" is the candidate's symbol. "surface" is the words that name it in the document, copied exactly.
  "role" is one of {roles}. "sentiment" is the event's effect on this company's value from -1 (very bad) to 1 (very
  good), 0 when there is none.
- "materiality": {materialities}.
- "horizon": {horizons}.
- "confidence": from 0 to 1, the chance that type and signs are right.
- "facts": numbers the document states, with "metric" one of {metrics}, "value" a plain number written as in the quote
  without separators, "scale" the scale word of the quote (thousand, million, billion, trillion) or "", "unit"
  ("percent", "cents", "jobs", ...) or "", "currency" (USD, EUR, ...) or "", "period" such as 2011Q3 or "", "basis"
  gaap, adjusted or "", "comparator" consensus, yoy, prior or "", and "quote", the words that state the number.
- "quotes": one to three passages that carry the event, copied character by character from the document, without the
  mark, each within one line and no longer than 300 characters. Never join, shorten or correct a passage.
"""

USER = """\
Candidates (symbol: names; * marks those the source itself attached):
{candidates}

Published: {published_at}. Language: {language}.

{mark} BEGIN DOCUMENT
{document}
{mark} END DOCUMENT

Answer with the JSON object only.
"""


class _Entity(Answer):
    symbol: Annotated[str, Field(min_length=1, max_length=20)]
    surface: Annotated[str, Field(min_length=1, max_length=200)]
    role: EntityRole
    sentiment: Signed


class _Fact(Answer):
    metric: Annotated[str, Field(json_schema_extra={"enum": sorted(FACT_METRICS)})]
    value: Number
    unit: Annotated[str, Field(max_length=40)] = ""
    currency: Annotated[str, Field(max_length=10)] = ""
    scale: Annotated[str, Field(max_length=20)] = ""
    period: Annotated[str, Field(max_length=40)] = ""
    basis: Annotated[str, Field(max_length=20)] = ""
    comparator: Annotated[str, Field(max_length=20)] = ""
    quote: Quote


class _Event(Answer):
    type: EventType
    entities: Annotated[list[_Entity], Field(min_length=1, max_length=12)]
    materiality: Materiality
    horizon: Horizon
    confidence: Unit
    facts: Annotated[tuple[_Fact, ...], Field(max_length=12)] = ()
    quotes: Annotated[list[Quote], Field(min_length=1, max_length=6)]


class _Document(Answer):
    events: Annotated[list[_Event], Field(max_length=8)]


SCHEMA: dict[str, Any] = frame.schema_of(_Document)

_FIELDS = frame.filled(
    FIELDS,
    event_types=", ".join(EventType),
    roles=", ".join(EntityRole),
    materialities=", ".join(Materiality),
    horizons=", ".join(Horizon),
    metrics=", ".join(sorted(FACT_METRICS)),
)


class DocumentExtractor:
    """Asks for the events of a document and reads the answer. Without state: one object serves everybody."""

    kind = AgentKind.DOCUMENT_EXTRACTOR

    def prompt(self, source: ExtractionInput, settings: AgentSettings) -> Prompt:
        """Ask what the document says of its candidates."""
        mark = frame.mark_for(source.doc_id)
        system, template_hash = frame.with_instructions(
            task=TASK, fields=_FIELDS, schema=SCHEMA, settings=settings, mark=mark, user=USER
        )
        candidates = "\n".join(_line(candidate) for candidate in source.candidates)
        document = frame.shown(source.text, settings, len(system) + len(USER) + len(candidates))
        user = frame.filled(
            USER,
            candidates=candidates or "(none)",
            published_at=source.published_at.isoformat(),
            language=frame.language_of(source.language),
            mark=mark,
            document=frame.datamarked(document, mark),
        )
        return frame.asked(system, user, SCHEMA, template_hash)

    def repair(self, problem: str) -> Message:
        """Ask for the answer again, saying what was wrong with it."""
        return frame.repair(problem)

    def judge(self, text: str, source: ExtractionInput, version: str) -> Judged[Extraction]:
        """Read an answer; `version` names who gave it.

        The extraction is as answered: the hard checks have only counted its quotes. One that does not stand in the text
        has impossible offsets, so that they drop it.
        """
        try:
            answered = frame.parsed(text, _Document)
        except ValidationError as error:
            return Judged[Extraction](problem=frame.problem_of(error))
        extraction = Extraction(
            doc_id=source.doc_id,
            extractor=ExtractorKind.MODEL,
            extractor_version=version,
            events=tuple(_event(event, source.text) for event in answered.events),
        )
        checked = validate_extraction(extraction, source)
        return Judged[Extraction](
            value=extraction, quotes_total=checked.quotes_total, quotes_valid=checked.quotes_valid
        )


def _line(candidate: Candidate) -> str:
    """A candidate on one line, whatever its names hold."""
    names = "; ".join(" ".join(strip_invisible(name).split()) for name in candidate.names)
    return f"{candidate.symbol}{'*' if candidate.labelled else ''}: {names}"


def _event(answered: _Event, text: str) -> Event:
    entities = {
        entity.symbol: Entity(
            symbol=entity.symbol, surface=entity.surface, role=entity.role, sentiment=entity.sentiment
        )
        for entity in reversed(answered.entities)
    }
    return Event(
        type=answered.type,
        entities=tuple(reversed(entities.values())),
        materiality=answered.materiality,
        horizon=answered.horizon,
        confidence=answered.confidence,
        facts=tuple(
            Fact(value=frame.decimal_of(fact.value), **fact.model_dump(exclude={"value"})) for fact in answered.facts
        ),
        evidence=tuple(frame.located(quote, text) for quote in dict.fromkeys(answered.quotes)),
    )
