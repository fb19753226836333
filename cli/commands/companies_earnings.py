"""`stonks companies earnings`: when a company reports, as far as people have said."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from cli import acting
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.instants import read_instant
from cli.output import out, print_json
from domain.actors import spoken

if TYPE_CHECKING:
    from api.operations.earnings import EarningsDateView
    from workers.parts import Parts

WIDTH = 80
MOST = 1_000
_TIMINGS = {"bmo": "before the open", "amc": "after the close", "unknown": ""}


def earnings(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The company's symbol")],
    add: Annotated[str | None, typer.Option("--add", metavar="DATE", help="It will report on this day")] = None,
    timing: Annotated[
        str | None, typer.Option(metavar="bmo|amc", help="With --add: before the open, or after the close")
    ] = None,
    remove: Annotated[str | None, typer.Option("--remove", metavar="DATE", help="It will not")] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="List what was known at an instant; now without it")
    ] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List the days on which a company reports; add one, take one back. Nothing is opened close to them.

    Example: stonks companies earnings AAPL --add 2026-10-29 --timing amc
    """
    if timing is not None and (add is None or timing not in ("bmo", "amc")):
        raise typer.BadParameter("Give --timing bmo or amc, with --add")
    if as_of is not None and (add is not None or remove is not None):
        raise typer.BadParameter("Give --as-of alone: what was known in the past does not change")
    instant = read_instant(as_of, "--as-of") if as_of is not None else None
    added = _day(add, "--add") if add is not None else None
    removed = _day(remove, "--remove") if remove is not None else None
    company = symbol.upper()
    path = f"/v1/companies/{acting.segment(company)}/earnings-dates"
    if removed is not None:
        acting.send(state, "DELETE", f"{path}/{removed}")
    if added is not None:
        acting.send(state, "PUT", f"{path}/{added}", {"timing": timing or "unknown"})
    rows = ask(state, lambda parts: _listed(parts, company, instant))
    if json:
        print_json({"data": [row.model_dump(mode="json") for row in rows]})
    else:
        _show(company, rows)


async def _listed(parts: Parts, symbol: str, as_of: datetime | None) -> list[EarningsDateView]:
    from api.operations import earnings as operations

    return await operations.list_dates(parts.database, symbol, limit=MOST, as_of=as_of)


def _day(text: str, option: str) -> date:
    return read_instant(text, option).date()


def _show(symbol: str, rows: list[EarningsDateView]) -> None:
    if not rows:
        out.print(f"No date is known on which {symbol} reports.", markup=False)
        return
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("date", no_wrap=True, style="bold")
    for name in ("when", "known since"):
        table.add_column(name, no_wrap=True)
    table.add_column("by", overflow="ellipsis", no_wrap=True)
    for row in rows:
        when = _TIMINGS[row.timing.value]
        table.add_row(row.date.isoformat(), when, f"{row.known_at:%Y-%m-%d %H:%MZ}", Text(spoken(row.actor)))
    out.print(table, width=WIDTH)
