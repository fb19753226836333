"""Backtests: the sessions of the past in a process of their own, step by step, and the report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

from temporalio import activity

from activities.heartbeats import alive
from activities.ports import Calendar
from activities.simulating import REST_SECONDS, Players
from domain.backtest import BacktestRequest, BacktestState, ReadBy
from domain.backtest_data import BacktestData
from domain.backtest_report import BacktestReport, compose, returns_of
from domain.backtest_run import (
    BacktestEnd,
    BacktestPlan,
    BacktestResult,
    BacktestStart,
    ReportStep,
    SimulateStep,
    StepReport,
)
from domain.errors import Conflict, InvalidInput
from domain.evidence_columns import read_by_models
from domain.extraction import ExtractorKind
from domain.ids import digest
from domain.market import Session
from domain.overfitting import Trials, survey_trials
from store import backtests
from store.database import Database
from store.objects import ObjectStore, key_for

DAYS_BEFORE, DAYS_AFTER = 220, 10
"""Calendar days around a period whose sessions ages and holdings are counted on."""

Render = Callable[[BacktestReport], bytes]


class BacktestActivities:
    """All steps play the data that the book held when the backtest was begun; who has not got them reads them again."""

    def __init__(
        self, database: Database, objects: ObjectStore, calendar: Calendar, *, render: Render, code_version: str
    ) -> None:
        self._database = database
        self._objects = objects
        self._calendar = calendar
        self._render = render
        self._code_version = code_version
        self._kept: dict[str, BacktestData] = {}
        """By name, the newest last: what all read, and what rules alone did; the report looks at the first again."""
        self._forgets: asyncio.TimerHandle | None = None
        self._players = Players()

    async def close(self) -> None:
        self._remember()
        await self._players.close()

    @activity.defn
    async def plan_backtest(self, start: BacktestStart) -> BacktestPlan:
        """Look at what there is to play."""
        async with self._reading(start, ReadBy.ALL) as data:
            by_model = any(read_by_models(items) for items in data.evidence.values()) or any(
                item.extractor is not ExtractorKind.RULES for item in data.economy
            )
        return BacktestPlan(sessions=len(data.sessions), with_control=by_model and start.request.read_by is ReadBy.ALL)

    @activity.defn
    async def simulate_sessions(self, step: SimulateStep) -> StepReport:
        """Play some sessions. A repeat plays the same again; a canceled one stops its process."""
        async with self._reading(step.start, step.read_by) as data:
            state = await self._state(step.state_key) if step.state_key else None
            found = await self._players.play(
                self._name(step.start, step.read_by),
                data,
                step.start.request,
                state,
                until=step.until,
                code_version=self._code_version,
                on_progress=activity.heartbeat,
            )
            body = found.model_dump_json().encode()
            name = key_for("backtests", digest(body.decode(), length=64))
            key = await self._objects.put(name, body, "application/json")
        equity = found.marks[-1].equity if found.marks else found.cash
        async with self._database.transaction() as session:
            await backtests.tell_progress(
                session,
                step.start.backtest_id,
                {"step": step.read_by.value, "sessions_done": found.sessions_done, "equity": str(equity)},
                key=f"{activity.info().workflow_run_id}/{step.read_by.value}/{found.sessions_done}",
            )
        return StepReport(state_key=key, sessions_done=found.sessions_done, equity=str(equity))

    @activity.defn
    async def report_backtest(self, step: ReportStep) -> BacktestResult:
        """Measure the run beside its benchmarks, write the report and its page, and finish the backtest."""
        async with self._reading(step.start, step.start.request.read_by) as data:
            return await self._report(step, data)

    async def _report(self, step: ReportStep, data: BacktestData) -> BacktestResult:
        start = step.start
        state = await self._state(step.state_key)
        control = await self._state(step.control_key) if step.control_key else None
        equity = (start.request.opening_cash, *(mark.equity for mark in state.marks))
        returns = tuple(returns_of(equity))
        trials = await self._trials(start, returns)
        report = await asyncio.to_thread(
            compose,
            state,
            data,
            start.request,
            backtest_id=start.backtest_id,
            code_version=self._code_version,
            data_version=start.data_version,
            control=control,
            trials=trials,
        )
        body = report.model_dump_json(indent=1).encode()
        page = await asyncio.to_thread(self._render, report)
        name = f"backtests/{start.backtest_id}"
        report_key = await self._objects.put(f"{name}/{digest(body.decode())}.json", body, "application/json")
        page_key = await self._objects.put(f"{name}/{digest(body.decode())}.html", page, "text/html; charset=utf-8")
        result = _result(report, report_key, page_key)
        async with self._database.transaction() as session:
            await backtests.finish(session, start.backtest_id, result, returns, now=datetime.now(UTC))
        return result

    @activity.defn
    async def end_backtest(self, ended: BacktestEnd) -> None:
        """Note that it was canceled or gave up."""
        async with self._database.transaction() as session:
            await backtests.end(session, ended, now=datetime.now(UTC))

    async def _trials(self, start: BacktestStart, returns: tuple[float, ...]) -> Trials:
        async with self._database.transaction() as session:
            others, kept = await backtests.trials(session, start.request, besides=start.backtest_id)
        records = [returns, *(each for each in kept if len(each) == len(returns))]
        table = [list(session) for session in zip(*records, strict=True)]
        return survey_trials(table, logged=others + 1)

    async def _state(self, key: str) -> BacktestState:
        return BacktestState.model_validate_json(await self._objects.get(key))

    @asynccontextmanager
    async def _reading(self, start: BacktestStart, read_by: ReadBy) -> AsyncIterator[BacktestData]:
        """Beat while something is done with the data, which are kept until nobody has asked for them for a while."""
        self._remember()
        try:
            async with alive():
                yield await self._data(start, read_by)
        finally:
            self._remember()
            self._forgets = asyncio.get_running_loop().call_later(REST_SECONDS, self._forget)

    def _remember(self) -> None:
        if self._forgets is not None:
            self._forgets.cancel()

    def _forget(self) -> None:
        self._kept = {}

    async def _data(self, start: BacktestStart, read_by: ReadBy) -> BacktestData:
        """What the book held of the period when the backtest was begun; kept for the next step.

        Raises:
            Conflict: it holds something else by now.
        """
        name = self._name(start, read_by)
        if name in self._kept:
            return self._kept[name]
        version, data = await read_period(self._database, self._calendar, start.request, read_by)
        if version != start.data_version:
            raise Conflict(
                "BACKTEST_DATA_CHANGED",
                "Documents or prices of the period came in meanwhile: begin the backtest again",
                backtest_id=start.backtest_id,
                begun_with=start.data_version,
                found=version,
            )
        self._kept = dict([*self._kept.items(), (name, data)][-2:])
        return data

    @staticmethod
    def _name(start: BacktestStart, read_by: ReadBy) -> str:
        """Of the data that it plays."""
        request = start.request
        universe = digest(*(each.model_dump_json() for each in request.universe))
        days = f"{request.first}/{request.last}/{request.config.signals.lookback_days}/{universe}"
        return f"{start.data_version}/{days}/{read_by.value}"


async def read_period(
    database: Database, calendar: Calendar, request: BacktestRequest, read_by: ReadBy
) -> tuple[str, BacktestData]:
    """Read what the book holds of a period, and the version of that.

    Raises:
        InvalidInput: a period without sessions or without bars.
    """
    sessions = sessions_of(calendar, request.first, request.last)
    lookback = request.config.signals.lookback_days
    async with database.transaction() as session:
        version = await backtests.fingerprint(session, first=request.first, last=request.last, lookback_days=lookback)
        data = await backtests.load(
            session,
            sessions=sessions,
            session_dates=_dates_around(calendar, sessions),
            lookback_days=lookback,
            only_rules=read_by is ReadBy.RULES,
            universe=request.universe,
        )
    return version, data


def sessions_of(calendar: Calendar, first: date, last: date) -> list[Session]:
    """The sessions of a period.

    Raises:
        InvalidInput: the period ends before it begins, or the exchange was closed on every day of it.
    """
    sessions = calendar.sessions(first, last) if first <= last else []
    if not sessions:
        raise InvalidInput(
            "NO_SESSIONS", "Give a first and a last day with a session of the exchange", first=first, last=last
        )
    return sessions


def _dates_around(calendar: Calendar, sessions: list[Session]) -> list[date]:
    first = sessions[0].date - timedelta(days=DAYS_BEFORE)
    last = sessions[-1].date + timedelta(days=DAYS_AFTER)
    return [session.date for session in calendar.sessions(first, last)]


def _result(report: BacktestReport, report_key: str, page_key: str) -> BacktestResult:
    metrics = report.strategy.metrics
    return BacktestResult(
        report_key=report_key,
        page_key=page_key,
        sessions=len(report.sessions),
        trades=len(report.trades),
        orders=len(report.orders),
        equity=str(report.strategy.equity[-1]),
        total_return=metrics.total_return,
        cagr=metrics.cagr,
        sharpe=metrics.sharpe,
        deflated_sharpe=metrics.deflated_sharpe,
        max_drawdown=metrics.max_drawdown.depth if metrics.max_drawdown is not None else None,
        benchmark_return=report.benchmarks[0].metrics.total_return if report.benchmarks else None,
        costs=str(report.costs.total),
        out_of_sample=report.contamination.in_sample == 0,
        trials=metrics.trials or 1,
    )
