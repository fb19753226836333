"""Temporal Schedules of the sources, and the platform's own: hourly, nightly, weekly."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from domain.backup_run import BackUpRequest, DrillRequest
from domain.comovement_measurement import ComovementRequest
from domain.drift_run import DriftRequest
from domain.ingestion import IngestRequest
from domain.lake import PublishRequest
from domain.reconciliation import BeginReconciliation
from domain.schedules import SourceSchedule
from workflows import names
from workflows.back_up import BackUp
from workflows.compare_day import CompareDay
from workflows.drill_backup import DrillBackup
from workflows.ingest_source import IngestSource
from workflows.measure_comovement import MeasureComovement
from workflows.publish_lake import PublishLake
from workflows.reconcile_broker import ReconcileBroker
from workflows.reconcile_schedules import ReconcileSchedules

PREFIX = "source/"
JITTER_SHARE = 0.1
"""Fires up to this share of the cadence late, so that sources do not all fire in the same second."""
MISSED_CADENCES = 2
"""A source that was missed is caught up at most this far back: older news comes with the next read anyway."""


class TemporalSchedules:
    """Fulfils `activities.schedules.Schedules`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def found(self, sources: Collection[str]) -> dict[str, SourceSchedule]:
        """Every schedule of a source, read one by one: those asked for and those listed, as the list lags behind."""
        found: dict[str, SourceSchedule] = {}
        listed = [entry.id async for entry in await self._client.list_schedules()]
        ours = {schedule_id.removeprefix(PREFIX) for schedule_id in listed if schedule_id.startswith(PREFIX)}
        for source_id in sorted({*sources, *ours}):
            handle = self._client.get_schedule_handle(names.source_schedule_id(source_id))
            try:
                schedule = (await handle.describe()).schedule
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    continue
                raise
            every = schedule.spec.intervals[0].every if schedule.spec.intervals else timedelta(0)
            found[source_id] = SourceSchedule(
                source_id=source_id, cadence_seconds=int(every.total_seconds()), paused=schedule.state.paused
            )
        return found

    async def create(self, schedule: SourceSchedule) -> None:
        try:
            await self._client.create_schedule(
                names.source_schedule_id(schedule.source_id),
                _source(schedule),
                trigger_immediately=not schedule.paused,  # who adds a source wants to see it read
            )
        except ScheduleAlreadyRunningError:
            await self.update(schedule)

    async def update(self, schedule: SourceSchedule) -> None:
        def change(_: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(schedule=_source(schedule))

        await self._client.get_schedule_handle(names.source_schedule_id(schedule.source_id)).update(change)

    async def delete(self, source_id: str) -> None:
        try:
            await self._client.get_schedule_handle(names.source_schedule_id(source_id)).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise


async def ensure_reconciliation(client: Client) -> None:
    """Let schedules be compared with the sources table every half hour, which is when exchanges open and close."""
    action = ScheduleActionStartWorkflow(
        ReconcileSchedules.run,
        id=names.RECONCILE_SCHEDULES,
        task_queue=names.Queue.OPS,
        static_summary="schedules equal the sources table",
    )
    wanted = Schedule(
        action=action,
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(minute=(ScheduleRange(0, 59, 30),), hour=(ScheduleRange(0, 23),))],
            time_zone_name="America/New_York",
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=10)),
    )
    await _ensure(client, names.RECONCILE_SCHEDULES, wanted)


async def ensure_comparison(client: Client) -> None:
    """Let the last finished session be compared with itself every night, when its prices have come.

    On days without a session the last one has its report already, and nothing is done.
    """
    action = ScheduleActionStartWorkflow(
        CompareDay.run,
        DriftRequest(scheduled=True),
        id=names.COMPARE_DAY,
        task_queue=names.Queue.OPS,
        static_summary="the last session, live against played",
    )
    wanted = Schedule(
        action=action,
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=(ScheduleRange(22),), minute=(ScheduleRange(30),))],
            time_zone_name="America/New_York",
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=12)),
    )
    await _ensure(client, names.COMPARE_DAY, wanted)


async def ensure_measurement(client: Client) -> None:
    """Let competitors' co-movement be measured on Saturdays, when the week's prices have come."""
    action = ScheduleActionStartWorkflow(
        MeasureComovement.run,
        ComovementRequest(),
        id=names.MEASURE_COMOVEMENT,
        task_queue=names.Queue.OPS,
        static_summary="co-movement of all competitors",
    )
    wanted = Schedule(
        action=action,
        spec=ScheduleSpec(
            calendars=[
                ScheduleCalendarSpec(
                    day_of_week=(ScheduleRange(6),), hour=(ScheduleRange(8),), minute=(ScheduleRange(0),)
                )
            ],
            time_zone_name="America/New_York",
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(days=1)),
    )
    await _ensure(client, names.MEASURE_COMOVEMENT, wanted)


