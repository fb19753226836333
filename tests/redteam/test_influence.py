"""How far a document moves a score: no further than its cap, never to a purchase by itself, not even in a flood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.config import Tier, TradingConfig
from domain.decisions import Action, EvidenceItem
from domain.documents import Credibility, Relation
from domain.extraction import EntityRole, EventType, ExtractorKind, Materiality, ValidatedExtraction, document_text
from domain.novelty import shingles
from domain.stories import Story, link
from tests.redteam.corpus import HonestStory, HostileDocument, documents, each_document, flood, named
from tests.redteam.influence import AS_OF, CONFIG, ROUNDING, action, background, cap, score, trending
from tests.redteam.reading import PUBLISHED, SITE, evidence_of, obeyed, read

MOVES = (-0.01, 0.0, 0.01)
"""Daily moves of markets that fall, stand still and rise."""
MOODS = (-1.0, 0.0, 1.0)
TIERS = [TradingConfig.for_tier(tier) for tier in Tier]


def answers(hostile: HostileDocument) -> tuple[ValidatedExtraction, ValidatedExtraction]:
    return read(hostile).rules, obeyed(hostile)


def by_symbol(items: Iterable[EvidenceItem]) -> dict[str, list[EvidenceItem]]:
    found: dict[str, list[EvidenceItem]] = {}
    for item in items:
        found.setdefault(item.symbol, []).append(item)
    return found


def largest_change(symbol: str, items: Sequence[EvidenceItem]) -> float:
    """By how much evidence moves a score at most: alone and beside honest evidence of any mood, in any market."""
    changes = [0.0]
    for market in (trending(symbol, move, lively=lively) for move in MOVES for lively in (False, True)):
        for honest in ([], *(background(symbol, mood) for mood in MOODS)):
            changes.append(abs(score([*honest, *items], symbol, market) - score(honest, symbol, market)))
    return max(changes)


@each_document()
def test_score_when_a_document_is_believed_then_it_moves_no_further_than_the_cap(hostile: HostileDocument) -> None:
    for valid in answers(hostile):
        for symbol, items in by_symbol(evidence_of(hostile, valid)).items():
            assert largest_change(symbol, items) <= cap(hostile.credibility) + ROUNDING, symbol


@each_document()
def test_recommendation_when_there_is_nothing_but_the_document_then_nothing_is_bought(hostile: HostileDocument) -> None:
    for valid in answers(hostile):
        for symbol, items in by_symbol(evidence_of(hostile, valid)).items():
            for config in TIERS:
                found = action(items, symbol, trending(symbol, MOVES[-1]), config)
                assert found in (Action.NONE, Action.WATCH), symbol


@each_document()
def test_score_when_the_document_is_told_again_later_then_it_stays_bit_for_bit(hostile: HostileDocument) -> None:
    for valid in answers(hostile):
        for symbol, items in by_symbol(evidence_of(hostile, valid)).items():
            again = [
                item.model_copy(
                    update={
                        "evidence_id": f"again-{item.evidence_id}",
                        "doc_id": f"again-{item.doc_id}",
                        "available_at": item.available_at + timedelta(minutes=9),
                    }
                )
                for item in items
            ]
            market = trending(symbol, MOVES[-1])
            assert score([*items, *again], symbol, market) == score(items, symbol, market)


@pytest.mark.parametrize("credibility", [Credibility.UNKNOWN, Credibility.AGGREGATOR, Credibility.SOCIAL])
def test_cap_when_compared_with_what_buys_then_a_poor_source_stays_below(credibility: Credibility) -> None:
    assert all(cap(credibility, config) < config.recommendation.buy_score for config in TIERS)


@pytest.mark.parametrize("by_model", [False, True], ids=["rules", "model"])
def test_flood_when_made_of_near_copies_then_it_moves_no_more_than_its_first_document(by_model: bool) -> None:
    told = _told("copies", by_model=by_model)
    assert len({item.doc_id for item in told}) == len(flood("copies"))
    first = [item for item in told if item.doc_id == told[0].doc_id]
    for honest in ([], background("CAT", 1.0), background("CAT", -1.0)):
        market = trending("CAT", MOVES[-1])
        assert score([*honest, *told], "CAT", market) == score([*honest, *first], "CAT", market)
    assert largest_change("CAT", told) <= cap(Credibility.UNKNOWN) + ROUNDING


@pytest.mark.parametrize("by_model", [False, True], ids=["rules", "model"])
def test_flood_when_reworded_by_one_site_then_it_moves_no_more_than_one_document(by_model: bool) -> None:
    assert largest_change("DIS", _told("reworded", by_model=by_model)) <= cap(Credibility.UNKNOWN) + ROUNDING


def test_flood_when_reworded_by_one_site_then_it_buys_nothing() -> None:
    assert action(_told("reworded"), "DIS", trending("DIS", MOVES[-1])) in (Action.NONE, Action.WATCH)


def test_flood_when_every_document_comes_from_another_unknown_site_then_it_moves_no_more_and_buys_nothing() -> None:
    told = _told("reworded", sites=len(flood("reworded")))
    assert largest_change("DIS", told) <= cap(Credibility.UNKNOWN) + ROUNDING
    assert action(told, "DIS", trending("DIS", MOVES[-1])) in (Action.NONE, Action.WATCH)


def test_copy_when_others_tell_enough_in_between_then_it_still_counts_once() -> None:
    first, second, padding = _copy_and_padding(padder=f"0.{SITE}")
    market = trending("CAT", MOVES[-1])
    assert score([*first, *padding, *second], "CAT", market) == score([*first, *padding], "CAT", market)


def test_copy_when_its_own_site_tells_enough_in_between_then_it_adds_to_nothing_that_is_bounded() -> None:
    """Ten stories of its own make a site's story new again, and then the site still has one voice."""
    first, second, padding = _copy_and_padding(padder=SITE)
    told = [*first, *padding, *second]
    assert largest_change("CAT", told) <= cap(Credibility.UNKNOWN) + ROUNDING
    assert action(told, "CAT", trending("CAT", MOVES[-1])) in (Action.NONE, Action.WATCH)


