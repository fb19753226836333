"""What the rules read of the economy, and what the hard checks leave of any reading of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.rules import RulesExtractor
from activities.adapters.rules.economy import RulesClassifier
from domain.extraction import Evidence, ExtractorKind
from domain.macro import (
    MacroEvent,
    MacroInput,
    MacroReading,
    MacroTopic,
    Surprise,
    concerns_economy,
    validate_macro,
)
from domain.registry import MacroFactor
from tests.conftest import shared_data

PUBLISHED = datetime(2024, 7, 31, 18, tzinfo=UTC)
TEXT = (
    "U.S. consumer prices rise more than expected\n\n"
    "U.S. consumer prices rose 0.4 percent in June, the government said. Economists had expected 0.2 percent. "
    "Shares of banks gained in Germany."
)
QUOTE = "U.S. consumer prices rose 0.4 percent in June, the government said."


def source(text: str = TEXT) -> MacroInput:
    return MacroInput(doc_id="d0c", text=text, published_at=PUBLISHED)


def event(**changes: Any) -> MacroEvent:
    start = TEXT.index(QUOTE)
    values: dict[str, Any] = {
        "topic": MacroTopic.INFLATION,
        "factor": MacroFactor.RATES,
        "direction": 0.6,
        "confidence": 0.8,
        "evidence": (Evidence(quote=QUOTE, start=start, end=start + len(QUOTE)),),
    }
    return MacroEvent.model_validate({**values, **changes})


def reading(*events: MacroEvent, doc_id: str = "d0c") -> MacroReading:
    return MacroReading(doc_id=doc_id, extractor=ExtractorKind.MODEL, extractor_version="x", events=events)


@pytest.mark.parametrize(
    ("sentence", "topic", "sign"),
    [
        ("The Federal Reserve raised interest rates by a quarter point.", MacroTopic.POLICY_RATE, 1),
        ("The Fed cut interest rates and said it would ease policy further.", MacroTopic.POLICY_RATE, -1),
        ("Consumer prices fell 0.3 percent in May.", MacroTopic.INFLATION, -1),
        ("The unemployment rate fell to 3.9 percent.", MacroTopic.EMPLOYMENT, 1),
        ("Jobless claims jumped last week.", MacroTopic.EMPLOYMENT, -1),
        ("Nonfarm payrolls increased by 250,000.", MacroTopic.EMPLOYMENT, 1),
        ("Gross domestic product shrank at a 2 percent rate.", MacroTopic.GROWTH, -1),
        ("Crude oil prices surged after the meeting.", MacroTopic.OIL, 1),
        ("The dollar weakened against most currencies.", MacroTopic.CURRENCY, -1),
        ("The government imposed tariffs on steel.", MacroTopic.TRADE, 1),
        ("Job gains have been strong, and the unemployment rate has stayed low.", MacroTopic.EMPLOYMENT, 1),
        (
            "Employment has continued to recover but remains well below its level of the spring.",
            MacroTopic.EMPLOYMENT,
            1,
        ),
        ("Retail sales were sluggish in March.", MacroTopic.GROWTH, -1),
    ],
)
def test_rules_when_a_sentence_states_a_movement_then_topic_and_direction_follow(
    sentence: str, topic: MacroTopic, sign: int
) -> None:
    (found, *_) = RulesClassifier().classify(source(sentence)).events
    assert (found.topic, found.direction > 0) == (topic, sign > 0)


@pytest.mark.parametrize("sentence", ["Ford launches a new truck.", "Interest rates were left unchanged.", ""])
def test_rules_when_nothing_moves_then_there_is_no_event(sentence: str) -> None:
    assert RulesClassifier().classify(source(sentence)).events == ()


def test_rules_when_a_figure_stands_beside_what_was_expected_then_both_are_kept() -> None:
    text = "U.S. payrolls rose 120,000 in May while economists had expected 180,000."
    (found, *_) = RulesClassifier().classify(source(text)).events
    assert found.surprise == Surprise(actual="120000", expected="180000")
    assert (found.factor, found.region) == (MacroFactor.REGION, "U.S.")


def test_rules_when_they_read_then_everything_passes_the_hard_checks() -> None:
    folder = shared_data("macro/fomc_statements")
    read = 0
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        told = RulesClassifier().classify(source(text))
        valid = validate_macro(told, source(text))
        assert valid.dropped == ()
        assert valid.quotes_valid == valid.quotes_total
        read += bool(valid.reading.events)
    assert read > 15


def test_validate_when_a_quote_stands_elsewhere_once_then_its_offsets_are_mended() -> None:
    moved = event(evidence=(Evidence(quote=QUOTE, start=0, end=len(QUOTE)),))
    (kept,) = validate_macro(reading(moved), source()).reading.events
    assert TEXT[kept.evidence[0].start : kept.evidence[0].end] == QUOTE


@given(st.text(min_size=1, max_size=60), st.integers(0, 400))
def test_validate_when_quotes_are_random_then_only_what_the_text_says_survives(quote: str, start: int) -> None:
    told = reading(event(evidence=(Evidence(quote=quote, start=start, end=start + len(quote)),)))
    for kept in validate_macro(told, source()).reading.events:
        for evidence in kept.evidence:
            assert TEXT[evidence.start : evidence.end] == evidence.quote


def test_validate_when_a_number_a_region_or_a_sector_is_invented_then_it_is_taken_out() -> None:
    told = event(
        surprise=Surprise(actual="0.4", expected="0.9"), region="France", sectors=("banks", "miners"), name="France"
    )
    valid = validate_macro(reading(told), source())
    (kept,) = valid.reading.events
    assert (kept.surprise, kept.region, kept.name, kept.sectors) == (None, "", "", ("banks",))
    assert [note.split(":")[0] for note in valid.dropped] == [
        "REGION_NOT_FOUND",
        "NAME_NOT_FOUND",
        "SECTOR_NOT_FOUND",
        "SURPRISE_NOT_IN_QUOTE",
    ]
    assert validate_macro(valid.reading, source()).dropped == ()


def test_validate_when_the_reading_is_of_another_document_then_nothing_of_it_stays() -> None:
    valid = validate_macro(reading(event(), doc_id="other"), source())
    assert valid.reading.events == ()
    assert (valid.quotes_total, valid.quotes_valid) == (1, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fed holds interest rates", True),
        ("Apple unveils a phone", False),
        ("Apple unveils a phone. " + "x " * 400 + "Fed holds rates", False),
    ],
)
def test_hint_when_headline_or_lead_names_the_economy_then_it_says_so(text: str, expected: bool) -> None:
    assert concerns_economy(text) is expected


def test_version_when_rules_are_the_same_then_every_reader_names_them_alike() -> None:
    assert RulesClassifier().version == RulesExtractor().version
    assert re.fullmatch(r"rules-2@[0-9a-f]{12}", RulesClassifier().version)