async def ensure_backups(client: Client) -> None:
    """Back up every night, after the day was compared, and try the newest backup on Sundays."""
    nightly = ScheduleActionStartWorkflow(
        BackUp.run,
        BackUpRequest(),
        id=names.BACK_UP,
        task_queue=names.Queue.OPS,
        static_summary="the book and its objects",
    )
    weekly = ScheduleActionStartWorkflow(
        DrillBackup.run,
        DrillRequest(),
        id=names.DRILL_BACKUP,
        task_queue=names.Queue.OPS,
        static_summary="the newest backup, restored and looked at",
    )
    sunday, night, noon = ScheduleRange(0), ScheduleRange(3), ScheduleRange(12)
    whole, half = ScheduleRange(0), ScheduleRange(30)
    for schedule_id, action, calendar in (
        (names.BACK_UP, nightly, ScheduleCalendarSpec(hour=(night,), minute=(half,))),
        (names.DRILL_BACKUP, weekly, ScheduleCalendarSpec(day_of_week=(sunday,), hour=(noon,), minute=(whole,))),
    ):
        wanted = Schedule(
            action=action,
            spec=ScheduleSpec(calendars=[calendar], time_zone_name="America/New_York"),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=12)),
        )
        await _ensure(client, schedule_id, wanted)


async def ensure_broker_reconciliation(client: Client) -> None:
    """Compare book and broker every quarter of an hour of New York's trading day, with the half hour around it."""
    action = ScheduleActionStartWorkflow(
        ReconcileBroker.run,
        BeginReconciliation(trigger="schedule"),
        id=names.RECONCILE_BROKER,
        task_queue=names.Queue.TRADING,
        static_summary="book against broker",
    )
    weekday, hours, quarters = ScheduleRange(1, 5), ScheduleRange(9, 16), ScheduleRange(0, 59, 15)
    wanted = Schedule(
        action=action,
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(day_of_week=(weekday,), hour=(hours,), minute=(quarters,))],
            time_zone_name="America/New_York",
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=5)),
    )
    await _ensure(client, names.RECONCILE_BROKER, wanted)


async def ensure_publication(client: Client) -> None:
    """Let the lake be brought up to date every hour, and once a night also be rid of what nobody reads any more."""
    every_hour = ScheduleCalendarSpec(minute=(ScheduleRange(10),), hour=(ScheduleRange(0, 23),))
    at_night = ScheduleCalendarSpec(minute=(ScheduleRange(40),), hour=(ScheduleRange(3),))
    for schedule_id, request, when, summary in (
        (names.PUBLISH_LAKE, PublishRequest(), every_hour, "the lake, up to date with the book"),
        (names.TIDY_LAKE, PublishRequest(tidy=True), at_night, "the lake, rid of old snapshots"),
    ):
        action = ScheduleActionStartWorkflow(
            PublishLake.run,
            request,
            id=schedule_id,
            task_queue=names.Queue.LAKE,
            static_summary=summary,
            typed_search_attributes=TypedSearchAttributes([SearchAttributePair(names.STAGE, "lake")]),
        )
        wanted = Schedule(
            action=action,
            spec=ScheduleSpec(calendars=[when], time_zone_name="America/New_York"),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=1)),
        )
        await _ensure(client, schedule_id, wanted)


async def _ensure(client: Client, schedule_id: str, wanted: Schedule) -> None:
    try:
        await client.create_schedule(schedule_id, wanted)
    except ScheduleAlreadyRunningError:

        def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
            wanted.state = found.description.schedule.state  # whoever paused it meant it to last
            return ScheduleUpdate(schedule=wanted)

        await client.get_schedule_handle(schedule_id).update(change)


def _source(schedule: SourceSchedule) -> Schedule:
    action = ScheduleActionStartWorkflow(
        IngestSource.run,
        IngestRequest(source_id=schedule.source_id),
        id=f"ingest/{schedule.source_id}",
        task_queue=names.Queue.INGEST,
        static_summary=f"ingest {schedule.source_id}",
        typed_search_attributes=TypedSearchAttributes(
            [SearchAttributePair(names.STAGE, "ingest"), SearchAttributePair(names.SOURCE, schedule.source_id)]
        ),
    )
    return _every(timedelta(seconds=schedule.cadence_seconds), action, paused=schedule.paused)


def _every(cadence: timedelta, action: ScheduleActionStartWorkflow, *, paused: bool) -> Schedule:
    return Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=cadence)], jitter=cadence * JITTER_SHARE),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP, catchup_window=max(cadence * MISSED_CADENCES, timedelta(minutes=1))
        ),
        state=ScheduleState(paused=paused, note="made equal to the sources table"),
    )
