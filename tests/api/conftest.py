"""Real PostgreSQL, Temporal and S3, started once for the tests of the API; workers run in the tests' own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from cli.migrate import migrate
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from tests.api.harness import Caller, Platform, caller
from tests.conftest import clean_environment
from workers.parts import Parts
from workers.settings import load

SERVERS = (PartName.POSTGRES, PartName.TEMPORAL, PartName.OBJECTS)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("api"), inherited=clean_environment(), parts=SERVERS) as running:
        running.start()
        migrate(running.environment())
        yield running


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
