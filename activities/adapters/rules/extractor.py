"""The rules extractor: events, companies, signs and quotes from the text alone, without any model."""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.adapters.rules import filings
from activities.adapters.rules.confidence import CALLED
from activities.adapters.rules.facts import MAX_FACTS, facts_of
from activities.adapters.rules.filed import filed_drafts
from activities.adapters.rules.headline import Form, read_headline
from activities.adapters.rules.names import Mention, find_mentions, possibly_named
from activities.adapters.rules.roles import Share
from activities.adapters.rules.statements import (
    LEAD_SENTENCES,
    MAX_EVIDENCE,
    MAX_SENTENCES,
    ORDERS,
    Draft,
    Statement,
    carried,
    same_family,
    statement_of,
)
from activities.adapters.rules.taxonomy import DEFAULTS
from activities.adapters.rules.tokens import MAX_SENTENCE_CHARS, Span, sentences_of
from activities.adapters.rules.version import rules_version
from domain.extraction import (
    Candidate,
    Entity,
    EntityRole,
    Event,
    EventType,
    Evidence,
    Extraction,
    ExtractionInput,
    ExtractorKind,
    Fact,
    Materiality,
)

MAX_CHARS = 60_000
"""Text beyond this is not read: what moves a price stands at the top."""
MAX_EVENTS = 5
_FACT_STATEMENTS = 16
"""Sentences of an event that are searched for figures."""
_QUIET = 0.1
"""Signs weaker than this count as none."""
_LABEL_SHARE = 0.35
"""What is left of a sentence's sign for a company that only the source's label connects with it."""
_SIDE_SHARE = 0.4
"""And again of that where the sentence is about another company that it names."""
_ROUNDUP_SHARE = 0.5
_BODY_WEIGHT = 0.5
_NOTE = re.compile(
    r"\s*\(?(?:Adds|Rewrites|Updates|Corrects|Recasts|Refiles|Repeats|Changes|Releads|Writes|Removes|"
    r"Refines|Reporting by|Editing by|Writing by|Compiled by|Click on)\b|http"
)


class RulesExtractor:
    """Reads a document by its own lexicon and rules: deterministic, pure and fast."""

    def __init__(self) -> None:
        self.version = rules_version()

    def __repr__(self) -> str:
        return f"RulesExtractor(version={self.version!r})"

    def extract(self, source: ExtractionInput) -> Extraction:
        """Say what the document tells of its candidates. Every quote stands at its offsets in `source.text`."""
        return Extraction(
            doc_id=source.doc_id,
            extractor=ExtractorKind.RULES,
            extractor_version=self.version,
            events=tuple(_events(source)),
        )


def _events(source: ExtractionInput) -> list[Event]:
    text = source.text
    filing = filings.read_filing(source) if source.filed else None
    if filing is not None:
        filed = [_event(text, draft, Form.NEWS, is_filing=True) for draft in filed_drafts(source, filing)]
        return [event for event in filed if event is not None][:MAX_EVENTS]
    title_end = _title_end(text)
    headline = read_headline(text, title_end)
    statements = list(_statements(source, headline.span, title_end))
    drafts = _grouped(statements)
    found = [symbol for statement in statements for symbol in (share.symbol for share in statement.shares)]
    unseen = [candidate for candidate in source.candidates if candidate.labelled and candidate.symbol not in found]
    if unseen:
        drafts = _with_labels(drafts, statements, unseen)
    events = [_event(text, draft, headline.form) for draft in drafts]
    return [event for event in events if event is not None][:MAX_EVENTS]


def _title_end(text: str) -> int:
    line = text.find("\n")
    return min(len(text) if line < 0 else line, MAX_SENTENCE_CHARS)


# -- reading -------------------------------------------------------------------------------------------------------


