"""Backtests: begin one on what the book holds, follow it, cancel it, read its report."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.sweeps import SweepStart
from api.operations.links import TemporalLinks
from domain.backtest import BacktestRequest, Membership, Noted, ReadBy
from domain.backtest_report import BacktestReport
from domain.backtest_run import BacktestProgress, BacktestResult, start_of
from domain.config import Tier, TradingConfig, changed
from domain.costs import CostModel
from domain.errors import Conflict, InvalidInput, VendorRejected
from domain.registry import Line
from domain.sweep import SweepReport, SweepRequest, WalkForward, combinations
from store import backtests, config
from store.database import Database
from store.objects import ObjectStore
from store.tables.trading import Backtest
from workflows import names
from workflows.names import Queue
from workflows.run_backtest import RunBacktest
from workflows.sweep_backtests import SweepBacktests

RPC_TIMEOUT = timedelta(seconds=30)
PROGRESS_TIMEOUT = timedelta(seconds=3)


class NewBacktest(BaseModel):
    """What to play. The configuration is the present one, or a tier's, with the changes given."""

    model_config = ConfigDict(extra="forbid")

    first: date
    last: date
    name: Annotated[Line, Field(max_length=200)] = ""
    opening_cash: Annotated[Decimal, Field(gt=0, le=10**12, max_digits=18, decimal_places=6)] = Decimal(100_000)
    tier: Annotated[Tier | None, Field(description="start from its preset, not from the present configuration")] = None
    changes: Annotated[dict[str, Any], Field(max_length=20)] = Field(
        default_factory=dict, description='parts of the configuration: {"signals": {"kappa": 2}}'
    )
    costs: CostModel = CostModel()
    protect: Annotated[bool, Field(description="with stops, breakers, the reserve and tiers")] = False
    read_by: ReadBy = ReadBy.ALL
    noted: Annotated[
        Noted, Field(description="which decisions are kept: every change, or trades alone, which is faster")
    ] = Noted.CHANGES
    universe: Annotated[
        list[Membership],
        Field(max_length=20_000, description="what may be bought, and when: an index as it was; empty: everything"),
    ] = []
    benchmark: Annotated[str, Field(pattern=r"^[A-Z0-9.\-]{1,20}$")] = "SPY"
    model_cutoff: Annotated[date | None, Field(description="last day that the model's training may have seen")] = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last {self.last} is before first {self.first}")
        return self


class BacktestView(BaseModel):
    """A backtest, how far it is, and its headline when it is finished."""

    backtest_id: str
    name: str
    status: str
    first: date
    last: date
    config_version: str
    data_version: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    error: str
    progress: BacktestProgress | None = None
    result: BacktestResult | None = None
    temporal_url: str


async def begin(
    database: Database,
    client: Client,
    links: TemporalLinks,
    wanted: NewBacktest,
    *,
    code_version: str,
    actor: str,
) -> BacktestView:
    """Begin a backtest on what the book holds now. The same one again is the one that was begun before.

    Raises:
        InvalidInput: changes that no configuration allows.
    """
    async with database.transaction() as session:
        request = await _request(session, wanted)
        lookback = request.config.signals.lookback_days
        version = await backtests.fingerprint(session, first=request.first, last=request.last, lookback_days=lookback)
        start = start_of(request, version, code_version)
        row = await backtests.begin(session, start, requested_by=actor, now=datetime.now(UTC))
    if row.status == backtests.RUNNING:
        with suppress(WorkflowAlreadyStartedError):  # it has ended between the look and the start
            await client.start_workflow(
                RunBacktest.run,
                start,
                id=names.backtest_id(start.backtest_id),
                task_queue=Queue.OPS,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"{wanted.first} to {wanted.last}",
                rpc_timeout=RPC_TIMEOUT,
            )
    return await get(database, client, links, start.backtest_id)


async def _request(session: AsyncSession, wanted: NewBacktest) -> BacktestRequest:
    base = TradingConfig.for_tier(wanted.tier) if wanted.tier is not None else await config.current(session)
    settings = changed(base, wanted.changes)
    return BacktestRequest(
        **wanted.model_dump(include=set(BacktestRequest.model_fields) - {"config", "costs", "protection"}),
        config=settings,
        costs=wanted.costs,
        protection=settings.protection if wanted.protect else None,
    )


async def begin_sweep(
    database: Database,
    client: Client,
    wanted: NewBacktest,
    grid: Mapping[str, Sequence[Any]],
    walk_forward: WalkForward | None,
    *,
    actor: str,
) -> str:
    """Begin a sweep and return its id. Every combination is tried as a backtest of its own.

    Raises:
        InvalidInput: a combination that no configuration allows, or too many of them.
    """
    async with database.transaction() as session:
        base = await _request(session, wanted)
    try:
        request = SweepRequest(
            name=wanted.name,
            base=base,
            grid={name: tuple(values) for name, values in grid.items()},
            walk_forward=walk_forward,
        )
    except ValidationError as error:
        raise InvalidInput("SWEEP_INVALID", str(error.errors(include_url=False)[0]["msg"]), field="grid") from error
    for _, changes in combinations(request.grid):
        changed(base.config, changes)
    start = SweepStart(sweep_id=uuid.uuid4().hex[:24], request=request, requested_by=actor)
    await client.start_workflow(
        SweepBacktests.run,
        start,
        id=names.sweep_id(start.sweep_id),
        task_queue=Queue.OPS,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        static_summary=f"{wanted.first} to {wanted.last}",
        rpc_timeout=RPC_TIMEOUT,
    )
    return start.sweep_id


