"""The events of a filing: those its items and its form announce, then those its words tell of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from activities.adapters.rules import filings
from activities.adapters.rules.confidence import confidence
from activities.adapters.rules.filings import Filing
from activities.adapters.rules.headline import ends_the_news, read_release
from activities.adapters.rules.items import BESIDE_RESULTS, CLEAR, FORMS, NOT_A_FILERS, Part
from activities.adapters.rules.names import find_mentions, possibly_named
from activities.adapters.rules.phrases import Kind
from activities.adapters.rules.roles import Share
from activities.adapters.rules.scoring import read
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
    surface,
)
from activities.adapters.rules.tokens import Span, sentences_of
from domain.extraction import EntityRole, EventType, ExtractionInput

_FIGURES = 6
"""Sentences with figures that are taken of a periodic report."""
_KNOWN_SHARE = 0.5
"""What is left of the sign of figures that a press release has told weeks before."""
_BESIDE = 12
"""So far down a release of results, other news may stand that is an event of its own."""
_DEAL_ROLES = frozenset({EntityRole.ACQUIRER, EntityRole.TARGET})


def filed_drafts(source: ExtractionInput, filing: Filing) -> list[Draft]:
    """The events of a filing: those its items and its form announce, then those its words tell of."""
    text = source.text
    drafts: list[Draft] = []
    worded: list[Statement] = []
    if not filing.filers:
        return []
    for part in filing.parts:
        if part.meaning.type is EventType.EARNINGS and part.item in FORMS:
            figures = list(islice(_figures(source, filing, part.body), _FIGURES))
            if figures:
                drafts.append(Draft(EventType.EARNINGS, figures))
            elif part.head:
                _announce(text, drafts, filing, part, [])
            continue
        told = _told(source, filing, [], Span(part.body.start, ends_the_news(text, part.body.start, part.body.end)))
        if part.meaning.type is None:
            worded += _sided(text, part.body, told)
        else:
            _announce(text, drafts, filing, part, told)
    for span in filing.releases:
        release = read_release(text, span.start, span.end)
        worded += _told(source, filing, list(release.headlines), release.body)
    is_open = not filing.parts or any(part.meaning.type is None for part in filing.parts)
    for statement in worded:
        _join(drafts, statement, is_open=is_open, sure=filing.sure)
    return drafts


def _told(source: ExtractionInput, filing: Filing, headlines: list[Span], body: Span) -> list[Statement]:
    """What the sentences of a part say of the filer. Those about others count only for their part in a deal."""
    text = source.text
    candidates = possibly_named(text[body.start : body.end], source.candidates)
    filers = {mention.symbol for mention in filing.filers}
    found: list[Statement] = []
    first = 0 if headlines else 1
    for order, span in enumerate((*headlines, *sentences_of(text, body.start, body.end)), first):
        if filings.is_boilerplate(text, span) or ORDERS.search(text, span.start, span.end):
            continue
        mentions = find_mentions(text, candidates, span.start, span.end)
        statement = statement_of(text, span, order if order >= len(headlines) else 0, mentions)
        own = [share for share in statement.shares if share.symbol in filers]
        deal = [share for share in statement.shares if share.symbol not in filers and share.role in _DEAL_ROLES]
        statement.shares = (own or [carried(text, mention, statement.reading) for mention in filing.filers]) + deal
        for share in own:
            share.role = share.role if share.role in _DEAL_ROLES else EntityRole.SUBJECT
        found.append(statement)
        if len(found) >= MAX_SENTENCES:
            break
    return found


def _figures(source: ExtractionInput, filing: Filing, body: Span) -> Iterator[Statement]:
    """Sentences of a periodic report with figures; a press release has told them before."""
    text = source.text
    for order, span in enumerate(sentences_of(text, body.start, body.end), 1):
        if filings.is_boilerplate(text, span) or not filings.is_sentence(text, span):
            continue
        if ORDERS.search(text, span.start, span.end):
            continue
        reading = read(text, span.start, span.end)
        if filings.is_figure(reading):
            shares = [carried(text, mention, reading) for mention in filing.filers]
            for share in shares:
                share.sentiment *= _KNOWN_SHARE
            yield Statement(span, order, reading, EventType.EARNINGS, 1.0, confidence(reading), shares)


def _sided(text: str, body: Span, told: list[Statement]) -> list[Statement]:
    """Make the filer the target of a deal where the text says that it is bought."""
    role = filings.deal_role(text[body.start : body.end])
    for statement in told:
        if role is not None and statement.type in (EventType.MA_ACQUIRER, EventType.MA_TARGET):
            for share in statement.shares:
                share.role = role if share.role is EntityRole.SUBJECT else share.role
    return told


def _announce(text: str, drafts: list[Draft], filing: Filing, part: Part, told: list[Statement]) -> None:
    """Make the event that a part's heading states, or add it to the one of the same kind."""
    kind = part.meaning.type or EventType.OTHER
    draft = next((each for each in drafts if each.type is kind), None)
    if draft is None:
        draft = Draft(kind, [], by_words=part.meaning.by_words)
        drafts.append(draft)
    for order, span in enumerate(part.head):
        shares = [
            Share(mention.symbol, surface(text, mention), part.role, part.meaning.sentiment, is_head=True)
            for mention in filing.filers
        ]
        reading = read(text, span.start, span.end)
        draft.statements.append(Statement(span, order, reading, kind, 1.0, filing.sure, shares, is_heading=True))
    spoken = [statement for statement in told if filings.is_sentence(text, statement.span)]
    if draft.by_words:
        draft.statements += [statement for statement in spoken if _has_figure(statement)][:MAX_EVIDENCE]
    else:
        draft.statements += [_quiet(statement, filing.sure) for statement in spoken[: MAX_EVIDENCE - 1]]


def _has_figure(statement: Statement) -> bool:
    is_metric = any(hit.entry.kind is Kind.METRIC for hit in statement.reading.hits)
    return is_metric and any(token.is_number for token in statement.reading.tokens)


def _join(drafts: list[Draft], statement: Statement, *, is_open: bool, sure: float) -> None:
    """Add a sentence to the event it tells of; it makes one of its own only where it is clear and near the top."""
    kind = statement.type
    if kind in NOT_A_FILERS:
        return
    reach = _BESIDE if kind in BESIDE_RESULTS else LEAD_SENTENCES if is_open else 0
    is_clear = statement.vote >= CLEAR and 0 < reach >= statement.order
    draft = next((each for each in drafts if each.type is kind), None)
    if draft is None and not (is_clear and kind in BESIDE_RESULTS):
        draft = next((each for each in drafts if same_family(each.type, kind)), None)
    if draft is not None:
        draft.statements.append(statement if draft.by_words else _quiet(statement, sure))
    elif is_clear:
        drafts.append(Draft(kind, [statement]))


def _quiet(statement: Statement, sure: float) -> Statement:
    """The sentence as evidence for what a heading states; how good or bad that is the heading has said."""
    shares = [replace(share, sentiment=0.0) for share in statement.shares]
    return replace(statement, shares=shares, confidence=sure)
