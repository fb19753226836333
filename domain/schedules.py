"""Schedules as they should be, as they are, and the difference."""

from __future__ import annotations

from collections.abc import Mapping

from domain.model import Model

LONGEST_BACKOFF_SECONDS = 6 * 3_600
"""The slowest that failures make a source; one with a slower cadence of its own keeps that."""
_DOUBLINGS = 20


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


def cadence_now(*, open_seconds: int, closed_seconds: int, exchange_open: bool, failures: int) -> int:
    """How often a source is read at present: by the exchange's hours, and half as often with each failure in a row.

    Args:
        open_seconds, closed_seconds: cadence while the exchange is open and while it is closed; 0 for the second means
            the same as the first, 0 for the first means never.
    """
    cadence = open_seconds if exchange_open or not closed_seconds else closed_seconds
    if not open_seconds or not failures:
        return cadence if open_seconds else 0
    return max(cadence, min(cadence << min(failures, _DOUBLINGS), LONGEST_BACKOFF_SECONDS))


def difference(wanted: Mapping[str, SourceSchedule], found: Mapping[str, SourceSchedule]) -> ScheduleChanges:
    """Name what must be created, updated or deleted so that `found` becomes `wanted`."""
    due = {source: schedule for source, schedule in wanted.items() if schedule.cadence_seconds > 0}
    return ScheduleChanges(
        created=tuple(sorted(due.keys() - found.keys())),
        updated=tuple(sorted(source for source in due.keys() & found.keys() if due[source] != found[source])),
        deleted=tuple(sorted(found.keys() - due.keys())),
        unchanged=sum(1 for source in due.keys() & found.keys() if due[source] == found[source]),
    )