async def sweep_report(database: Database, sweep_id: str) -> SweepReport:
    """What a sweep found.

    Raises:
        NotFound: there is none that has ended.
    """
    async with database.transaction() as session:
        return await backtests.sweep(session, sweep_id)


async def wait_sweep(client: Client, sweep_id: str) -> SweepReport:
    """Wait for what a sweep finds.

    Raises:
        VendorRejected: it gave up or was canceled; the message says why.
    """
    handle = client.get_workflow_handle(names.sweep_id(sweep_id), result_type=SweepReport)
    try:
        report: SweepReport = await handle.result()
    except WorkflowFailureError as error:
        raise VendorRejected("SWEEP_ENDED", _cause(error), sweep_id=sweep_id) from error
    return report


async def get(database: Database, client: Client, links: TemporalLinks, backtest_id: str) -> BacktestView:
    """One backtest, with its progress while it runs.

    Raises:
        NotFound: there is none.
    """
    async with database.transaction() as session:
        row = await backtests.require(session, backtest_id)
    progress = await _progress(client, backtest_id) if row.status == backtests.RUNNING else None
    return _view(row, links, progress)


async def list_recent(
    database: Database, links: TemporalLinks, *, limit: int, before: tuple[datetime, str] | None = None
) -> list[BacktestView]:
    async with database.transaction() as session:
        return [_view(row, links, None) for row in await backtests.list_recent(session, limit=limit, before=before)]


async def wait(client: Client, backtest_id: str) -> BacktestResult:
    """Wait for a backtest's end.

    Raises:
        VendorRejected: it gave up or was canceled; the message says why.
    """
    handle = client.get_workflow_handle(names.backtest_id(backtest_id), result_type=BacktestResult)
    try:
        result: BacktestResult = await handle.result()
    except WorkflowFailureError as error:
        raise VendorRejected("BACKTEST_ENDED", _cause(error), backtest_id=backtest_id) from error
    return result


async def report(database: Database, objects: ObjectStore, backtest_id: str) -> BacktestReport:
    """The report of a finished backtest.

    Raises:
        Conflict: it has none yet.
    """
    return BacktestReport.model_validate_json(await objects.get((await _result(database, backtest_id)).report_key))


async def page(database: Database, objects: ObjectStore, backtest_id: str) -> bytes:
    """The report as a page of its own.

    Raises:
        Conflict: it has none yet.
    """
    return await objects.get((await _result(database, backtest_id)).page_key)


async def cancel_or_remove(database: Database, client: Client, backtest_id: str) -> str:
    """Cancel a backtest that runs, and forget the result of one that ended. That it was tried is not forgotten."""
    async with database.transaction() as session:
        row = await backtests.require(session, backtest_id)
        if row.status != backtests.RUNNING:
            await backtests.remove(session, backtest_id)
            return "removed"
    await client.get_workflow_handle(names.backtest_id(backtest_id)).cancel(rpc_timeout=RPC_TIMEOUT)
    return "canceling"


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


async def _result(database: Database, backtest_id: str) -> BacktestResult:
    async with database.transaction() as session:
        row = await backtests.require(session, backtest_id)
    if row.status != backtests.FINISHED:
        raise Conflict(
            "BACKTEST_NOT_FINISHED",
            row.error or "It has a report once it is finished",
            backtest_id=backtest_id,
            status=row.status,
        )
    return BacktestResult.model_validate(row.result)


async def _progress(client: Client, backtest_id: str) -> BacktestProgress | None:
    """How far it is; None where its workflow does not answer, because it has ended or nobody serves it."""
    handle = client.get_workflow_handle(names.backtest_id(backtest_id))
    try:
        return await handle.query(RunBacktest.progress, rpc_timeout=PROGRESS_TIMEOUT)
    except (RPCError, WorkflowQueryFailedError):
        return None


def _view(row: Backtest, links: TemporalLinks, progress: BacktestProgress | None) -> BacktestView:
    request = BacktestRequest.model_validate(row.request)
    return BacktestView(
        backtest_id=row.backtest_id,
        name=request.name,
        status=row.status,
        first=request.first,
        last=request.last,
        config_version=request.config.version(),
        data_version=row.data_version,
        requested_by=row.requested_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
        error=row.error,
        progress=progress,
        result=BacktestResult.model_validate(row.result) if row.result else None,
        temporal_url=links.workflow(names.backtest_id(row.backtest_id)),
    )
