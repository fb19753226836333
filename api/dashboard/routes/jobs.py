"""Jobs: what people started and how far it is, what starts by itself, and every workflow behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import Response

from api.dashboard.client import ApiProblem, Reading, at
from api.dashboard.pages import PageRoute
from api.dashboard.refusals import Refusal
from api.dashboard.visits import Visit, Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)

STARTED = {
    "backtests": "/v1/jobs?stage=backtest&limit=8",
    "replays": "/v1/jobs?stage=replay&limit=8",
    "backfills": "/v1/jobs?kind=BackfillDocuments&limit=8",
    "what_ifs": "/v1/jobs?kind=WhatIf&limit=8",
    "agents": "/v1/jobs?stage=agents&limit=8",
}
"""What somebody began and waits for."""
STAGES = (
    "ingest",
    "document",
    "research",
    "trading",
    "order",
    "reconcile",
    "agents",
    "competitors",
    "backtest",
    "replay",
    "notify",
    "lake",
    "schedules",
    "backup",
)
STATUSES = ("running", "completed", "failed", "canceled", "terminated", "continued_as_new", "timed_out")
SHOWN = 25
NEWEST = 12
TOLD = 12
"""Of this many running jobs the page says how far they are: each is asked for itself."""
SCHEDULES = 200
KINDS = {
    "RunBacktest": "backtest",
    "SweepBacktests": "backtests of many configurations",
    "CompareDay": "comparison of a day with its backtest",
    "ReplayPeriod": "replay",
    "BackfillDocuments": "backfill",
    "WhatIf": "what-if",
    "EvaluateAgent": "evaluation of an agent",
    "TryAgent": "trial of an agent",
}
_PAGES = {"backtest": "/backtests/{}", "document": "/documents/{}", "symbol": "/symbols/{}"}
"""Pages of what a workflow is about, by the first word of its id."""
_SOURCE = "source/"
_RECONCILE = "reconcile/schedule"


@router.get("/jobs")
async def jobs(visit: Visiting, stage: str = "", status: str = "", cursor: str = "") -> Response:
    listed = await visit.api.get("/v1/jobs", limit=SHOWN, stage=stage, status=status, cursor=cursor)
    found, schedules = await asyncio.gather(
        visit.api.read(**STARTED), visit.api.read(schedules=f"/v1/schedules?limit={SCHEDULES}")
    )
    rows = started(found)
    return await visit.page(
        "jobs.html",
        section="jobs",
        readings=schedules,
        listed=listed,
        rows=rows,
        progress=await _progress(visit, rows),
        unread=[each.problem for each in found.values() if each.problem is not None],
        kinds=KINDS,
        page_of=page_of,
        runs_at_once=runs_at_once,
        stages=STAGES,
        statuses=STATUSES,
        stage=stage,
        status=status,
        cursor=cursor,
    )


@router.get("/jobs/{workflow_id:path}")
async def job(visit: Visiting, workflow_id: str) -> Response:
    return await _one(visit, workflow_id)


@router.post("/jobs/cancel")
async def cancel(visit: Visiting) -> Response:
    workflow_id = visit.form["workflow_id"]

    async def refusing(problem: ApiProblem) -> Response:
        if problem.status in (403, 404):
            raise problem
        return await _one(visit, workflow_id, refusal=Refusal("cancel", problem, visit.form.fields, ("reason",)))

    body = {"reason": visit.form["reason"]}
    result = await send(visit, "POST", at("/v1/jobs/{}/cancel", workflow_id), body, refusing=refusing)
    return result if isinstance(result, Response) else visit.see(at("/jobs/{}", workflow_id), "job-canceled")


@router.post("/schedules/{act}")
async def change_schedule(visit: Visiting, act: str) -> Response:
    """Pause a schedule, let it go on, or do at once what it would start."""
    form = visit.form
    if act == "run":
        result = await send(visit, "POST", runs_at_once(form["schedule_id"]))
        return result if isinstance(result, Response) else visit.see("/jobs", "started")
    body = {"paused": act == "pause", "note": form["note"]}
    result = await send(visit, "PATCH", at("/v1/schedules/{}", form["schedule_id"]), body)
    done = "schedule-paused" if body["paused"] else "schedule-resumed"
    return result if isinstance(result, Response) else visit.see("/jobs", done)


def started(found: Mapping[str, Reading]) -> list[Mapping[str, Any]]:
    """What somebody began: what goes on first, then the newest."""
    rows = [row for reading in found.values() for row in (reading.value or {}).get("data", [])]
    ordered = sorted(rows, key=lambda row: (row["started_at"], row["workflow_id"]), reverse=True)
    return sorted(ordered, key=lambda row: row["status"] != "running")[:NEWEST]


def page_of(workflow_id: str) -> str:
    """Where the dashboard shows what a workflow is about; empty where it has no page of its own."""
    noun, _, rest = workflow_id.partition("/")
    return at(_PAGES[noun], rest) if rest and noun in _PAGES else ""


def runs_at_once(schedule_id: str) -> str:
    """The address that does now what a schedule would start; empty where `/v1` has none."""
    if schedule_id == _RECONCILE:
        return "/v1/trading/reconcile"
    source = schedule_id.removeprefix(_SOURCE)
    return at("/v1/sources/{}/runs", source) if source != schedule_id else ""


async def _progress(visit: Visit, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """How far each running job is, by its id."""
    running = [row["workflow_id"] for row in rows if row["status"] == "running"][:TOLD]
    found = await asyncio.gather(*(visit.api.read(job=at("/v1/jobs/{}", each)) for each in running))
    return {each: (one["job"].value or {}).get("progress", "") for each, one in zip(running, found, strict=True)}


async def _one(visit: Visit, workflow_id: str, *, refusal: Refusal | None = None) -> Response:
    return await visit.page(
        "job.html",
        section="jobs",
        answer=refusal.problem.status if refusal else 200,
        one=await visit.api.get(at("/v1/jobs/{}", workflow_id)),
        kinds=KINDS,
        subject=page_of(workflow_id),
        page_of=page_of,
        refusal=refusal,
    )
