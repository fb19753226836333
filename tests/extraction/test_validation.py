"""The hard checks: only what the text itself supports survives, with a reason for everything else."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given, settings
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
from domain.text import states_number
from domain.validation import (
    FACT_BASES,
    FACT_COMPARATORS,
    FACT_CURRENCIES,
    FACT_METRICS,
    FACT_PERIOD,
    FACT_SCALES,
    FACT_UNITS,
    names_company,
    validate_extraction,
)
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
        ("GE", "Target says", "SURFACE_NOT_A_NAME"),
        ("C", "Net loss", "SURFACE_NOT_A_NAME"),
        ("TGT", "Corp", "SURFACE_NOT_A_NAME"),
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


COMPANIES = {
    "F": ("Ford Motor Company",),
    "C": ("Citigroup",),
    "GM": ("General Motors Co", "GM"),
    "GE": ("General Electric", "GE"),
    "NFLX": ("Netflix Inc",),
    "BAC": ("BANK OF AMERICA CORP /DE/",),
    "WMT": ("Wal-Mart Stores Inc",),
    "T": ("AT&T Inc",),
    "KSS": ("Kohl's Corp",),
    "GS": ("Goldman Sachs Group Inc (The)",),
    "GPS": ("The Gap Inc",),
    "NTRS": ("Northern Trust Corp",),
    "AXP": ("American Express Co",),
    "MMM": ("3M Co",),
    "CAFE": ("Caf\u00e9 \u00c9toile SA",),
    "XYZ": ("", "Inc"),
}


@pytest.mark.parametrize(
    ("symbol", "surfaces"),
    [
        (
            "F",
            (
                "Ford",
                "Ford's",
                "Ford Motor",
                "Ford Motor Co",
                "FORD MOTOR CO.",
                "carmaker Ford Motor",
                "NYSE: F",
                "F.N",
            ),
        ),
        ("C", ("C", "Citigroup", "Citigroup's bankers")),
        ("GM", ("General Motors", "General Motors Company", "GM", "GM shares")),
        ("GE", ("GE Capital", "General Electric Co")),
        ("NFLX", ("Netflix shares", "NFLX stock", "\uff2e\uff45\uff54\uff46\uff4c\uff49\uff58")),
        ("BAC", ("Bank of America", "Bank of America Corporation")),
        ("WMT", ("Wal Mart Stores", "Wal-Mart", "Wal-Mart's")),
        ("T", ("AT&T", "T")),
        ("KSS", ("Kohl's", "Kohl\u2019s")),
        ("GS", ("Goldman", "Goldman Sachs", "Goldman Sachs Group")),
        ("GPS", ("Gap", "The Gap", "GAP INC")),
        ("NTRS", ("Northern Trust",)),
        ("AXP", ("American Express",)),
        ("CAFE", ("CAF\u00c9 \u00c9TOILE",)),
    ],
)
def test_surfaces_when_they_hold_or_begin_a_name_then_they_are_the_companys(
    symbol: str, surfaces: tuple[str, ...]
) -> None:
    company = Candidate(symbol=symbol, names=COMPANIES[symbol])
    assert [surface for surface in surfaces if not names_company(surface, company)] == []


@pytest.mark.parametrize(
    ("symbol", "surfaces"),
    [
        ("F", ("Company", "Motor Company", "Motor", "Plan F", "Fordham", "For", "")),
        ("C", ("Vitamin C", "c", "Citi")),
        ("GM", ("Ford profit", "General", "Motors", "gm")),
        ("GE", ("General", "Electric", "ge unit", "GEICO")),
        ("NFLX", ("N3tfl1x", "Netfl", "Netflixes", "nflx", "N\u0435tflix", "Inc")),
        ("BAC", ("America", "Bank", "DE")),
        ("KSS", ("Kohl", "Kohls")),
        ("GPS", ("gap of a mile", "The")),
        ("AXP", ("American", "Express")),
        ("MMM", ("3m", "M")),
        ("XYZ", ("Steel", "", "Inco")),
    ],
)
def test_surfaces_when_they_are_other_words_then_they_are_not_the_companys(
    symbol: str, surfaces: tuple[str, ...]
) -> None:
    company = Candidate(symbol=symbol, names=COMPANIES[symbol])
    assert [surface for surface in surfaces if names_company(surface, company)] == []


def test_surface_when_it_begins_the_names_of_two_candidates_then_it_is_neithers() -> None:
    wells = Candidate(symbol="WFC", names=("Wells Fargo & Co",))
    estate = Candidate(symbol="WREF", names=("Wells Real Estate Fund",))
    assert names_company("Wells", wells, (wells,))
    assert not names_company("Wells", wells, (wells, estate))
    assert names_company("Wells Fargo", wells, (wells, estate))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("period", period) for period in ("2011", "FY2011", "2011Q3", "2011H1", "Q4", "H2", "2011-06", "2011-06-30")),
        *(("basis", basis) for basis in sorted(FACT_BASES)),
        *(("comparator", comparator) for comparator in sorted(FACT_COMPARATORS)),
        *(("currency", currency) for currency in ("USD", "EUR", "KRW")),
        *(("unit", unit) for unit in ("percent", "cents", "per share", "shares", "jobs", "aircraft", "share", "%")),
    ],
)
def test_field_of_a_fact_when_it_is_listed_then_it_stays(field: str, value: str) -> None:
    found = extraction(facts=(fact("28", "28 cents a share").model_copy(update={field: value}),))
    result = validated(found)
    assert result.extraction == found
    assert result.dropped == ()


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        *(("currency", "usd", "USD"), ("scale", "Million", "million"), ("basis", "GAAP", "gaap")),
        *(("comparator", " YoY ", "yoy"), ("period", "2011q3", "2011Q3"), ("period", "2011\n", "2011")),
        ("unit", "Percent", "percent"),
    ],
)
def test_field_of_a_fact_when_it_is_written_in_another_case_then_it_is_stored_as_listed(
    field: str, value: str, kept: str
) -> None:
    good = fact("1030.5", "$1,030.5 million").model_copy(update={field: value})
    result = validated(extraction(facts=(good,)))
    assert getattr(result.extraction.events[0].facts[0], field) == kept
    assert result.dropped == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("unit", unit) for unit in ("approve all orders", "cents a share. The unit is small", "har", "28", "\n")),
        *(("currency", currency) for currency in ("DOLLAR", "XBT")),
        *(("scale", scale) for scale in ("gazillion", "milli on")),
        *(("period", period) for period in ("CANARY", "2011Q5", "2011-13", "2011-06-32", "2011 Q3, approve", "3011")),
        *(("basis", basis) for basis in ("sk-123", "gaap adjusted")),
        ("comparator", "limit"),
    ],
)
def test_field_of_a_fact_when_it_is_not_listed_then_it_is_emptied_and_the_fact_stays(field: str, value: str) -> None:
    planted = fact("28", "28 cents a share").model_copy(update={field: value})
    result = validated(extraction(facts=(planted,)))
    (kept,) = result.extraction.events[0].facts
    assert kept == planted.model_copy(update={field: ""})
    (reason,) = result.dropped
    assert reason.startswith(f"FACT_FIELD_EMPTIED: event=0, fact=0, field={field}, found=")
    assert ", allowed=" in reason
    assert reason.isprintable()


def test_field_of_a_fact_when_it_is_long_and_unprintable_then_the_reason_is_neither() -> None:
    planted = fact("28", "28 cents a share").model_copy(update={"unit": "\x1b[31m" + "x" * 5_000})
    (reason,) = validated(extraction(facts=(planted,))).dropped
    assert reason.isprintable()
    assert len(reason) < 200


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


# -- properties: whoever answers, nothing that the text does not support survives ------------------------------------

PIECES = ("Target", "GE", "unit", "profit", "28 cents", "$1,030.5 million", "The unit is", "lost", "4 bln", " ", "\n")
broken_words = st.one_of(words, st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map(" ".join))
cut_quotes = st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 90)).map(lambda cut: TEXT[cut[0] : sum(cut)])
quotes_of_any_kind = st.one_of(cut_quotes, broken_words)
symbols = st.one_of(st.sampled_from(["TGT", "GE", "C", "F", "MSFT", "tgt", ""]), words)
surfaces = st.one_of(
    broken_words, cut_quotes, st.sampled_from(["Target", "GE", "Citi", "Ford", "C", "F", "Corp", "Walmart"])
).map(lambda surface: surface[:200])
free = st.one_of(
    st.sampled_from(["", "percent", "cents", "2011Q3", "gaap", "consensus", "USD", "million", "Bln", "share"]), words
)
facts_of_any_kind = st.builds(
    Fact,
    metric=st.one_of(st.sampled_from(sorted(FACT_METRICS)), words),
    value=st.one_of(
        st.sampled_from([Decimal(text) for text in ("28", "0.28", "1030.5", "1030500000", "4", "-4", "12.5", "3.2")]),
        st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=1),
    ),
    unit=free,
    currency=free,
    scale=free,
    period=free,
    basis=free,
    comparator=free,
    quote=quotes_of_any_kind,
)
entities_of_any_kind = st.builds(
    Entity,
    symbol=symbols,
    surface=surfaces,
    role=st.sampled_from(EntityRole),
    sentiment=st.floats(-1, 1, allow_nan=False),
)
evidence_of_any_kind = st.builds(
    lambda quote, start, shift: Evidence(quote=quote, start=start, end=start + len(quote) + shift),
    quotes_of_any_kind,
    st.integers(0, len(TEXT) + 50),
    st.integers(0, 3),
)
answers = st.builds(
    extraction,
    evidence=st.lists(evidence_of_any_kind, min_size=1, max_size=3).map(tuple),
    entities=st.lists(entities_of_any_kind, min_size=1, max_size=3).map(tuple),
    facts=st.lists(facts_of_any_kind, max_size=3).map(tuple),
)


@settings(max_examples=1_500, deadline=None)
@given(answers)
def test_answer_when_it_is_anything_then_only_what_the_text_supports_survives(answer: Extraction) -> None:
    result = validated(answer)
    known = {candidate.symbol: candidate for candidate in CANDIDATES}
    for event in result.extraction.events:
        assert event.evidence
        assert event.entities
        assert all(TEXT[quote.start : quote.end] == quote.quote != "" for quote in event.evidence)
        for entity in event.entities:
            company = known[entity.symbol]
            if not (company.labelled and entity.surface == company.symbol):
                assert entity.surface.strip().casefold() in TEXT.casefold()
                assert any(name.casefold() in entity.surface.casefold() for name in (*company.names, company.symbol))
        for fact in event.facts:
            assert fact.quote in TEXT
            assert fact.metric in FACT_METRICS
            assert states_number(fact.quote, fact.value, fact.scale)
            assert fact.unit in FACT_UNITS | {""} or fact.unit in fact.quote
            assert fact.currency in FACT_CURRENCIES | {""}
            assert fact.scale in FACT_SCALES | {""}
            assert fact.basis in FACT_BASES | {""}
            assert fact.comparator in FACT_COMPARATORS | {""}
            assert not fact.period or FACT_PERIOD.fullmatch(fact.period)
    assert 0 <= result.quotes_valid <= result.quotes_total
    assert all(reason.isprintable() for reason in result.dropped)


@settings(max_examples=1_500, deadline=None)
@given(answers)
def test_answer_when_it_is_anything_then_checking_it_again_changes_and_drops_nothing(answer: Extraction) -> None:
    once = validated(answer)
    twice = validated(once.extraction)
    assert twice.extraction == once.extraction
    assert twice.dropped == ()


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(["GE sold a unit", QUOTE, "It pays 28 cents a share"]), st.integers(0, 400), st.integers(1, 90))
def test_evidence_when_offsets_are_shifted_then_they_are_repaired_and_never_believed(
    quote: str, start: int, length: int
) -> None:
    (event,) = validated(
        extraction(evidence=(Evidence(quote=quote, start=start, end=start + length),))
    ).extraction.events
    assert event.evidence == (at(quote),)


@settings(max_examples=500, deadline=None)
@given(st.decimals(allow_nan=True, allow_infinity=True), st.sampled_from(["", "million", "billion", "k"]))
def test_fact_when_its_number_is_wrong_then_it_never_survives(value: Decimal, scale: str) -> None:
    wrong = Fact.model_construct(metric="profit", value=value, scale=scale, quote="28 cents a share")
    right = value.is_finite() and value in (Decimal(28), Decimal("0.28")) and not scale
    event = extraction().events[0].model_copy(update={"facts": (wrong,)})
    result = validated(extraction().model_copy(update={"events": (event,)}))
    assert bool(result.extraction.events[0].facts) is right


@settings(max_examples=500, deadline=None)
@given(words.filter(lambda symbol: symbol not in {"TGT", "GE", "C", "F"}), surfaces)
def test_entity_when_its_symbol_is_unknown_then_it_never_survives(symbol: str, surface: str) -> None:
    assert validated(extraction(entities=(entity(symbol, surface),))).extraction.events == ()


@settings(max_examples=500, deadline=None)
@given(cut_quotes.filter(lambda cut: "target" not in cut.casefold() and "TGT" not in cut))
def test_entity_when_its_surface_is_any_other_part_of_the_text_then_it_never_survives(surface: str) -> None:
    assert validated(extraction(entities=(entity("TGT", surface),))).extraction.events == ()
