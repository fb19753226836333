"""The embedded stack: up, down, doctor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.output import err, out, print_json
from cli.stack.names import PartName
from domain.actors import OWNER
from domain.errors import NotFound

if TYPE_CHECKING:
    from cli.stack.supervisor import Stack, StackReport

State = Annotated[Path, typer.Option(help="State directory: data, logs, ports, credentials")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object")]
DEFAULT_STATE = Path(".stonks")


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(doctor)


def up(
    state: State = DEFAULT_STATE,
    mode: Annotated[str | None, typer.Option(help="paper, live or replay; remembered, paper at first")] = None,
) -> None:
    """Start everything and keep it running until Ctrl-C."""
    from cli.migrate import migrate
    from cli.stack.state import read_state
    from cli.stack.supervisor import Stack, stop_on_signals

    before = read_state(state)
    chosen = mode or (before.mode if before else "paper")
    stack = Stack(state, mode=chosen, inherited=os.environ, virtual_clock=chosen == "replay")
    with stop_on_signals(stack), stack:
        report = stack.start(progress=_say, before_application=migrate)
        show_addresses(stack, report)
        show_sign_in(stack, report)
        err.print(f"Ready in {report.total_seconds} s. Ctrl-C stops everything; `stonks status` tells how it is.")
        stack.watch()
        err.print("Stopping.")


def down(state: State = DEFAULT_STATE) -> None:
    """Stop the stack of a state directory."""
    from cli.stack.control import DownOutcome
    from cli.stack.control import down as stop_stack

    outcome = stop_stack(state)
    err.print(
        {
            DownOutcome.STOPPED: "Stopped.",
            DownOutcome.LEFTOVERS_ENDED: "The supervisor was dead; what it left behind was ended.",
            DownOutcome.NOTHING_RAN: "Nothing was running.",
        }[outcome]
    )


def doctor(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Check every part by using it, what waits with the broker, and backups; say how to fix what is broken."""
    from cli.backup_findings import backup_findings
    from cli.stack.doctor import diagnose
    from cli.trading_findings import trading_findings

    findings = [*diagnose(state, os.environ), *trading_findings(state), *backup_findings(state)]
    if json:
        print_json([{"part": f.part, "ok": f.ok, "what": f.what, "fix": f.fix} for f in findings])
    else:
        for finding in findings:
            out.print(f"[green]✓[/] {finding.part}" if finding.ok else f"[red]✗[/] [bold]{finding.part}[/]", end="  ")
            out.print(finding.what, markup=False)
            if not finding.ok and finding.fix:
                out.print(f"    → {finding.fix}", markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def show_addresses(stack: Stack, report: StackReport) -> None:
    """Print where a person goes, and where the keys are."""
    environment = stack.environment()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    api = report.addresses.get(PartName.API, "")
    for name, address in (
        ("API docs", f"{api}/docs" if api else ""),
        ("Temporal UI", environment.get("STONKS_TEMPORAL_UI_URL", "")),
        ("API key", f"STONKS_API_KEY in {stack.directory.credentials}"),
        ("Logs", str(stack.directory.root / "logs")),
    ):
        if address:
            table.add_row(name, address)
    err.print(table)


def show_sign_in(stack: Stack, report: StackReport) -> None:
    """Print one line with the dashboard's address and a link that signs the owner in once."""
    address = report.addresses.get(PartName.API)
    if address is None:
        return
    path = asyncio.run(_owners_link(stack.environment()))
    err.print(f"Dashboard  {address}{path}", markup=False, soft_wrap=True, highlight=False)


async def _owners_link(environment: Mapping[str, str]) -> str:
    """The path of a fresh link; the sign-in page alone where the owner may not come in any more."""
    from api.operations import people
    from store.database import Database
    from workers.settings import load

    database = Database(load(environment).database())
    try:
        return (await people.make_link(database, name=OWNER, actor=f"cli:{OWNER}/up")).path
    except NotFound:
        return "/sign-in"
    finally:
        await database.close()


def _say(part: PartName, what: str) -> None:
    err.print(f"  {part.value:<9} {what}", markup=False)
