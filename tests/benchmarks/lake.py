"""A million documents through an export of the lake: how fast, in how much memory, and what an export costs later.

The export runs in a process of its own, whose memory is that of the activity and the libraries behind it alone.
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
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from domain.lake import ExportRequest
from domain.lake_tables import BY_NAME
from tests.benchmarks.figure import Figure
from tests.conftest import REPOSITORY, running_servers
from workers.parts import Parts
from workers.settings import load

DOCUMENTS = 1_000_000
GOAL_MEGABYTES = 300.0
_SOURCE = """
    INSERT INTO sources (source_id, name, kind, config, cadence_seconds, cadence_closed_seconds, paused, removed,
        credibility, cursor, failures, last_error, created_at, updated_at, version)
    VALUES ('wire', '', 'file', '{}', 0, 0, true, false, 'wire', '', 0, '', now(), now(), 1)
"""
_DOCUMENTS = """
    INSERT INTO documents (doc_id, content_hash, source_id, run_id, title, url, publisher, language, credibility,
        published_at, precision, available_at, recorded_at, location, raw_key, answer_key, text_key, story, sections,
        insights, shingles, status, error)
    SELECT left(md5(n::text), 24), md5(n::text), 'wire', 'run', 'A headline of a usual length, number ' || n, '',
        'Reuters', 'en', 'wire', at, 'instant', at, at, '', 'packs/' || md5(n::text), '', 'packs/' || md5(n::text),
        left(md5(n::text), 24), '[]', '[]', ARRAY[n, n + 1, n + 2], 'processed', ''
    FROM (
        SELECT n, timestamptz '2012-01-01Z' + n * interval '315 seconds' AS at FROM generate_series(1, :count) n
    ) AS made
"""
_CHANGE = "UPDATE documents SET status = 'retracted' WHERE doc_id = left(md5('77'), 24)"
_QUERY = "SELECT date_trunc('month', available_at) AS month, count(*) FROM documents GROUP BY 1 ORDER BY 1"


def lake() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="stonks-lake-") as directory, running_servers(Path(directory)) as servers:
        environment = servers.environment()
        asyncio.run(_run(environment, _SOURCE))
        asyncio.run(_run(environment, _DOCUMENTS, count=DOCUMENTS))
        first, again = _export(environment), _export(environment)
        asyncio.run(_run(environment, _CHANGE))
        changed = _export(environment)
        seconds = asyncio.run(_query(environment))
    assert (first["rows_written"], again["rows_written"]) == (DOCUMENTS, 0)
    how = f"{DOCUMENTS} documents of ten years, by month"
    yield Figure("documents exported, first time", DOCUMENTS / first["seconds"], "a second", how)
    yield Figure("the same, in the lake", first["bytes_written"] / DOCUMENTS, "bytes each", how)
    above = "memory of the export above what its libraries take"
    yield Figure(above, first["megabytes"], "MB", how, at_most=GOAL_MEGABYTES)
    yield Figure("memory of the export's process at its most", first["peak"], "MB", how)
    yield Figure("an export with nothing new", again["seconds"], "s", how)
    yield Figure("an export after one document changed", changed["seconds"], "s", how)
    yield Figure("rows that it wrote", changed["rows_written"], "rows", how)
    yield Figure("documents by month, counted by a query", seconds, "s", how)


async def _run(environment: dict[str, str], statement: str, **values: Any) -> None:
    parts = Parts(load(environment), client=None)  # type: ignore[arg-type]
    async with parts.database.engine.begin() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        raw._config = raw._config._replace(command_timeout=600)
        await connection.execute(text(statement), values)
    await parts.close()


async def _query(environment: dict[str, str]) -> float:
    from activities.adapters.lake.querying import query

    parts = Parts(load(environment), client=None)  # type: ignore[arg-type]
    begun = time.perf_counter()
    found = await asyncio.to_thread(query, parts.lake, BY_NAME, _QUERY, limit=1_000)
    seconds = time.perf_counter() - begun
    assert sum(count for _, count in found.rows) == DOCUMENTS
    await parts.close()
    return seconds


def _export(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.lake"],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _measure() -> dict[str, float]:
    parts = Parts(load(), client=None)  # type: ignore[arg-type]
    await parts.objects.ensure_bucket()
    activities = parts.publishing_activities()
    await ActivityEnvironment().run(
        activities.publish_table, ExportRequest(publication_id=str(uuid.uuid4()), table="fills")
    )
    before, begun = _peak(), time.perf_counter()
    request = ExportRequest(publication_id=str(uuid.uuid4()), table="documents")
    done = await ActivityEnvironment().run(activities.publish_table, request)
    seconds = time.perf_counter() - begun
    await parts.close()
    return {
        "seconds": seconds,
        "megabytes": _peak() - before,
        "peak": _peak(),
        "rows_written": done.rows_written,
        "bytes_written": done.bytes_written,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure())))
