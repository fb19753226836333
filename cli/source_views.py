"""How sources and their runs look on a terminal."""

from __future__ import annotations

from rich.table import Table

from api.operations.sources import RunView, SourceView
from cli.output import err, out
from domain.ingestion import SourceTestReport

_COLOURS = {"failing": "red", "well": "green", "finished": "green", "failed": "red", "paused": "yellow"}


def show_sources(found: list[SourceView]) -> None:
    if not found:
        err.print("No sources yet. `stonks sources add --help` shows how to add one.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("source", "kind", "every", "health", "last run", "new", "error"):
        wraps = name in ("source", "error")
        table.add_column(
            name, justify="right" if name in ("every", "new") else "left", overflow="fold", no_wrap=not wraps
        )
    for each in found:
        run = each.last_run
        table.add_row(
            each.source_id,
            each.kind,
            _cadence(each),
            _coloured(each.health),
            f"{run.started_at:%m-%d %H:%M}" if run else "-",
            str(run.registered + run.facts) if run else "-",
            _code(each.last_error),
        )
    out.print(table)
    for each in found:
        if each.last_error:
            out.print(f"{each.source_id}: {each.last_error}", markup=False, style="red")


def show_runs(found: list[RunView]) -> None:
    if not found:
        err.print("It was not read yet.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    numbers = ("pages", "read", "new", "known", "refused", "facts", "time")
    for name in ("started", "status", *numbers, "error"):
        wraps = name == "error"
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold", no_wrap=not wraps)
    for run in found:
        table.add_row(
            f"{run.started_at:%m-%d %H:%M:%S}",
            _coloured(run.status),
            *(str(count) for count in (run.pages, run.read, run.registered, run.duplicates, run.rejected, run.facts)),
            f"{(run.fetch_ms + run.register_ms) / 1_000:.1f} s",
            _code(run.error),
        )
    out.print(table)
    if found[0].error:
        out.print(found[0].error, markup=False, style="red")


def show_test(report: SourceTestReport) -> None:
    where = f" from {report.url}" if report.url else ""
    out.print(
        f"{report.bytes:,} bytes{where} in {report.elapsed_ms / 1_000:.1f} s, status {report.status}", markup=False
    )
    counts = {
        "documents": report.documents,
        "bars": report.bars,
        "corporate actions": report.actions,
        "companies": report.companies,
        "figures": report.figures,
        "refused": report.rejected,
    }
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing new"
    out.print(f"{told}{'; more pages follow' if report.more else ''}")
    for title in report.titles:
        out.print(f"  {title}", markup=False)
    for refused in report.rejects:
        out.print(f"  refused: {refused}", markup=False)


def _code(error: str) -> str:
    return error.partition(":")[0].partition(".")[0][:40]


def _cadence(view: SourceView) -> str:
    if not view.cadence_seconds:
        return "by hand"
    closed = view.cadence_closed_seconds
    return _seconds(view.cadence_seconds) + (f" / {_seconds(closed)}" if closed else "")


def _seconds(count: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} s"


def _coloured(word: str) -> str:
    colour = _COLOURS.get(word)
    return f"[{colour}]{word}[/]" if colour else word
