"""Backfills through real Temporal, PostgreSQL and S3: what they write, and what a repeat of them does not."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import CancelledError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from activities.adapters.rules import RulesExtractor
from activities.backfill import BackfillActivities
from api.operations import dead_letters
from api.operations.links import TemporalLinks
from domain.backfill import ReadTask
from domain.errors import InvalidInput
from domain.extraction import Extraction, ExtractionInput
from domain.ingestion import IngestRequest
from domain.sources import FileSourceConfig
from store import sources
from store.documents import Reading
from store.tables.platform import AuditEntry
from tests.backfill.archive import BEGIN, Archive, Row, comparable, stories
from tests.conftest import REPOSITORY, shared_data
from workflows import backfill_documents, names, options
from workflows.backfill_documents import BackfillDocuments
from workflows.ingest_source import IngestSource
from workflows.names import Queue

pytestmark = pytest.mark.long

HEADLINES = "news/reuters_ticker_headlines_2011H2.csv"
SAME = 300


def _headlines(count: int) -> list[Row]:
    with shared_data(HEADLINES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:count]
    return [(row["ticker"], row["date"], row["headline"], row["lead"]) for row in rows]


# -- the same as one by one -------------------------------------------------------------------------------------------


async def test_documents_when_backfilled_then_all_is_as_if_each_had_gone_through_its_own_workflow(
    archive: Archive,
) -> None:
    rows = _headlines(SAME)
    path = archive.file([*rows, rows[0], ("NOSUCH", *rows[1][1:])])
    one, other = "one-by-one", "in-bulk"
    await archive.forget(one)
    await archive.forget(other)

    async with archive.working(Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH):
        alone = await _one_by_one(archive, path.as_posix(), one)
    before = await _book(archive, one)
    await archive.forget(one)
    async with archive.working():
        report = await archive.run(archive.request(path, source_id=other))
    after = await _book(archive, other)

    counts = ("read", "registered", "linked", "duplicates", "copies", "rejected")
    assert [getattr(report.report, name) for name in counts] == [getattr(alone, name) for name in counts]
    assert report.report.linked > 0
    assert report.report.copies > 0
    assert report.reasons == {"DUPLICATE_DOCUMENT": 1, "UNKNOWN_TICKER": 1}
    assert report.read.evidence == len(after["evidence"]) > SAME // 4
    for table, found in after.items():
        assert found == before[table], table


async def _one_by_one(archive: Archive, path: str, source_id: str) -> Any:
    config = FileSourceConfig(path=path, publisher="Example Wire")
    config = config.model_copy(update={"credibility": archive.request(archive.directory).config.credibility})
    async with archive.parts.database.transaction() as session:
        await sources.save(session, source_id=source_id, config=config, created_at=datetime.now(UTC))
    report = await archive.parts.client.execute_workflow(
        IngestSource.run,
        IngestRequest(source_id=source_id),
        id=names.ingest_id(source_id, uuid.uuid4().hex),
        task_queue=Queue.INGEST,
    )
    while any(row["status"] in ("registered", "released") for row in await archive.rows("documents", source_id)):
        await asyncio.sleep(0.2)
    return report


async def _book(archive: Archive, source_id: str) -> dict[str, list[Any]]:
    """What a source's documents come to, and the readings that their keys name."""
    documents = await archive.rows("documents", source_id)
    keys = [row["text_key"] for row in documents if row["text_key"]]
    raw_keys = [row["raw_key"] for row in documents]
    readings = [Reading.model_validate_json(await archive.parts.objects.get(key)) for key in keys]
    raw = [json.loads(await archive.parts.objects.get(key)) for key in raw_keys]
    own = ("evidence", "events", "macro_events", "extractions", "document_bands", "document_symbols", "document_links")
    return {
        "documents": comparable(documents),
        **{table: comparable(await archive.rows(table, source_id)) for table in own},
        "agent_performance_log": comparable(
            await archive.rows("agent_performance_log", source_id),
            without={"call_id", "latency_ms", "attempt", "variant_id"},
        ),
        "rejects": comparable(await archive.rows("rejects", source_id), without={"reject_id"}),
        "readings": sorted((each.source.model_dump_json(), each.answer.model_dump_json()) for each in readings),
        "raw": sorted(json.dumps(each, sort_keys=True) for each in raw),
    }


