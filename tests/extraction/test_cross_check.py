"""A model's answer held against the rules: what is lowered, what is never touched."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cross_check import MAXIMUM_ENTITIES, MAXIMUM_EVENTS, claim_limit, net_signs, tempered
from domain.errors import InvalidInput
from domain.extraction import (
    Entity,
    EntityRole,
    Event,
    EventType,
    Evidence,
    Extraction,
    ExtractorKind,
    Horizon,
    Materiality,
)

PROPERTY = settings(deadline=None, max_examples=60, derandomize=True)


def event(sentiments: dict[str, float], confidence: float = 0.8, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "type": EventType.GUIDANCE,
        "entities": tuple(
            Entity(symbol=symbol, surface=symbol, role=EntityRole.SUBJECT, sentiment=sentiment)
            for symbol, sentiment in sentiments.items()
        ),
        "materiality": Materiality.HIGH,
        "horizon": Horizon.WEEKS,
        "confidence": confidence,
        "evidence": (Evidence(quote="q", start=0, end=1),),
    }
    return Event(**{**values, **changes})


def answer(*events: Event, doc_id: str = "d0c", kind: ExtractorKind = ExtractorKind.MODEL) -> Extraction:
    return Extraction(doc_id=doc_id, extractor=kind, extractor_version="v", events=events)


def rules(*events: Event) -> Extraction:
    return answer(*events, kind=ExtractorKind.RULES)


def test_answer_when_the_rules_see_the_opposite_then_the_confidence_is_halved_and_it_says_so() -> None:
    found = tempered(answer(event({"F": 0.9})), rules(event({"F": -0.6})))
    assert [each.confidence for each in found.extraction.events] == [0.4]
    assert found.notes == ("SIGN_CONFLICT: event=0, symbol=F, model=+0.9, rules=-0.6",)


@pytest.mark.parametrize(
    ("model", "witness"),
    [
        ({"F": 0.9}, {"F": 0.1}),
        ({"F": -0.9}, {"F": -0.1}),
        ({"F": 0.0}, {"F": -1.0}),
        ({"F": -0.0}, {"F": 1.0}),
        ({"F": 0.9}, {"F": 0.0}),
        ({"F": 0.9}, {"F": -0.0}),
        ({"F": 0.9}, {"GM": -1.0}),
    ],
)
def test_answer_when_the_rules_do_not_see_the_opposite_then_it_stays(
    model: dict[str, float], witness: dict[str, float]
) -> None:
    said = answer(event(model))
    assert tempered(said, rules(event(witness))) == (said, ())


def test_answer_when_the_rules_see_nothing_then_it_stays() -> None:
    said = answer(event({"F": 1.0}))
    assert tempered(said, rules()) == (said, ())


def test_event_when_two_companies_are_in_conflict_then_it_is_halved_once_and_noted_twice() -> None:
    found = tempered(answer(event({"F": 0.9, "GM": -0.5}, 1.0)), rules(event({"F": -0.6, "GM": 0.25})))
    assert found.extraction.events[0].confidence == 0.5
    assert [note.partition(", ")[2] for note in found.notes] == [
        "symbol=F, model=+0.9, rules=-0.6",
        "symbol=GM, model=-0.5, rules=+0.25",
    ]


def test_events_when_one_is_in_conflict_then_the_others_stay() -> None:
    said = answer(event({"F": -0.9}), event({"F": 0.9}), event({"GM": 0.9}))
    found = tempered(said, rules(event({"F": -0.6})))
    assert [each.confidence for each in found.extraction.events] == [0.8, 0.4, 0.8]
    assert [note.split(",")[0] for note in found.notes] == ["SIGN_CONFLICT: event=1"]


def test_net_sign_when_the_rules_read_several_events_then_the_surer_ones_weigh_more() -> None:
    witness = rules(event({"F": 1.0}, 0.2), event({"F": -1.0}, 0.6), event({"GM": 0.4}, 0.0))
    assert net_signs(witness) == {"F": pytest.approx(-0.5), "GM": 0.0}
    assert tempered(answer(event({"F": 0.3})), witness).notes


def test_net_sign_when_events_cancel_then_there_is_no_conflict() -> None:
    witness = rules(event({"F": 1.0}), event({"F": -1.0}))
    assert tempered(answer(event({"F": 1.0}), event({"F": -1.0})), witness).notes == ()


def test_witness_when_it_read_another_document_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="WITNESS_OF_ANOTHER_DOCUMENT"):
        tempered(answer(), answer(doc_id="other"))


def test_claims_when_there_are_too_many_then_the_first_are_kept() -> None:
    crowd = {f"S{number}": 0.5 for number in range(MAXIMUM_ENTITIES + 1)}
    bounded = claim_limit(answer(*(event(crowd) for _ in range(MAXIMUM_EVENTS + 1))))
    assert len(bounded.events) == MAXIMUM_EVENTS
    assert {len(each.entities) for each in bounded.events} == {MAXIMUM_ENTITIES}
    assert claim_limit(answer(event(crowd), event(crowd)), events=1, entities=2).events[0].entities[1].symbol == "S1"


@pytest.mark.parametrize(
    ("written", "sentiment", "confidence"),
    [
        (5.0, 1.0, 1.0),
        (-5.0, -1.0, 0.0),
        (math.inf, 1.0, 1.0),
        (-math.inf, -1.0, 0.0),
        (math.nan, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        (-1.0, -1.0, 0.0),
        (0.25, 0.25, 0.25),
    ],
)
def test_claim_when_a_number_left_its_range_then_it_is_brought_back(
    written: float, sentiment: float, confidence: float
) -> None:
    entity = event({"F": 0.0}).entities[0].model_copy(update={"sentiment": written})
    wild = event({"F": 0.0}).model_copy(update={"confidence": written, "entities": (entity,)})
    (bounded,) = claim_limit(answer().model_copy(update={"events": (wild,)})).events
    assert (bounded.entities[0].sentiment, bounded.confidence) == (sentiment, confidence)


SYMBOLS = st.sampled_from(["F", "GM", "AAPL"])
EVENTS = st.builds(event, st.dictionaries(SYMBOLS, st.floats(-1, 1), min_size=1), st.floats(0, 1))
ANSWERS = st.lists(EVENTS, max_size=6)


@PROPERTY
@given(ANSWERS, ANSWERS)
def test_answer_when_tempered_then_nothing_but_confidence_changes_and_that_never_upwards(
    said: list[Event], seen: list[Event]
) -> None:
    before, witness = answer(*said), rules(*seen)
    after = tempered(before, witness)
    assert after == tempered(before, witness)
    for old, new in zip(before.events, after.extraction.events, strict=True):
        assert new.confidence in (old.confidence, old.confidence / 2)
        assert new.model_copy(update={"confidence": old.confidence}) == old
    noted = {note.split(",")[0] for note in after.notes}
    lowered = {f"SIGN_CONFLICT: event={at}" for at, each in enumerate(said) if _contradicts(each, witness)}
    assert noted == lowered


@PROPERTY
@given(ANSWERS)
def test_answer_when_it_is_its_own_witness_and_of_one_mind_then_it_stays(said: list[Event]) -> None:
    agreed = [event({e.symbol: abs(e.sentiment) for e in each.entities}, each.confidence) for each in said]
    assert tempered(answer(*agreed), rules(*agreed)).notes == ()


@PROPERTY
@given(ANSWERS)
def test_claims_when_inside_the_limits_then_nothing_changes(said: list[Event]) -> None:
    assert claim_limit(answer(*said)) == answer(*said)


def _contradicts(each: Event, witness: Extraction) -> bool:
    net = net_signs(witness)
    return any(
        math.copysign(1, entity.sentiment) != math.copysign(1, net[entity.symbol])
        for entity in each.entities
        if entity.sentiment and net.get(entity.symbol)
    )
