"""Rows of large queries, some at a time: what belongs together arrives together, wherever a batch ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cli.stack.supervisor import Stack
from store import database as module
from store.database import Database, in_groups
from workers.settings import load

pytestmark = pytest.mark.stack

_GROUPS = """
    SELECT 'group ' || size, number FROM unnest($1::int[]) WITH ORDINALITY AS made (size, place),
        generate_series(1, size) AS number ORDER BY place, number
"""


@pytest.fixture
async def database(servers: Stack) -> AsyncIterator[Database]:
    database = Database(load(servers.environment()).database())
    yield database
    await database.close()


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("sizes", [[], [1], [4], [3, 1, 4, 2], [1, 2, 3, 9]])
async def test_groups_when_batches_end_anywhere_then_each_group_is_whole_and_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, batch: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(module, "BATCH", batch)
    async with database.transaction() as session:
        found = [(name, [row[1] for row in rows]) async for name, rows in in_groups(session, _GROUPS, sizes)]
    assert found == [(f"group {size}", list(range(1, size + 1))) for size in sizes]
