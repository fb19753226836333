"""Which companies a text names, which words only look like one, and whose news a sentence is."""

from __future__ import annotations

import pytest

from activities.adapters.rules.names import find_mentions
from domain.extraction import Candidate, EntityRole, EventType, Materiality
from tests.extraction.builders import candidate, document, entity_of, extracted, main_event


def named(text: str, *symbols: str) -> list[tuple[str, str]]:
    found = find_mentions(text, [candidate(symbol) for symbol in symbols], 0, len(text))
    return [(mention.symbol, text[mention.start : mention.end]) for mention in found]


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("Plan C grades and vitamin C", "C"),
        ("an F on the test, the F-35 jet", "F"),
        ("T-shirts, T cells and Model T", "T"),
        ("vitamin D and D-Day", "D"),
        ("an MA in history, Boston MA", "MA"),
        ("the age of ge nerators", "GE"),
        ("Target price raised to $50", "TGT"),
        ("Analysts target Europe", "TGT"),
        ("Street Raises Its Target Price On Several Chip Makers", "TGT"),
        ("COST CUTTING ON TARGET AT MANY FIRMS THIS YEAR", "TGT"),
        ("the ford across the river", "F"),
        ("an apple a day", "AAPL"),
        ("Pineapple growers", "AAPL"),
        ("Dominion over the seas", "D"),
    ],
)
def test_names_when_a_word_only_looks_like_a_company_then_it_is_not_found(text: str, symbol: str) -> None:
    assert named(text, symbol) == []


@pytest.mark.parametrize(
    ("text", "symbol", "surface"),
    [
        ("Target beats estimates", "TGT", "Target"),
        ("Shoppers went to Target in droves", "TGT", "Target"),
        ("Target's quarterly profit", "TGT", "Target"),
        ("Shares of Citi (NYSE: C) fell", "C", "Citi"),
        ("AT&T's bid", "T", "AT&T"),
        ("The GE-Comcast deal", "GE", "GE"),
        ("GE's profit", "GE", "GE"),
        ("Buy $T now", "T", "T"),
        ("Ford <F.N> said", "F", "Ford"),
        ("Goldman analysts", "GS", "Goldman"),
        ("GENERAL ELECTRIC TO BUY ALSTOM", "GE", "GENERAL ELECTRIC"),
        ("Wal-Mart or Walmart", "WMT", "Wal-Mart"),
    ],
)
def test_names_when_the_company_is_meant_then_it_is_found(text: str, symbol: str, surface: str) -> None:
    assert (symbol, surface) in named(text, symbol)


def test_names_when_one_name_holds_another_then_the_longest_wins() -> None:
    banks = [
        Candidate(symbol="MS", names=("Morgan Stanley",)),
        Candidate(symbol="SBH", names=("Morgan Stanley Smith Barney",)),
    ]
    text = "Morgan Stanley Smith Barney hires advisers"
    assert [mention.symbol for mention in find_mentions(text, banks, 0, len(text))] == ["SBH"]


@pytest.mark.parametrize(
    ("name", "text", "surface"),
    [
        ("NORDSTROM INC", "Shoppers at Nordstrom spent less", "Nordstrom"),
        ("BANK OF AMERICA CORP /DE/", "At Bank of America profit fell", "Bank of America"),
        ("1895 Bancorp of Wisconsin, Inc. /MD/", "1895 BANCORP OF WISCONSIN, INC.", "1895 BANCORP OF WISCONSIN"),
        ("3M CO", "So did 3M Company", "3M Company"),
        ("1 800 FLOWERS COM INC", "Orders at 1-800-FLOWERS.COM, Inc.", "1-800-FLOWERS.COM"),
        ("AAR CORP", "AAR won", "AAR"),
        ("SNAP", "a cold snap and Snap decisions", ""),
    ],
)
def test_names_when_they_are_as_a_register_writes_them_then_a_text_may_spell_them_its_way(
    name: str, text: str, surface: str
) -> None:
    found = find_mentions(text, [Candidate(symbol="XXXX", names=(name,))], 0, len(text))
    assert [text[mention.start : mention.end] for mention in found] == ([surface] if surface else [])


def test_names_when_only_the_legal_form_differs_then_the_short_name_is_found() -> None:
    company = Candidate(symbol="CAT", names=("Caterpillar Inc",))
    text = "Caterpillar said"
    assert [mention.symbol for mention in find_mentions(text, [company], 0, len(text))] == ["CAT"]


def test_event_when_two_companies_are_contrasted_then_each_gets_its_own_sign() -> None:
    event = main_event("Google profit jumps 30 percent; Apple drops after weak sales")
    assert entity_of(event, "GOOG").sentiment > 0.3
    assert entity_of(event, "AAPL").sentiment < -0.3


