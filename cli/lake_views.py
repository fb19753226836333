"""How the lake looks on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from api.operations.lake import LakeStatus, LakeTableView, PublicationView
from cli.output import err, out

if TYPE_CHECKING:
    from activities.adapters.lake.querying import QueryResult

_STYLES = {LakeStatus.WELL: "green", LakeStatus.LATE: "yellow", LakeStatus.NEVER: "dim"}


def show_tables(found: Sequence[LakeTableView]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("table", "rows", "up to (UTC)", "state"):
        table.add_column(name, justify="right" if name == "rows" else "left", no_wrap=True)
    for each in found:
        up_to = f"{each.up_to:%Y-%m-%d %H:%M:%S}" if each.up_to is not None else "-"
        table.add_row(each.table, f"{each.rows:,}", up_to, Text(each.status.value, style=_STYLES[each.status]))
    out.print(table)
    err.print("`stonks lake tables TABLE` shows its columns, `stonks lake query SQL` reads", markup=False)


def show_table(found: LakeTableView) -> None:
    out.print(Text(found.table, style="bold"), Text(found.description), sep="  ")
    up_to = f"up to {found.up_to:%Y-%m-%d %H:%M:%S} UTC" if found.up_to is not None else "not published yet"
    parts = f"by {found.partition.value} of {found.event_column}" if found.event_column else "whole"
    out.print(f"{found.rows:,} rows, {up_to}; written {parts}", style="dim", markup=False)
    table = Table(box=None, pad_edge=False)
    for name in ("column", "type", "what it says"):
        table.add_column(name)
    for each in found.columns:
        table.add_row(Text(each.name, style="bold" if each.key else ""), each.type.value, each.description)
    out.print(table)


def show_publication(found: PublicationView) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("table", "outcome", "written", "rows"):
        table.add_column(name, justify="right" if name in ("written", "rows") else "left")
    for each in found.exports:
        written = f"{each.rows_written:,}" if each.parts_written else ""
        table.add_row(each.table, each.status.value, written, f"{each.rows:,}")
    out.print(table)


def show_rows(found: QueryResult) -> None:
    """As a table; what is wider than the terminal is folded, and nothing is left out."""
    table = Table(box=None, pad_edge=False)
    for name, kind in zip(found.columns, found.types, strict=True):
        right = kind.startswith(("int", "uint", "decimal", "double", "float"))
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in found.rows:
        table.add_row(*(Text("" if each is None else _shown(each)) for each in row))
    out.print(table)
    if found.more:
        err.print(f"There are more than these {len(found.rows)} rows: raise --limit", style="dim")


def columns(found: QueryResult) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in zip(found.columns, found.types, strict=True)]


def plain(row: Sequence[Any]) -> list[Any]:
    """A row as JSON has it: decimals and instants as text."""
    return [_plain(each) for each in row]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | date | datetime):
        return _shown(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return {str(key): _plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
