"""Sweeps: which backtests they are made of, and what came of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

from temporalio import activity

from activities.backtests import sessions_of
from activities.ports import Calendar
from domain.backtest_run import BacktestResult, start_of
from domain.config import TradingConfig, changed
from domain.errors import VendorRejected
from domain.model import Model
from domain.sweep import (
    SweepPlan,
    SweepReport,
    SweepRequest,
    SweepWindow,
    Trial,
    WindowOutcome,
    combinations,
    periods,
    report_on,
)
from store import backtests
from store.database import Database

LOOK_SECONDS = 2.0

Span = tuple[date, date]


class SweepStart(Model):
    sweep_id: str
    request: SweepRequest
    requested_by: str


class SweepEnd(Model):
    start: SweepStart
    windows: tuple[WindowOutcome, ...]


class SweepActivities:
    def __init__(self, database: Database, calendar: Calendar, *, code_version: str) -> None:
        self._database = database
        self._calendar = calendar
        self._code_version = code_version

    @activity.defn
    async def plan_sweep(self, start: SweepStart) -> SweepPlan:
        """Name every backtest of the sweep; those of a walk-forward test come with their tests."""
        request = start.request
        configs = [(label, changed(request.base.config, changes)) for label, changes in combinations(request.grid)]
        sessions = [each.date for each in sessions_of(self._calendar, request.base.first, request.base.last)]
        spans: list[tuple[Span, Span | None]] = [((sessions[0], sessions[-1]), None)]
        if request.walk_forward is not None:
            spans = list(periods(sessions, request.walk_forward))
        windows = []
        for train, test in spans:
            windows.append(
                SweepWindow(
                    first=train[0],
                    last=train[1],
                    trials=await self._trials(request, configs, train),
                    tests=await self._trials(request, configs, test) if test is not None else (),
                )
            )
        return SweepPlan(windows=tuple(windows))

    async def _trials(
        self, request: SweepRequest, configs: list[tuple[str, TradingConfig]], span: Span
    ) -> tuple[Trial, ...]:
        versions: dict[int, str] = {}
        trials = []
        for label, settings in configs:
            lookback = settings.signals.lookback_days
            if lookback not in versions:
                async with self._database.transaction() as session:
                    versions[lookback] = await backtests.fingerprint(
                        session, first=span[0], last=span[1], lookback_days=lookback
                    )
            played = request.base.model_copy(
                update={"first": span[0], "last": span[1], "config": settings, "name": request.name or label}
            )
            trials.append(Trial(label=label, start=start_of(played, versions[lookback], self._code_version)))
        return tuple(trials)

    @activity.defn
    async def log_trial(self, trial: Trial) -> None:
        """Note that a trial is begun: it counts from now on, whatever becomes of it."""
        async with self._database.transaction() as session:
            await backtests.begin(session, trial.start, requested_by="sweep", now=datetime.now(UTC))

    @activity.defn
    async def await_trial(self, trial: Trial) -> BacktestResult:
        """Wait for a backtest that somebody else has begun."""
        while True:
            async with self._database.transaction() as session:
                row = await backtests.require(session, trial.start.backtest_id)
            if row.status == backtests.FINISHED:
                return BacktestResult.model_validate(row.result)
            if row.status != backtests.RUNNING:
                raise VendorRejected("TRIAL_ENDED", row.error, backtest_id=row.backtest_id, status=row.status)
            activity.heartbeat()
            await asyncio.sleep(LOOK_SECONDS)

    @activity.defn
    async def report_sweep(self, ended: SweepEnd) -> SweepReport:
        """Sum up what was found, and keep it."""
        names = [backtest_id for window in ended.windows for _, backtest_id, _ in window.results]
        names += [window.test[0] for window in ended.windows if window.test is not None]
        async with self._database.transaction() as session:
            returns = await backtests.returns_of(session, names)
            report = report_on(ended.start.sweep_id, ended.start.request, ended.windows, returns)
            await backtests.save_sweep(session, report, requested_by=ended.start.requested_by, now=datetime.now(UTC))
        return report
