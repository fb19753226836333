"""Batches of records: where they end, what is computed for many at once, and which documents they bring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.batch_registration import ReadyBatch, RecordStream, sort_batch
from activities.registration import Origin
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.stories import bands_of
from store.backfills import KnownDocument
from store.objects import slice_of
from store.registry import SymbolMaster
from store.tables.registry import Company

NOW = datetime(2014, 7, 15, 20, tzinfo=UTC)
MASTER = SymbolMaster(companies={symbol: Company(symbol=symbol, name=symbol) for symbol in ("AAPL", "GS")})
RUN = "archive/run"


def _document(number: int, *tickers: str, text: str = "", line: int = 0) -> SourceDocument:
    return SourceDocument(
        title=f"Story {number}",
        text=text,
        published_at=NOW + timedelta(minutes=number),
        precision=DatePrecision.INSTANT,
        tickers=tickers,
        location=f"file.csv:{line or number}",
    )


def _refused(number: int) -> Reject:
    return Reject(file="file.csv", line=number, reason=RejectReason.INVALID_DATE, detail="found nothing")


def _stream(records: list[SourceDocument | Reject], *, as_published: bool = False) -> RecordStream:
    origin = Origin(source_id="archive", publisher="Example Wire", credibility="wire")
    return RecordStream(iter(records), origin, run_id=RUN, as_published=as_published)


def _batches(stream: RecordStream) -> Iterator[ReadyBatch]:
    while (batch := stream.next_batch(MASTER)).records:
        yield batch


def _known(location: str, *symbols: str, run_id: str = RUN) -> KnownDocument:
    return KnownDocument(run_id=run_id, location=location, symbols=frozenset(symbols))


@given(
    st.lists(
        st.tuples(st.frozensets(st.integers(0, 2**63 - 1), max_size=40), st.integers(-40_000, 40_000)), max_size=12
    )
)
def test_bands_when_computed_for_many_at_once_then_each_has_its_own(told: list[tuple[frozenset[int], int]]) -> None:
    documents = [(shingles, NOW + timedelta(days=days)) for shingles, days in told]
    found = bands_of(documents)
    assert found == [bands_of([each])[0] for each in documents]
    assert all(set(each.filed) <= set(each.searched) for each in found)


@given(st.lists(st.integers(0, 1_500_000), min_size=1, max_size=20), st.integers(1, 5))
def test_batches_when_read_again_from_within_then_they_end_at_the_same_records(sizes: list[int], skipped: int) -> None:
    records: list[SourceDocument | Reject] = [
        _document(number, text="x" * size) if size % 3 else _refused(number) for number, size in enumerate(sizes)
    ]
    whole = _stream(records)
    batches = list(_batches(whole))
    again = _stream(records)
    passed = sum(len(batch.records) for batch in batches[:skipped])

    assert again.skip(passed) == passed
    assert [batch.records for batch in _batches(again)] == [batch.records for batch in batches[skipped:]]
    assert [record for batch in batches for record in batch.records if isinstance(record, Reject)] == [
        record for record in records if isinstance(record, Reject)
    ]
    assert whole.position == again.position == len(records)


@pytest.mark.parametrize("as_published", [False, True])
def test_document_when_made_ready_then_its_row_says_where_it_lies_and_since_when_it_is_known(
    as_published: bool,
) -> None:
    batch = _stream([_document(1, "AAPL", text="a text")], as_published=as_published).next_batch(MASTER)
    ((doc_id, ready),) = batch.documents.items()
    row = json.loads(ready.row)
    part = slice_of(row["raw_key"])
    assert part is not None
    assert json.loads(part.of(batch.pack.body))["text"] == "a text"
    known = NOW + timedelta(minutes=1) if as_published else batch.read_at
    assert datetime.fromisoformat(row["available_at"]) == ready.story.available_at == known
    assert (row["doc_id"], row["status"], row["run_id"], row["publisher"]) == (doc_id, "released", RUN, "Example Wire")
    assert ready.story.symbols == {"AAPL"}


def test_records_when_they_repeat_a_story_then_it_is_kept_once_with_all_its_symbols() -> None:
    same = [_document(1, ticker, line=line) for line, ticker in enumerate(("AAPL", "AAPL", "GS"), 1)]
    batch = _stream([*same, _document(2, "NOSUCH")]).next_batch(MASTER)
    found = sort_batch(batch, {}, run_id=RUN)
    doc_id = same[0].doc_id()
    assert list(batch.documents) == found.to_read() == [doc_id]
    assert batch.documents[doc_id].story.symbols == {"AAPL", "GS"}
    assert (found.told, found.refused) == ([doc_id, doc_id], 2)
    assert [reject.reason for reject in found.rejects] == [RejectReason.DUPLICATE_DOCUMENT, RejectReason.UNKNOWN_TICKER]
    assert len(batch.pack.keys) == 1


def test_document_when_an_earlier_batch_brought_it_then_a_repeat_is_refused_and_a_new_symbol_is_not() -> None:
    batch = _stream([_document(1, "AAPL", line=900), _document(2, "GS", line=901)]).next_batch(MASTER)
    first, second = batch.documents
    found = sort_batch(batch, {first: _known("file.csv:7", "AAPL"), second: _known("file.csv:8", "AAPL")}, run_id=RUN)
    assert [reject.reason for reject in found.rejects] == [RejectReason.DUPLICATE_DOCUMENT]
    assert (found.told, found.to_read(), found.before) == ([second], [], {first, second})


def test_batch_when_it_was_written_before_then_it_brings_the_same_documents() -> None:
    records: list[SourceDocument | Reject] = [_document(1, "AAPL"), _document(2, "GS"), _document(1, "GS", line=3)]
    batch = _stream(records).next_batch(MASTER)
    once = sort_batch(batch, {}, run_id=RUN)
    written = {doc_id: _known(ready.location, *ready.story.symbols) for doc_id, ready in batch.documents.items()}
    again = sort_batch(batch, written, run_id=RUN)
    assert (again.to_read(), again.told, again.rejects) == (once.to_read(), once.told, once.rejects)


def test_document_when_known_from_another_run_then_it_is_a_duplicate_and_not_refused() -> None:
    batch = _stream([_document(1, "AAPL")]).next_batch(MASTER)
    (doc_id,) = batch.documents
    found = sort_batch(batch, {doc_id: _known("other.csv:1", "AAPL", run_id="other")}, run_id=RUN)
    assert (found.told, found.refused, found.to_read()) == ([doc_id], 0, [doc_id])
