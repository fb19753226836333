from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from cli.migrate import migrate
from cli.stack.supervisor import Stack
from store.database import DatabaseSettings
from tests.broker.office import Office, office
from tests.paper_broker.conftest import broker, hall, start
from tests.paper_broker.harness import Client
from workers.settings import load

__all__ = ["broker", "hall", "start"]

NAME = "broker_side"


@pytest.fixture(scope="session")
def own_database(servers: Stack) -> DatabaseSettings:
    """A database of these tests' own: a comparison looks at everything that a book holds."""
    environment = servers.environment()
    settings = load(environment).database()

    async def create() -> None:
        connection = await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value(),
            database=settings.name,
        )
        await connection.execute(f"CREATE DATABASE {NAME}")
        await connection.close()

    asyncio.run(create())
    migrate({**environment, "STONKS_DB_NAME": NAME})
    return settings.model_copy(update={"name": NAME})


@pytest.fixture
async def books(own_database: DatabaseSettings, broker: Client) -> AsyncIterator[Office]:
    async with office(own_database, broker) as made:
        made.open_market()
        yield made