def _statements(source: ExtractionInput, title: Span, title_end: int) -> Iterator[Statement]:
    """Read the headline and the sentences that name a candidate or, near the top, still speak of the headline's."""
    text = source.text
    candidates = possibly_named(text[: title_end + MAX_CHARS], source.candidates)
    subjects: list[Mention] = []
    read_count = 0
    for order, span in enumerate(_spans(text, title, title_end)):
        mentions = find_mentions(text, candidates, span.start, span.end)
        if not mentions and order > LEAD_SENTENCES:
            continue
        if (order and _NOTE.match(text, span.start, span.end)) or ORDERS.search(text, span.start, span.end):
            continue
        statement = statement_of(text, span, order, mentions)
        if not mentions and subjects:
            statement.shares = [carried(text, mention, statement.reading) for mention in subjects]
        if order == 0:
            heads = {share.symbol for share in statement.shares if share.is_head}
            subjects = list(
                {mention.symbol: mention for mention in reversed(mentions) if mention.symbol in heads}.values()
            )
        yield statement
        read_count += 1
        if read_count >= MAX_SENTENCES:
            return


def _spans(text: str, title: Span, title_end: int) -> Iterator[Span]:
    if title.end > title.start:
        yield title
    yield from sentences_of(text, title_end, min(len(text), title_end + MAX_CHARS))


# -- grouping ------------------------------------------------------------------------------------------------------


def _grouped(statements: list[Statement]) -> list[Draft]:
    """Put the sentences that tell of the same thing together; the headline's event comes first."""
    drafts: list[Draft] = []
    for statement in statements:
        if not statement.shares:
            continue
        draft = _matching(drafts, statement)
        if draft is None:
            if (
                statement.order > LEAD_SENTENCES
                and statement.type is EventType.OTHER
                and not _says_something(statement)
            ):
                continue
            drafts.append(Draft(statement.type, [statement]))
        else:
            if draft.type is EventType.OTHER:
                draft.type = statement.type
            draft.statements.append(statement)
    return drafts[: MAX_EVENTS + 3]


def _matching(drafts: list[Draft], statement: Statement) -> Draft | None:
    for draft in drafts:
        if draft.type is statement.type:
            return draft
    symbols = {share.symbol for share in statement.shares}
    for draft in drafts:
        known = {share.symbol for earlier in draft.statements for share in earlier.shares}
        related = (
            draft.type is EventType.OTHER
            or statement.type is EventType.OTHER
            or same_family(draft.type, statement.type)
        )
        if related and symbols & known:
            return draft
    return None


def _says_something(statement: Statement) -> bool:
    return any(abs(share.sentiment) >= _QUIET for share in statement.shares)


def _with_labels(drafts: list[Draft], statements: list[Statement], unseen: list[Candidate]) -> list[Draft]:
    """Attach companies that only the source's label names to the headline's event, or make one of it."""
    if drafts:
        drafts[0].labels = unseen
        return drafts
    spoken = [
        statement
        for statement in statements
        if abs(statement.reading.score) >= _QUIET or statement.type is not EventType.OTHER
    ]
    if not spoken:
        return []
    first = min(spoken, key=lambda statement: statement.order)
    return [Draft(first.type, [first], unseen)]


# -- writing -------------------------------------------------------------------------------------------------------


def _event(text: str, draft: Draft, form: Form, *, is_filing: bool = False) -> Event | None:
    entities = _entities(draft, form)
    strongest = max((abs(entity.sentiment) for entity in entities), default=0.0)
    if not entities or (draft.type is EventType.OTHER and strongest == 0):
        return None
    default = DEFAULTS[draft.type]
    kind = _event_type(draft.type, entities)
    used = sorted(
        draft.statements,
        key=lambda told: (not told.is_heading, -_weight(told) * (0.2 + abs(told.reading.score)), told.order),
    )
    evidence = sorted(used[:MAX_EVIDENCE], key=lambda told: (not told.is_heading, told.order))
    own = [entity.surface for entity in entities] if is_filing else None
    facts: dict[tuple[str, object, str], Fact] = {}
    for statement in draft.statements[:_FACT_STATEMENTS]:
        for fact in facts_of(text, *statement.span, statement.reading, draft.type, own):
            facts.setdefault((fact.metric, fact.value, fact.unit), fact)
    return Event(
        type=kind,
        entities=tuple(entities),
        materiality=_materiality(kind, draft, entities, form, strongest),
        horizon=default.horizon,
        confidence=_confidence(draft, entities, form),
        facts=tuple(list(facts.values())[:MAX_FACTS]),
        evidence=tuple(
            Evidence(quote=text[s.span.start : s.span.end], start=s.span.start, end=s.span.end) for s in evidence
        ),
    )


