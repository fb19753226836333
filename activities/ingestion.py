"""Ingestion: plan a run, register what a page or a file holds, start the new documents, note how the run ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.adapters.contract import SourceAdapter
from activities.ports import Flows
from activities.registration import Origin, Registration
from activities.release import release_due
from domain.documents import Reject, SourceDocument
from domain.errors import ConfigurationError
from domain.fetching import SourcePage
from domain.ingestion import (
    IngestReport,
    IngestRequest,
    PageReport,
    PageTask,
    PreviewTask,
    ReleaseReport,
    ReleaseRequest,
    RunEnd,
    RunPlan,
    RunStatus,
    SourceTestReport,
    SourceTestRequest,
)
from domain.market import Bar, CorporateAction
from domain.sources import RATE_GROUPS, EdgarCurrentConfig, SourceConfig, SourceKind, publisher_of, read_config
from store import facts, registry, sources
from store.database import Database
from store.objects import ObjectStore
from store.registry import SymbolMaster
from store.tables.ingestion import Source

BATCH = 500
EXAMPLES = 5
"""Titles and refusals that a test of a source shows."""

Reader = Callable[[SourceConfig, datetime], Iterator[SourceDocument | Reject]]
"""Streams a source that is read whole: every record becomes a document or says why not."""


class IngestionActivities:
    """What a run does but for asking the vendor. `driven` is true in a replay: a document is known when published."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        flows: Flows,
        readers: Mapping[SourceKind, Reader],
        adapters: Mapping[SourceKind, SourceAdapter],
        *,
        driven: bool,
    ) -> None:
        self._database = database
        self._objects = objects
        self._flows = flows
        self._readers = readers
        self._adapters = adapters
        self._driven = driven

    @activity.defn
    async def plan_run(self, request: IngestRequest) -> RunPlan:
        """Begin a run: note it, and say what is asked first. A repeat finds its own row and asks the same."""
        present = _present(request)
        async with self._database.transaction() as session:
            source = await sources.require(session, request.source_id)
            await sources.start_run(
                session,
                run_id=request.run_id,
                source_id=request.source_id,
                started_at=present,
                workflow_id=activity.info().workflow_id or "",
            )
        kind = SourceKind(source.kind)
        if kind in self._readers:
            return RunPlan(kind=kind, rate_group=RATE_GROUPS[kind])
        config = await self._completed(sources.config_of(source))
        first = self._adapter(kind).first(config, source.cursor, present)
        return RunPlan(kind=kind, rate_group=RATE_GROUPS[kind], cursor=source.cursor, first=first)

    @activity.defn
    async def plan_test(self, request: SourceTestRequest) -> RunPlan:
        """Say what a source, saved or only proposed, is asked first. Nothing is noted."""
        config, cursor = await self._config(request)
        if config.kind in self._readers:
            return RunPlan(kind=config.kind, rate_group=RATE_GROUPS[config.kind])
        first = self._adapter(config.kind).first(config, cursor, datetime.now(UTC))
        return RunPlan(kind=config.kind, rate_group=RATE_GROUPS[config.kind], cursor=cursor, first=first)

    @activity.defn
    async def fetch(self, request: IngestRequest) -> IngestReport:
        """Read a whole source, such as a file, in batches; a repeat reads again and finds its own rows."""
        present = _present(request)
        async with self._database.transaction() as session:
            source = await sources.require(session, request.source_id)
            master = await registry.load_master(session)
            await sources.start_run(
                session,
                run_id=request.run_id,
                source_id=request.source_id,
                started_at=present,
                workflow_id=activity.info().workflow_id or "",
            )
        kind = SourceKind(source.kind)
        reader = self._readers.get(kind)
        if reader is None:
            known = ", ".join(sorted(self._readers))
            raise ConfigurationError("SOURCE_KIND_UNKNOWN", f"Read whole are: {known}", kind=source.kind)
        config = sources.config_of(source)
        registration = self._registration(request, source, config)
        records = reader(config, present)
        began = time.monotonic()
        while chunk := await asyncio.to_thread(lambda: list(islice(records, BATCH))):
            await registration.add(chunk, master, now=datetime.now(UTC))
            activity.heartbeat(registration.report.read)
        registration.count(register_ms=_since(began))
        async with self._database.transaction() as session:
            await sources.save_run(
                session, registration.report, status=RunStatus.FINISHED, finished_at=datetime.now(UTC)
            )
        return registration.report

    @activity.defn
    async def register_page(self, task: PageTask) -> PageReport:
        """Read a stored answer and write down what it holds, in one transaction with the source's new cursor.

        Keyed by content: a repeat, also after the adapter was mended, changes nothing that stands already.
        """
        began = time.monotonic()
        async with self._database.transaction() as session:
            source = await sources.require(session, task.source_id)
            master = await registry.load_master(session)
        config = await self._completed(sources.config_of(source))
        body = await self._objects.get(task.answer.body_key) if task.answer.body_key else b""
        page = await self._read(config, task, body)
        now = datetime.now(UTC)
        request = IngestRequest(source_id=task.source_id, run_id=task.run_id)
        registration = self._registration(request, source, config, answer_key=task.answer.body_key)
        moved, new_facts = True, 0

        async def also(session: AsyncSession) -> None:
            nonlocal moved, new_facts
            new_facts = await _save_facts(session, page, master, source_id=task.source_id, now=now)
            moved = await sources.move_cursor(session, task.source_id, read_from=task.cursor, read_to=page.cursor)

        await registration.add([*page.documents, *page.rejects], master, now=now, also=also)
        registration.count(pages=1, facts=new_facts, bytes=task.answer.bytes, fetch_ms=task.answer.elapsed_ms)
        registration.count(register_ms=_since(began))
        counts = registration.report.model_dump(exclude={"run_id", "source_id"})
        return PageReport(
            counts={name: count for name, count in counts.items() if count},
            cursor=page.cursor,
            next=page.next if moved else None,
            superseded=not moved,
            recorded_at=now,
        )

    @activity.defn
    async def preview_page(self, preview: PreviewTask) -> SourceTestReport:
        """Read a stored answer and say what it holds, registering nothing."""
        request, task = preview.test, preview.page
        config, _ = await self._config(request)
        body = await self._objects.get(task.answer.body_key) if task.answer.body_key else b""
        page = await self._read(config, task, body)
        return SourceTestReport(
            source_id=request.source_id,
            kind=config.kind,
            status=task.answer.status,
            url=task.answer.url.partition("?")[0],
            bytes=task.answer.bytes,
            elapsed_ms=task.answer.elapsed_ms,
            documents=len(page.documents),
            bars=len(page.bars),
            actions=len(page.actions),
            companies=len(page.companies),
            figures=len(page.reported) + len(page.macro),
            rejected=len(page.rejects),
            more=page.next is not None,
            titles=tuple(document.title[:200] for document in page.documents[:EXAMPLES]),
            rejects=tuple(f"{reject.reason}: {reject.detail}"[:300] for reject in page.rejects[:EXAMPLES]),
        )

    @activity.defn
    async def preview_whole(self, request: SourceTestRequest) -> SourceTestReport:
        """Read the beginning of a source that is read whole and say what it holds, registering nothing."""
        config, _ = await self._config(request)
        records = self._readers[config.kind](config, datetime.now(UTC))
        found = await asyncio.to_thread(lambda: list(islice(records, BATCH)))
        read = [record for record in found if isinstance(record, SourceDocument)]
        refused = [record for record in found if isinstance(record, Reject)]
        return SourceTestReport(
            source_id=request.source_id,
            kind=config.kind,
            status=200,
            url="",
            bytes=0,
            elapsed_ms=0,
            documents=len(read),
            rejected=len(refused),
            more=len(found) == BATCH,
            titles=tuple(document.title[:200] for document in read[:EXAMPLES]),
            rejects=tuple(f"{reject.reason}: {reject.detail}"[:300] for reject in refused[:EXAMPLES]),
        )

    @activity.defn
    async def end_run(self, end: RunEnd) -> None:
        """Note how a run ended and what that says about its source's health, which its schedule then follows."""
        async with self._database.transaction() as session:
            before = await sources.find(session, end.report.source_id)
            failures = before.failures if before is not None else 0
            await sources.save_run(
                session, end.report, status=end.status, finished_at=datetime.now(UTC), error=end.error
            )
        if failures or end.status is RunStatus.FAILED:
            await self._flows.reconcile_schedules()

    @activity.defn
    async def release(self, request: ReleaseRequest) -> ReleaseReport:
        """Start a workflow for every registered document that is due."""
        ids = await release_due(self._database, self._flows, until=request.until, heartbeat=activity.heartbeat)
        return ReleaseReport(released=len(ids))

    def _adapter(self, kind: SourceKind) -> SourceAdapter:
        adapter = self._adapters.get(kind)
        if adapter is None:
            raise ConfigurationError("SOURCE_KIND_UNKNOWN", f"Known kinds: {', '.join(SourceKind)}", kind=kind)
        return adapter

    async def _completed(self, config: SourceConfig) -> SourceConfig:
        """A configuration that follows the registry, with whom the registry follows."""
        if not isinstance(config, EdgarCurrentConfig) or config.ciks:
            return config
        async with self._database.transaction() as session:
            followed = await facts.ciks(session)
        return config.model_copy(update={"ciks": tuple(sorted(followed))})

    async def _config(self, request: SourceTestRequest) -> tuple[SourceConfig, str]:
        if request.config is not None:
            return read_config(request.config), ""
        async with self._database.transaction() as session:
            source = await sources.require(session, request.source_id)
        return sources.config_of(source), source.cursor

    async def _read(self, config: SourceConfig, task: PageTask, body: bytes) -> SourcePage:
        """Read an answer in a thread, heartbeating: a large filing takes seconds."""
        answer = task.answer.with_body(body)
        reading = asyncio.create_task(
            asyncio.to_thread(self._adapter(config.kind).read, config, task.cursor, answer, task.answer.fetched_at)
        )
        while not (await asyncio.wait([reading], timeout=5))[0]:
            activity.heartbeat(task.page)
        return await reading

    def _registration(
        self, request: IngestRequest, source: Source, config: SourceConfig, *, answer_key: str = ""
    ) -> Registration:
        origin = Origin(
            source_id=source.source_id,
            publisher=publisher_of(config),
            credibility=config.credibility.value,
            answer_key=answer_key,
        )
        return Registration(self._database, self._objects, request, origin, driven=self._driven)


