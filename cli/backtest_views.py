"""How backtests look on a terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from api.operations.backtests import BacktestView
from cli.output import err, out, percent
from domain.backtest_checks import CheckName, CheckResult
from domain.backtest_report import BacktestReport, Track
from domain.metrics import PerformanceMetrics
from domain.sweep import SweepReport

WIDTH = 100
TRADES_SHOWN = 15
FINDINGS_SHOWN = 10
NONE = "–"


def show_list(found: Sequence[BacktestView]) -> None:
    if not found:
        out.print("No backtest yet: stonks backtest run --from ... --to ...")
        return
    table = _table("id", "name", "from", "to", "status", "return", "Sharpe", "drawdown")
    for each in found:
        result = each.result
        table.add_row(
            each.backtest_id,
            each.name[:30],
            str(each.first),
            str(each.last),
            each.status,
            _percent(result.total_return if result else None),
            _ratio(result.sharpe if result else None),
            _percent(-result.max_drawdown if result and result.max_drawdown is not None else None),
        )
    out.print(table)


def show_report(report: BacktestReport) -> None:
    request = report.request
    title = f"Backtest {report.sessions[0]} to {report.sessions[-1]}, {len(report.sessions)} sessions"
    out.rule(f"{title}{f' · {request.name}' if request.name else ''}", align="left")
    out.print(
        f"{report.backtest_id} · configuration {report.config_version} · code {report.code_version} · "
        f"data {report.data_version[:12]}",
        style="dim",
        markup=False,
    )
    tracks = [report.strategy, *([report.control] if report.control else []), *report.benchmarks]
    out.print(_figures(tracks))
    for track in tracks:
        if track.note:
            out.print(f"  {track.name}: {track.note}", style="dim", markup=False)
    _belief(report)
    _sources(report)
    _protection(report)
    _trades(report)


def show_comparison(reports: Sequence[BacktestReport]) -> None:
    tracks = [
        report.strategy.model_copy(update={"name": report.request.name or report.backtest_id[:10]})
        for report in reports
    ]
    out.print(_figures(tracks))
    table = _table("", *(track.name for track in tracks))
    table.add_row("costs", *(f"{report.costs.total:,.2f}" for report in reports))
    table.add_row("trades", *(str(len(report.trades)) for report in reports))
    table.add_row("period", *(f"{report.sessions[0]} to {report.sessions[-1]}" for report in reports))
    out.print(table)
    found = differences(reports)
    if not found:
        out.print("Their requests differ in nothing but the data.")
        return
    table = _table("differs", *(track.name for track in tracks))
    for name, values in found.items():
        table.add_row(name, *(str(value) for value in values))
    out.print(table)


@contextmanager
def checking(sessions: int) -> Iterator[Callable[[CheckName | None, int, int], None]]:
    """Show how far the checks are."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} sessions"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        task = progress.add_task("playing", total=sessions)

        def told(name: CheckName | None, done: int, total: int) -> None:
            progress.update(task, description=name.value if name else "playing", completed=done, total=total)

        yield told


def show_checks(results: Sequence[CheckResult]) -> None:
    for result in results:
        compared = result.compared.model_dump()
        counts = ", ".join(f"{number:,} {name}" for name, number in compared.items() if number)
        line = Text.assemble(("passed", "green") if result.passed else ("FAILED", "bold red"))
        line.append(f"  {result.name.value}: {_CHECKED[result.name]}")
        out.print(line)
        out.print(f"          compared: {counts or 'nothing'}", style="dim", markup=False)
        if result.note:
            out.print(f"          {result.note}", style="dim", markup=False)
        if result.difference is not None:
            out.print(
                textwrap.fill(str(result.difference), WIDTH, initial_indent="  ", subsequent_indent="  "), markup=False
            )
        for finding in result.findings[:FINDINGS_SHOWN]:
            out.print(_filled(str(finding)), markup=False)
        if len(result.findings) > FINDINGS_SHOWN:
            out.print(f"  and {len(result.findings) - FINDINGS_SHOWN} more; --json has them all")


