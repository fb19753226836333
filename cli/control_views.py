"""How what protects the account looks on a terminal."""

from __future__ import annotations

from rich.table import Table

from api.operations.protection import ProtectionView
from cli.output import out, percent

WORDS = {"closed": "armed", "reduced": "half size", "open": "TRIPPED", "half_open": "half-open"}


def show_protection(view: ProtectionView) -> None:
    if view.looked_at is None:
        out.print("The engine has not looked at the account yet.")
        return
    out.print(f"after the look of {view.looked_at:%Y-%m-%d %H:%M:%S} UTC", style="dim", markup=False)
    moved = "" if view.tier is view.configured_tier else f" (configured {view.configured_tier.value})"
    out.print(
        f"tier {view.tier.value}{moved} · entries at {percent(view.entries, 0)} of their size · "
        f"reserve {view.reserve:,.2f} · {view.losses_in_a_row} losses in a row",
        markup=False,
    )
    table = _table("breaker", "state", "since", "found", "limit")
    for each in view.breakers:
        since = f"{each.since:%Y-%m-%d %H:%M}" if each.since is not None else ""
        style = "" if each.phase.value == "closed" else "bold red"
        table.add_row(each.breaker.value, WORDS[each.phase.value], since, each.value, each.limit, style=style)
    out.print(table)
    if view.stops:
        stops = _table("stop of", "stop", "entry", "highest close", "target", "sessions", "due")
        for stop in view.stops:
            stops.add_row(
                stop.symbol,
                f"{stop.stop:,.2f}",
                f"{stop.entry_price:,.2f}",
                f"{stop.highest_close:,.2f}",
                f"{stop.target:,.2f}",
                str(stop.sessions_held),
                stop.due,
            )
        out.print(stops)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
