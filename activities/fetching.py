"""Fetching: ask a vendor for one page and keep the answer's bytes before anybody reads them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from temporalio import activity

from activities.adapters.contract import SourceAdapter
from domain.fetching import HttpAnswer, HttpRequest, MailRequest, Request
from domain.ingestion import FetchedAnswer, FetchTask, kept_headers
from domain.sources import SourceKind
from store.objects import ObjectStore, key_for

BEAT_SECONDS = 3.0


class WebPort(Protocol):
    """Sends GET requests through the URL guard."""

    async def fetch(self, request: HttpRequest, *, now: datetime) -> HttpAnswer: ...


class MailPort(Protocol):
    """Reads messages of a mailbox."""

    async def fetch(self, request: MailRequest, *, now: datetime) -> HttpAnswer: ...


class FetchActivities:
    """Runs on a task queue per rate group, whose limit the server holds over all workers."""

    def __init__(
        self, objects: ObjectStore, web: WebPort, mail: MailPort, adapters: Mapping[SourceKind, SourceAdapter]
    ) -> None:
        self._objects = objects
        self._web = web
        self._mail = mail
        self._adapters = adapters

    @activity.defn
    async def take_turn(self) -> None:
        """Wait for a turn: the queue that this runs on hands out so many a second, and that is all it does."""

    @activity.defn
    async def fetch_page(self, task: FetchTask) -> FetchedAnswer:
        """Ask once. A repeat asks again; equal answers are one object."""
        began = time.monotonic()
        beating = asyncio.create_task(_beat())
        try:
            answer = await self._ask(task.request)
        finally:
            beating.cancel()
        elapsed = int((time.monotonic() - began) * 1_000)
        self._adapters[task.kind].judge(answer)
        key = ""
        if answer.body:
            key = key_for("answers", hashlib.sha256(answer.body).hexdigest())
            await self._objects.put(key, answer.body)
        return FetchedAnswer(
            status=answer.status,
            url=answer.url,
            headers=kept_headers(answer.headers),
            body_key=key,
            bytes=len(answer.body),
            fetched_at=answer.fetched_at,
            elapsed_ms=elapsed,
        )

    async def _ask(self, request: Request) -> HttpAnswer:
        now = datetime.now(UTC)
        if isinstance(request, MailRequest):
            return await self._mail.fetch(request, now=now)
        return await self._web.fetch(request, now=now)


async def _beat() -> None:
    """Heartbeat while the vendor is waited for, so that a worker that died is noticed long before its time is up."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT_SECONDS)
