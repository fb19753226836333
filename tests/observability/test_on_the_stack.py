"""Real work on the real stack: what its processes then say is what the book holds, and no label names any of it."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import WorkflowFailureError

from activities.steps import RECORD_OUTCOMES, STEPS
from api.app import create_app
from api.condition import LONGEST_SECONDS
from api.dependencies import Dependencies
from cli.stack.application import api_address
from cli.stack.doctor import diagnose
from cli.stack.names import PartName
from cli.stack.state import read_state
from cli.stack.supervisor import Stack
from domain.breaker_state import Breaker
from domain.decisions import TradingState
from domain.ingestion import DocumentRequest, IngestRequest
from domain.sources import FileSourceConfig, SourceKind
from domain.stages import Stage
from store import sources
from tests.asking.platform import process, register
from tests.conftest import clean_environment
from tests.observability.pages import Page, gained, scrape
from tests.observability.test_documentation import documented
from tests.orders.desk import desk
from workers.parts import Parts
from workers.registry import ALL_WORKFLOWS
from workers.settings import load
from workflows import names
from workflows.ingest_source import IngestSource
from workflows.process_document import ProcessDocument

pytestmark = pytest.mark.stack

CODES = ("2xx", "4xx", "5xx")
REASON = re.compile(r"[A-Z][A-Za-z0-9_]{1,60}|other")
PENDING = "stonks_approvals_pending"
ITEMS = "stonks_stage_items_total"
OF_THE_SDK = {
    "activity_type",
    "eager",
    "failure_reason",
    "namespace",
    "operation",
    "poller_type",
    "status_code",
    "task_queue",
    "worker_type",
    "workflow_type",
}


def pages(stack: Stack) -> tuple[Page, Page]:
    """The worker's page and the API's."""
    state = read_state(stack.directory.root)
    assert state is not None
    return scrape(state.urls["worker_metrics"]), scrape(state.urls["api_metrics"])


@pytest.fixture
async def parts(stack: Stack) -> AsyncIterator[Parts]:
    parts = await Parts.connect(load(stack.environment()))
    await parts.objects.ensure_bucket()
    yield parts
    await parts.close()


async def ingest(parts: Parts, path: Path) -> str:
    """Have a file with a new record, the same once more, and one that cannot be used read by the worker."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tickers", "published_at", "title", "text"])
        good = ["AAPL", "2014-07-14T15:00:00Z", f"Apple rose {uuid.uuid4().hex}", "It rose."]
        writer.writerows([good, good, ["AAPL", "no time at all", "Broken", "It is."]])
    source_id = f"metered-{uuid.uuid4().hex[:8]}"
    async with parts.database.transaction() as session:
        await sources.save(
            session, source_id=source_id, config=FileSourceConfig(path=str(path)), created_at=datetime.now(UTC)
        )
    await parts.client.execute_workflow(
        IngestSource.run,
        IngestRequest(source_id=source_id, as_of=datetime(2014, 7, 15, tzinfo=UTC)),
        id=names.ingest_id(source_id, uuid.uuid4().hex),
        task_queue=names.Queue.INGEST,
    )
    return source_id


async def statuses_of(parts: Parts, doc_ids: Sequence[str], source_id: str) -> list[str]:
    """Of documents by their ids, and of those of a source."""
    found = await parts.database.run(
        "SELECT status FROM documents WHERE doc_id = ANY($1) OR source_id = $2", doc_ids, source_id
    )
    return [row["status"] for row in found]


async def read_to_the_end(parts: Parts, source_id: str) -> None:
    """Wait until what a source brought has been read."""
    async with asyncio.timeout(30):
        while {"registered", "released"} & {*await statuses_of(parts, [], source_id)}:
            await asyncio.sleep(0.05)


async def ended_orders(parts: Parts) -> dict[tuple[str, str], float]:
    """How many orders of the book ended, by side and how."""
    found = await parts.database.run(
        "SELECT side, state, count(*) AS n FROM order_intents WHERE state <> 'open' GROUP BY side, state"
    )
    return {(row["side"], row["state"]): float(row["n"]) for row in found}


async def read_documents(parts: Parts) -> dict[str, float]:
    """How many documents of the book were read to an end, by what it was."""
    found = await parts.database.run(
        "SELECT status, count(*) AS n FROM documents "
        "WHERE status IN ('processed', 'needs_review', 'failed') GROUP BY status"
    )
    return {row["status"]: float(row["n"]) for row in found}


async def ended_approvals(parts: Parts) -> dict[str, float]:
    """How many questions were put, and how many people have answered or let expire."""
    (row,) = await parts.database.run(
        "SELECT count(*) AS requested, count(*) FILTER (WHERE status = 'approved') AS approved, "
        "count(*) FILTER (WHERE status = 'declined') AS declined, "
        "count(*) FILTER (WHERE status = 'expired') AS expired FROM approvals"
    )
    return {name: float(number) for name, number in dict(row).items()}


