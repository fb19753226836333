"""The audit log: read it, check its chain, take it away, check what was taken away."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich.text import Text

from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.instants import read_instant
from cli.output import err, out, print_json
from domain.errors import SourceFormatError

if TYPE_CHECKING:
    from domain.audit_chain import ChainReport
    from workers.parts import Parts

MOST_SHOWN = 1_000


def register(app: typer.Typer) -> None:
    audit = typer.Typer(
        cls=Commands, no_args_is_help=True, help="Who did what and why, in a chain that shows every change."
    )
    audit.command(name="list")(list_entries)
    audit.command()(verify)
    audit.command()(export)
    app.add_typer(audit, name="audit")


def list_entries(
    actor: Annotated[str | None, typer.Option(help="How the actor begins, for example session:anna/")] = None,
    action: Annotated[str | None, typer.Option(help="For example approval_voted")] = None,
    subject: Annotated[str | None, typer.Option(help="The id of what it was done to")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Recorded then or later, UTC")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Recorded then or earlier, UTC")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_SHOWN)] = 50,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List entries, the newest first.

    Example: stonks audit list --action signed_in --from 2026-11-01
    """
    from api.operations import audit

    first, last = _instant("--from", since), _instant("--to", until)
    found = ask(
        state,
        lambda parts: audit.entries(
            parts.database, limit=limit, actor=actor, action=action, subject=subject, since=first, until=last
        ),
    )
    if json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for each in found:
        out.print(f"{each.sequence:>6}  {each.recorded_at:%Y-%m-%d %H:%M:%S}  {each.action}", markup=False)
        out.print(Text(f"        {each.actor} → {each.subject}", style="dim"), soft_wrap=True)
    if not found:
        out.print("Nothing fits.")


def verify(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="An exported log; needs no database. Else the book's own")
    ] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Walk along the chain. Exit code 1 where it breaks.

    Note the number and the head down elsewhere: they tell later whether the newest entries are still there.
    """
    report = _of_file(file) if file is not None else _of_book(state)
    if json:
        print_json({**report.model_dump(mode="json"), "whole": report.whole})
    elif report.whole:
        last = report.first + report.entries - 1
        out.print(f"{report.entries} entries hold, {report.first} to {last}." if report.entries else "No entry.")
        out.print(f"head {report.head}", markup=False, soft_wrap=True)
    else:
        err.print(f"AUDIT_CHAIN_BROKEN: sequence={report.first_broken}, whole_before={report.entries}", markup=False)
    if not report.whole:
        raise typer.Exit(1)


def export(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Written anew; standard output if left out")
    ] = None,
    first: Annotated[int, typer.Option("--first", min=1, help="Sequence number to begin with")] = 1,
    state: State = DEFAULT_STATE,
) -> None:
    """Write every entry as a line of JSON, oldest first, for `stonks audit verify FILE`."""
    from api.operations import audit

    async def write(parts: Parts) -> int:
        written = 0
        with ExitStack() as opened:
            target: TextIO = sys.stdout if file is None else opened.enter_context(file.open("w", encoding="utf-8"))
            async for line in audit.export(parts.database, first=first):
                target.write(line)
                written += 1
        return written

    count = ask(state, write)
    err.print(f"{count} entries.")


def _of_book(state: Path) -> ChainReport:
    from api.operations import audit

    return ask(state, lambda parts: audit.verify(parts.database))


def _of_file(file: Path) -> ChainReport:
    from domain.audit_chain import walk_lines

    try:
        with file.open(encoding="utf-8") as lines:
            return walk_lines(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceFormatError(
            "AUDIT_FILE_UNREADABLE", "Give a file of `stonks audit export`", path=file, error=error
        ) from error


def _instant(option: str, given: str | None) -> datetime | None:
    return read_instant(given, option) if given is not None else None
