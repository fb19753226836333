"""A finished session compared with the same session played again, step by step."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

from pydantic import ValidationError
from temporalio import activity

from activities.backtests import read_period
from activities.heartbeats import alive
from activities.ports import Calendar
from activities.simulating import in_process
from domain.backtest import BacktestRequest, BacktestState, ReadBy
from domain.costs import CostModel
from domain.decisions import DecisionRecord
from domain.drift import DriftReport, GapKind, LiveDay, LiveDecision, PlayedDay
from domain.drift_comparison import compare
from domain.drift_inputs import DecisionInputs, inputs_of
from domain.drift_play import play_day
from domain.drift_run import CompareStep, DriftDay, DriftOutcome, DriftPlan, DriftQuery, PlayDayStep, PlayedDayReport
from domain.errors import InvalidInput
from domain.ids import digest
from domain.market import Session
from store import drift, market, outbox
from store.database import Database
from store.objects import ObjectStore, key_for

NEIGHBOURS = timedelta(days=14)
"""Within so many days there is another session, whatever the holidays."""
RECORDS_AT_ONCE = 16


class DriftActivities:
    """Reads the book of a day, writes only its report.

    Args:
        costs: what the engine reckons with at the open. What a paper broker fills costs nothing.
    """

    def __init__(
        self, database: Database, objects: ObjectStore, calendar: Calendar, *, costs: CostModel, code_version: str
    ) -> None:
        self._database = database
        self._objects = objects
        self._calendar = calendar
        self._costs = costs
        self._code_version = code_version

    @activity.defn
    async def plan_drift(self, query: DriftQuery) -> DriftPlan:
        """Find the session, and say whether it was compared and whether its prices are there.

        Raises:
            InvalidInput: the exchange was closed on the day, or the session is not over.
        """
        async with self._database.transaction() as session:
            marked = await drift.newest_mark(session)
        if query.request.session is not None:
            trading = self._session(query.request.session, query.as_of)
        elif marked is None:
            return DriftPlan()
        else:
            trading = self._last_closed(query.as_of if query.request.scheduled else marked)
        day = self._between(trading)
        async with self._database.transaction() as session:
            return DriftPlan(
                day=day,
                compared=await drift.get(session, trading.date) is not None,
                priced=await drift.is_priced(session, trading.date),
            )

    @activity.defn
    async def play_day(self, step: PlayDayStep) -> PlayedDayReport:
        """Play the day on what the book holds now, from its morning's account, with the configuration of its pass."""
        async with alive():
            played = await self._play(step)
        body = played.model_dump_json().encode()
        name = key_for("drift", digest(body.decode(), length=64))
        return PlayedDayReport(played_key=await self._objects.put(name, body, "application/json"))

    async def _play(self, step: PlayDayStep) -> PlayedDay:
        day, trading = step.day, step.day.session
        async with self._database.transaction() as session:
            at = await drift.decided_at(session, trading, decided_by=step.decided_by)
            called, settings = await drift.configuration(session, at=at)
            opening = await drift.morning(session, day, at=at)
        request = BacktestRequest(first=trading.date, last=trading.date, config=settings, costs=self._costs)
        version, data = await read_period(self._database, self._calendar, request, ReadBy.ALL)
        symbols = data.universe(at, settings.signals, _held(opening))
        async with self._database.transaction() as session:
            opening = await drift.with_actions(session, opening, symbols=symbols, at=at)
        task = partial(
            play_day,
            data,
            request,
            opening,
            at,
            config_version=called,
            code_version=self._code_version,
            data_version=version,
        )
        return await in_process(task, on_progress=activity.heartbeat)

    @activity.defn
    async def compare_day(self, compared: CompareStep) -> DriftOutcome:
        """Lay the day beside itself; write the report and, where anything differs, the event, in one transaction.

        Idempotent: a day has one report, and the event's id is a function of what was found.
        """
        day = compared.step.day
        played = PlayedDay.model_validate_json(await self._objects.get(compared.played_key))
        async with self._database.transaction() as session:
            at = await drift.decided_at(session, day.session, decided_by=compared.step.decided_by)
            live = await drift.live_day(session, day, at=at)
            actions = await market.actions_on(session, on=day.session.date)
        report = compare(live, played, inputs=await self._inputs(live, played), actions=actions)
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            await drift.save(session, report, compared_at=now)
            if report.found:
                await outbox.publish(
                    session,
                    event_id=f"drift/{report.session}/{digest(report.model_dump_json(), length=16)}",
                    event="drift_found",
                    subject_id=report.session.isoformat(),
                    body=_headline(report),
                    occurred_at=now,
                )
        return DriftOutcome(
            session=report.session,
            compared=True,
            counts=report.counts,
            difference=_cents(report.equity.difference),
            unexplained=_cents(report.equity.unexplained),
        )

    async def _inputs(self, live: LiveDay, played: PlayedDay) -> dict[str, DecisionInputs]:
        """What the live decisions were made from that have another hash than the played ones."""
        again = {each.symbol: each.record_hash for each in played.decisions}
        other = [
            each
            for each in live.decisions
            if each.as_of == live.decided_at and each.record_key and again.get(each.symbol) != each.record_hash
        ]
        found: dict[str, DecisionInputs] = {}
        for start in range(0, len(other), RECORDS_AT_ONCE):
            part = other[start : start + RECORDS_AT_ONCE]
            for each, inputs in zip(part, await asyncio.gather(*map(self._inputs_of, part)), strict=True):
                if inputs is not None:
                    found[each.record_hash] = inputs
            activity.heartbeat(start)
        return found

    async def _inputs_of(self, decision: LiveDecision) -> DecisionInputs | None:
        """None where the record cannot be read by today's code."""
        body = await self._objects.get(decision.record_key)
        try:
            return inputs_of(DecisionRecord.model_validate_json(body))
        except ValidationError:
            return None

    def _session(self, day: date, now: datetime) -> Session:
        found = self._calendar.sessions(day, day)
        if not found:
            raise InvalidInput("NO_SESSIONS", "The exchange was closed on that day", session=day)
        if found[0].closes_at > now:
            raise InvalidInput("SESSION_NOT_FINISHED", "Compare it after its close", closes_at=found[0].closes_at)
        return found[0]

    def _last_closed(self, by: datetime) -> Session:
        """The last session that was over at an instant."""
        around = self._calendar.sessions((by - NEIGHBOURS).date(), by.date())
        return [each for each in around if each.closes_at <= by][-1]

    def _between(self, trading: Session) -> DriftDay:
        before = self._calendar.sessions(trading.date - NEIGHBOURS, trading.date - timedelta(days=1))
        after = self._calendar.sessions(trading.date + timedelta(days=1), trading.date + NEIGHBOURS)
        return DriftDay(session=trading, after=before[-1].closes_at, until=after[0].opens_at)


def _held(state: BacktestState) -> list[str]:
    return [symbol for symbol, position in state.positions.items() if position.holding.quantity > 0]


def _headline(report: DriftReport) -> dict[str, object]:
    return {
        "gaps": {kind.value: report.counts[kind] for kind in GapKind if kind is not GapKind.NONE},
        "difference": _cents(report.equity.difference),
        "unexplained": _cents(report.equity.unexplained),
        "symbols": sorted({gap.symbol for gap in report.found}),
    }


def _cents(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:.2f}"
