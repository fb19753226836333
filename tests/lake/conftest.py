"""A book of these tests' own on the shared servers, filled by the production's own steps, and its lake."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from cli.migrate import migrate
from cli.stack.supervisor import Stack
from tests.api.harness import Platform
from tests.lake.house import House
from tests.namespaces import new_namespace
from workers.parts import Parts
from workers.settings import load

NAME = "lake_side"


@pytest.fixture(scope="session")
async def environment(servers: Stack) -> dict[str, str]:
    """The servers' with another database, bucket and namespace: what other tests left is not looked at."""
    environment = servers.environment()
    settings = load(environment).database()
    connection = await asyncpg.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.get_secret_value(),
        database=settings.name,
    )
    await connection.execute(f"CREATE DATABASE {NAME}")
    await connection.close()
    await new_namespace(servers, NAME)
    return {
        **environment,
        "STONKS_DB_NAME": NAME,
        "STONKS_S3_BUCKET": NAME.replace("_", "-"),
        "STONKS_TEMPORAL_NAMESPACE": NAME,
    }


@pytest.fixture(scope="session")
def migrated(environment: dict[str, str]) -> dict[str, str]:
    migrate(environment)
    return environment


@pytest.fixture(scope="session")
async def platform(migrated: dict[str, str]) -> AsyncIterator[Platform]:
    parts = await Parts.connect(load(migrated))
    await parts.objects.ensure_bucket()
    yield Platform(parts)
    await parts.close()


@pytest.fixture(scope="session")
async def house(platform: Platform) -> House:
    """A book with rows in every table, some of them made by the production's own steps, published once."""
    house = House(platform)
    await house.furnish()
    await house.publish()
    return house
