"""How agents, their variants and comparisons look on a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from rich.table import Table
from rich.text import Text

from api.operations.agent_comparison import PromotionView
from api.operations.agents import AgentView, BudgetView, Use, VariantView
from cli.output import err, out, percent
from domain.agents import AgentSettings
from domain.comparison import Challenger, Comparison, Difference, Quantile, Rate, VariantFigures
from domain.trials import AgentTrialReport

_OWN = "the agent's own settings"
_LABEL = 12


def show_agents(found: Sequence[AgentView]) -> None:
    if not found:
        err.print("None. `stonks agents create --help` shows how to make one.")
        return
    table = _table("agent", "kind", "answers", "read by")
    for each in found:
        readers = [f"{row.name or row.variant_id} {_part(row.traffic_share, row.shadow)}" for row in each.active]
        kind = "" if each.kind.value == each.agent_id else each.kind.value
        table.add_row(each.agent_id, kind, Text(_answers(each.effective)), Text("\n".join(readers) or "-"))
    out.print(table)


def show_agent(view: AgentView) -> None:
    _line(view.agent_id, f"{view.name}: {view.kind.value}{', archived' if view.archived else ''}", style="bold")
    if view.purpose:
        _line("purpose", view.purpose)
    _line("champion", view.champion or _OWN)
    for row in view.active:
        _line("read by", f"{row.variant_id} {row.name} {_part(row.traffic_share, row.shadow)}")
    limits = view.budget.model_dump(exclude_none=True)
    _line("budget", ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in limits.items()) or "no limit")
    if view.effective is None:
        _line("problem", view.problem, style="red")
        return
    for name, value in view.effective.model_dump(mode="json").items():
        own = "" if name in view.settings else "  (default)"
        _line("settings" if name == "engine" else "", f"{name} = {_shortened(value)}{own}")


def show_variants(agent_id: str, found: Sequence[VariantView]) -> None:
    if not found:
        err.print(f"{agent_id} has none. `stonks agents add-variant --help` shows how to add one.")
        return
    table = _table(
        "variant", "name", "answers", "reads", "documents", "valid", "p95", right=("documents", "valid", "p95")
    )
    for each in found:
        figures = each.figures or VariantFigures()
        table.add_row(
            each.variant_id,
            Text(each.name),
            Text(_answers(each.effective)),
            _part(each.traffic_share, each.shadow) if each.active else "-",
            f"{figures.documents:,}",
            "-" if figures.valid.value is None else percent(figures.valid.value, 1),
            _seconds(figures.latency_p95.value),
        )
    out.print(table)


def show_comparison(found: Comparison) -> None:
    out.print(
        f"{found.agent_id} since {found.since:%Y-%m-%d %H:%M} UTC; {found.confidence:.0%} intervals in brackets",
        markup=False,
    )
    _figures(found.champion, "champion")
    for each in found.challengers:
        _figures(each.figures, "")
        _against(each)
    if not found.challengers:
        err.print("Nobody to compare it with: `stonks agents add-variant`, then `activate --shadow`.")


def show_promotion(found: PromotionView, share: float) -> None:
    table = _table("criterion", "", "found")
    for each in found.criteria:
        verdict = Text("passed", style="green") if each.passed else Text("failed", style="red")
        table.add_row(each.name.replace("_", " "), verdict, Text(each.detail))
    out.print(table)
    against = found.against or _OWN
    if found.passed:
        reads = f"it reads {percent(share, 1)} of the documents"
        out.print(f"{found.variant_id} passed against {against}: {reads}.", markup=False)
    else:
        out.print(f"{found.variant_id} did not pass against {against}; nothing changed.", markup=False)


def show_budget(found: BudgetView) -> None:
    out.print(f"{found.agent_id} on {found.day} (UTC)", markup=False)
    for name, use in (("calls", found.calls), ("tokens", found.tokens)):
        _line(name, _used(use), style="red" if use.left == 0 else "")


def show_trial(report: AgentTrialReport) -> None:
    tokens = f", {report.tokens_in:,} tokens in, {report.tokens_out:,} out" if report.calls else ""
    cost = f", {_dollars(report.cost_dollars)}" if report.cost_dollars else ""
    out.print(
        f"{report.engine_version or 'no answer'} in {_seconds(float(report.latency_ms))}{tokens}{cost}", markup=False
    )
    if report.problem:
        out.print(report.problem, markup=False, style="red")
    if report.quotes_total:
        out.print(f"{report.quotes_valid} of {report.quotes_total} quotes stand in the text")
    for dropped in report.dropped:
        out.print(f"taken out: {dropped}", markup=False, style="yellow")
    if report.answer:
        out.print(json.dumps(report.answer, indent=1, ensure_ascii=False), markup=False)


def _figures(found: VariantFigures, role: str) -> None:
    names = (found.variant_id or _OWN, found.name if found.variant_id else "", role)
    out.print()
    out.print(Text("  ".join(name for name in names if name), style="bold"))
    _line("documents", f"{found.documents:,}, {found.attempts:,} attempts")
    if not found.documents:
        return
    for label, rate in (
        ("valid", found.valid),
        ("quotes", found.quotes),
        ("first try", found.first_try),
        ("repaired", found.repaired),
    ):
        if rate.total:
            _line(label, _rate(rate))
    if found.latency_p50.readings:
        _line("latency", f"p50 {_quantile(found.latency_p50)}, p95 {_quantile(found.latency_p95)}")
    if found.tokens_in_per_document or found.tokens_out_per_document:
        _line(
            "tokens",
            f"{found.tokens_in_per_document:,.0f} in and {found.tokens_out_per_document:,.0f} out a document",
        )
    if found.cost_total and found.cost_per_document is not None:
        _line("cost", f"{_dollars(found.cost_per_document)} a document, {_dollars(found.cost_total)} in all")
    if found.problems:
        _line("problems", ", ".join(f"{code} {count:,}" for code, count in found.problems.items()))


def _against(each: Challenger) -> None:
    paired = each.paired
    _line("", f"against the champion, on {paired.documents:,} documents that both read:")
    for label, difference in (("valid", paired.valid), ("quotes", paired.quotes), ("accuracy", paired.accuracy)):
        _line(f"  {label}", _difference(difference))
    if paired.sign_agreement is not None and paired.sign_agreement.total:
        _line("  same sign", _rate(paired.sign_agreement))
    if not paired.documents and each.valid_unpaired.value is not None:
        _line("  unpaired", f"{_difference(each.valid_unpaired)} (valid, on different documents)")


def _table(*names: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    for name in names:
        table.add_column(
            name, justify="right" if name in right else "left", overflow="fold", no_wrap=name in ("agent", *right)
        )
    return table


def _line(label: str, told: str, style: str = "") -> None:
    """A label and what it says, folded under itself on a narrow terminal."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=max(_LABEL, len(label)), no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(label), Text(told, style=style))
    out.print(table)


