"""Parse, extract and save, each perhaps in another process, repeated or cut off: nothing is lost, nothing doubled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.adapters.agents.document_extractor import DocumentExtractor
from activities.adapters.rules import RulesExtractor
from activities.agent_resolver import AgentResolver
from activities.asking import ModelDesk
from activities.documents import DocumentActivities
from activities.extraction import ExtractionActivities
from cli.stack.supervisor import Stack
from domain.agents import AgentKind, Engine
from domain.documents import DatePrecision, SourceDocument
from domain.errors import NotFound
from domain.extraction import Extraction, ExtractionInput
from domain.ids import digest
from domain.ingestion import DocumentRequest, ExtractionReference
from domain.research import EconomyNotice, EvidenceNotice
from domain.sources import FileSourceConfig
from store import documents, sources
from store.documents import Reading
from store.objects import ObjectStore, key_for
from store.tables.ingestion import Document, DocumentSymbol
from workers.parts import Parts
from workers.settings import load

pytestmark = pytest.mark.stack

NOW = datetime(2014, 7, 15, 20, tzinfo=UTC)
KEEP = 1_000_000
RESULTS = ("extractions", "events", "evidence", "agent_performance_log")


class Rules:
    def __init__(self) -> None:
        self._rules = RulesExtractor()

    async def extract(self, source: ExtractionInput) -> Extraction:
        return self._rules.extract(source)


class Told:
    """Notes whom it was told to tell."""

    def __init__(self) -> None:
        self.notices: list[EvidenceNotice] = []
        self.economy: list[EconomyNotice] = []

    async def tell_symbol(self, notice: EvidenceNotice) -> None:
        self.notices.append(notice)

    async def tell_universe(self, notice: EconomyNotice) -> None:
        self.economy.append(notice)


class Process:
    """The activities as one worker process has them: with a memory of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.objects = ObjectStore(parts.objects.settings, keep_bytes=KEEP)
        self.told = Told()
        flows: Any = self.told
        self.documents = DocumentActivities(parts.database, self.objects, flows, parts.resolver)
        self.extraction = self._reading({})
        self.away = self._reading({"engine": Engine.OLLAMA, "model": "none"})

    def _reading(self, settings: dict[str, Any]) -> ExtractionActivities:
        """Extraction by these settings, where no model server is."""
        database = self._parts.database
        resolver = AgentResolver(database, {AgentKind.DOCUMENT_EXTRACTOR: settings})
        desk = ModelDesk(database, None, slots=1)
        return ExtractionActivities(database, self.objects, resolver, Rules(), desk, DocumentExtractor())


@pytest.fixture(scope="module")
async def parts(stack: Stack) -> AsyncIterator[Parts]:
    parts = await Parts.connect(load(stack.environment()))
    await parts.objects.ensure_bucket()
    yield parts
    await parts.close()


@pytest.fixture
def process(parts: Parts) -> Process:
    return Process(parts)


@pytest.fixture
def other(parts: Parts) -> Process:
    return Process(parts)


async def _registered(parts: Parts, label: str) -> DocumentRequest:
    document = SourceDocument(
        title="AAPL profit rose 12 percent, beating expectations",
        text=f"AAPL said second-quarter profit rose to $7 million. GS cut its forecast after a recall. {label}",
        published_at=NOW,
        precision=DatePrecision.INSTANT,
        location="test",
    )
    key = key_for("raw", document.content_hash())
    await parts.objects.put(key, document.canonical_bytes())
    row = Document(
        doc_id=document.doc_id(),
        content_hash=document.content_hash(),
        source_id="processing",
        run_id="run",
        title=document.title,
        published_at=NOW,
        precision="instant",
        available_at=NOW,
        recorded_at=NOW,
        raw_key=key,
    )
    links = [DocumentSymbol(doc_id=row.doc_id, symbol=symbol, label=symbol) for symbol in ("GS", "AAPL")]
    async with parts.database.transaction() as session:
        await sources.save(session, source_id="processing", config=FileSourceConfig(path="x"), created_at=NOW)
        await documents.register(session, documents=[row], symbols=links)
    return DocumentRequest(doc_id=row.doc_id, source_id="processing")


async def _extract(activities: ExtractionActivities, parsed: Any, *, attempt: int = 1) -> ExtractionReference:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt, workflow_run_id=parsed.doc_id)
    return await environment.run(activities.extract, parsed)


async def _rows(parts: Parts, doc_id: str) -> dict[str, list[dict[str, Any]]]:
    found = {}
    async with parts.database.engine.connect() as connection:
        for table in (*RESULTS, "documents"):
            rows = await connection.execute(text(f"SELECT * FROM {table} WHERE doc_id = :doc_id"), {"doc_id": doc_id})
            found[table] = [dict(row) for row in rows.mappings()]
    return found


