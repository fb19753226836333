"""A worker's parts with the queues of documents and research served, and no model anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cli.stack.supervisor import Stack
from store import registry
from tests.asking.platform import working
from workers.parts import Parts


@pytest.fixture
async def parts(servers: Stack) -> AsyncIterator[Parts]:
    async with working(servers.environment()) as parts:
        async with parts.database.transaction() as session:
            await registry.seed(session)
        yield parts
