"""How near a backlog of documents comes to what a model server can give: k slots of latency L answer k/L a second.

The server is the tests' double in a process of its own, with a fixed latency and slots; everything else is real. What
is measured is the steady state: from the second round of answers to the last but one.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from cli.migrate import migrate
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from tests.benchmarks.documents import register_documents
from tests.benchmarks.figure import Figure
from tests.conftest import REPOSITORY, clean_environment
from tests.model_server.server import MODEL
from workers.main import KEEP_OBJECTS, build_workers, register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.names import Queue

SLOTS = 4
LATENCY = 1.0
BACKLOG = 160
ROUNDS = 3
GOAL = 0.97
POLL_SECONDS = 0.02


def model_throughput() -> Iterable[Figure]:
    services = (PartName.POSTGRES, PartName.TEMPORAL, PartName.OBJECTS)
    with (
        tempfile.TemporaryDirectory(prefix="stonks-bench-") as directory,
        Stack(Path(directory), mode="replay", inherited=clean_environment(), parts=services) as stack,
        model_server() as url,
    ):
        stack.start()
        migrate(stack.environment())
        shares, most = asyncio.run(_measure(stack, url))
    how = (
        f"{ROUNDS} rounds of {BACKLOG} documents waiting at once, {SLOTS} slots, {LATENCY} s an answer, workers in one "
        "process; median"
    )
    yield Figure("models.share_of_slots", statistics.median(shares), "ratio", how, at_least=GOAL)
    yield Figure("models.most_questions_at_once", most, "questions", f"{how}; the server has {SLOTS} slots")


@contextmanager
def model_server() -> Iterator[str]:
    """The double in a process of its own, ended with the block."""
    command = [sys.executable, "-m", "tests.model_server", "--latency", str(LATENCY), "--slots", str(SLOTS)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


async def _measure(stack: Stack, url: str) -> tuple[list[float], int]:
    environment = {
        **stack.environment(),
        "STONKS_OLLAMA_URL": url,
        "STONKS_OLLAMA_MODEL": MODEL,
        "STONKS_OLLAMA_SLOTS": str(SLOTS),
    }
    parts = await Parts.connect(load(environment), keep_objects=KEEP_OBJECTS)
    shares: list[float] = []
    most = 0
    try:
        await register_search_attributes(parts.client)
        await parts.objects.ensure_bucket()
        async with AsyncExitStack() as running:
            client = await running.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
            # Few pieces: between many, the double's own sleeps would make an answer longer than its latency.
            (await client.post("/double/switches", json={"pieces": 2})).raise_for_status()
            for queue in (Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH):
                for worker in build_workers(queue, parts):
                    await running.enter_async_context(worker)
            for number in range(ROUNDS):
                shares.append(await _round(parts, client, str(number)))
            most = (await _counts(client))["most_running"]
            assert (await _counts(client))["completed"] == ROUNDS * BACKLOG
    finally:
        await parts.close()
    return shares, most


async def _round(parts: Parts, client: httpx.AsyncClient, label: str) -> float:
    requests = await register_documents(parts, f"model {label}", BACKLOG)
    before = (await _counts(client))["completed"]
    for request in requests:
        await parts.flows.start_document(request)
    begin = await _reached(client, before + 2 * SLOTS)
    end = await _reached(client, before + BACKLOG - SLOTS)
    await asyncio.gather(
        *(parts.client.get_workflow_handle(names.document_id(each.doc_id)).result() for each in requests)
    )
    answered = end[1] - begin[1]
    return answered / (end[0] - begin[0]) / (SLOTS / LATENCY)


async def _reached(client: httpx.AsyncClient, count: int) -> tuple[float, int]:
    """When so many answers are complete, and how many then are."""
    while (completed := (await _counts(client))["completed"]) < count:
        await asyncio.sleep(POLL_SECONDS)
    return time.perf_counter(), completed


async def _counts(client: httpx.AsyncClient) -> Any:
    return (await client.get("/double/counts")).json()
