"""Jobs, schedules and orders that are on their way: look, pause, take back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import acting
from cli.commands.operate import ReasonOption, ask, links
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.instants import read_instant
from cli.output import err, print_json
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from api.operations.jobs import JobFilter, JobView
    from api.operations.schedules import ScheduleView
    from workers.parts import Parts

JobId = Annotated[str, typer.Argument(metavar="ID", help="The workflow, as the list shows it")]
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="As the list shows it, for example source/wire")]
OrderId = Annotated[str, typer.Argument(metavar="ID", help="The order, as `stonks api GET /v1/orders` shows it")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most")]


def register(app: typer.Typer) -> None:
    jobs = typer.Typer(
        cls=Commands, help="What runs and what ran; without a command, the newest.", invoke_without_command=True
    )
    jobs.callback()(newest_jobs)
    jobs.command(name="list")(list_jobs)
    jobs.command(name="show")(show_job)
    jobs.command(name="cancel")(cancel_job)
    app.add_typer(jobs, name="jobs")
    schedules = typer.Typer(
        cls=Commands, help="What starts by itself; without a command, all.", invoke_without_command=True
    )
    schedules.callback()(all_schedules)
    schedules.command(name="pause")(pause_schedule)
    schedules.command(name="resume")(resume_schedule)
    app.add_typer(schedules, name="schedules")
    orders = typer.Typer(cls=Commands, help="Orders that were made: look at one, take it back.", no_args_is_help=True)
    orders.command(name="show")(show_order)
    orders.command(name="cancel")(cancel_order)
    app.add_typer(orders, name="orders")


def newest_jobs(context: typer.Context, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """What runs and what ran; without a command, the newest."""
    if context.invoked_subcommand is None:
        _list_jobs(_filter(), 20, state, json)


def list_jobs(
    kind: Annotated[str | None, typer.Option(help="For example ProcessDocument")] = None,
    stage: Annotated[str | None, typer.Option(help="For example document, order or backtest")] = None,
    status: Annotated[str | None, typer.Option(help="For example running or failed")] = None,
    first: Annotated[str | None, typer.Option("--from", help="Started at or after, 2026-11-26 or with a time")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Started at or before")] = None,
    limit: Limit = 20,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List jobs, the newest first.

    Example: stonks jobs list --stage backtest --status running
    """
    given = {
        "kind": kind,
        "stage": stage,
        "status": status,
        "first": read_instant(first, "--from") if first else None,
        "last": read_instant(last, "--to") if last else None,
    }
    _list_jobs(_filter(**given), limit, state, json)


def show_job(workflow: JobId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Show one job: what it does now, how often that was tried, why it failed."""
    from api.operations import jobs
    from cli import job_views as views

    found = ask(state, lambda parts: jobs.get(parts.client, links(parts), workflow))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_job(found)


def cancel_job(workflow: JobId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Ask a job to end. What must not end that way says what to do instead."""
    from api.operations.jobs import JobCancel
    from api.operations.trading import valid_reason

    path = f"/v1/jobs/{acting.workflow(workflow)}/cancel"
    done = acting.act(state, JobCancel, "POST", path, {"reason": valid_reason(reason)})
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        err.print(f"{done.workflow_id} was asked to end.", markup=False)


def all_schedules(context: typer.Context, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """What starts by itself; without a command, all."""
    from api.operations import schedules
    from cli import job_views as views

    if context.invoked_subcommand is not None:
        return

    async def read(parts: Parts) -> list[ScheduleView]:
        found: list[ScheduleView] = []
        token, more = b"", True
        while more:
            page, token = await schedules.list_page(parts.client, links(parts), limit=200, token=token)
            found += page
            more = bool(token)
        return sorted(found, key=lambda each: each.schedule_id)

    found = ask(state, read)
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_schedules(found)


def pause_schedule(
    schedule: ScheduleId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """Let a schedule rest; that of a source pauses the source."""
    _change_schedule(schedule, True, reason, state, json)


def resume_schedule(
    schedule: ScheduleId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """Let a schedule go on."""
    _change_schedule(schedule, False, reason, state, json)


def show_order(order: OrderId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Show every step of an order's way, and its executions."""
    from api.operations import orders
    from cli import job_views as views

    found = ask(state, lambda parts: orders.get(parts.database, links(parts), order))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_order(found)


def cancel_order(order: OrderId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Take an order back, at the broker or before it is sent; one that waits in the inbox is declined instead."""
    from api.operations.orders import OrderCancel
    from api.operations.trading import valid_reason
    from cli import job_views as views

    path = f"/v1/orders/{acting.segment(order)}/cancel"
    done = acting.act(state, OrderCancel, "POST", path, {"reason": valid_reason(reason)})
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        views.show_cancel(done)


def _list_jobs(wanted: JobFilter, limit: int, state: Path, json: bool) -> None:
    from api.operations import jobs
    from cli import job_views as views

    async def read(parts: Parts) -> tuple[list[JobView], bytes]:
        return await jobs.list_page(parts.client, links(parts), wanted, limit=limit)

    found, token = ask(state, read)
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found], "has_more": bool(token)})
    else:
        views.show_jobs(found, more=bool(token))


def _change_schedule(schedule: str, paused: bool, note: str, state: Path, json: bool) -> None:
    from api.operations.schedules import ScheduleChange, ScheduleView
    from api.operations.trading import valid_reason

    wanted = ScheduleChange(paused=paused, note=valid_reason(note))
    done = acting.act(state, ScheduleView, "PATCH", f"/v1/schedules/{acting.workflow(schedule)}", wanted)
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        err.print(f"{done.schedule_id} {'rests' if done.paused else 'goes on'}.", markup=False)


def _filter(**given: Any) -> JobFilter:
    from api.operations.jobs import JobFilter, JobStatus

    status = given.get("status")
    if status is not None and status not in list(JobStatus):
        raise InvalidInput("CHOICE_INVALID", option="--status", found=status, allowed=", ".join(JobStatus))
    return JobFilter(**given)
