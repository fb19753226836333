"""The broker's own database: one SQLite file, one connection, one transaction at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from cli.paper_broker.amounts import micros
from cli.paper_broker.ledger import Ledger, stamp

NAMESPACE = uuid5(NAMESPACE_URL, "stonks-oracle/paper-broker")
_VERSIONS = ((1, "schema.sql"), (2, "schema_2.sql"), (3, "schema_3.sql"), (4, "schema_4.sql"))
"""What brings a book of the version before up to date. The first leaves the tables of an unnumbered book alone."""


def _nothing() -> None:
    return


def derived_id(*parts: object) -> str:
    """A uuid that is a pure function of its parts, so that a repeated message finds its own earlier result."""
    return str(uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


def account_number(account_id: str) -> str:
    """A number in the form of the vendor's paper accounts."""
    return f"PA{UUID(account_id).hex[:10].upper()}"


class Book:
    """Orders, cash, positions, activities and outbox, changed together or not at all.

    Write-ahead logging with full synchronisation: what was answered is on disk, so that ending the process at any
    instant loses nothing that a client was told.
    """

    def __init__(self, path: Path, *, key_id: str, opening_cash: Decimal, opened_at: datetime) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._bring_up_to_date()
        self.on_commit: Callable[[], None] = _nothing
        self._found_account(key_id, micros(opening_cash), stamp(opened_at))

    def _bring_up_to_date(self) -> None:
        """Make the tables, or add to those of an older book what it lacks; each version in one transaction."""
        folder = files("cli.paper_broker")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        for number, name in _VERSIONS:
            if version < number:
                script = (folder / name).read_text()
                self._connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")

    def _found_account(self, key_id: str, cash: int, opened_at: str) -> None:
        account = derived_id("account", key_id)
        with self.transaction() as ledger:
            ledger.execute(
                "INSERT OR IGNORE INTO account VALUES (1, ?, ?, ?, ?, ?, ?, '', 0)",
                (account, account_number(account), opened_at, cash, cash, cash),
            )
            ledger.execute("INSERT OR IGNORE INTO clock VALUES (1, ?, '', 0, NULL, NULL)", (opened_at,))

    @contextmanager
    def transaction(self) -> Iterator[Ledger]:
        """Give exclusive use of the book; commit at the end and call `on_commit`, roll back on any error."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Ledger(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        self.on_commit()

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """Give a consistent view for reading; what is written in it is undone."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield Ledger(self._connection)
            finally:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        with self._lock:
            self._connection.close()
