"""Schedules: make Temporal's equal to the `sources` table."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Protocol

from temporalio import activity

from activities.ports import Calendar, Flows
from domain.schedules import ScheduleChanges, SourceSchedule, cadence_now, difference
from store import backups, sources
from store.database import Database


class Schedules(Protocol):
    """Temporal's schedules of sources."""

    async def found(self, sources: Collection[str]) -> dict[str, SourceSchedule]: ...

    async def create(self, schedule: SourceSchedule) -> None: ...

    async def update(self, schedule: SourceSchedule) -> None: ...

    async def delete(self, source_id: str) -> None: ...


class ScheduleActivities:
    def __init__(self, database: Database, schedules: Schedules, flows: Flows, calendar: Calendar) -> None:
        self._database = database
        self._schedules = schedules
        self._flows = flows
        self._calendar = calendar

    @activity.defn
    async def reconcile(self) -> ScheduleChanges:
        """Create, change and delete until nothing differs. A repeat finds less to do.

        After the book was restored every source rests, until somebody has decided about trading.
        """
        async with self._database.transaction() as session:
            everything = await sources.list_all(session, removed=True)
            resting = await backups.standing_restoration(session) is not None
        rows = [row for row in everything if not row.removed]
        now = datetime.now(UTC)
        session_now = self._calendar.next_session(now)
        wanted = {
            row.source_id: SourceSchedule(
                source_id=row.source_id,
                cadence_seconds=cadence_now(
                    open_seconds=row.cadence_seconds,
                    closed_seconds=row.cadence_closed_seconds,
                    exchange_open=session_now.opens_at <= now < session_now.closes_at,
                    failures=row.failures,
                ),
                paused=row.paused or resting,
            )
            for row in rows
        }
        changes = difference(wanted, await self._schedules.found([row.source_id for row in everything]))
        for source_id in changes.created:
            await self._schedules.create(wanted[source_id])
        for source_id in changes.updated:
            await self._schedules.update(wanted[source_id])
        for source_id in changes.deleted:
            await self._schedules.delete(source_id)
        return changes

    @activity.defn
    async def ensure_engine(self) -> None:
        """Start the trading loop, the research of the universe and the notifications where they do not run."""
        await self._flows.ensure_engine()
        await self._flows.ensure_universe()
        await self._flows.ensure_notifications()
