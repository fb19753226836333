"""Database and object store for commands that need neither Temporal nor a worker: backing up directly, restoring.

The servers that the environment names, else those of a running stack, else they are started for the time it takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.stack.environment import backup_variables
from cli.stack.names import PartName
from cli.stack.state import StateDirectory, read_state
from domain.errors import Conflict, NotFound, StonksError

if TYPE_CHECKING:
    from workers.settings import Settings

PARTS = (PartName.POSTGRES, PartName.OBJECTS)


def backup_settings(state_dir: Path) -> Settings:
    """The settings of a command that only looks at the directory of backups: no server is asked."""
    from workers.settings import load

    return load({**os.environ, **backup_variables(StateDirectory(state_dir), os.environ)})


@contextmanager
def known_errors() -> Iterator[None]:
    """Let what a server that is away raises come out as an error of ours."""
    from api.failures import as_stonks_error

    try:
        yield
    except StonksError:
        raise
    except Exception as error:
        known = as_stonks_error(error)
        if known is None:
            raise
        raise known from error


@contextmanager
def servers_of_the_book(state_dir: Path) -> Iterator[Settings]:
    """Settings with which the book and its objects can be reached.

    Raises:
        NotFound: no server is named, and no stack was ever started in the directory.
    """
    from workers.settings import load

    named = backup_settings(state_dir)
    state = read_state(state_dir)
    if named.db_host and named.s3_endpoint:
        yield named
    elif state is not None and state.alive:
        from cli.stack.control import client_environment

        yield load({**os.environ, **client_environment(state_dir)})
    elif StateDirectory(state_dir).credentials.exists():
        with started(state_dir) as settings:
            yield settings
    else:
        raise NotFound(
            "STACK_NOT_FOUND",
            "Name its state directory with --state; or set STONKS_DB_HOST and STONKS_S3_ENDPOINT",
            state_directory=StateDirectory(state_dir).root,
        )


@contextmanager
def servers_to_restore_into(state_dir: Path) -> Iterator[tuple[Settings, bool]]:
    """The same for a restoration, which must have them for itself; a new state directory is made.

    Gives besides whether the stack is ours, so that what lies beside the servers is ours to put back too.

    Raises:
        Conflict: the stack runs.
    """
    named = backup_settings(state_dir)
    state = read_state(state_dir)
    if named.db_host and named.s3_endpoint:
        yield named, False
        return
    if state is not None and state.alive:
        raise Conflict(
            "STACK_RUNNING",
            "Stop it first: `stonks down`. Its workers would act on what is half restored",
            state_directory=StateDirectory(state_dir).root,
        )
    with started(state_dir) as settings:
        yield settings, True


@contextmanager
def started(state_dir: Path) -> Iterator[Settings]:
    """Start database and object store alone, and stop them at the end of the block."""
    from cli.stack.supervisor import Stack
    from workers.settings import load

    before = read_state(state_dir)
    with Stack(state_dir, mode=before.mode if before else "paper", inherited=os.environ, parts=PARTS) as stack:
        stack.start()
        book = brokers_book(state_dir)
        yield load(
            {**os.environ, **stack.environment(), **({"STONKS_BROKER_BOOK": str(book)} if book.exists() else {})}
        )


def brokers_book(state_dir: Path) -> Path:
    """Where the paper broker of a stack keeps its own book."""
    return StateDirectory(state_dir).data(PartName.BROKER) / "book.sqlite3"
