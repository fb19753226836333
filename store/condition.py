"""What whoever watches the platform wants to know of the book, read together and within a limit of time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from domain.breaker_state import Breaker, BreakerPhase
from domain.decisions import TradingState
from store import backups, control, pipeline, protection
from store.database import Database
from store.pipeline import StageState

STATEMENT_MS = 2_000


class Condition(NamedTuple):
    stages: list[StageState]
    trading: TradingState
    breakers: Mapping[Breaker, BreakerPhase]
    """All of them; closed where nobody has looked yet."""
    backed_up_at: datetime | None
    """When the newest backup that was read back whole was taken."""
    drilled_at: datetime | None
    """When a backup was last restored to a scratch database and was what it should be."""


async def read(database: Database, *, now: datetime) -> Condition:
    """Read it in one transaction; the server gives up a statement that takes longer than two seconds."""
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_MS}"))
        stages = await pipeline.stages(session, now=now)
        state = TradingState((await control.state(session)).state)
        live = await protection.load(session)
        backup = await backups.newest_verified(session)
        drilled_at = await backups.passed_at(session)
    breakers = dict.fromkeys(Breaker, BreakerPhase.CLOSED)
    if live is not None:
        breakers |= {each.breaker: each.phase for each in live.state.breakers.states}
    return Condition(
        stages=stages,
        trading=state,
        breakers=breakers,
        backed_up_at=backup.taken_at if backup is not None else None,
        drilled_at=drilled_at,
    )
