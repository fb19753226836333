"""What operators see of jobs, schedules and orders: at most 80 columns, addresses apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from api.numbers import money, shares
from api.operations.jobs import JobDetail, JobStatus, JobView
from api.operations.orders import OrderCancel, OrderDetail
from api.operations.schedules import ScheduleView
from cli.output import err, out

WIDTH = 80

_STYLE = {
    JobStatus.RUNNING: "bold",
    JobStatus.COMPLETED: "green",
    JobStatus.CANCELED: "yellow",
}


def show_jobs(jobs: Sequence[JobView], *, more: bool) -> None:
    if not jobs:
        out.print("No job matches.")
    for job in jobs:
        out.print(Text(job.workflow_id, style="bold"), overflow="fold")
        status = Text(job.status.value.replace("_", " "), style=_STYLE.get(job.status, "red"))
        rest = " ".join(each for each in (job.state.replace("_", " "), job.symbol, job.source) if each)
        out.print(Text.assemble("  ", f"{job.kind}, {_when(job.started_at)}, ", status, f"  {rest}"), overflow="fold")
    if more:
        err.print("There are more: raise --limit, or filter by --kind, --stage, --status, --from, --to")


def show_job(job: JobDetail) -> None:
    out.print(Text(job.workflow_id, style="bold"), overflow="fold")
    facts = _facts()
    facts.add_row("what", _plain(f"{job.kind}{': ' if job.summary else ''}{job.summary}"))
    facts.add_row("status", Text(job.status.value.replace("_", " "), style=_STYLE.get(job.status, "red")))
    if job.state:
        facts.add_row("stands", job.state.replace("_", " "))
    facts.add_row("ran", f"{_when(job.started_at)} to {_when(job.closed_at) if job.closed_at else 'now'}")
    for step in job.pending:
        most = f" of {step.maximum_attempts}" if step.maximum_attempts else ""
        facts.add_row("step", _plain(f"{step.activity}, {step.state.replace('_', ' ')}, attempt {step.attempt}{most}"))
        if step.last_failure:
            facts.add_row("", Text(step.last_failure, style="red"))
    for child in job.children:
        facts.add_row("started", _plain(child))
    for problem in job.problems:
        facts.add_row("problem", Text(problem, style="red"))
    if job.failure is not None:
        facts.add_row("failed at", _plain(f"{job.failure.stage} ({job.failure.step or 'the workflow itself'})"))
        facts.add_row("", Text(f"{job.failure.error_type}: {job.failure.message}", style="red"))
    out.print(facts, width=WIDTH)
    if job.temporal_url:
        out.print(f"  {job.temporal_url}", markup=False, soft_wrap=True)


def show_schedules(schedules: Sequence[ScheduleView]) -> None:
    if not schedules:
        out.print("No schedule: a replay has none.")
    for each in schedules:
        out.print(Text(each.schedule_id, style="bold"), overflow="fold")
        facts = _facts()
        facts.add_row("starts", _plain(f"{each.kind}{': ' if each.summary else ''}{each.summary}"))
        if each.every_seconds is not None:
            facts.add_row("every", f"{each.every_seconds} s")
        facts.add_row("last", _when(each.last_at) if each.last_at else "never")
        if each.paused:
            facts.add_row("paused", Text(each.note or "no reason given", style="yellow"))
        elif each.next_at:
            facts.add_row("next", _when(each.next_at[0]))
        if each.missed:
            facts.add_row("missed", str(each.missed))
        out.print(facts, width=WIDTH)


def show_order(order: OrderDetail) -> None:
    out.print(Text(f"{order.side} {shares(order.quantity)} {order.symbol}", style="bold"))
    facts = _facts()
    facts.add_row("order", order.order_id)
    facts.add_row("at the broker", order.broker_order_id or "not yet")
    for event in order.events:
        filled = f", {shares(event.filled_quantity)} filled" if event.filled_quantity else ""
        facts.add_row(_when(event.at), f"{event.status.replace('_', ' ')}{filled}")
    for fill in order.fills:
        facts.add_row(_when(fill.filled_at), f"fill of {shares(fill.quantity)} at ${money(fill.price)}")
    if order.reason:
        facts.add_row("reason", _plain(order.reason))
    out.print(facts, width=WIDTH)
    err.print(f"`stonks explain {order.recommendation_id}` says why", markup=False, soft_wrap=True)
    if order.temporal_url:
        out.print(f"  {order.temporal_url}", markup=False, soft_wrap=True)


def show_cancel(done: OrderCancel) -> None:
    if not done.closed:
        out.print(f"The broker has not canceled it yet ({done.status}); it is asked again by itself.")
        return
    had = "" if done.new else "had been "
    filled = f", {shares(done.filled_quantity)} shares were filled" if done.filled_quantity else ""
    out.print(f"The order {had or 'is '}{done.status.replace('_', ' ')}{filled}.")


def _facts() -> Table:
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    return facts


def _plain(text: str) -> Text:
    return Text(text)


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