async def until_pending(stack: Stack, wanted: float) -> None:
    """Scrape until so many approvals are pending: what was read last is kept for a moment."""
    async with asyncio.timeout(2 * LONGEST_SECONDS):
        while pages(stack)[1].value(PENDING) != wanted:
            await asyncio.sleep(0.5)


async def give_up(parts: Parts) -> DocumentRequest:
    """A document whose bytes are not in the object store."""
    request = await register(parts)
    await parts.database.run("UPDATE documents SET raw_key = 'raw/none' WHERE doc_id = $1", request.doc_id)
    await parts.flows.start_document(request)
    handle = parts.client.get_workflow_handle_for(ProcessDocument.run, names.document_id(request.doc_id))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    return request


async def test_work_when_it_is_done_then_the_pages_gain_what_the_book_gains_and_no_label_names_it(
    stack: Stack, parts: Parts, tmp_path: Path
) -> None:
    worker_before, api_before = pages(stack)
    orders_before, approvals_before = await ended_orders(parts), await ended_approvals(parts)
    documents_before = await read_documents(parts)
    source_id = await ingest(parts, tmp_path / "wire.csv")
    requests = [await register(parts) for _ in range(3)]
    await process(parts, *requests)
    broken = await give_up(parts)
    async with desk(stack, "METERED", approval_above="700") as table:
        intents = [await table.intend("10"), await table.intend("12"), await table.intend("15")]
        for intent in intents[:2]:
            await table.finish(await table.execute(intent))
        waiting = await table.execute(intents[2])
        await table.state_of(intents[2], "awaiting_approval")
        await until_pending(stack, api_before.value(PENDING) + 1)
        await waiting.signal("decline", "a test")
        await table.finish(waiting)
    key = stack.environment()["STONKS_API_KEY"]
    async with httpx.AsyncClient(base_url=api_address(stack.environment()), trust_env=False) as client:
        for path in (f"/v1/documents/{requests[0].doc_id}", f"/v1/documents/{broken.doc_id}", "/v1/documents/none"):
            await client.get(path, headers={"Authorization": f"Bearer {key}"})
        await client.get("/v1/documents/none")
    await read_to_the_end(parts, source_id)
    worker, api = pages(stack)

    # The worker's counters gained what the book says of these documents, records and orders.
    run = dict(
        (
            await parts.database.run(
                "SELECT registered, linked, duplicates, rejected, skipped FROM ingestion_runs WHERE source_id = $1",
                source_id,
            )
        )[0]
    )
    ours = [*(each.doc_id for each in requests), broken.doc_id]
    statuses = await statuses_of(parts, ours, source_id)
    # Those of other tests may end now too: all that the book gained counts.
    read = gained(documents_before, await read_documents(parts))
    ended = gained(orders_before, await ended_orders(parts))
    decided = gained(approvals_before, await ended_approvals(parts))
    by_stage = {
        stage: gained(worker_before.by(ITEMS, "outcome", stage=stage), worker.by(ITEMS, "outcome", stage=stage))
        for stage in ("ingest", "read", "approval", "order")
    }
    assert (run["registered"], run["rejected"]) == (1, 2)
    assert by_stage["ingest"] == {name: run[name] for name in RECORD_OUTCOMES if run[name]}
    assert Counter(statuses) == {"processed": 4, "failed": 1}
    assert by_stage["read"] == read
    assert read["processed"] >= 4
    assert ended["buy", "filled"] >= 2
    assert ended["buy", "declined"] >= 1
    assert gained(_orders(worker_before), _orders(worker)) == ended
    assert sum(by_stage["order"].values()) == sum(ended.values())
    assert by_stage["approval"] == decided
    assert decided["requested"] >= 1
    letters = "stonks_dead_letters_total"
    assert sum(gained(worker_before.by(letters, "reason"), worker.by(letters, "reason")).values()) == 1
    assert worker.by("stonks_active_jobs", "stage").keys().isdisjoint({"ingest", "read"})
    assert worker.sum("stonks_stage_duration_seconds_count", stage="read") > 3 * 3
    assert "stonks_market_open" in worker.sample_names

    # The API's page is the book at that moment.
    assert api.value("stonks_book_up") == api.value("stonks_temporal_up") == 1
    (failed,) = await parts.database.run(
        "SELECT count(*) AS n FROM documents WHERE status IN ('failed', 'needs_review')"
    )
    assert api.value("stonks_stage_failed_items", stage="read") == failed["n"]
    assert api.value("stonks_stage_last_success_timestamp_seconds", stage="order") > 0
    route = {"route": "/v1/documents/{doc_id}", "method": "GET"}
    requested = {code: _more(api_before, api, "stonks_http_requests_total", code=code, **route) for code in CODES}
    assert requested == {"2xx": 2, "4xx": 2, "5xx": 0}
    assert _more(api_before, api, "stonks_http_request_duration_seconds_count", **route) == 4

    # Both pages have what is documented and nothing else, and few labels.
    assert {name for page in (worker, api) for name in _names(page)} == set(documented())
    named = {"METERED", "AAPL", source_id, broken.doc_id, *intents, *(each.doc_id for each in requests)}
    for page in (worker, api):
        _allowed(page, stack, named)


