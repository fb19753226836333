"""Servers of these tests' own: they change the configuration and the prices that orders are held against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from cli.stack.supervisor import Stack
from tests.api.conftest import platform
from tests.api.harness import Platform
from tests.approvals.house import House
from tests.conftest import running_servers
from workflows.names import Queue

__all__ = ["house", "platform"]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_servers(tmp_path_factory.mktemp("approvals")) as running:
        yield running


@pytest.fixture
async def house(platform: Platform) -> AsyncIterator[House]:
    """A house with two people, whose worker runs, and with the default policy at first."""
    made = House(platform)
    await made.open()
    async with platform.working(Queue.TRADING):
        yield made
