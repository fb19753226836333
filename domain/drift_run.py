"""Messages of the comparison of a day with itself: which day, its steps, and what came of it."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from domain.drift import GapKind
from domain.market import Session
from domain.model import Model, Utc


class DriftRequest(Model):
    """Compare a session; without one the last that is finished."""

    session: date | None = None
    scheduled: bool = False
    """Nobody waits: look at the day by the clock, leave out what was compared, and wait for the day's prices."""


class DriftQuery(Model):
    """Find the day, as of an instant."""

    request: DriftRequest
    as_of: Utc


class DriftDay(Model):
    """A session between its neighbours."""

    session: Session
    after: Utc
    """The close of the session before."""
    until: Utc
    """The open of the session after."""


class DriftPlan(Model):
    day: DriftDay | None = None
    """None: no session of this account is finished."""
    compared: bool = False
    """There is a report of it."""
    priced: bool = False
    """The book has bars of the session."""


class PlayDayStep(Model):
    day: DriftDay
    decided_by: str
    """Id of the workflow that assesses every company before the open."""


class PlayedDayReport(Model):
    played_key: str
    """Where the played day lies."""


class CompareStep(Model):
    step: PlayDayStep
    played_key: str


class DriftOutcome(Model):
    """How a comparison ended; the report stands in the book."""

    session: date | None = None
    compared: bool = False
    counts: dict[GapKind, int] = Field(default_factory=dict)
    difference: str = ""
    unexplained: str = ""
    note: str = ""