def test_event_when_a_company_beats_another_then_the_signs_differ() -> None:
    event = main_event("Apple overtakes Google as most valuable company")
    apple, google = entity_of(event, "AAPL"), entity_of(event, "GOOG")
    assert apple.sentiment > 0 > google.sentiment
    assert google.role is EntityRole.COMPETITOR


@pytest.mark.parametrize(
    ("title", "acquirer", "target"),
    [
        ("Google to buy Dominion Energy for $12 billion", "GOOG", "D"),
        ("Pfizer agrees to acquire Citigroup in $9 bln deal", "PFE", "C"),
        ("Dominion Energy acquired by Google", "GOOG", "D"),
        ("Walmart makes offer for Target Corp", "WMT", "TGT"),
        ("Apple's takeover of Google Inc", "AAPL", "GOOG"),
    ],
)
def test_event_when_one_company_buys_another_then_roles_and_signs_follow(
    title: str, acquirer: str, target: str
) -> None:
    event = main_event(title)
    assert event.type is EventType.MA_TARGET
    assert entity_of(event, acquirer).role is EntityRole.ACQUIRER
    assert entity_of(event, target).role is EntityRole.TARGET
    assert entity_of(event, target).sentiment > entity_of(event, acquirer).sentiment >= 0


def test_event_when_only_the_buyer_is_known_then_it_is_the_acquirers_event() -> None:
    event = main_event("UPDATE 1-GE to buy French motor maker Converteam for $3.2 bln")
    assert event.type is EventType.MA_ACQUIRER
    assert entity_of(event, "GE").role is EntityRole.ACQUIRER
    assert ("deal_value", "billion") in {(fact.metric, fact.scale) for fact in event.facts}


def test_event_when_one_company_sues_another_then_the_sued_one_suffers() -> None:
    event = main_event("Apple sues Google over patents")
    assert event.type is EventType.LITIGATION_FIRM
    assert entity_of(event, "GOOG").sentiment < -0.3
    assert abs(entity_of(event, "AAPL").sentiment) < 0.2


def test_event_when_several_are_sued_then_all_suffer() -> None:
    event = main_event("Investor sues Goldman Sachs, Bank of America and Citigroup over mortgage fraud")
    assert all(entity_of(event, symbol).sentiment < -0.3 for symbol in ("GS", "BAC", "C"))


def test_event_when_a_broker_rates_a_company_then_the_broker_is_the_analyst() -> None:
    event = main_event("Goldman Sachs upgrades Ford to buy")
    assert event.type is EventType.ANALYST_ACTION
    assert entity_of(event, "GS").role is EntityRole.ANALYST
    assert entity_of(event, "GS").sentiment == 0
    assert entity_of(event, "F").sentiment > 0.3


def test_event_when_a_company_only_describes_another_then_it_is_a_mention_with_little_sign() -> None:
    event = main_event("Ex-Goldman trader charged with fraud")
    assert entity_of(event, "GS").role is EntityRole.MENTION
    assert abs(entity_of(event, "GS").sentiment) < 0.3


def test_event_when_the_company_is_known_by_label_only_then_the_ticker_is_a_faint_low_mention() -> None:
    title = "Chip maker's profit plunges 40 percent, warns on sales"
    event = main_event(title, label="T")
    (entity,) = event.entities
    assert (entity.symbol, entity.surface, entity.role) == ("T", "T", EntityRole.MENTION)
    assert -0.4 < entity.sentiment < 0
    assert event.materiality is Materiality.LOW


def test_extraction_when_nothing_is_labelled_and_nobody_is_named_then_there_is_no_event() -> None:
    assert extracted("Chip maker's profit plunges 40 percent").events == ()


@pytest.mark.parametrize(
    "title",
    [
        "US STOCKS-Wall St slips as Apple, Google fall",
        "Wall Street tumbles, Apple down 5 percent",
        "PREVIEW-Apple seen posting record profit",
        "FACTBOX-Apple and Google patent lawsuits",
        "GLOBAL MARKETS-Stocks slide as Citigroup profit falls",
        "Should you buy Apple shares after the profit drop?",
    ],
)
def test_event_when_the_headline_is_a_roundup_then_every_event_is_low(title: str) -> None:
    events = extracted(title, label="AAPL").events
    assert all(event.materiality is Materiality.LOW for event in events)
    assert all(abs(entity.sentiment) <= 0.7 for event in events for entity in event.entities)


def test_event_when_a_rival_is_named_then_it_is_a_competitor() -> None:
    event = main_event("Apple profit soars, beats rival Google")
    assert entity_of(event, "GOOG").role is EntityRole.COMPETITOR


def test_find_mentions_when_the_document_has_no_candidates_then_there_are_none() -> None:
    source = document("Apple profit rises", symbols=())
    assert find_mentions(source.text, source.candidates, 0, len(source.text)) == []
