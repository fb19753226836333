"""How the pipeline is, part by part, by what the book holds: also where Temporal or a worker is away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, Field

from api.operations import lake
from store import pipeline
from store.database import Database
from store.pipeline import StageState

LATE_AFTER = {
    "ingest": timedelta(minutes=5),
    "read": timedelta(minutes=10),
    "research": timedelta(minutes=15),
    "trading": timedelta(minutes=5),
    "approval": timedelta(hours=4),
    "order": timedelta(hours=8),
    "reconcile": timedelta(minutes=30),
    "notify": timedelta(minutes=10),
    "mark": timedelta(days=5),
    "lake": lake.LATE_AFTER,
}
"""How long work may wait in each part before that is worth a look; orders and questions wait by their nature."""


class StageStatus(StrEnum):
    WELL = "well"
    LATE = "late"
    """Something waits longer than it should."""
    NEVER = "never"
    """It has not had anything to do yet."""


class StageHealth(BaseModel):
    stage: str
    """ingest, read, research, trading, approval, order, reconcile, notify, mark or lake."""
    status: StageStatus
    last_success_at: datetime | None
    waiting: int
    oldest_waiting_at: datetime | None
    lag_seconds: int = Field(description="how long the oldest piece of work waits; 0: none does")
    late_after_seconds: int
    failed: int = Field(description="what gave up and waits for a person; of the lake, tables whose last export failed")
    up_to: datetime | None = Field(
        description="of the lake alone: what the book had committed by then is in it; null where it lacks a table"
    )


class PipelineHealth(BaseModel):
    as_of: datetime
    status: StageStatus
    """late where any part is."""
    stages: list[StageHealth]


async def health(database: Database, *, mode: str) -> PipelineHealth:
    """Look at each part. In a replay nothing waits longer than the time that was played."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        states = await pipeline.stages(session, now=now)
    return judged(states, now=now, mode=mode)


def judged(states: Sequence[StageState], *, now: datetime, mode: str) -> PipelineHealth:
    """What was read of each part at `now`, with how late it is."""
    if mode == "replay":
        now = next((each.last_success_at for each in states if each.stage == "mark" and each.last_success_at), now)
    found = [_health(state, now) for state in states]
    seen = {each.status for each in found}
    return PipelineHealth(
        as_of=now,
        status=next(each for each in (StageStatus.LATE, StageStatus.WELL, StageStatus.NEVER) if each in seen),
        stages=found,
    )


def _health(state: StageState, now: datetime) -> StageHealth:
    lag = max(now - state.oldest, timedelta(0)) if state.oldest is not None else timedelta(0)
    late_after = LATE_AFTER[state.stage]
    never = state.last_success_at is None and not state.waiting and not state.failed
    return StageHealth(
        stage=state.stage,
        status=StageStatus.NEVER if never else StageStatus.LATE if lag > late_after else StageStatus.WELL,
        last_success_at=state.last_success_at,
        waiting=state.waiting,
        oldest_waiting_at=state.oldest,
        lag_seconds=int(lag.total_seconds()),
        late_after_seconds=int(late_after.total_seconds()),
        failed=state.failed,
        up_to=state.up_to,
    )
