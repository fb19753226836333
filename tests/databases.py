"""Databases of a test's own on the shared server."""

from __future__ import annotations

from store.book_cut import connect
from store.database import DatabaseSettings
from store.scratch import drop_database


async def drop(settings: DatabaseSettings, name: str) -> None:
    """Drop a database, by way of the one of the settings."""
    connection = await connect(settings)
    try:
        await drop_database(connection, name)
    finally:
        await connection.close()
