"""Real PostgreSQL, Temporal and S3, started once for the tests of the API; workers run in the tests' own process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cli.stack.supervisor import Stack
from tests.api.harness import Caller, Platform, caller
from tests.api.library import Library
from workers.parts import Parts
from workers.settings import load


@pytest.fixture(scope="session")
async def platform(servers: Stack) -> AsyncIterator[Platform]:
    parts = await Parts.connect(load(servers.environment()))
    await parts.objects.ensure_bucket()
    yield Platform(parts)
    await parts.close()


@pytest.fixture(scope="session")
def api(platform: Platform) -> Caller:
    """The API, called with the bootstrap key."""
    return caller(platform)


@pytest.fixture(scope="session")
def library(platform: Platform) -> Library:
    return Library(platform)


@pytest.fixture(scope="session")
async def shelf(platform: Platform) -> list[str]:
    """Real documents that were read, by one who has not kept a registry without their companies."""
    return await Library(platform).open()
