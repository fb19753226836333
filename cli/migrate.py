"""Bring a database up to date: schema first, then the packaged companies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping


def migrate(environment: Mapping[str, str] | None) -> None:
    """Upgrade the database that the environment names. Must not be called from a running event loop."""
    from store import migrate as schema
    from store import registry
    from store.database import Database
    from workers.settings import load

    settings = load(environment).database()
    schema.upgrade(settings)

    async def seed() -> None:
        database = Database(settings)
        try:
            async with database.transaction() as session:
                await registry.seed(session)
        finally:
            await database.close()

    asyncio.run(seed())
