"""What a backtest of a large portfolio costs before and around its sessions: to read the book, and to hand it over.

The book is that of `many_companies`. A process of its own does what a worker does for the steps of a run, and its
memory is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from activities.backtests import read_period
from activities.simulating import Players
from domain.backtest import Noted, ReadBy
from domain.backtest_run import SESSIONS_A_STEP
from domain.bar_series import KnownBar
from domain.decisions import EvidenceItem
from tests.benchmarks.book import without_indexes
from tests.benchmarks.figure import Figure
from tests.benchmarks.many_companies import WARM_UP, market_of, request_for
from tests.conftest import REPOSITORY, running_servers
from workers.parts import Parts
from workers.settings import load

COMPANIES, SESSIONS, DOCUMENTS = 500, 2_520, 1_000_000
KNOWN = datetime(2020, 1, 1, tzinfo=UTC)


def reading() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="stonks-read-") as directory, running_servers(Path(directory)) as servers:
        _apart("fill", servers.environment())
        found = json.loads(_apart("measure", servers.environment()).splitlines()[-1])
    how = f"{COMPANIES} companies, {SESSIONS} sessions, {found['statements']} statements, {found['bars']} bars"
    yield Figure("reading.first", found["read"], "s", f"{how}; from the book into memory, PostgreSQL's work included")
    yield Figure("reading.memory", found["megabytes"], "MB", f"{how}; above the process before, at its most")
    yield Figure("reading.begun", found["begun"], "s", f"{how}; the process that plays starts, and has it all")
    yield Figure("reading.played", found["played"], "s", f"{how}; all sessions by that process, step by step")


def _apart(task: str, environment: dict[str, str]) -> str:
    """In a process of its own, which says how much memory it took, and not how much this one did."""
    command = [sys.executable, "-m", "tests.benchmarks.reading", task]
    return subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


async def _fill() -> None:
    """Write the market into the book as the pipeline would have: one statement a document."""
    data = market_of(COMPANIES, SESSIONS + WARM_UP, round(DOCUMENTS * (1 + WARM_UP / SESSIONS)))
    names = sorted(data.bars)
    tables = ("documents", "extractions", "events", "evidence", "bars")
    async with _driver() as driver:
        await driver.execute("SET synchronous_commit = off")
        async with driver.transaction(), without_indexes(driver, tables):
            await _copy(driver, "sources", [_SOURCE])
            await _copy(driver, "companies", [_COMPANY | {"symbol": name, "name": name} for name in names])
            for name in names:
                items = data.evidence[name]
                await _copy(driver, "documents", [_document(one) for one in items])
                await _copy(driver, "extractions", [_extraction(one) for one in items])
                await _copy(driver, "events", [_event(one) for one in items])
                await _copy(driver, "evidence", [_statement(one) for one in items])
                await _copy(driver, "bars", [_bar(known) for known in data.bars[name].bars])
        await driver.execute("VACUUM (ANALYZE)")


_SOURCE = {"source_id": "files", "name": "", "kind": "file", "config": "{}", "cadence_seconds": 0} | {
    "cadence_closed_seconds": 0,
    "paused": True,
    "removed": False,
    "credibility": "wire",
    "cursor": "",
    "failures": 0,
    "last_error": "",
    "created_at": KNOWN,
    "updated_at": KNOWN,
    "version": 1,
}
_COMPANY = dict.fromkeys(("sector", "industry", "cik", "exchange"), "") | {
    "kind": "stock",
    "followed": True,
    "origin": "seed",
    "version": 1,
}


def _document(one: EvidenceItem) -> dict[str, Any]:
    names = ("doc_id", "content_hash", "title", "publisher", "credibility", "published_at", "available_at")
    return {name: getattr(one, name) for name in names} | {
        "source_id": "files",
        "run_id": "run",
        "url": "",
        "language": "en",
        "precision": "instant",
        "recorded_at": one.available_at,
        "location": "",
        "raw_key": f"raw/{one.content_hash}",
        "answer_key": "",
        "text_key": f"text/{one.content_hash}",
        "story": one.doc_id,
        "sections": "[]",
        "insights": "[]",
        "shingles": list(one.shingles),
        "status": "processed",
        "error": "",
    }


def _extraction(one: EvidenceItem) -> dict[str, Any]:
    return {
        "extraction_id": one.extraction_id,
        "doc_id": one.doc_id,
        "agent": "document-extractor",
        "variant_id": "",
        "experiment": "",
        "shadow": False,
        "superseded": False,
        "extractor": one.extractor,
        "extractor_version": "1",
        "status": "valid",
        "result_key": "",
        "quotes_total": 1,
        "quotes_valid": 1,
        "dropped": "[]",
        "recorded_at": one.available_at,
    }


def _event(one: EvidenceItem) -> dict[str, Any]:
    names = ("extraction_id", "doc_id", "available_at", "materiality", "confidence")
    told = {name: getattr(one, name) for name in names}
    return told | {"event_id": one.evidence_id, "type": one.event_type, "horizon": "", "facts": "[]", "quotes": "[]"}


def _statement(one: EvidenceItem) -> dict[str, Any]:
    names = ("evidence_id", "extraction_id", "doc_id", "symbol", "available_at", "event_type", "role", "materiality")
    told = {name: getattr(one, name) for name in (*names, "sentiment", "confidence", "quote")}
    return told | {"event_id": one.evidence_id}


def _bar(known: KnownBar) -> dict[str, Any]:
    return known.bar.model_dump() | {"available_at": known.available_at}


async def _copy(driver: Any, table: str, rows: list[dict[str, Any]]) -> None:
    records = [tuple(row.values()) for row in rows]
    await driver.copy_records_to_table(table, records=records, columns=list(rows[0]), timeout=600)


@asynccontextmanager
async def _driver() -> AsyncIterator[Any]:
    parts = Parts(load(), client=None)  # type: ignore[arg-type]
    async with parts.database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver._config = driver._config._replace(command_timeout=600)
        yield driver
    await parts.close()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _measure() -> dict[str, float]:
    parts = Parts(load(), client=None)  # type: ignore[arg-type]
    shape = market_of(1, SESSIONS + WARM_UP, 1)
    request = request_for(shape).model_copy(update={"noted": Noted.TRADES})
    calendar = parts.calendar
    await parts.database.ping()
    before = _peak()
    begun = time.perf_counter()
    version, data = await read_period(parts.database, calendar, request, ReadBy.ALL)
    read, most = time.perf_counter() - begun, _peak() - before
    players = Players()
    play = partial(players.play, version, data, request, code_version="bench", on_progress=lambda _: None)
    begun = time.perf_counter()
    await play(None, until=0)
    ready = time.perf_counter() - begun
    begun, state = time.perf_counter(), None
    for done in range(0, len(data.sessions), SESSIONS_A_STEP):
        state = await play(state, until=min(done + SESSIONS_A_STEP, len(data.sessions)))
    played = time.perf_counter() - begun
    await players.close()
    await parts.close()
    return {
        "read": read,
        "megabytes": most,
        "begun": ready,
        "played": played,
        "statements": sum(map(len, data.evidence.values())),
        "bars": sum(len(series.bars) for series in data.bars.values()),
    }


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        asyncio.run(_fill())
    else:
        print(json.dumps(asyncio.run(_measure())))
