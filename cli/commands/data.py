"""Database commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.groups import Commands
from cli.output import err


def register(app: typer.Typer) -> None:
    database = typer.Typer(cls=Commands, help="The book of record.", no_args_is_help=True)
    database.command()(upgrade)
    database.command()(draft)
    app.add_typer(database, name="db")


def upgrade(
    state: Annotated[Path | None, typer.Option(help="State directory of a running embedded stack")] = None,
) -> None:
    """Bring the schema up to date and add the packaged companies."""
    from cli.migrate import migrate

    migrate(_environment(state))
    err.print("The schema is up to date.")


def draft(
    message: Annotated[str, typer.Argument(metavar="WORDS", help="What it changes, in a few words")],
    state: Annotated[Path | None, typer.Option(help="State directory of a running embedded stack")] = None,
) -> None:
    """Write a new migration from the difference between the tables and the database (for developers)."""
    from store import migrate
    from workers.settings import load

    migrate.draft(load(_environment(state)).database(), message)


def _environment(state: Path | None) -> dict[str, str] | None:
    if state is None:
        return None
    from cli.stack.control import client_environment

    return client_environment(state)
