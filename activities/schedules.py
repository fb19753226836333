"""Schedules: make Temporal's equal to the `sources` table."""

from __future__ import annotations

from typing import Protocol

from temporalio import activity

from activities.ports import Flows
from domain.schedules import ScheduleChanges, SourceSchedule, difference
from store import sources
from store.database import Database


class Schedules(Protocol):
    """Temporal's schedules of sources."""

    async def found(self) -> dict[str, SourceSchedule]: ...

    async def create(self, schedule: SourceSchedule) -> None: ...

    async def update(self, schedule: SourceSchedule) -> None: ...

    async def delete(self, source_id: str) -> None: ...


class ScheduleActivities:
    def __init__(self, database: Database, schedules: Schedules, flows: Flows) -> None:
        self._database = database
        self._schedules = schedules
        self._flows = flows

    @activity.defn
    async def reconcile(self) -> ScheduleChanges:
        """Create, change and delete until nothing differs. A repeat finds less to do."""
        async with self._database.transaction() as session:
            rows = await sources.list_all(session)
        wanted = {
            row.source_id: SourceSchedule(
                source_id=row.source_id, cadence_seconds=row.cadence_seconds, paused=row.paused
            )
            for row in rows
        }
        changes = difference(wanted, await self._schedules.found())
        for source_id in changes.created:
            await self._schedules.create(wanted[source_id])
        for source_id in changes.updated:
            await self._schedules.update(wanted[source_id])
        for source_id in changes.deleted:
            await self._schedules.delete(source_id)
        return changes

    @activity.defn
    async def ensure_engine(self) -> None:
        """Start the trading loop where it does not run."""
        await self._flows.ensure_engine()
