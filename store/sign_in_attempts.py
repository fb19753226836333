"""Attempts to sign in with a password, counted for every process of the API and over its restarts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from domain.sign_in_delays import FORGOTTEN_AFTER, Attempts, counted, wait
from store.database import Database, fetch

_FORGOTTEN_AT_ONCE = 100

_HOLD = """
    INSERT INTO sign_in_attempts AS known (key, count, last_at)
    SELECT key, 0, $2 FROM unnest($1::text[]) AS key ORDER BY key
    ON CONFLICT (key) DO UPDATE SET count = known.count
    RETURNING key, count, last_at
"""
_COUNT = """
    UPDATE sign_in_attempts AS known SET count = new.count, last_at = $3
    FROM unnest($1::text[], $2::int[]) AS new (key, count) WHERE known.key = new.key
"""
_CLEAR = "DELETE FROM sign_in_attempts WHERE key = $1"
_GIVE_BACK = "UPDATE sign_in_attempts SET count = count - 1 WHERE key = $1 AND count > 0"
_FORGET = """
    DELETE FROM sign_in_attempts WHERE key IN
        (SELECT key FROM sign_in_attempts WHERE last_at <= $1 ORDER BY last_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


async def begin(database: Database, free: Mapping[str, int], *, now: datetime) -> timedelta:
    """Count an attempt under every key and return zero, or count nothing and return how long it has to wait.

    The rows are held from the look at them to the count, in the order of their keys, so that of attempts at the same
    moment, whichever process they reach, no more are let through than one after the other.

    Args:
        free: how many attempts wait for nothing, by key.
    """
    # In a transaction of its own: it holds rows in another order.
    await database.run(_FORGET, now - FORGOTTEN_AFTER, _FORGOTTEN_AT_ONCE)
    async with database.transaction() as session:
        rows = await fetch(session, _HOLD, sorted(free), now)
        known = {row["key"]: Attempts(count=row["count"], last_at=row["last_at"]) for row in rows}
        longest = max(wait(known[key], free=free[key], now=now) for key in free)
        if not longest:
            counts = [counted(known[key], now=now).count for key in known]
            await fetch(session, _COUNT, list(known), counts, now)
        return longest


async def succeeded(database: Database, *, name: str, address: str) -> None:
    """Forget every attempt on a name, and of its address the one that succeeded: others may be behind it."""
    async with database.runner() as run:
        await run(_CLEAR, name)
        await run(_GIVE_BACK, address)
