"""How a day compared with itself looks on a terminal."""

from __future__ import annotations

from decimal import Decimal

from rich.table import Table

from cli.output import out
from domain.drift import DriftReport, Gap, GapKind

GAPS_SHOWN = 40


def show_drift(report: DriftReport) -> None:
    out.rule(f"{report.session}, live beside played again", align="left")
    out.print(
        f"decided {report.decided_at:%H:%M:%S} UTC · config {report.config_version} · "
        f"code {report.code_version} · data {report.data_version[:12]}",
        style="dim",
        markup=False,
    )
    found = report.found
    equal = report.counts.get(GapKind.NONE, 0)
    gaps = "1 gap" if len(found) == 1 else f"{len(found)} gaps"
    out.print(
        f"{report.assessed} companies assessed alike, {equal} decisions and orders equal, {gaps}"
        f"{f', {report.intraday} assessments later in the day that changed nothing' if report.intraday else ''}."
    )
    if found:
        out.print(_gaps(found))
    for gap in found[:GAPS_SHOWN]:
        if gap.detail:
            out.print(f"  {gap.symbol}, {gap.what}: {gap.detail}", style="dim", markup=False)
    if len(found) > GAPS_SHOWN:
        out.print(f"  and {len(found) - GAPS_SHOWN} more: --json shows all", style="dim")
    _equity(report)


def _gaps(found: tuple[Gap, ...]) -> Table:
    table = _table("label", "symbol", "what", "live", "played", "dollars", "bp")
    for gap in found[:GAPS_SHOWN]:
        worse = f"{gap.basis_points:+.1f}" if gap.basis_points is not None else ""
        dollars = _dollars(gap.dollars) if gap.dollars else ""
        table.add_row(gap.kind.value, gap.symbol, gap.what.value, gap.live, gap.played, dollars, worse)
    return table


def _equity(report: DriftReport) -> None:
    equity = report.equity
    table = _table("the day's change", "dollars")
    table.add_row("live", _dollars(equity.live_change))
    table.add_row("played", _dollars(equity.played_change))
    table.add_row("difference", _dollars(equity.difference))
    for kind, amount in equity.explained.items():
        if amount:
            table.add_row(f"  by {kind}", _dollars(amount))
    table.add_row("  unexplained", _dollars(equity.unexplained))
    out.print(table)


def _dollars(amount: Decimal | None) -> str:
    return "not marked" if amount is None else f"{amount:+,.2f}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if column in ("dollars", "bp") else "left", no_wrap=number < 2)
    return table