# -- what a run writes ------------------------------------------------------------------------------------------------


async def test_file_when_it_holds_bad_records_then_the_report_says_how_many_and_why(archive: Archive) -> None:
    good = stories(6)
    rows = [
        *good,
        ("NOSUCH", BEGIN.isoformat(), "A title", "A text"),
        ("AAPL", "someday", "A title", "A text"),
        ("AAPL", "2099-01-01", "A title", "A text"),
        good[0],
        ("GS", *good[0][1:]),
        good[0],
    ]
    request = archive.request(archive.file(rows))

    async with archive.working():
        report = await archive.run(request)

    counts = report.report
    assert (counts.read, counts.registered, counts.linked, counts.rejected) == (12, 6, 1, 5)
    assert report.reasons == {
        "DATE_IN_FUTURE": 1,
        "DUPLICATE_DOCUMENT": 2,
        "INVALID_DATE": 1,
        "UNKNOWN_TICKER": 1,
    }
    assert len(await archive.rows("rejects", request.source_id)) == 5
    (run,) = await archive.rows("ingestion_runs", request.source_id)
    assert (run["status"], run["run_id"], run["read"]) == ("finished", report.run_id, 12)
    assert run["workflow_id"] == names.backfill_id(request.backfill_id)
    documents = await archive.rows("documents", request.source_id)
    assert {row["status"] for row in documents} == {"processed"}
    assert all(row["available_at"] == row["recorded_at"] for row in documents)


async def test_backfill_when_told_so_then_documents_count_as_known_from_their_publication(archive: Archive) -> None:
    request = archive.request(archive.file(stories(5)), as_published=True)

    async with archive.working():
        report = await archive.run(request)

    documents = await archive.rows("documents", request.source_id)
    assert all(row["available_at"] == row["published_at"] < row["recorded_at"] for row in documents)
    evidence = await archive.rows("evidence", request.source_id)
    assert {row["available_at"] for row in evidence} <= {row["published_at"] for row in documents}
    assert report.run_id.endswith("/backfill-as-published")
    assert {row["run_id"] for row in documents} == {report.run_id}
    async with archive.parts.database.transaction() as session:
        entry = (
            await session.exec(select(AuditEntry).where(AuditEntry.entry_key == f"backfill/{report.run_id}"))
        ).one()
    assert (entry.actor, entry.subject, entry.body["as_published"]) == ("test", request.source_id, True)


async def test_symbols_when_they_gained_evidence_then_each_is_told_once_of_the_newest(archive: Archive) -> None:
    told: list[Any] = []

    def listen(activities: BackfillActivities) -> None:
        class Flows:
            async def tell_symbol(self, notice: Any) -> None:
                told.append(notice)

        activities.__dict__["_flows"] = Flows()

    rows = stories(20)
    request = archive.request(archive.file(rows), as_published=True)
    async with archive.working(change=listen):
        report = await archive.run(request)
        again = await archive.run(archive.request(archive.file(rows), source_id=request.source_id))

    evidence = await archive.rows("evidence", request.source_id)
    newest = {
        row["symbol"]: max(e["available_at"] for e in evidence if e["symbol"] == row["symbol"]) for row in evidence
    }
    assert {notice.symbol: notice.available_at for notice in told} == newest
    assert len(told) == len(newest) == report.symbols
    assert again.symbols == 0


