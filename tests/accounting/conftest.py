"""Servers of these tests' own: an account has one ledger and one history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text

from cli.stack.supervisor import Stack
from store.database import Database
from tests.accounting.book import Book
from tests.api.conftest import api, platform
from tests.conftest import running_servers
from tests.operate.conftest import cli
from workers.settings import load

__all__ = ["api", "cli", "platform"]

OF_AN_ACCOUNT = (
    "lots, lot_closings, cash_entries, fills, orders, approvals, risk_decisions, order_intents, positions, "
    "corporate_action_entries, corporate_actions, account_snapshots, bars, reserve_ledger"
)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_servers(tmp_path_factory.mktemp("accounting")) as running:
        yield running


@pytest.fixture(scope="session")
async def database(servers: Stack) -> AsyncIterator[Database]:
    database = Database(load(servers.environment()).database())
    yield database
    await database.close()


@pytest.fixture
async def book(database: Database) -> Book:
    """An account in which nothing has happened yet."""
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.execute(text(f"TRUNCATE {OF_AN_ACCOUNT} CASCADE"))
    return Book(database)
