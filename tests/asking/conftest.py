"""A model server's double and a database, for the tests of asking models."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from activities.adapters.ollama import OllamaServer
from activities.asking import ModelDesk
from cli.stack.supervisor import Stack
from store import registry
from store.database import Database
from tests.asking import platform
from tests.asking.platform import remove_variants, working
from tests.model_server.server import ModelServerDouble
from tests.namespaces import new_namespace
from workers.parts import Parts
from workers.settings import load


@pytest.fixture(scope="session")
async def running_model() -> AsyncIterator[ModelServerDouble]:
    async with ModelServerDouble() as running:
        yield running


@pytest.fixture
async def model(running_model: ModelServerDouble) -> ModelServerDouble:
    """A double that knows nothing of the tests before."""
    await running_model.quiet()
    running_model.reset()
    return running_model


@pytest.fixture
async def database(servers: Stack) -> AsyncIterator[Database]:
    database = Database(load(servers.environment()).database())
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def namespace(servers: Stack) -> str:
    """Where these tests' workflows run: what others left waiting on the servers would ask the double too."""
    return (await new_namespace(servers, "asking")).namespace


@pytest.fixture
async def parts(servers: Stack, model: ModelServerDouble, namespace: str) -> AsyncIterator[Parts]:
    """A worker's parts with its queues served, where no variant is active and every agent asks the double."""
    settings = platform.environment(servers, model.url, STONKS_TEMPORAL_NAMESPACE=namespace)
    async with working(settings) as parts:
        async with parts.database.transaction() as session:
            await registry.seed(session)
        await remove_variants(parts)
        yield parts
        await remove_variants(parts)


@pytest.fixture
async def desk(database: Database, model: ModelServerDouble) -> AsyncIterator[ModelDesk]:
    server = OllamaServer(model.url)
    yield ModelDesk(database, server, slots=2)
    await server.close()
