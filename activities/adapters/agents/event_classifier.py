"""The event classifier: what a document says of the economy or a sector, in whose words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from activities.adapters.agents import frame
from activities.adapters.agents.frame import Answer, Number, Quote, Signed, Unit
from domain.agents import AgentKind, AgentSettings
from domain.extraction import ExtractorKind
from domain.macro import MacroEvent, MacroInput, MacroReading, MacroTopic, Surprise, validate_macro
from domain.prompting import Judged, Message, Prompt
from domain.registry import MacroFactor

TASK = """\
You read one document and say what it states about the economy, about a sector or about the rules that companies live
under. Report only what the document says, and do not use other knowledge. A document that is only about single
companies states nothing. What was already so before is no event; what may come is one of low confidence.
"""

FIELDS = """\
What to return
- "events": a list, which may be empty; one event for each thing that is stated, the most important first.
- "topic": what it is about, one of {topics}.
- "factor": what moves by it, one of {factors}. Higher inflation or a hawkish central bank is rates; jobs, growth and
  output are the region whose they are; tariffs and sanctions are regulation.
- "name": which region or sector, in the words of the document, where the factor is {named}; "" otherwise.
- "direction": from -1 to 1, how far the factor goes up by it (rates: tighter; usd: stronger; oil: dearer; regulation:
  stricter; region, sector: stronger), and not whether that is good. 0 when it stays.
- "confidence": from 0 to 1, the chance that topic and direction are right.
- "surprise": null, or for a release that the document sets against what was expected "actual", "expected" and "prior",
  plain numbers written as in the quotes without separators, null where not stated, and "unit" ("percent", ...) or "".
- "region": whose economy, in the words of the document; "" where it does not say.
- "sectors": the sectors that the document itself says are affected, in its words.
- "quotes": one to three passages that carry the event and its numbers, copied character by character from the
  document, without the mark, each within one line and no longer than 300 characters. Never join, shorten or correct a
  passage.
"""

USER = """\
Published: {published_at}. Language: {language}.

{mark} BEGIN DOCUMENT
{document}
{mark} END DOCUMENT

Answer with the JSON object only.
"""

_NAMED = (MacroFactor.REGION, MacroFactor.SECTOR)
_Name = Annotated[str, Field(max_length=60)]


class _Surprise(Answer):
    actual: Number
    expected: Number | None = None
    prior: Number | None = None
    unit: Annotated[str, Field(max_length=40)] = ""


class _Event(Answer):
    topic: MacroTopic
    factor: MacroFactor
    name: _Name = ""
    direction: Signed
    confidence: Unit
    surprise: _Surprise | None = None
    region: _Name = ""
    sectors: Annotated[tuple[_Name, ...], Field(max_length=11)] = ()
    quotes: Annotated[list[Quote], Field(min_length=1, max_length=6)]


class _Document(Answer):
    events: Annotated[list[_Event], Field(max_length=12)]


SCHEMA: dict[str, Any] = frame.schema_of(_Document)

_FIELDS = frame.filled(FIELDS, topics=", ".join(MacroTopic), factors=", ".join(MacroFactor), named=" or ".join(_NAMED))


class EventClassifier:
    """Asks what a document says of the economy and reads the answer. Without state: one object serves everybody."""

    kind = AgentKind.EVENT_CLASSIFIER

    def prompt(self, source: MacroInput, settings: AgentSettings) -> Prompt:
        """Ask what the document says of the economy."""
        mark = frame.mark_for(source.doc_id)
        system, template_hash = frame.with_instructions(
            task=TASK, fields=_FIELDS, schema=SCHEMA, settings=settings, mark=mark, user=USER
        )
        user = frame.filled(
            USER,
            published_at=source.published_at.isoformat(),
            language=frame.language_of(source.language),
            mark=mark,
            document=frame.datamarked(frame.shown(source.text, settings, len(system) + len(USER)), mark),
        )
        return frame.asked(system, user, SCHEMA, template_hash)

    def repair(self, problem: str) -> Message:
        """Ask for the answer again, saying what was wrong with it."""
        return frame.repair(problem)

    def judge(self, text: str, source: MacroInput, version: str) -> Judged[MacroReading]:
        """Read an answer; `version` names who gave it.

        The reading is as answered: the hard checks have only counted its quotes. One that does not stand in the text
        has impossible offsets, so that they drop it.
        """
        try:
            answered = frame.parsed(text, _Document)
        except ValidationError as error:
            return Judged[MacroReading](problem=frame.problem_of(error))
        reading = MacroReading(
            doc_id=source.doc_id,
            extractor=ExtractorKind.MODEL,
            extractor_version=version,
            events=tuple(_event(event, source.text) for event in answered.events),
        )
        checked = validate_macro(reading, source)
        return Judged[MacroReading](value=reading, quotes_total=checked.quotes_total, quotes_valid=checked.quotes_valid)


def _event(answered: _Event, text: str) -> MacroEvent:
    return MacroEvent(
        topic=answered.topic,
        factor=answered.factor,
        name=_name(answered),
        direction=answered.direction,
        confidence=answered.confidence,
        surprise=_surprise(answered.surprise) if answered.surprise else None,
        region=answered.region,
        sectors=tuple(dict.fromkeys(sector for sector in answered.sectors if sector)),
        evidence=tuple(frame.located(quote, text) for quote in dict.fromkeys(answered.quotes)),
    )


def _name(answered: _Event) -> str:
    """Which region or sector moves: as named, else the only one that the event is about."""
    if answered.factor not in _NAMED:
        return ""
    if answered.name.strip():
        return answered.name.strip()
    if answered.factor is MacroFactor.REGION:
        return answered.region
    return answered.sectors[0] if len(answered.sectors) == 1 else ""


def _surprise(answered: _Surprise) -> Surprise:
    return Surprise(
        actual=_written(answered.actual),
        expected=_written(answered.expected),
        prior=_written(answered.prior),
        unit=answered.unit,
    )


def _written(value: float | None) -> str:
    """A number in plain digits; empty where there is none."""
    if value is None:
        return ""
    found = frame.decimal_of(value)
    return str(int(found)) if found == int(found) else format(found, "f")