_CHECKED = {
    CheckName.TRUNCATION: "another future changes nothing up to a session",
    CheckName.RELABELLING: "other names for the same companies change nothing",
    CheckName.COSTS: "the same fills never end higher at higher costs",
    CheckName.FUTURE: "no fact says that it was known before it was there",
    CheckName.REPLAYABILITY: "decisions computed again from their records are the same bytes",
}


def show_sweep(report: SweepReport) -> None:
    for window in report.windows:
        out.rule(f"{window.first} to {window.last}", align="left")
        table = _table("configuration", "return", "Sharpe", "drawdown", "trades", "backtest")
        for label, backtest_id, result in window.results:
            drawdown = -result.max_drawdown if result.max_drawdown is not None else None
            table.add_row(
                Text(f"{label} *" if label == window.chosen else label),
                _percent(result.total_return),
                _ratio(result.sharpe),
                _percent(drawdown),
                str(result.trades),
                backtest_id,
            )
        out.print(table)
        if window.test is not None:
            _, result = window.test
            out.print(
                f"  * afterwards, on sessions that it was not chosen on: {_percent(result.total_return)}, "
                f"Sharpe {_ratio(result.sharpe)}, {result.trades} trades",
                markup=False,
            )
    if report.trials is not None and report.trials.overfitting_probability is not None:
        chance = percent(report.trials.overfitting_probability, 0)
        text = f"Probability that the best of {report.trials.count} in the first window owes it to luck: {chance}."
        out.print(_filled(text), markup=False)
    if report.out_of_sample is not None:
        found = report.out_of_sample
        out.print(
            f"Walked forward, {found.sessions} sessions out of sample: {_percent(found.total_return)}, "
            f"Sharpe {_ratio(found.sharpe)}, deepest drawdown {_percent(_depth(found))}",
            style="bold",
            markup=False,
        )


def differences(reports: Sequence[BacktestReport]) -> dict[str, list[Any]]:
    """What the requests differ in, by the place in the request."""
    flat = [_flat(report.request.model_dump(mode="json")) for report in reports]
    named = {name: [each.get(name) for each in flat] for name in dict.fromkeys(name for each in flat for name in each)}
    return {name: values for name, values in named.items() if name != "name" and len(set(map(str, values))) > 1}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= _flat(inner, f"{path}.{name}" if path else name)
    return found


def _figures(tracks: Sequence[Track]) -> Table:
    table = _table("", *(track.name for track in tracks))
    for label, show in _ROWS:
        table.add_row(label, *(show(track.metrics) for track in tracks))
    table.add_row("final equity", *(f"${track.equity[-1]:,.2f}" for track in tracks))
    return table


def _depth(metrics: PerformanceMetrics) -> float | None:
    return -metrics.max_drawdown.depth if metrics.max_drawdown is not None else None


_ROWS: tuple[tuple[str, Callable[[PerformanceMetrics], str]], ...] = (
    ("total return", lambda each: _percent(each.total_return)),
    ("a year", lambda each: _percent(each.cagr)),
    ("volatility", lambda each: _percent(each.volatility, sign="")),
    ("Sharpe", lambda each: _ratio(each.sharpe)),
    ("Sortino", lambda each: _ratio(each.sortino)),
    ("deepest drawdown", lambda each: _percent(_depth(each))),
    ("CVaR 95 %", lambda each: _percent(each.cvar_95)),
    ("hit rate of sessions", lambda each: _percent(each.hit_rate, sign="")),
    ("exposure", lambda each: _percent(each.exposure, sign="")),
    ("turnover a year", lambda each: NONE if each.turnover is None else f"{each.turnover:.2f} x"),
    ("beta", lambda each: _ratio(each.beta)),
    ("alpha a year", lambda each: _percent(each.alpha)),
)


