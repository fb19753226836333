"""A worker killed in the middle of its questions: no document is lost or read twice, and the budget is exact."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from cli.stack.supervisor import Stack
from domain.agents import AgentKind
from store import model_calls
from tests.asking import platform
from tests.asking.desk import calls
from tests.asking.platform import process, register, remove_variants, rows, working
from tests.conftest import REPOSITORY
from tests.model_server.server import ModelServerDouble
from workflows.names import Queue

pytestmark = pytest.mark.stack

EXTRACTOR = AgentKind.DOCUMENT_EXTRACTOR.value
DOCUMENTS = 6


@contextmanager
def extract_worker(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The process that asks models, as the platform starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "worker", "--queue", Queue.EXTRACT],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


async def test_worker_when_killed_in_the_middle_of_calls_then_nothing_is_lost_or_doubled(
    servers: Stack, model: ModelServerDouble, namespace: str
) -> None:
    environment = platform.environment(servers, model.url, STONKS_TEMPORAL_NAMESPACE=namespace)
    model.switches.latency = 60.0  # no answer comes before the kill
    async with working(environment, Queue.INGEST, Queue.RESEARCH) as parts:
        await remove_variants(parts)
        before = await model_calls.used(parts.database, EXTRACTOR, now=datetime.now(UTC))
        requests = [await register(parts) for _ in range(DOCUMENTS)]
        done = asyncio.create_task(process(parts, *requests))
        with extract_worker(environment) as first:
            await _until(lambda: model.counts.running == 2)
            await asyncio.sleep(0.5)
            os.kill(first.pid, signal.SIGKILL)
            first.wait(10)
        await model.quiet(10)
        assert model.counts.cancelled == 2
        model.switches.latency = 0.2
        with extract_worker(environment):
            outcomes = await done
        assert [outcome.status for outcome in outcomes] == ["processed"] * DOCUMENTS
        for request in requests:
            assert len(await rows(parts, "extractions", request.doc_id)) == 1
            assert len(await rows(parts, "evidence", request.doc_id)) == 1
            assert len(await rows(parts, "agent_performance_log", request.doc_id)) == 1
        after = await model_calls.used(parts.database, EXTRACTOR, now=datetime.now(UTC))
        assert after.calls - before.calls == DOCUMENTS
        assert model.counts.completed == DOCUMENTS
        everything = await calls(parts.database, EXTRACTOR)
        charged = sum(
            call["reserved_tokens"] if call["answer"] is None else call["tokens_in"] + call["tokens_out"]
            for call in everything
        )
        assert (after.calls, after.tokens) == (len(everything), charged)


async def _until(condition: object, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.02)
