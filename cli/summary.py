"""What a replay shows a person at its end: what was read, decided and done, and why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.output import out
from cli.replaying import Finished

ORDERS_SHOWN = 14
DECISIONS_SHOWN = 5
THESIS_SHOWN = 320


def print_summary(finished: Finished) -> None:
    """Print the report for people, in about one screen."""
    body = finished.body
    _headline(body)
    _decisions(body)
    _orders(body)
    _inbox(finished)
    _warnings(body)
    _where(finished)


def _headline(body: dict[str, Any]) -> None:
    account, ingest, period = body["account"], body["ingest"], body["period"]
    sessions = period["sessions"]
    actions = body["recommendations"]
    out.rule(f"[bold]Replay {period['from']} to {period['to']}, {len(sessions)} sessions[/]", align="left")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    processed = sum(count for status, count in body["documents"]["by_status"].items() if status != "registered")
    read = f"{processed} read ({ingest['read']} records, {ingest['rejected']} refused, {ingest['skipped']} outside)"
    table.add_row("Documents", read)
    table.add_row("Evidence", f"{body['documents']['evidence']} statements about companies")
    table.add_row("Signals", f"{body['signals']} assessments")
    table.add_row("Recommendations", ", ".join(f"{count} {action}" for action, count in actions.items()))
    table.add_row("Risk", ", ".join(f"{count} {outcome}" for outcome, count in body["risk"].items()) or "nothing asked")
    filled = sum(1 for order in body["orders"] if order["status"] == "filled")
    table.add_row("Orders", f"{filled} filled of {len(body['orders'])} planned")
    benchmark = account["benchmark"]
    against = f", {benchmark['symbol']} {_signed(benchmark['return_pct'])} %" if benchmark else ""
    equity, opening = Decimal(account["equity"]), Decimal(account["opening_cash"])
    table.add_row("Equity", f"${equity:,.2f}  ({_signed(account['return_pct'])} % on ${opening:,.0f}{against})")
    table.add_row("Books", "balance to the cent" if account["books_balance"] else "[red]DO NOT BALANCE[/]")
    out.print(table)


def _decisions(body: dict[str, Any]) -> None:
    """The decisions that asked for a trade, strongest first, with their first reasons."""
    wanted = [each for each in body["decisions"] if each["action"] in ("buy", "sell") and each["previous"] != "hold"]
    if not wanted:
        return
    out.print("\n[bold]Strongest decisions, and why[/]")
    strongest = sorted(wanted, key=lambda each: (-abs(float(each["score"])), each["as_of"], each["symbol"]))
    for each in strongest[:DECISIONS_SHOWN]:
        colour = "green" if each["action"] == "buy" else "red"
        out.print(
            f"  {each['as_of'][:10]}  [{colour}]{each['action']:<4}[/] [bold]{each['symbol']:<5}[/] "
            f"score {float(each['score']):+.3f}  conviction {float(each['conviction']):.2f}"
        )
        out.print(Padding(Text(_shortened(each["thesis"])), (0, 0, 0, 4)))


def _orders(body: dict[str, Any]) -> None:
    if not body["orders"]:
        return
    table = Table(box=None, padding=(0, 1, 0, 1), title="Orders", title_justify="left", title_style="bold")
    for name in ("session", "side", "symbol"):
        table.add_column(name)
    for name in ("shares", "price", "notional"):
        table.add_column(name, justify="right")
    table.add_column("status")
    for order in body["orders"][:ORDERS_SHOWN]:
        fills = order.get("fills") or []
        price = f"{Decimal(fills[0]['price']):.2f}" if fills else "-"
        colour = "green" if order["side"] == "buy" else "red"
        table.add_row(
            order["as_of"][:10],
            f"[{colour}]{order['side']}[/]",
            order["symbol"],
            order["quantity"],
            price,
            f"{Decimal(order['notional']):,.0f}",
            escape("waiting for approval" if order["status"] == "open" else order["status"]),
        )
    out.print()
    out.print(table)
    if len(body["orders"]) > ORDERS_SHOWN:
        out.print(f"  and {len(body['orders']) - ORDERS_SHOWN} more in the report")


def _inbox(finished: Finished) -> None:
    waiting = finished.result.approvals_pending
    if waiting:
        noun = "order waits" if waiting == 1 else "orders wait"
        out.print(f"\n[bold yellow]Inbox: {waiting} {noun} for your approval.[/]")


def _warnings(body: dict[str, Any]) -> None:
    universe, rejects = body["universe"], body["rejects"]
    if universe:
        out.print("\n[bold]How far to believe this[/]")
        out.print(Padding(Text(universe["verdict"]), (0, 0, 0, 2)))
    if rejects["total"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in rejects["by_reason"].items())
        out.print(f"\n[bold]Refused records:[/] {reasons}")
        for each in rejects["first"][:5]:
            column = f", column {each['column']}" if each["column"] else ""
            out.print(Text(f"  {each['file']}:{each['line']}{column}: {each['reason']}: {each['detail']}"))


def _where(finished: Finished) -> None:
    out.print("\n[bold]Look around[/]")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    if finished.kept:
        table.add_row("API docs", finished.addresses["api_docs"])
        table.add_row("Temporal UI", finished.addresses["temporal_ui"])
    table.add_row("Report", str(finished.state_dir / "report.json"))
    out.print(table)
    if not finished.kept:
        out.print(f"  Open it again: stonks up --state {finished.state_dir}", markup=False, soft_wrap=True)
    out.print(f"  Then: stonks inbox --state {finished.state_dir}", markup=False, soft_wrap=True)


def _shortened(thesis: str) -> str:
    return thesis if len(thesis) <= THESIS_SHOWN else thesis[: THESIS_SHOWN - 1].rsplit(" ", 1)[0] + " …"


def _signed(number: str) -> str:
    return f"{Decimal(number):+.2f}"