def _belief(report: BacktestReport) -> None:
    out.print("\nHow far to believe it", style="bold")
    metrics, lines = report.strategy.metrics, [report.contamination.verdict]
    if report.out_of_sample is not None:
        lines.append(
            f"Out of sample, after {report.request.model_cutoff}: {_percent(report.out_of_sample.total_return)} in "
            f"{report.out_of_sample.sessions} sessions, Sharpe {_ratio(report.out_of_sample.sharpe)}."
        )
    if metrics.probabilistic_sharpe is not None:
        chance = percent(metrics.probabilistic_sharpe, 0)
        lines.append(f"Chance that the true Sharpe ratio is above 0: {chance}.")
    if metrics.deflated_sharpe is not None and metrics.trials is not None:
        tried = f"{metrics.trials} trials of this period" if metrics.trials > 1 else "this one trial of the period"
        chance = percent(metrics.deflated_sharpe, 0)
        lines.append(f"Chance that it is above what luck gives the best of {tried}: {chance}.")
    if metrics.minimum_track_record is not None:
        lines.append(f"A track record of {metrics.minimum_track_record:,.0f} sessions would be 95 % sure of it.")
    if report.universe is not None:
        lines.append(report.universe.verdict)
    for line in (*lines, *report.warnings):
        out.print(_filled(line), markup=False)


def _sources(report: BacktestReport) -> None:
    costs = report.costs
    out.print("\nWhere the result is from", style="bold")
    parts = ", ".join(f"{each.layer.value} {each.result:+,.2f}" for each in report.layers)
    out.print(f"  By layer: {parts}", markup=False)
    traded = f" = {costs.total / costs.traded * 10_000:.1f} bp of ${costs.traded:,.0f} traded" if costs.traded else ""
    out.print(
        f"  Costs: ${costs.total:,.2f}{traded} (spread {costs.spread:,.2f}, impact {costs.impact:,.2f}, "
        f"fees {costs.fees:,.2f})",
        markup=False,
    )


def _protection(report: BacktestReport) -> None:
    state = report.protection
    if state is None:
        return
    out.print("\nWhat protected it", style="bold")
    reached = Counter(record.event.kind.value for record in state.stop_events)
    stops = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(reached.items())) or "none reached"
    out.print(f"  Stops: {stops}", markup=False)
    trips = Counter(event.breaker.value for event in state.breaker_events if event.is_trip)
    out.print(
        f"  Breakers: {', '.join(f'{name} {count}x' for name, count in trips.items()) or 'none tripped'}", markup=False
    )
    steps = ", ".join(f"{change.before.value} to {change.after.value}" for change in state.tier_changes)
    out.print(f"  Tier: {state.tier.tier.value}{f' ({steps})' if steps else ''}", markup=False)
    out.print(f"  Reserve: ${state.reserve.balance:,.2f}", markup=False)


def _trades(report: BacktestReport) -> None:
    if not report.trades:
        out.print(f"\nNo trade: {report.assessed:,} assessments never reached a purchase.")
        return
    out.print(f"\nTrades, the largest results first, {len(report.trades)} in all", style="bold")
    table = _table("symbol", "opened", "closed", "shares", "cost", "result", "why it ended")
    for trade in sorted(report.trades, key=lambda each: -abs(each.result))[:TRADES_SHOWN]:
        table.add_row(
            trade.symbol,
            str(trade.opened),
            str(trade.closed) if trade.closed else "open",
            f"{trade.quantity.normalize():f}",
            f"{trade.cost:,.2f}",
            f"{trade.result:+,.2f}",
            trade.reason[:40],
        )
    out.print(table)
    if len(report.trades) > TRADES_SHOWN:
        out.print(f"  and {len(report.trades) - TRADES_SHOWN} more; --json has them all")


def _filled(text: str) -> str:
    return textwrap.fill(text, min(out.width, WIDTH), initial_indent="  ", subsequent_indent="  ")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=number == 0, overflow="fold")
    return table


def _percent(value: float | None, *, sign: str = "+") -> str:
    return NONE if value is None else percent(value, sign=sign)


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"
