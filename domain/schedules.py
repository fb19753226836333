"""Schedules as they should be, as they are, and the difference."""

from __future__ import annotations

from collections.abc import Mapping

from domain.model import Model


class SourceSchedule(Model):
    """When a source is read by itself. A cadence of 0 means never."""

    source_id: str
    cadence_seconds: int
    paused: bool


class ScheduleChanges(Model):
    """What reconciling did, by source."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unchanged: int = 0


def difference(wanted: Mapping[str, SourceSchedule], found: Mapping[str, SourceSchedule]) -> ScheduleChanges:
    """Name what must be created, updated or deleted so that `found` becomes `wanted`."""
    due = {source: schedule for source, schedule in wanted.items() if schedule.cadence_seconds > 0}
    return ScheduleChanges(
        created=tuple(sorted(due.keys() - found.keys())),
        updated=tuple(sorted(source for source in due.keys() & found.keys() if due[source] != found[source])),
        deleted=tuple(sorted(found.keys() - due.keys())),
        unchanged=sum(1 for source in due.keys() & found.keys() if due[source] == found[source]),
    )
