"""What operators see of backups, drills and restorations: at most 80 columns, addresses apart."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from api.operations.backups import BackupView, DrillView
from cli.output import err, out
from domain.backup_run import BackupOutcome, RestoreReport
from domain.backups import BackupState, DrillState, Flaw

_STYLE = {
    BackupState.VERIFIED.value: "green",
    BackupState.FAILED.value: "red",
    BackupState.RUNNING.value: "yellow",
    DrillState.PASSED.value: "green",
}
FLAWS_SHOWN = 20


def show_backups(found: Sequence[BackupView]) -> None:
    if not found:
        out.print("There is no backup yet: `stonks backup run` makes one, and the schedule one every night.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("backup", "state", "rows", "size", "objects", "last drill"):
        table.add_column(name, justify="right" if name in ("rows", "size", "objects") else "left", no_wrap=True)
    for each in found:
        drill = each.drills[0] if each.drills else None
        tried = Text("none") if drill is None else _state(drill.state.value)
        if drill is not None:
            tried.append(f" {drill.created_at:%d %b}")
        table.add_row(
            each.backup_id,
            _state(each.state.value),
            f"{each.rows:,}",
            size(each.dump_bytes + each.object_bytes),
            f"{each.objects:,}",
            tried,
        )
    out.print(table)
    for each in found:
        for problem in _problems(each):
            out.print(f"  {each.backup_id}: {problem}", style="red", markup=False)


def show_backup(found: BackupView) -> None:
    out.print(Text.assemble((found.backup_id, "bold"), " ", _state(found.state.value)))
    out.print(
        f"  {found.rows:,} rows, {size(found.dump_bytes)}; {found.objects:,} objects, {size(found.object_bytes)}, "
        f"{found.copied:,} new",
        markup=False,
    )
    if found.location:
        out.print(f"  {found.location}", markup=False, soft_wrap=True)
    for problem in _problems(found):
        out.print(f"  {problem}", style="red", markup=False)


def show_outcome(done: BackupOutcome) -> None:
    out.print(Text.assemble((done.backup_id, "bold"), " ", _state(done.state.value)))
    out.print(
        f"  {done.rows:,} rows, {size(done.dump_bytes)}; {done.objects:,} objects, {size(done.object_bytes)}",
        markup=False,
    )
    if done.removed:
        out.print(f"  Removed: {', '.join(done.removed)}", markup=False)
    if done.gaps:
        out.print(f"  {done.gaps} objects that the book names are missing: its manifest names them", style="red")
    if done.offsite and done.offsite != "stored":
        out.print(f"  Not stored elsewhere: {done.offsite}", style="red", markup=False)


def show_flaws(backup_id: str, flaws: Sequence[Flaw]) -> None:
    if not flaws:
        out.print(f"{backup_id} is whole: dump, objects and manifest are as they were written.", markup=False)
    for each in flaws[:FLAWS_SHOWN]:
        out.print(Text(str(each), style="red"), overflow="fold")
    if len(flaws) > FLAWS_SHOWN:
        out.print(f"and {len(flaws) - FLAWS_SHOWN} more: --json shows all", style="dim")


def show_drill(done: DrillView) -> None:
    out.print(Text.assemble("Drill of ", (done.backup_id, "bold"), ": ", _state(done.state.value)))
    seconds = "" if done.seconds is None else f", in {done.seconds} s"
    out.print(
        f"  {done.tables} tables with {done.rows:,} rows, {done.objects:,} objects, "
        f"{done.histories} workflow histories{seconds}",
        markup=False,
    )
    show = [str(each) for each in done.flaws[:FLAWS_SHOWN]] or ([done.error] if done.error else [])
    for each in show:
        out.print(Text(f"  {each}", style="red"), overflow="fold")


def show_restored(report: RestoreReport) -> None:
    settled = report.settled
    out.print(
        f"Restored: the book of {report.taken_at:%Y-%m-%d %H:%M} UTC, {report.rows:,} rows and "
        f"{report.objects:,} objects{', and the paper broker with it' if report.broker_book else ''}.",
        markup=False,
    )
    out.print("Trading halts and sources rest until a person resumes.", style="bold yellow")
    for count, what in (
        (settled.open_intents, "orders were on their way: the comparison with the broker follows or ends them"),
        (settled.pending_approvals, "questions waited for people: they are withdrawn with their orders"),
        (settled.documents, "documents were being read: the next run of any source takes them up"),
        (settled.runs, "runs, backtests and the like were under way: they are marked as failed"),
        (settled.sessions, "sessions and links have ended: people sign in again"),
    ):
        if count:
            out.print(f"  {count} {what}", markup=False)
    if report.set_aside:
        out.print(
            f"What was there before is kept in the schema {report.set_aside}. When you are sure, in psql:\n"
            f'  DROP SCHEMA "{report.set_aside}" CASCADE',
            markup=False,
        )
    err.print("Next: start it (`stonks up`), `stonks doctor`, `stonks reconcile`, and then `stonks resume`.")


def size(count: int) -> str:
    for unit, above in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= above:
            return f"{count / above:.1f} {unit}"
    return f"{count} B"


def _problems(found: BackupView) -> list[str]:
    problems = [found.error] if found.error else []
    if found.gaps:
        problems.append(f"{found.gaps} objects that the book names are missing")
    if found.offsite and found.offsite != "stored":
        problems.append(f"not stored elsewhere: {found.offsite}")
    drill = found.drills[0] if found.drills else None
    if drill is not None and drill.state is DrillState.FAILED:
        said = str(drill.flaws[0]) if drill.flaws else drill.error
        problems.append(f"its drill failed: {said}")
    return problems


def _state(name: str) -> Text:
    return Text(name, style=_STYLE.get(name, ""))
