"""The text that identifies a decision record: what a general encoder writes of it, to the byte."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from domain.config import TradingConfig
from domain.decisions import Action, DecisionRecord, EvidenceItem, MarketWindow, PositionView
from domain.record_text import canonical_bytes, record_hash, stored_hash

from .builders import AS_OF, PROPERTY, evidence_lists, item, windows

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)


def record(evidence: list[EvidenceItem], market: MarketWindow | None = None) -> DecisionRecord:
    return DecisionRecord(
        symbol="ACME",
        as_of=AS_OF,
        evidence=tuple(evidence),
        market=market or MarketWindow(symbol="ACME", sessions=(), closes=(), volumes=()),
        position=PositionView(),
        previous_action=Action.WATCH,
        config=TradingConfig(),
        config_version="v",
        code_version="test",
    )


def written(made: DecisionRecord) -> bytes:
    body = made.model_dump(mode="json")
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@PROPERTY
@given(evidence_lists(), windows())
def test_text_when_a_record_is_drawn_then_it_is_what_a_general_encoder_writes(
    evidence: list[EvidenceItem], market: MarketWindow | None
) -> None:
    made = record(evidence, market)
    assert canonical_bytes(made) == written(made)
    assert stored_hash(made.model_dump_json().encode()) == record_hash(made)


@PROPERTY
@given(TEXTS, TEXTS, st.floats(-1, 1), st.lists(st.integers(0, 2**63 - 1), max_size=3))
def test_text_when_evidence_holds_odd_words_and_numbers_then_they_are_written_as_a_general_encoder_does(
    title: str, quote: str, sentiment: float, shingles: list[int]
) -> None:
    changed = {"title": title, "quote": quote, "sentiment": sentiment, "shingles": tuple(shingles)}
    made = record([item("a").model_copy(update=changed)])
    assert canonical_bytes(made) == written(made)


def test_text_when_some_of_it_is_at_hand_then_that_is_taken() -> None:
    made = record([item("a")])
    known = {"config": json.dumps(made.config.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))}
    assert canonical_bytes(made, known) == canonical_bytes(made)
    assert record_hash(made, {"config": "0"}) != record_hash(made)
