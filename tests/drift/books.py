"""Books that production workflows left: a demo week, and what tests change in it for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import text

from api.operations import drift
from cli.demo_data import actions_path, bars_path, documents_path
from cli.stack.supervisor import Stack
from domain.drift import DriftReport
from tests.conftest import SERVERS, clean_environment, stonks_json
from workers.parts import Parts

FIRST, BOUGHT, HELD, LAST = date(2014, 7, 14), date(2014, 7, 16), date(2014, 7, 17), date(2014, 7, 18)
"""The demo's week: on the second of these days it buys, and keeps what it bought."""


@dataclass(frozen=True)
class Book:
    """What a replay left, with its servers running and nobody at work."""

    servers: Stack
    replay: Any


@contextmanager
def traded(folder: Path, *options: str, last: date = LAST) -> Iterator[Book]:
    """Trade the demo's week through the production workflows, then keep the servers."""
    replay = stonks_json(
        *("replay", "--documents", str(documents_path()), "--bars", str(bars_path()), "--actions", str(actions_path())),
        *("--from", FIRST.isoformat(), "--to", last.isoformat(), "--tier", "aggressive", "--state", str(folder)),
        *options,
        timeout=380,
    )
    (own,) = (folder / "replays").iterdir()
    with Stack(own, inherited=clean_environment(), parts=SERVERS) as servers:
        servers.start()
        yield Book(servers, replay)


async def compared(parts: Parts, session: date) -> DriftReport:
    await drift.compare_now(parts.client, session)
    return await drift.report(parts.database, session)


async def sql(parts: Parts, statement: str, **values: Any) -> None:
    async with parts.database.engine.begin() as connection:
        await connection.execute(text(statement), values)


@asynccontextmanager
async def changed(parts: Parts, change: str, back: str, **values: Any) -> AsyncIterator[None]:
    """Change the book for a while."""
    await sql(parts, change, **values)
    try:
        yield
    finally:
        await sql(parts, back, **values)


@asynccontextmanager
async def without_bars(parts: Parts, session: date) -> AsyncIterator[None]:
    """Take a session's bars away; they come back at the end, or by `bring_bars` before."""
    await sql(parts, "CREATE TABLE taken AS SELECT * FROM bars WHERE session = :session", session=session)
    await sql(parts, "DELETE FROM bars WHERE session = :session", session=session)
    try:
        yield
    finally:
        await bring_bars(parts)
        await sql(parts, "DROP TABLE taken")


async def bring_bars(parts: Parts) -> None:
    await sql(parts, "INSERT INTO bars SELECT * FROM taken ON CONFLICT DO NOTHING")
