"""Requests that may be sent again: one attempt at a time holds a request, and what it answered is kept.

An attempt holds its request for `HELD`, and says so again while it goes on. One whose process died is over after that
time, and whoever asks then runs it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, text
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from store.tables.requests import KeptAnswer

HELD = timedelta(seconds=60)
KEPT = timedelta(hours=24)
UNDER_WAY = 0
_FORGOTTEN_AT_ONCE = 100

_CLAIM = text(
    """
    INSERT INTO kept_answers AS known
        (request_id, fingerprint, actor, route, attempt, status, headers, body, begun_at, expires_at)
    VALUES (:request_id, :fingerprint, :actor, :route, :attempt, 0, '{}', '', :now, :until)
    ON CONFLICT (request_id) DO UPDATE SET
        fingerprint = excluded.fingerprint, attempt = excluded.attempt, status = 0, headers = '{}', body = '',
        begun_at = excluded.begun_at, expires_at = excluded.expires_at
    WHERE known.expires_at <= :now AND (known.status <> 0 OR known.fingerprint = excluded.fingerprint)
    RETURNING request_id
    """
)
_FORGET = text(
    "DELETE FROM kept_answers WHERE request_id IN (SELECT request_id FROM kept_answers "
    "WHERE expires_at < :before ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
)


async def claim(
    session: AsyncSession, *, request_id: str, fingerprint: str, actor: str, route: str, attempt: str, now: datetime
) -> KeptAnswer | None:
    """Take a request, and return None; or return the row of whoever has it, or had it."""
    connection = await session.connection()
    await connection.execute(_FORGET, {"before": now - KEPT, "limit": _FORGOTTEN_AT_ONCE})
    taken = await connection.execute(
        _CLAIM,
        {
            "request_id": request_id,
            "fingerprint": fingerprint,
            "actor": actor,
            "route": route,
            "attempt": attempt,
            "now": now,
            "until": now + HELD,
        },
    )
    if taken.first() is not None:
        return None
    # The refused claim holds the row's lock: nobody removes it before this transaction ends.
    return (await session.exec(select(KeptAnswer).where(KeptAnswer.request_id == request_id))).one()


async def hold(session: AsyncSession, *, request_id: str, attempt: str, now: datetime) -> None:
    """Say that the attempt goes on."""
    await session.exec(update(KeptAnswer).where(*_mine(request_id, attempt)).values(expires_at=now + HELD))


async def keep(
    session: AsyncSession,
    *,
    request_id: str,
    attempt: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> None:
    """Write down what was answered, unless another attempt has taken the request over meanwhile."""
    await session.exec(
        update(KeptAnswer)
        .where(*_mine(request_id, attempt))
        .values(status=status, headers=dict(headers), body=body, expires_at=now + KEPT)
    )


async def let_go(session: AsyncSession, *, request_id: str, attempt: str) -> None:
    """Forget the attempt, so that the next one runs."""
    await session.exec(delete(KeptAnswer).where(*_mine(request_id, attempt)))


def _mine(request_id: str, attempt: str) -> tuple[ColumnElement[bool], ...]:
    return (
        col(KeptAnswer.request_id) == request_id,
        col(KeptAnswer.attempt) == attempt,
        col(KeptAnswer.status) == UNDER_WAY,
    )
