"""A vendor on loopback, and the platform's own workers fetching from it through real Temporal, PostgreSQL and S3."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cli.stack.supervisor import Stack
from tests.sources.newsroom import Newsroom, opened
from tests.web.server import HostileServer


@pytest.fixture
async def vendor() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


@pytest.fixture
async def newsroom(servers: Stack, vendor: HostileServer) -> AsyncIterator[Newsroom]:
    async with opened(servers.environment(), vendor) as newsroom:
        yield newsroom
