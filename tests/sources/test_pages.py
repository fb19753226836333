"""Paging: cursors, a page that fails, a worker that dies, and rate limits over all workers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from activities.adapters.contract import SourceAdapter
from api.operations import dead_letters
from api.operations.links import TemporalLinks
from domain.errors import SourceFormatError
from domain.fetching import HttpAnswer, SourcePage
from domain.sources import SourceKind
from store import sources
from tests.conftest import REPOSITORY
from tests.sources.articles import BEGIN, Articles
from tests.sources.newsroom import Newsroom, Turns, rss, xml
from tests.web.server import hang
from workflows.ingest_source import IngestSource

NEWS = "/v2/reference/news"


async def _polygon(newsroom: Newsroom, **changes: Any) -> str:
    config = {"kind": "polygon_news", "base_url": newsroom.url, "since": BEGIN.isoformat(), **changes}
    return await newsroom.source(config)


def _three_pages(newsroom: Newsroom, articles: Articles) -> Turns:
    """Pages behind one path: the first by its parameters, the others by `next_url`."""
    url = newsroom.url + NEWS
    return Turns(
        articles.page(1, 2, next_url=f"{url}?cursor=2"),
        articles.page(3, 4, next_url=f"{url}?cursor=3"),
        articles.page(5),
    )


async def test_pages_when_several_follow_then_all_are_read_and_the_cursor_stands_after_the_last(
    newsroom: Newsroom,
) -> None:
    articles = Articles()
    newsroom.vendor.replies[NEWS] = _three_pages(newsroom, articles)
    source_id = await _polygon(newsroom)

    async with newsroom.working():
        report = await newsroom.run(source_id)

    assert (report.pages, report.registered) == (3, 5)
    rows = await newsroom.documents(source_id)
    assert [row.story for row in rows] == articles.stories(1, 2, 3, 4, 5)
    assert rows[0].insights == [{"ticker": "AAPL", "sentiment": "mixed", "reasoning": "Both sides."}]
    assert datetime.fromisoformat(json.loads((await newsroom.row(source_id)).cursor)["at"]) == rows[-1].published_at


async def test_credentials_when_sent_then_they_stand_in_no_history_and_no_row(newsroom: Newsroom) -> None:
    articles = Articles()
    newsroom.vendor.replies[NEWS] = _three_pages(newsroom, articles)
    source_id = await _polygon(newsroom)

    async with newsroom.working():
        handle = await newsroom.start(source_id)
        await handle.result()

    sent = {headers.get("authorization") for _, headers in newsroom.vendor.requests}
    assert sent == {"Bearer canary-polygon-key-4711"}
    history = (await handle.fetch_history()).to_json()
    decoded = b"".join(payload.data for payload in _payloads(await handle.fetch_history()))
    assert "canary" not in history
    assert b"canary" not in decoded
    assert "canary" not in json.dumps([row.model_dump(mode="json") for row in await newsroom.documents(source_id)])


def _payloads(history: Any) -> list[Any]:
    found = []
    for event in history.events:
        for _, value in event.ListFields():
            for name in ("input", "result"):
                if hasattr(value, name):
                    found += list(getattr(value, name).payloads)
    return found


async def test_page_when_unreadable_then_those_before_it_stay_and_a_mended_adapter_goes_on_there(
    newsroom: Newsroom,
) -> None:
    articles = Articles()
    newsroom.vendor.replies[NEWS] = _three_pages(newsroom, articles)
    source_id = await _polygon(newsroom)
    parts = newsroom.parts

    broken = {SourceKind.POLYGON_NEWS: _broken(newsroom, on=f'"{articles.mark}-3"'.encode())}
    async with newsroom.working(adapters=broken):
        handle = await newsroom.start(source_id)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    asked = len(newsroom.vendor.requests)
    assert [row.story for row in await newsroom.documents(source_id)] == articles.stories(1, 2)
    assert (await newsroom.runs(source_id))[0].status == "failed"

    async with newsroom.working():
        retried = await dead_letters.retry(
            parts.client, parts.database, TemporalLinks("", "stonks"), workflow_id=handle.id, actor="test"
        )
        report = await parts.client.get_workflow_handle_for(IngestSource.run, handle.id, run_id=retried.run_id).result()

    assert retried.stage == "register"
    assert len(newsroom.vendor.requests) == asked + 1  # the second page was stored: only the third is asked for
    assert report.registered == 5
    assert [row.story for row in await newsroom.documents(source_id)] == articles.stories(1, 2, 3, 4, 5)
    (run,) = await newsroom.runs(source_id)
    assert (run.status, run.pages) == ("finished", 3)
    assert (await newsroom.row(source_id)).failures == 0


def _broken(newsroom: Newsroom, *, on: bytes) -> SourceAdapter:
    """Polygon's adapter, which fails on pages that hold the bytes."""
    adapter = newsroom.parts.source_adapters[SourceKind.POLYGON_NEWS]

    def read(config: Any, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
        if on in answer.body:
            raise SourceFormatError("BROKEN_ON_PURPOSE", "Mend the adapter")
        return adapter.read(config, cursor, answer, now)

    return dataclasses.replace(adapter, read=read)


async def test_run_when_another_moved_the_cursor_meanwhile_then_it_keeps_what_it_read_and_stops(
    newsroom: Newsroom,
) -> None:
    articles, asked, answer = Articles(), asyncio.Event(), asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answer.wait()
        await articles.page(3, 4, next_url=f"{newsroom.url}{NEWS}?cursor=3")(writer)

    turns = Turns(articles.page(1, 2, next_url=f"{newsroom.url}{NEWS}?cursor=2"), wait, articles.page(5))
    newsroom.vendor.replies[NEWS] = turns
    source_id = await _polygon(newsroom)

    async with newsroom.working():
        handle = await newsroom.start(source_id)
        await asked.wait()
        async with newsroom.parts.database.transaction() as session:
            row = await sources.require(session, source_id)
            row.cursor = further = '{"at":"2030-01-01T00:00:00+00:00","seen":[]}'
            session.add(row)
        answer.set()
        report = await handle.result()

    assert (report.pages, turns.asked) == (2, 2)
    assert [row.story for row in await newsroom.documents(source_id)] == articles.stories(1, 2, 3, 4)
    assert (await newsroom.runs(source_id))[0].status == "superseded"
    assert (await newsroom.row(source_id)).cursor == further


async def test_worker_when_killed_in_the_middle_of_a_page_then_no_document_is_lost_or_doubled(
    newsroom: Newsroom,
) -> None:
    articles, url = Articles(), newsroom.url + NEWS
    turns = Turns(
        articles.page(1, 2, next_url=f"{url}?cursor=2"),
        hang,
        articles.page(3, 4, next_url=f"{url}?cursor=3"),
        articles.page(5),
    )
    newsroom.vendor.replies[NEWS] = turns
    source_id = await _polygon(newsroom)
    environment = {**newsroom.environment, "STONKS_FETCH_SECONDS": "60"}

    async with _process(environment) as worker:
        handle = await newsroom.start(source_id)
        while turns.asked < 2:
            await asyncio.sleep(0.05)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(timeout=10)
    async with _process(environment):
        report = await asyncio.wait_for(handle.result(), 90)

    assert (report.pages, report.registered) == (3, 5)
    rows = await newsroom.documents(source_id)
    assert [row.story for row in rows] == articles.stories(1, 2, 3, 4, 5)
    assert turns.asked == 4


@asynccontextmanager
async def _process(environment: Mapping[str, str]) -> AsyncIterator[subprocess.Popen[bytes]]:
    queues = [argument for queue in ("ingest", "fetch", "ops") for argument in ("--queue", queue)]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "worker", *queues],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