def _answers(settings: AgentSettings | None) -> str:
    if settings is None:
        return "settings contradict each other"
    return settings.model or settings.engine.value


def _part(share: float, shadow: bool) -> str:
    return "shadow" if shadow else percent(share, 1)


def _rate(found: Rate) -> str:
    assert found.value is not None
    bounds = f"{percent(found.interval.low, 1)} to {percent(found.interval.high, 1)}"
    return f"{percent(found.value, 1)} ({bounds}), {found.count:,} of {found.total:,}"


def _difference(found: Difference) -> str:
    if found.value is None:
        return "not known"
    value, low, high = (percent(each, 1, sign="+") for each in (found.value, found.interval.low, found.interval.high))
    return f"{value} ({low} to {high}) on {found.total:,}"


def _quantile(found: Quantile) -> str:
    low = "?" if found.low is None else _seconds(found.low)
    high = "?" if found.high is None else _seconds(found.high)
    return f"{_seconds(found.value)} ({low} to {high})"


def _seconds(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.1f} s"


def _dollars(amount: Decimal) -> str:
    plain = f"{amount.normalize():f}"
    whole, _, cents = plain.partition(".")
    return f"${whole}.{cents:0<2}"


def _used(use: Use) -> str:
    if use.limit is None:
        return f"{use.used:,}, no limit"
    return f"{use.used:,} of {use.limit:,}, {use.left:,} left"


def _shortened(value: object) -> str:
    told = str(value)
    return told if len(told) <= 60 else f"{told[:57]}..."
