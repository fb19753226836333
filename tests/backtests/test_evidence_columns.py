"""Evidence as columns: the same items, and the same backtest to the last byte."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.backtest_data import BacktestData
from domain.decisions import EvidenceItem
from domain.errors import InvalidInput
from domain.evidence_columns import (
    READER_CODES,
    EvidenceColumns,
    RecordedEvidence,
    Written,
    coded,
    instant_of,
    micros_since_1970,
    read_by_models,
)
from domain.extraction import ExtractorKind
from domain.packed_texts import PackedTexts

from .any_market import AnyMarket, run_foreseen, run_watched
from .builders import at, data_of, news, walk

SEEDS = st.integers(0, 2**32)


def recorded(symbol: str, items: Sequence[EvidenceItem]) -> RecordedEvidence:
    written = Written(
        published=np.array([micros_since_1970(item.published_at) for item in items], dtype=np.int64),
        extractor=coded([READER_CODES[item.extractor] for item in items]),
        extraction_id=PackedTexts.of(item.extraction_id for item in items),
        content_hash=PackedTexts.of(item.content_hash for item in items),
        publisher=PackedTexts.of(item.publisher for item in items),
        site=PackedTexts.of(item.site for item in items),
        title=PackedTexts.of(item.title for item in items),
        quote=PackedTexts.of(item.quote for item in items),
    )
    return RecordedEvidence(symbol, EvidenceColumns.of(symbol, items), written)


def by_columns(data: BacktestData) -> BacktestData:
    return replace(data, evidence={symbol: recorded(symbol, items) for symbol, items in data.evidence.items()})


@settings(deadline=None, max_examples=40, derandomize=True)
@given(SEEDS)
def test_recorded_evidence_when_items_are_asked_for_then_they_are_those_that_were_recorded(seed: int) -> None:
    data, request = AnyMarket(seed).build()
    for symbol, items in data.evidence.items():
        found = recorded(symbol, items)
        if not found.columns.plain:
            continue
        assert list(found) == list(items)
        assert [one.model_dump_json() for one in found] == [one.model_dump_json() for one in items]
        assert all(list(vars(one)) == list(EvidenceItem.model_fields) for one in found)
        assert found[1:3] == list(items[1:3])
        assert [found[-1]] == list(items[-1:])
        assert list(pickle.loads(pickle.dumps(found))) == list(items)
        apart = recorded(symbol, items)
        middle, last = apart[len(items) // 2], apart[-1]
        assert list(apart) == list(items)
        assert apart[len(items) // 2] is middle
        assert apart[::-1][0] is last
        for session in data.sessions:
            end = session.opens_at
            oldest = end - timedelta(days=3)
            assert found.between(oldest, end) == [one for one in items if oldest < one.available_at <= end]
        assert read_by_models(found) == read_by_models(items)
        assert data.told(request_end := data.sessions[-1].opens_at, request.config.signals) == by_columns(data).told(
            request_end, request.config.signals
        )


@settings(deadline=None, max_examples=30, derandomize=True)
@given(SEEDS)
def test_run_when_evidence_is_kept_as_columns_then_every_byte_is_that_of_a_run_on_items(seed: int) -> None:
    data, request = AnyMarket(seed).build()
    if not all(recorded(symbol, items).columns.plain for symbol, items in data.evidence.items()):
        return  # the book has each statement once
    assert run_foreseen(by_columns(data), request).model_dump_json() == run_watched(data, request).model_dump_json()


def test_recorded_evidence_when_there_is_no_such_place_then_it_says_so() -> None:
    found = recorded("ACME", [news("ACME", at(0, 1))])
    for place in (1, -2):
        with pytest.raises(IndexError):
            found[place]


def test_columns_when_shingles_repeat_within_a_text_then_each_is_there_once_and_ascending() -> None:
    told = news("ACME", at(0, 1)).model_copy(update={"shingles": (5, 3, 3, 9)})
    after = news("ACME", at(0, 2)).model_copy(update={"shingles": (1,)})
    found = EvidenceColumns.of("ACME", [told, after])
    assert found.shingles.tolist() == [3, 5, 9, 1]
    assert found.ends.tolist() == [3, 4]


def test_data_when_columns_do_not_ascend_then_they_are_refused() -> None:
    data = data_of(3, bars=walk("ACME", 3), evidence=[news("ACME", at(0, 1)), news("ACME", at(1, 1))])
    turned = recorded("ACME", data.evidence["ACME"][::-1])
    with pytest.raises(InvalidInput, match="EVIDENCE_NOT_ASCENDING"):
        replace(data, evidence={"ACME": turned})


@given(st.integers(-(10**15), 4 * 10**15))
def test_instants_when_they_are_made_of_microseconds_then_they_give_them_back(micros: int) -> None:
    assert micros_since_1970(instant_of(micros)) == micros


def test_readings_when_a_model_made_some_then_those_are_told() -> None:
    by_rules, by_model = news("ACME", at(0, 1)), news("ACME", at(0, 2))
    by_model = by_model.model_copy(update={"extractor": ExtractorKind.MODEL})
    for items in ([by_rules, by_model], recorded("ACME", [by_rules, by_model])):
        assert read_by_models(items) == [by_model.published_at]