async def test_rate_limit_when_several_workers_share_it_then_the_vendor_sees_no_more(newsroom: Newsroom) -> None:
    limit, runs = 4.0, 5
    newsroom.vendor.replies["/news"] = xml(rss([("A title", "A text")]))
    ids = [await newsroom.feed("/news") for _ in range(runs * 4)]
    seen: list[float] = []
    newsroom.vendor.replies["/news"] = _noting(seen, xml(rss([("A title", "A text")])))

    async with newsroom.working(STONKS_RATE_WEB=str(limit)), newsroom.working(STONKS_RATE_WEB=str(limit)):
        await asyncio.gather(*(newsroom.run(source_id) for source_id in ids))

    spread = seen[-1] - seen[0]
    assert len(seen) == len(ids)
    # A burst of a second's worth may come first; after it, no more than the limit.
    assert spread >= (len(ids) - 2 * limit) / limit, f"{len(ids)} requests in {spread:.2f} s"


def _noting(seen: list[float], answer: Any) -> Any:
    async def send(writer: asyncio.StreamWriter) -> None:
        seen.append(time.monotonic())
        await answer(writer)

    return send


async def test_kind_of_request_when_it_has_a_limit_of_its_own_then_it_waits_for_turns(newsroom: Newsroom) -> None:
    seen: list[float] = []
    newsroom.vendor.replies[NEWS] = _noting(seen, Articles().page(1))
    ids = [await _polygon(newsroom) for _ in range(12)]

    async with newsroom.working(STONKS_RATE_POLYGON_NEWS="3"):
        await asyncio.gather(*(newsroom.run(source_id) for source_id in ids))

    assert seen[-1] - seen[0] >= (len(ids) - 6) / 3
