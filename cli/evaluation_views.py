"""How evaluations and what-ifs look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from activities.adapters.filings_measured import FilingScores
from api.operations.what_ifs import WhatIfView
from cli.output import err, out
from domain.evaluation import Evaluation, Metric, published
from domain.event_scores import EventScores, TypeScore
from domain.what_if import DecisionView, EventView, WhatIfReport


def show_evaluations(found: Sequence[Evaluation], names: Sequence[str], datasets: Sequence[str]) -> None:
    for version in dict.fromkeys(each.extractor_version for each in found):
        halves = {each.half.value for each in found if each.extractor_version == version}
        out.print(
            f"Read by {version}; sentences: {', '.join(sorted(halves))}; 95 % intervals in brackets", markup=False
        )
    table = _table("sample", "n", "accuracy", "macro F1", "ECE", "sentences/s")
    for name, each in zip(names, found, strict=True):
        interval = each.accuracy_interval
        table.add_row(
            name,
            str(each.n),
            f"{each.accuracy:.3f} ({interval.low:.3f} to {interval.high:.3f})",
            f"{each.macro_f1:.3f}",
            f"{each.ece:.3f}",
            f"{each.sentences_per_second:,.0f}" if each.sentences_per_second else "-",
        )
    out.print(table)
    _show_published(dict.fromkeys(datasets))


def _show_published(datasets: Iterable[str]) -> None:
    for dataset in datasets:
        rows: dict[tuple[str, str, str], dict[Metric, float]] = {}
        for figure in published(dataset):
            rows.setdefault((figure.system, figure.subset, figure.source), {})[figure.metric] = figure.value
        if not rows:
            continue
        out.print(f"\n{dataset}, from elsewhere and on other parts of the sample:", style="bold")
        table = _table("system", "accuracy", "macro F1", "measured on")
        for (system, subset, _), values in rows.items():
            numbers = (f"{values[m]:.3f}" if m in values else "-" for m in (Metric.ACCURACY, Metric.MACRO_F1))
            table.add_row(system, *numbers, subset)
        out.print(table)
        for source in dict.fromkeys(source for _, _, source in rows):
            systems = dict.fromkeys(system for system, _, known in rows if known == source)
            out.print(f"{', '.join(systems)}: {source}", markup=False, style="dim")


def show_filings(scores: FilingScores) -> None:
    out.print(f"{scores.read} filings read, {scores.unread} without a text, {scores.dropped} claims dropped by checks.")
    for title, each in (
        ("8-K items, against the headers' own lists", scores.items),
        ("Kinds of events, against what the items imply", scores.types),
        ("The filer among the companies found", scores.filers),
        ("The filer as the subject of the events", scores.subjects),
    ):
        out.print(f"\n{title} ({each.documents} filings, {each.exact} exactly right)", style="bold")
        _show_scores(each)


def show_what_if(view: WhatIfView) -> None:
    if view.report is None:
        err.print(f"{view.status}: {view.error or view.workflow_id}", markup=False)
        return
    report = view.report
    verdict = "The decision stays" if report.same_decision else "The decision changes"
    out.print(
        f"{report.symbol} as of {report.as_of:%Y-%m-%d %H:%M} UTC: {verdict.lower()}: "
        f"{report.before.action} -> {report.after.action}",
        style="bold",
    )
    out.print(f"Read by {', '.join(report.read_by) or 'nobody'}: {report.documents} documents", markup=False)
    if report.left_out:
        out.print(f"{report.left_out} older documents were not read again.", style="yellow")
    table = _table("", "then", "what if")
    for name in ("score", "company", "conviction", "contradiction", "confirmation", "edge_bp", "cost_bp", "evidence"):
        table.add_row(name, _number(report.before, name), _number(report.after, name))
    out.print(table)
    for gate, again in zip(report.before.gates, report.after.gates, strict=False):
        if gate != again:
            out.print(
                f"gate {gate.name}: {gate.value} -> {again.value} (limit {gate.limit}), "
                f"{_passed(gate.passed)} -> {_passed(again.passed)}",
                markup=False,
            )
    _show_changes(report)
    for problem in report.problems:
        out.print(problem, style="red", markup=False)
    out.print(
        f"{report.calls} calls ({report.cached} answers known), {report.tokens_in} tokens in, {report.tokens_out} out, "
        f"${report.cost_dollars}, {report.latency_ms / 1_000:.1f} s of answers",
        style="dim",
    )


def _show_changes(report: WhatIfReport) -> None:
    if not report.changed:
        out.print("No document says anything else.")
        return
    out.print(f"\n{len(report.changed)} documents say something else:", style="bold")
    for change in report.changed:
        out.print(f"{change.title} ({change.doc_id})", markup=False)
        for mark, events in (("-", change.before), ("+", change.after)):
            for event in events:
                out.print(f"  {mark} {_event(event)}", markup=False, style="red" if mark == "-" else "green")


def _event(event: EventView) -> str:
    return (
        f"{event.type} {event.role} {event.sentiment:+.2f}, {event.materiality}, confidence {event.confidence:.2f}: "
        f'"{event.quote[:160]}"'
    )


def _show_scores(scores: EventScores) -> None:
    table = _table("kind", "precision", "recall", "F1", "right", "wrong", "missed")
    for row in (*scores.rows, scores.micro):
        counts = (row.right, row.wrong, row.missed)
        table.add_row(row.type, *(_rate(value) for value in _rates(row)), *(str(count) for count in counts))
    out.print(table)


def _rates(row: TypeScore) -> tuple[float | None, float | None, float | None]:
    return row.precision, row.recall, row.f1


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _passed(passed: bool) -> str:
    return "passes" if passed else "fails"


def _number(view: DecisionView, name: str) -> str:
    value = getattr(view, name)
    return str(value) if isinstance(value, int) else f"{value:+.4f}"


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    numbers = {"n", "accuracy", "macro F1", "weighted F1", "ECE", "sentences/s", "precision", "recall", "F1", "right"}
    for name in names:
        right = name in numbers or name in {"wrong", "missed", "then", "what if"}
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table