def _entities(draft: Draft, form: Form) -> list[Entity]:
    shares: dict[str, list[tuple[float, Share]]] = {}
    for statement in draft.statements:
        for share in statement.shares:
            shares.setdefault(share.symbol, []).append((_weight(statement), share))
    entities: list[Entity] = []
    for symbol, told in shares.items():
        best = next((share for _, share in told if share.role is not EntityRole.MENTION), told[0][1])
        role = EntityRole.MENTION if form is Form.ROUNDUP and best.role is EntityRole.SUBJECT else best.role
        sentiment = _mean(told) * (1.0 if form is Form.NEWS else _ROUNDUP_SHARE)
        entities.append(Entity(symbol=symbol, surface=best.surface, role=role, sentiment=_rounded(sentiment)))
    mood = _mean(
        [(_weight(s), Share("", "", EntityRole.MENTION, s.reading.score, is_head=False)) for s in draft.statements]
    )
    named = any(share.is_head for told in shares.values() for _, share in told)
    label_share = _LABEL_SHARE * (_SIDE_SHARE if named else 1.0)
    for candidate in draft.labels:
        entities.append(
            Entity(
                symbol=candidate.symbol,
                surface=candidate.symbol,
                role=EntityRole.MENTION,
                sentiment=_rounded(mood * label_share * (1.0 if form is Form.NEWS else _ROUNDUP_SHARE), 0.05),
            )
        )
    return entities


def _mean(told: list[tuple[float, Share]]) -> float:
    """Average what several sentences say; sentences that say nothing do not dilute those that do."""
    speaking = [(weight, share.sentiment) for weight, share in told if abs(share.sentiment) >= _QUIET / 2]
    if not speaking:
        return 0.0
    return sum(weight * value for weight, value in speaking) / sum(weight for weight, _ in speaking)


def _rounded(sentiment: float, quiet: float = _QUIET) -> float:
    return 0.0 if abs(sentiment) < quiet else round(max(-1.0, min(1.0, sentiment)), 3)


def _weight(statement: Statement) -> float:
    """The headline weighs most, then the lead, then the rest."""
    return 1.0 if statement.order == 0 else _BODY_WEIGHT if statement.order <= LEAD_SENTENCES else _BODY_WEIGHT / 2


def _event_type(kind: EventType, entities: list[Entity]) -> EventType:
    """A deal is the target's event where the target is among the companies, otherwise the acquirer's."""
    if kind in (EventType.MA_ACQUIRER, EventType.MA_TARGET):
        roles = {entity.role for entity in entities}
        if EntityRole.TARGET in roles:
            return EventType.MA_TARGET
        if EntityRole.ACQUIRER in roles:
            return EventType.MA_ACQUIRER
    return kind


def _materiality(kind: EventType, draft: Draft, entities: list[Entity], form: Form, strongest: float) -> Materiality:
    central = {EntityRole.SUBJECT, EntityRole.TARGET, EntityRole.ACQUIRER}
    if form is not Form.NEWS or strongest == 0 or not any(entity.role in central for entity in entities):
        return Materiality.LOW
    usual = DEFAULTS[kind].materiality
    first = min(statement.order for statement in draft.statements)
    if usual is Materiality.HIGH and (first > 1 or strongest < CALLED):
        return Materiality.MEDIUM
    if usual is Materiality.MEDIUM and first > LEAD_SENTENCES:
        return Materiality.LOW
    return usual


def _confidence(draft: Draft, entities: list[Entity], form: Form) -> float:
    """The mean certainty of the sentences, less for digests, opinion pieces and companies known by label alone."""
    weights = [_weight(statement) for statement in draft.statements]
    value = sum(w * s.confidence for w, s in zip(weights, draft.statements, strict=True)) / sum(weights)
    if form is not Form.NEWS:
        value *= 0.7
    if len(draft.labels) == len(entities):
        value *= 0.6
    return round(max(0.0, min(1.0, value)), 4)