async def _save_facts(
    session: AsyncSession, page: SourcePage, master: SymbolMaster, *, source_id: str, now: datetime
) -> int:
    """Write a page's facts under today's symbols; whom the registry does not know is left out."""
    new = await facts.complete_companies(session, page.companies, origin=f"source {source_id}", now=now)
    bars = [bar for each in page.bars if (bar := _today(each, each.symbol, each.session, master))]
    actions = [action for each in page.actions if (action := _today(each, each.symbol, each.ex_date, master))]
    new += await facts.save_bars(session, bars)
    new += await facts.save_actions(session, actions)
    new += await facts.save_reported(session, page.reported)
    return new + await facts.save_macro(session, page.macro)


FactT = TypeVar("FactT", Bar, CorporateAction)


def _today(fact: FactT, label: str, day: date, master: SymbolMaster) -> FactT | None:
    """The fact under the symbol that its company has today; None where no company used the ticker that day."""
    symbol = master.resolve(label, day)
    return None if symbol is None else fact.model_copy(update={"symbol": symbol})


def _present(request: IngestRequest) -> datetime:
    if request.as_of is None:
        raise ConfigurationError("INGEST_WITHOUT_PRESENT", "The workflow fills `as_of` in", source=request.source_id)
    return request.as_of


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1_000)