async def test_document_when_processed_then_all_that_was_read_is_saved_together(parts: Parts, process: Process) -> None:
    request = await _registered(parts, "whole")
    parsed = await process.documents.parse(request)
    reference = await _extract(process.extraction, parsed)
    outcome = await process.documents.save_evidence(reference)
    rows = await _rows(parts, request.doc_id)
    document, extraction, call = rows["documents"][0], rows["extractions"][0], rows["agent_performance_log"][0]
    assert outcome.symbols == ("AAPL", "GS")
    assert {notice.symbol for notice in process.told.notices} == {"AAPL", "GS"}
    assert (document["status"], extraction["status"]) == ("processed", "processed")
    assert document["text_key"] == extraction["result_key"] == reference.result_key
    assert {row["symbol"] for row in rows["evidence"]} == {"AAPL", "GS"}
    assert {row["event_id"] for row in rows["evidence"]} <= {row["event_id"] for row in rows["events"]}
    assert all(row["available_at"] == NOW for row in rows["evidence"])
    assert (call["valid"], call["attempt"], call["agent"]) == (True, 1, "document-extractor")
    quotes = sum(len(row["quotes"]) + len(row["facts"]) for row in rows["events"])
    assert (call["quotes_total"], call["quotes_valid"]) == (quotes, quotes)


async def test_stored_reading_when_opened_then_it_holds_what_was_given_and_what_was_answered(
    parts: Parts, process: Process
) -> None:
    request = await _registered(parts, "reading")
    parsed = await process.documents.parse(request)
    reference = await _extract(process.extraction, parsed)
    body = await parts.objects.get(reference.result_key)
    reading = Reading.model_validate_json(body)
    assert reference.result_key == key_for("readings", digest(body.decode(), length=64))
    assert len(reading.source.text) == parsed.characters
    assert [c.symbol for c in reading.source.candidates if c.labelled] == ["AAPL", "GS"]
    assert reading.answer.doc_id == request.doc_id
    content = key_for("extractions", digest(reading.answer.model_dump_json(), length=64))
    version = reading.answer.extractor_version
    assert reference.extraction_id == digest("extraction", request.doc_id, version, content)


async def test_steps_when_each_runs_in_another_process_then_the_result_is_the_same(
    parts: Parts, process: Process, other: Process
) -> None:
    request = await _registered(parts, "elsewhere")
    parsed = await process.documents.parse(request)
    here = await _extract(process.extraction, parsed)
    there = await _extract(other.extraction, parsed)
    assert here.extraction_id == there.extraction_id
    texts = [Reading.model_validate_json(await parts.objects.get(each.result_key)).source for each in (here, there)]
    assert texts[0] == texts[1]
    await process.documents.save_evidence(there)
    assert len((await _rows(parts, request.doc_id))["extractions"]) == 1


@pytest.mark.parametrize("repeated", ["save", "extract", "all"])
async def test_step_when_repeated_after_a_crash_then_nothing_is_doubled(
    parts: Parts, process: Process, other: Process, repeated: str
) -> None:
    request = await _registered(parts, repeated)
    parsed = await process.documents.parse(request)
    reference = await _extract(process.extraction, parsed)
    await process.documents.save_evidence(reference)
    before = await _rows(parts, request.doc_id)
    if repeated == "all":
        parsed = await other.documents.parse(request)
    if repeated != "save":
        reference = await _extract(other.extraction, parsed)
    await other.documents.save_evidence(reference)
    after = await _rows(parts, request.doc_id)
    assert [after[table] for table in RESULTS] == [before[table] for table in RESULTS]
    assert len(after["documents"]) == 1
    assert len(other.told.notices) == 2  # told again: a symbol counts a document once


async def test_call_when_the_rules_stood_in_then_it_is_logged_with_the_problem(parts: Parts, process: Process) -> None:
    request = await _registered(parts, "fallback")
    parsed = (await process.documents.parse(request)).model_copy(update={"extractor": None})
    reference = await _extract(process.away, parsed, attempt=2)
    await process.documents.save_evidence(reference)
    call = (await _rows(parts, request.doc_id))["agent_performance_log"][0]
    assert (call["valid"], call["attempt"]) == (False, 2)
    assert call["problem"].startswith("MODEL_SERVER_NOT_SET")


async def test_document_when_unknown_then_parsing_says_so(process: Process) -> None:
    with pytest.raises(NotFound, match="DOCUMENT_NOT_FOUND"):
        await process.documents.parse(DocumentRequest(doc_id="0" * 24, source_id="processing"))
