"""How far a document moves a score: no further than its cap, never to a purchase by itself, not even in a flood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

DOCUMENT_CAP = "domain/signals.py: events of one document on one symbol add up; influence cap of a document"
SITE_CAP = "influence cap of a site: site_share .4 allows a score of .30 where the market agrees, and .25 buys"
TAKEN_BACK_BY_ANYBODY = "domain/stories.py: a correction may come from somebody else than the story's own publisher"
POOR_SOURCES = "domain/recommendation.py: any number of unknown publishers is enough for a purchase"
SHORT_MEMORY = "domain/novelty.py: a copy of the eleventh story before it is new"
FIRST_TELLER = "domain/novelty.py: a story counts with its first teller's credibility, not with its best one's"

SEVERAL_EVENTS = {
    "quotes-negation-cut": DOCUMENT_CAP,
    "hype-approval": DOCUMENT_CAP,
    "hype-many-events": DOCUMENT_CAP,
}
ENOUGH_FOR_A_PURCHASE = {"hype-many-events": DOCUMENT_CAP}
FORGETFUL = {
    "taking-back-retraction": TAKEN_BACK_BY_ANYBODY,
    "taking-back-correction": TAKEN_BACK_BY_ANYBODY,
    "taking-back-withdrawn": TAKEN_BACK_BY_ANYBODY,
    "taking-back-bad-news": TAKEN_BACK_BY_ANYBODY,
    "taking-back-for-regulator": TAKEN_BACK_BY_ANYBODY,
    "taking-back-feed-entry": TAKEN_BACK_BY_ANYBODY,
}
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


@each_document(SEVERAL_EVENTS)
def test_score_when_a_document_is_believed_then_it_moves_no_further_than_the_cap(hostile: HostileDocument) -> None:
    for valid in answers(hostile):
        for symbol, items in by_symbol(evidence_of(hostile, valid)).items():
            assert largest_change(symbol, items) <= cap(hostile.credibility) + ROUNDING, symbol


@each_document(ENOUGH_FOR_A_PURCHASE)
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


@pytest.mark.xfail(strict=True, reason=SITE_CAP)
@pytest.mark.parametrize("by_model", [False, True], ids=["rules", "model"])
def test_flood_when_reworded_by_one_site_then_it_moves_no_more_than_one_document(by_model: bool) -> None:
    assert largest_change("DIS", _told("reworded", by_model=by_model)) <= cap(Credibility.UNKNOWN) + ROUNDING


@pytest.mark.xfail(strict=True, reason=SITE_CAP)
def test_flood_when_reworded_by_one_site_then_it_buys_nothing() -> None:
    assert action(_told("reworded"), "DIS", trending("DIS", MOVES[-1])) in (Action.NONE, Action.WATCH)


@pytest.mark.xfail(strict=True, reason=POOR_SOURCES)
def test_flood_when_every_document_comes_from_another_unknown_site_then_it_buys_nothing() -> None:
    told = _told("reworded", sites=len(flood("reworded")))
    assert action(told, "DIS", trending("DIS", MOVES[-1])) in (Action.NONE, Action.WATCH)


@pytest.mark.xfail(strict=True, reason=SHORT_MEMORY)
def test_copy_when_enough_is_told_in_between_then_it_still_counts_once() -> None:
    first = evidence_of(flood("copies")[0], obeyed(flood("copies")[0]))
    second = evidence_of(flood("copies")[1], obeyed(flood("copies")[1]), minute=40)
    padding = [item.model_copy(update={"symbol": "CAT", "sentiment": 0.01}) for item in _told("reworded", since=10)]
    market = trending("CAT", MOVES[-1])
    assert score([*first, *padding, *second], "CAT", market) == score([*first, *padding], "CAT", market)


@each_document(FORGETFUL, only="about")
def test_honest_story_when_a_stranger_takes_it_back_then_it_is_not_forgotten(hostile: HostileDocument) -> None:
    assert hostile.about is not None
    relation = link(_stranger(hostile), [_wire(hostile.about, hostile.symbol)])
    assert relation is None or relation.relation not in (Relation.CORRECTION, Relation.RETRACTION)


@pytest.mark.xfail(strict=True, reason=FIRST_TELLER)
def test_honest_story_when_a_stranger_tells_it_first_then_it_counts_all_the_same() -> None:
    hostile = named("taking-back-copied-first")
    assert hostile.about is not None
    honest, market = _honest(hostile.about, hostile.symbol), trending(hostile.symbol, 0.0)
    copied = [item for item in evidence_of(hostile, obeyed(hostile)) if item.symbol == hostile.symbol]
    assert copied[0].available_at < honest.available_at
    assert score([*copied, honest], hostile.symbol, market) >= 0.9 * score([honest], hostile.symbol, market)


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
    return _story(document.title, document.text, symbols, minute=59)


def _wire(about: HonestStory, symbol: str) -> Story:
    return _story(about.title, about.body, {symbol}, minute=30)


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
