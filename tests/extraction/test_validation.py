"""The hard checks: only what the text itself supports survives, with a reason for everything else."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Horizon,
    Materiality,
    ValidatedExtraction,
)
from domain.validation import validate_extraction
from tests.extraction.builders import PUBLISHED

TEXT = (
    "Target says Q2 profit rose to $1,030.5 million\n\n"
    "GE sold a unit to Target Corp. The café chain lost 12.5 pct of sales. The unit lost (3.2) million. "
    "Net loss was 4 bln. It pays 28 cents a share. The unit is small. The unit is new."
)
CANDIDATES = (
    Candidate(symbol="TGT", names=("Target Corporation", "Target Corp", "Target")),
    Candidate(symbol="GE", names=("General Electric", "GE")),
    Candidate(symbol="C", names=("Citigroup", "Citi"), labelled=True),
    Candidate(symbol="F", names=("Ford Motor", "Ford")),
)
SOURCE = ExtractionInput(doc_id="doc", text=TEXT, published_at=PUBLISHED, candidates=CANDIDATES)
QUOTE = "Target says Q2 profit rose"


def at(quote: str, text: str = TEXT) -> Evidence:
    start = text.index(quote)
    return Evidence(quote=quote, start=start, end=start + len(quote))


def entity(symbol: str = "TGT", surface: str = "Target") -> Entity:
    return Entity(symbol=symbol, surface=surface, role=EntityRole.SUBJECT, sentiment=0.5)


def fact(value: str, quote: str, *, scale: str = "", metric: str = "profit") -> Fact:
    return Fact(metric=metric, value=Decimal(value), scale=scale, quote=quote)


def extraction(
    *,
    evidence: tuple[Evidence, ...] | None = None,
    entities: tuple[Entity, ...] = (entity(),),
    facts: tuple[Fact, ...] = (),
) -> Extraction:
    event = Event(
        type=EventType.EARNINGS,
        entities=entities,
        materiality=Materiality.HIGH,
        horizon=Horizon.WEEKS,
        confidence=0.9,
        facts=facts,
        evidence=(at(QUOTE),) if evidence is None else evidence,
    )
    return Extraction(doc_id="doc", extractor=ExtractorKind.MODEL, extractor_version="m@1#2", events=(event,))


def validated(found: Extraction, source: ExtractionInput = SOURCE) -> ValidatedExtraction:
    return validate_extraction(found, source)


def test_validation_when_everything_holds_then_nothing_changes() -> None:
    found = extraction(facts=(fact("1030.5", "$1,030.5 million", scale="million"),))
    result = validated(found)
    assert result.extraction == found
    assert result.dropped == ()
    assert (result.quotes_total, result.quotes_valid, result.quote_validity) == (2, 2, 1.0)


def test_evidence_when_offsets_are_wrong_and_the_quote_is_unique_then_they_are_repaired() -> None:
    result = validated(extraction(evidence=(Evidence(quote="GE sold a unit", start=3, end=9),)))
    (kept,) = result.extraction.events[0].evidence
    assert TEXT[kept.start : kept.end] == "GE sold a unit" == kept.quote
    assert result.dropped == ()


def test_evidence_when_the_quote_occurs_twice_and_offsets_are_wrong_then_it_is_dropped() -> None:
    result = validated(extraction(evidence=(at(QUOTE), Evidence(quote="The unit is", start=0, end=11))))
    assert len(result.extraction.events[0].evidence) == 1
    assert [reason.split(":")[0] for reason in result.dropped] == ["EVIDENCE_AMBIGUOUS"]
    assert (result.quotes_total, result.quotes_valid) == (2, 1)


def test_evidence_when_the_quote_occurs_twice_and_offsets_are_right_then_it_stays() -> None:
    second = TEXT.rindex("The unit is")
    result = validated(extraction(evidence=(Evidence(quote="The unit is", start=second, end=second + 11),)))
    assert result.extraction.events[0].evidence[0].start == second


def test_event_when_no_quote_occurs_then_it_is_dropped_with_reasons() -> None:
    result = validated(extraction(evidence=(Evidence(quote="Target was sold to Mars", start=0, end=23),)))
    assert result.extraction.events == ()
    assert result.dropped == (
        "EVIDENCE_NOT_FOUND: event=0, evidence=0, quote=Target was sold to Mars",
        "EVENT_WITHOUT_EVIDENCE: event=0, type=earnings",
    )
    assert result.quote_validity == 0.0


def test_evidence_when_it_is_blank_then_it_is_dropped() -> None:
    result = validated(extraction(evidence=(Evidence(quote="\n", start=46, end=47),)))
    assert result.extraction.events == ()


def test_evidence_when_the_quote_is_decomposed_then_it_is_compared_as_nfc() -> None:
    quote = unicodedata.normalize("NFD", "The café chain")
    result = validated(extraction(evidence=(Evidence(quote=quote, start=0, end=len(quote)),)))
    assert result.extraction.events[0].evidence[0].quote == "The café chain"


@pytest.mark.parametrize(
    ("value", "quote", "scale"),
    [
        ("1030.5", "$1,030.5 million", "million"),
        ("1030500000", "$1,030.5 million", ""),
        ("1030.5", "profit rose to $1,030.5 million", ""),
        ("12.5", "12.5 pct", ""),
        ("0.125", "12.5 pct", ""),
        ("-12.5", "lost 12.5 pct of sales. The unit lost (3.2) million. Net loss", ""),
        ("-3.2", "(3.2) million", "million"),
        ("-4", "Net loss was 4 bln", "bln"),
        ("4", "Net loss was 4 bln", "billion"),
        ("0.28", "28 cents a share", ""),
        ("28", "28 cents a share", ""),
    ],
)
def test_fact_when_its_quote_states_the_number_then_it_stays(value: str, quote: str, scale: str) -> None:
    result = validated(extraction(facts=(fact(value, quote, scale=scale),)))
    assert result.dropped == ()


@pytest.mark.parametrize(
    ("value", "quote", "scale", "code"),
    [
        ("1031", "$1,030.5 million", "", "FACT_NUMBER_NOT_IN_QUOTE"),
        ("1030.5", "$1,030.5 million", "billion", "FACT_NUMBER_NOT_IN_QUOTE"),
        ("-28", "28 cents a share", "", "FACT_NUMBER_NOT_IN_QUOTE"),
        ("28", "GE sold a unit", "", "FACT_NUMBER_NOT_IN_QUOTE"),
        ("NaN", "28 cents a share", "", "FACT_NUMBER_NOT_IN_QUOTE"),
        ("99", "99 cents a share", "", "FACT_QUOTE_NOT_FOUND"),
    ],
)
def test_fact_when_its_quote_does_not_state_the_number_then_only_it_is_dropped(
    value: str, quote: str, scale: str, code: str
) -> None:
    bad = Fact.model_construct(metric="profit", value=Decimal(value), scale=scale, quote=quote)
    result = validated(
        extraction(facts=()).model_copy(
            update={"events": (extraction().events[0].model_copy(update={"facts": (bad,)}),)}
        )
    )
    assert result.extraction.events[0].facts == ()
    assert [reason.split(":")[0] for reason in result.dropped] == [code]


def test_fact_when_its_metric_is_not_in_the_list_then_it_is_dropped() -> None:
    result = validated(extraction(facts=(fact("28", "28 cents a share", metric="mood"),)))
    assert result.dropped == ("FACT_METRIC_UNKNOWN: event=0, fact=0, metric=mood",)


@pytest.mark.parametrize(
    ("symbol", "surface"),
    [("TGT", "Target"), ("TGT", "Target Corp"), ("TGT", "target corp"), ("GE", "GE"), ("C", "C")],
)
def test_entity_when_its_surface_stands_in_the_text_or_is_the_sources_label_then_it_stays(
    symbol: str, surface: str
) -> None:
    assert validated(extraction(entities=(entity(symbol, surface),))).dropped == ()


@pytest.mark.parametrize(
    ("symbol", "surface", "code"),
    [
        ("MSFT", "Target", "SYMBOL_NOT_A_CANDIDATE"),
        ("TGT", "Targe", "SURFACE_NOT_FOUND"),
        ("TGT", "Walmart", "SURFACE_NOT_FOUND"),
        ("GE", "ge", "SURFACE_NOT_FOUND"),
        ("F", "F", "SURFACE_NOT_FOUND"),
        ("TGT", "unit", "SURFACE_NOT_FOUND"),
        ("TGT", "GE", "SURFACE_OF_ANOTHER_COMPANY"),
        ("TGT", "--", "SURFACE_NOT_FOUND"),
        ("C", "Citi", "SURFACE_NOT_FOUND"),
    ],
)
def test_entity_when_the_text_does_not_name_it_then_it_is_dropped(symbol: str, surface: str, code: str) -> None:
    result = validated(extraction(entities=(entity(), entity(symbol, surface))))
    assert [kept.symbol for kept in result.extraction.events[0].entities] == ["TGT"]
    assert [reason.split(":")[0] for reason in result.dropped] == [code]


def test_event_when_no_entity_holds_then_it_is_dropped() -> None:
    result = validated(extraction(entities=(entity("MSFT"),)))
    assert result.extraction.events == ()
    assert result.dropped[-1] == "EVENT_WITHOUT_ENTITY: event=0, type=earnings"


def test_extraction_when_it_is_of_another_document_then_everything_is_dropped() -> None:
    result = validated(extraction().model_copy(update={"doc_id": "other"}))
    assert result.extraction.events == ()
    assert result.dropped == ("DOCUMENT_MISMATCH: event=0, found=other, expected=doc",)


def test_reason_when_the_quote_holds_control_characters_then_it_is_printable_and_short() -> None:
    result = validated(extraction(evidence=(Evidence(quote="\x1b[31m" + "x" * 500, start=0, end=505),)))
    assert all(reason.isprintable() and len(reason) < 160 for reason in result.dropped)


words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=60)


@given(quote=words, start=st.integers(0, 400), length=st.integers(1, 80))
def test_evidence_when_quotes_are_random_then_none_survives_unless_the_text_holds_it(
    quote: str, start: int, length: int
) -> None:
    result = validated(extraction(evidence=(Evidence(quote=quote, start=start, end=start + length),)))
    for event in result.extraction.events:
        for kept in event.evidence:
            assert TEXT[kept.start : kept.end] == kept.quote
    if unicodedata.normalize("NFC", quote) not in TEXT:
        assert result.extraction.events == ()
        assert result.quotes_valid == 0


@given(text=st.text(min_size=1, max_size=200), data=st.data())
def test_evidence_when_it_is_cut_from_the_text_then_it_always_survives(text: str, data: st.DataObject) -> None:
    text = unicodedata.normalize("NFC", "Target " + text)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    quote = text[start:end]
    if not quote.strip() or unicodedata.normalize("NFC", quote) != quote:
        return
    source = SOURCE.model_copy(update={"text": text})
    result = validated(extraction(evidence=(Evidence(quote=quote, start=start, end=end),)), source)
    assert result.extraction.events[0].evidence == (Evidence(quote=quote, start=start, end=end),)


@given(
    quotes=st.lists(
        st.one_of(words, st.sampled_from(["Target", "The unit", QUOTE, "GE sold", "12.5"])), min_size=1, max_size=4
    ),
    start=st.integers(0, 250),
    surface=st.sampled_from(["Target", "GE", "nobody", "target"]),
    value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-2000, max_value=2000, places=1),
)
def test_validation_when_it_is_repeated_then_the_second_run_changes_and_drops_nothing(
    quotes: list[str], start: int, surface: str, value: Decimal
) -> None:
    evidence = tuple(Evidence(quote=quote, start=start, end=start + len(quote)) for quote in quotes)
    facts = (Fact(metric="profit", value=value, quote=quotes[0]),)
    once = validated(extraction(evidence=evidence, entities=(entity("TGT", surface),), facts=facts))
    twice = validated(once.extraction)
    assert twice.extraction == once.extraction
    assert twice.dropped == ()
    assert twice.quote_validity == 1.0