async def test_file_when_larger_than_a_run_then_the_workflow_continues_as_new_and_counts_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.batch_registration.RECORDS_A_BATCH", 10)
    monkeypatch.setattr("activities.backfill.BATCHES_A_SEGMENT", 2)
    monkeypatch.setattr(backfill_documents, "STEPS_A_RUN", 4)
    rows = [*stories(75), ("NOSUCH", BEGIN.isoformat(), "A title", "A text")]
    request = archive.request(archive.file(rows))

    async with archive.working():
        handle = await archive.start(request)
        report = await handle.result()

    assert (report.report.read, report.report.registered, report.report.pages) == (76, 75, 8)
    assert report.read.processed == 75
    description = await archive.parts.client.get_workflow_handle(handle.id).describe()
    assert description.run_id != handle.first_execution_run_id
    assert description.history_length < 120
    # the newest run, as the gate replays it: inside the sandbox
    monkeypatch.undo()
    monkeypatch.setattr(backfill_documents, "STEPS_A_RUN", 1_000)
    history = await archive.parts.client.get_workflow_handle(handle.id).fetch_history()
    await Replayer(workflows=[BackfillDocuments], data_converter=pydantic_data_converter).replay_workflow(history)


# -- repeats ----------------------------------------------------------------------------------------------------------


async def test_file_when_backfilled_again_then_nothing_is_doubled_and_nothing_read(archive: Archive) -> None:
    rows = stories(30)
    request = archive.request(archive.file(rows))
    reading = Counter[str]()

    def extract(source: ExtractionInput) -> Extraction:
        reading[source.doc_id] += 1
        return RulesExtractor().extract(source)

    async with archive.working(extract=extract):
        await archive.run(request)
        before = await archive.counts(request.source_id)
        again = await archive.run(archive.request(archive.file([*rows, *stories(2)]), source_id=request.source_id))

    after = await archive.counts(request.source_id)
    assert (again.report.duplicates, again.report.registered, again.read.documents) == (30, 2, 2)
    assert set(reading.values()) == {1}
    assert after["documents"] - before["documents"] == 2
    assert after["evidence"] - before["evidence"] == again.read.evidence


async def test_known_document_when_it_gains_a_symbol_then_it_is_read_for_that_one(archive: Archive) -> None:
    symbol, *rest = stories(1)[0]
    source_id = archive.request(archive.directory).source_id
    async with archive.working():
        await archive.run(archive.request(archive.file([(symbol, *rest)]), source_id=source_id))
        report = await archive.run(archive.request(archive.file([("GS", *rest)]), source_id=source_id))

    assert (report.report.linked, report.report.registered, report.read.processed) == (1, 0, 1)
    assert {row["symbol"] for row in await archive.rows("document_symbols", source_id)} == {symbol, "GS"}
    assert len(await archive.rows("extractions", source_id)) == 2
    (document,) = await archive.rows("documents", source_id)
    assert document["status"] == "processed"


