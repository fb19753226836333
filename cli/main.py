"""The `stonks` command."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

import typer

from cli.commands import (
    account,
    agents,
    api,
    audit,
    backfill,
    backtest,
    backups,
    companies,
    controls,
    data,
    demo,
    documents,
    jobs,
    lake,
    notifications,
    operate,
    people,
    processes,
    reconcile,
    replay,
    search,
    sources,
    stack,
)
from cli.groups import Commands
from cli.output import quiet_libraries, report_error
from domain.errors import StonksError

app = typer.Typer(
    cls=Commands,
    name="stonks",
    help="Self-hosted, durable trading research and execution on Temporal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    stack,
    demo,
    replay,
    backtest,
    operate,
    account,
    controls,
    reconcile,
    jobs,
    sources,
    documents,
    search,
    agents,
    backfill,
    companies,
    data,
    lake,
    notifications,
    api,
    people,
    audit,
    backups,
    processes,
):
    module.register(app)


_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Importing makes a million objects that live as long as the process. Looking through them all after every 700 new ones
takes a fifth of the time in which the API starts."""


def run() -> None:
    """Run a command and end the process, without the interpreter's own teardown: threads of Temporal's client may come
    back from Rust in the middle of it, which aborts a command that has done all it was asked."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    code = exit_code()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)


def exit_code() -> int:
    """Run a command: what it came to. An error of ours is one clear line and 1, never a traceback."""
    quiet_libraries()
    try:
        app()
    except StonksError as error:
        report_error(error)
        return 1
    except SystemExit as left:
        if left.code is None or isinstance(left.code, int):
            return left.code or 0
        sys.stderr.write(f"{left.code}\n")
        return 1
    return 0


if __name__ == "__main__":
    run()