@each_document(only="about")
def test_honest_story_when_a_stranger_takes_it_back_then_it_is_not_forgotten(hostile: HostileDocument) -> None:
    assert hostile.about is not None
    relation = link(_stranger(hostile), [_wire(hostile.about, hostile.symbol)])
    assert relation is None or relation.relation not in (Relation.CORRECTION, Relation.RETRACTION)


def test_honest_story_when_a_stranger_tells_it_first_then_it_counts_all_the_same() -> None:
    hostile = named("taking-back-copied-first")
    assert hostile.about is not None
    honest, market = _honest(hostile.about, hostile.symbol), trending(hostile.symbol, 0.0)
    copied = [item for item in evidence_of(hostile, obeyed(hostile)) if item.symbol == hostile.symbol]
    assert copied[0].available_at < honest.available_at
    assert score([*copied, honest], hostile.symbol, market) == score([honest], hostile.symbol, market)


def test_floods_when_listed_then_no_other_document_belongs_to_one() -> None:
    assert {document.flood for document in documents() if document.flood} == {"copies", "reworded"}


def _told(name: str, *, by_model: bool = True, sites: int = 1, since: int = 0) -> list[EvidenceItem]:
    """The evidence of a flood on its one symbol, a document a minute, the first first, the sites in turn."""
    return [
        item
        for number, hostile in enumerate(flood(name))
        for item in evidence_of(
            hostile, answers(hostile)[by_model], minute=since + number, site=f"{number % sites}.{SITE}"
        )
        if item.symbol == hostile.symbol
    ]


def _copy_and_padding(*, padder: str) -> tuple[list[EvidenceItem], list[EvidenceItem], list[EvidenceItem]]:
    """A document, its copy half an hour later, and a flood of other stories in between."""
    original, copy = flood("copies")[:2]
    padding = [
        item.model_copy(update={"symbol": "CAT", "sentiment": 0.01, "publisher": padder})
        for item in _told("reworded", since=10)
    ]
    assert len({item.doc_id for item in padding}) > CONFIG.signals.novelty_documents
    return evidence_of(original, obeyed(original)), evidence_of(copy, obeyed(copy), minute=40), padding


def _honest(about: HonestStory, symbol: str) -> EvidenceItem:
    good = "raises" in about.title
    at = PUBLISHED.replace(minute=30)
    return EvidenceItem(
        evidence_id="honest",
        doc_id="honest",
        extraction_id="honest",
        symbol=symbol,
        available_at=at,
        published_at=at,
        event_type=EventType.GUIDANCE if good else EventType.RECALL_SAFETY,
        role=EntityRole.SUBJECT,
        materiality=Materiality.HIGH,
        sentiment=0.9 if good else -0.9,
        confidence=0.9,
        quote_validity=1.0,
        credibility=Credibility.WIRE,
        extractor=ExtractorKind.RULES,
        content_hash="honest",
        publisher="wire",
        title=about.title,
        shingles=shingles(document_text(about.title, about.body)),
    )


def _stranger(hostile: HostileDocument) -> Story:
    document = read(hostile).document
    symbols = {candidate.symbol for candidate in read(hostile).source.candidates if candidate.labelled}
    story = _story(document.title, document.text, symbols, minute=59)
    return replace(story, site=SITE, credibility=hostile.credibility)


def _wire(about: HonestStory, symbol: str) -> Story:
    story = _story(about.title, about.body, {symbol}, minute=30)
    return replace(story, site="wire", credibility=Credibility.WIRE)


def _story(title: str, text: str, symbols: set[str], *, minute: int) -> Story:
    at = PUBLISHED.replace(minute=minute)
    return Story(
        doc_id=f"{title} {minute}",
        title=title,
        published_at=at,
        available_at=at,
        shingles=frozenset(shingles(document_text(title, text))),
        symbols=frozenset(symbols),
    )


def test_background_when_scored_then_it_is_plausible_and_heavier_than_any_document() -> None:
    market = trending("F", 0.0)
    assert 0.1 < score(background("F", 1.0), "F", market) < 0.4
    weights = [CONFIG.signals.credibility[item.credibility] for item in background("F", 1.0)]
    assert sum(weights) > CONFIG.signals.credibility[Credibility.AGGREGATOR]
    assert all(item.available_at < AS_OF for item in background("F", 1.0))
