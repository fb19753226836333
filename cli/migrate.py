"""Bring a database up to date: schema first, then the packaged companies and the first person."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime


def migrate(environment: Mapping[str, str] | None) -> None:
    """Upgrade the database that the environment names. Must not be called from a running event loop."""
    from api.keys import Scope
    from store import migrate as schema
    from store import people, registry, restoring
    from store.database import Database
    from workers.settings import load

    settings = load(environment).database()
    asyncio.run(restoring.require_finished(settings))
    schema.upgrade(settings)

    async def seed() -> None:
        database = Database(settings)
        try:
            async with database.transaction() as session:
                await registry.seed(session)
            async with database.transaction() as session:
                await people.ensure_owner(session, scopes=list(Scope), now=datetime.now(UTC))
        finally:
            await database.close()

    asyncio.run(seed())
