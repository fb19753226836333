"""The `stonks` command."""

from __future__ import annotations

import sys

import typer

from cli.commands import (
    account,
    agents,
    api,
    audit,
    backfill,
    backtest,
    companies,
    controls,
    data,
    demo,
    documents,
    jobs,
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
from cli.output import quiet_libraries, report_error
from domain.errors import StonksError

app = typer.Typer(
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
    notifications,
    api,
    people,
    audit,
    processes,
):
    module.register(app)


def run() -> None:
    """Run a command; an error of ours is one clear line and exit code 1, never a traceback."""
    quiet_libraries()
    try:
        app()
    except StonksError as error:
        report_error(error)
        sys.exit(1)


if __name__ == "__main__":
    run()