async def test_steps_when_repeated_after_they_were_written_then_they_say_the_same(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between the commit and the answer: every step of the first attempt is lost once."""
    monkeypatch.setattr("activities.batch_registration.RECORDS_A_BATCH", 8)
    monkeypatch.setattr("activities.backfill.BATCHES_A_SEGMENT", 4)
    lost: set[tuple[str, str]] = set()

    def forgetful(activities: BackfillActivities) -> None:
        for name in ("register_batches", "read_batch", "tell_symbols"):
            setattr(activities, name, _losing_first_answers(getattr(activities, name), name, lost))

    rows = stories(30)
    rows[20] = ("GS", *rows[3][1:])
    request = archive.request(archive.file(rows))
    async with archive.working(change=forgetful):
        report = await archive.run(request)

    assert len(lost) > 6
    assert (report.report.read, report.report.registered, report.report.linked) == (30, 29, 1)
    assert report.read.processed == 29
    counts = await archive.counts(request.source_id)
    assert (counts["documents"], counts["extractions"], counts["agent_performance_log"]) == (29, 29, 29)
    assert counts["evidence"] == report.read.evidence


def _losing_first_answers(real: Any, name: str, lost: set[tuple[str, str]]) -> Any:
    @wraps(real)
    async def step(task: Any) -> Any:
        answer = await real(task)
        if (name, task.model_dump_json()) not in lost:
            lost.add((name, task.model_dump_json()))
            raise OSError("the answer was lost")
        return answer

    return step


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_document_when_it_cannot_be_read_then_it_fails_alone_and_is_read_by_the_next_backfill(
    archive: Archive,
) -> None:
    rows = stories(10)
    poison = rows[4][2]

    def extract(source: ExtractionInput) -> Extraction:
        if source.text.startswith(poison):
            raise RuntimeError("no such luck\0")
        return RulesExtractor().extract(source)

    request = archive.request(archive.file(rows))
    async with archive.working(extract=extract):
        report = await archive.run(request)
    failed = [row for row in await archive.rows("documents", request.source_id) if row["status"] == "failed"]
    assert (report.read.processed, report.read.failed) == (9, 1)
    assert [row["error"] for row in failed] == ["extract: RuntimeError: no such luck"]
    async with archive.working():
        again = await archive.run(archive.request(archive.file(rows), source_id=request.source_id))
    assert (again.read.processed, again.read.failed, again.report.duplicates) == (1, 0, 10)


async def test_document_when_the_text_supports_no_answer_then_it_needs_review(archive: Archive) -> None:
    def extract(source: ExtractionInput) -> Extraction:
        answer = RulesExtractor().extract(source)
        events = [
            event.model_copy(
                update={"evidence": tuple(each.model_copy(update={"quote": "not there"}) for each in event.evidence)}
            )
            for event in answer.events
        ]
        return answer.model_copy(update={"events": tuple(events)})

    request = archive.request(archive.file(stories(3)))
    async with archive.working(extract=extract):
        report = await archive.run(request)

    assert (report.read.needs_review, report.read.evidence) == (3, 0)
    assert {row["status"] for row in await archive.rows("documents", request.source_id)} == {"needs_review"}
    assert all(row["dropped"] for row in await archive.rows("extractions", request.source_id))


async def test_batch_when_it_gives_up_then_it_is_a_dead_letter_and_a_retry_goes_on_there(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.batch_registration.RECORDS_A_BATCH", 5)
    mended = False

    def break_one(activities: BackfillActivities) -> None:
        real = activities.read_batch

        async def read_batch(task: ReadTask) -> Any:
            if task.start == 10 and not mended:
                raise InvalidInput("BROKEN_ON_PURPOSE", "Mend it")
            return await real(task)

        activities.__dict__["read_batch"] = _named(real, read_batch)

    request, parts = archive.request(archive.file(stories(40))), archive.parts
    async with archive.working(change=break_one):
        handle = await archive.start(request)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        (run,) = await archive.rows("ingestion_runs", request.source_id)
        assert (run["status"], run["error"][:17]) == ("failed", "BROKEN_ON_PURPOSE")
        mended = True
        retried = await dead_letters.retry(
            parts.client, parts.database, TemporalLinks("", "stonks"), workflow_id=handle.id, actor="test"
        )
        report = await parts.client.get_workflow_handle_for(
            BackfillDocuments.run, handle.id, run_id=retried.run_id
        ).result()

    assert (report.report.registered, report.read.processed) == (40, 40)
    counts = await archive.counts(request.source_id)
    assert (counts["documents"], counts["extractions"], counts["evidence"]) == (40, 40, report.read.evidence)
    (run,) = await archive.rows("ingestion_runs", request.source_id)
    assert (run["status"], run["error"]) == ("finished", "")


def _named(real: Any, stand_in: Any) -> Any:
    """Give an activity's stand-in the name by which workflows call it."""
    return wraps(real)(stand_in)


async def test_backfill_when_cancelled_then_batches_under_way_end_and_the_next_one_reads_the_rest(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.batch_registration.RECORDS_A_BATCH", 5)
    begun, go_on = asyncio.Event(), asyncio.Event()

    def slow(activities: BackfillActivities) -> None:
        real = activities.read_batch

        async def read_batch(task: ReadTask) -> Any:
            begun.set()
            await go_on.wait()
            return await real(task)

        activities.__dict__["read_batch"] = _named(real, read_batch)

    rows = stories(50)
    request = archive.request(archive.file(rows))
    async with archive.working(change=slow):
        handle = await archive.start(request)
        await begun.wait()
        await handle.cancel()
        await asyncio.sleep(0.3)
        go_on.set()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        statuses = Counter(row["status"] for row in await archive.rows("documents", request.source_id))
        (run,) = await archive.rows("ingestion_runs", request.source_id)
        again = await archive.run(archive.request(archive.file(rows), source_id=request.source_id))

    assert statuses == {
        "processed": backfill_documents.IN_FLIGHT * 5,
        "released": 50 - backfill_documents.IN_FLIGHT * 5,
    }
    assert isinstance(caught.value.cause, CancelledError)
    assert (run["status"], run["registered"]) == ("canceled", 50)
    assert (again.report.duplicates, again.read.processed) == (50, 50 - backfill_documents.IN_FLIGHT * 5)


async def test_worker_when_killed_in_the_middle_then_nothing_is_lost_and_nothing_doubled(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(options.READ_BATCH, "heartbeat_timeout", timedelta(seconds=4))
    count = 2_000
    request = archive.request(archive.file(stories(count)))
    async with _workflows_alone(archive):
        handle = await archive.start(request)
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "worker", "--queue", "ingest"],
            cwd=REPOSITORY,
            env={**os.environ, **archive.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not await archive.rows("extractions", request.source_id):
                await asyncio.sleep(0.02)
        finally:
            process.kill()
            process.wait(timeout=10)
        before = len(await archive.rows("extractions", request.source_id))
        async with archive.working():
            report = await asyncio.wait_for(handle.result(), 90)

    counts = await archive.counts(request.source_id)
    assert 0 < before < count
    assert (report.report.registered, report.read.processed) == (count, count)
    assert (counts["documents"], counts["extractions"], counts["agent_performance_log"]) == (count, count, count)
    assert (counts["events"], counts["evidence"]) == (report.read.events, report.read.evidence)
    assert {row["status"] for row in await archive.rows("documents", request.source_id)} == {"processed"}


def _workflows_alone(archive: Archive) -> Worker:
    """A worker that leaves the activities to others, so that they can be killed without it."""
    return Worker(
        archive.parts.client,
        task_queue=Queue.INGEST,
        workflows=[BackfillDocuments],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def test_file_when_it_changes_meanwhile_then_it_is_not_read_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.batch_registration.RECORDS_A_BATCH", 5)
    monkeypatch.setattr("activities.backfill.BATCHES_A_SEGMENT", 1)
    path = archive.file(stories(20))

    def disturb(activities: BackfillActivities) -> None:
        activities.__dict__["_keep_stream"] = lambda run_id, stream: path.write_text("other,content\n")

    request = archive.request(path)
    async with archive.working(change=disturb):
        with pytest.raises(WorkflowFailureError) as caught:
            await archive.run(request)

    assert "SOURCE_CHANGED" in str(caught.value.cause.__cause__)
    assert len(await archive.rows("documents", request.source_id)) == 5


async def test_file_when_there_is_none_then_the_backfill_fails_at_once_and_says_so(archive: Archive) -> None:
    request = archive.request(archive.directory / "nothing.csv")
    async with archive.working():
        with pytest.raises(WorkflowFailureError) as caught:
            await archive.run(request)
    assert "SOURCE_NOT_FOUND" in str(caught.value.cause.__cause__)


async def test_copies_when_an_original_comes_later_in_the_file_then_it_is_the_one_that_is_read(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known as published, the earlier one is the original wherever it stands; all are registered before any is read."""
    monkeypatch.setattr("activities.batch_registration.RECORDS_A_BATCH", 5)
    monkeypatch.setattr("activities.backfill.BATCHES_A_SEGMENT", 1)
    (first, *others) = stories(12)
    earlier = (first[0], BEGIN.replace(hour=3).isoformat(), *first[2:])
    request = archive.request(archive.file([first, *others, earlier]), as_published=True)

    async with archive.working():
        report = await archive.run(request)

    documents = {row["published_at"]: row for row in await archive.rows("documents", request.source_id)}
    assert (report.report.registered, report.report.copies, report.read.processed) == (13, 1, 12)
    assert documents[BEGIN.replace(hour=3)]["status"] == "processed"
    assert documents[BEGIN]["status"] == "duplicate"