def _orders(page: Page) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["side"], sample.labels["outcome"]): sample.value
        for sample in page.families["stonks_orders"].samples
    }


def _more(before: Page, after: Page, name: str, **labels: str) -> float:
    return after.sum(name, **labels) - before.sum(name, **labels)


def _names(page: Page) -> set[str]:
    suffixes = {"counter": "_total", "info": "_info"}
    return {
        family.name + suffixes.get(family.type, "")
        for family in page.families.values()
        if family.name.startswith("stonks_")
    }


def _allowed(page: Page, stack: Stack, named: set[str]) -> None:
    """Every label has a name and a value that is known before any work is done, or is a code."""
    ours = {name for _, labels in documented().values() for name in labels}
    assert set(page.labels) <= ours | OF_THE_SDK, "a label that nobody allowed"
    queues = {*names.activity_queues(), *(queue.value for queue in names.WORKFLOW_QUEUES)}
    workflows = {each.__temporal_workflow_definition.name for each in ALL_WORKFLOWS}  # type: ignore[attr-defined]
    known: dict[str, set[str]] = {
        "stage": {stage.value for stage in Stage},
        "kind": {kind.value for kind in SourceKind},
        "direction": {"in", "out"},
        "side": {"buy", "sell"},
        "account": {"replay"},
        "mode": {"replay"},
        "state": {state.value for state in TradingState},
        "breaker": {breaker.value for breaker in Breaker},
        "type": {"workflow", "activity"},
        "task_queue": queues,
        "activity_type": set(STEPS),
        "workflow_type": workflows,
        "namespace": {stack.environment()["STONKS_TEMPORAL_NAMESPACE"]},
        "route": _routes(),
        "code": {"1xx", "2xx", "3xx", "4xx", "5xx"},
    }
    for label, values in page.labels.items():
        assert not values & named, label
        if label in known:
            assert values <= known[label], label
        if label == "reason":
            assert all(REASON.fullmatch(value) for value in values), values
        assert len(values) <= 100, label


def _routes() -> set[str]:
    nobody: Any = None
    app = create_app(
        Dependencies(
            database=nobody,
            objects=nobody,
            client=nobody,
            ui_url="",
            mode="paper",
            bootstrap_key=SecretStr(""),
            calendar=lambda: nobody,
        )
    )
    return {"none", *app.openapi()["paths"]}


async def test_request_when_what_it_began_fails_in_the_worker_then_the_workers_log_has_its_id(
    stack: Stack, parts: Parts, tmp_path: Path
) -> None:
    request_id = f"metered-{uuid.uuid4().hex[:8]}"
    async with parts.database.transaction() as session:
        missing = FileSourceConfig(path=str(tmp_path / "none.csv"))
        await sources.save(session, source_id=request_id, config=missing, created_at=datetime.now(UTC))
    key = stack.environment()["STONKS_API_KEY"]
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": request_id, "Idempotency-Key": request_id}
    async with httpx.AsyncClient(base_url=api_address(stack.environment()), trust_env=False) as client:
        answer = await client.post(f"/v1/sources/{request_id}/runs", headers=headers)
    assert answer.status_code == 202, answer.text

    def lines() -> list[dict[str, Any]]:
        text = stack.directory.log(PartName.WORKER).read_text(encoding="utf-8")
        found = [json.loads(line) for line in text.splitlines() if f'"request_id": "{request_id}"' in line]
        return [line for line in found if line["event"] == "activity_failed"]

    async with asyncio.timeout(30):
        while not lines():
            await asyncio.sleep(0.1)
    line = lines()[0]
    assert line["workflow_id"].startswith(f"ingest/{request_id}/")
    assert (line["activity"], line["attempt"]) == ("fetch", 1)
    assert line["run_id"]


async def test_doctor_when_a_stack_runs_then_it_asks_both_pages_and_shows_where_they_are(stack: Stack) -> None:
    state = read_state(stack.directory.root)
    assert state is not None

    findings = await asyncio.to_thread(diagnose, stack.directory.root, clean_environment())

    assert [(each.ok, each.what) for each in findings if each.part == "metrics"] == [
        (True, f"{state.urls[name]} works") for name in ("worker_metrics", "api_metrics")
    ]
