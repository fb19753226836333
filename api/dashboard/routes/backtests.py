"""Backtests: begin one, look at one, lay several beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from markupsafe import Markup

from api.dashboard import nested
from api.dashboard.charts import lines
from api.dashboard.client import ApiProblem, at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visiting, refused, send
from api.routing import Router

router = Router(route_class=PageRoute)

TIERS = ("conservative", "moderate", "aggressive")
POINTS = 400
"""Of a line; a longer run is drawn by every nth session, the last one always among them."""
TRADES = 200


@router.get("/backtests")
async def backtests(visit: Visiting, cursor: str = "") -> Response:
    listed = await visit.api.get("/v1/backtests", limit=30, cursor=cursor)
    return await visit.page("backtests.html", section="backtests", listed=listed, tiers=TIERS, cursor=cursor)


@router.post("/backtests")
async def begin(visit: Visiting) -> Response:
    form = visit.form
    body: dict[str, Any] = form.present("first", "last", "name", "tier", "opening_cash", "benchmark", "model_cutoff")
    body |= {"protect": form["protect"] == "yes", "noted": form["noted"] or "changes"}
    costs = form.present("half_spread_bp", "impact", "fee_bp")
    if costs:
        body["costs"] = costs
    try:
        if changes := nested.changes(visit.form["changes"]):
            body["changes"] = changes
    except ApiProblem as problem:
        return await refused(visit, problem)
    result = await send(visit, "POST", "/v1/backtests", body)
    return result if isinstance(result, Response) else visit.see(f"/backtests/{result['backtest_id']}", "started")


@router.get("/backtests/compare")
async def compare(visit: Visiting, request: Request) -> Response:
    ids = list(dict.fromkeys(request.query_params.getlist("id")))[:6]
    found = await asyncio.gather(
        *(visit.api.read(view=at("/v1/backtests/{}", each), report=at("/v1/backtests/{}/report", each)) for each in ids)
    )
    runs = [each for each in found if each["view"].value is not None and each["report"].value is not None]
    return await visit.page(
        "backtest_compare.html",
        section="backtests",
        runs=runs,
        missing=len(ids) - len(runs),
        differences=nested.differences([run["report"].value["request"]["config"] for run in runs]),
        chart=several([run["report"].value for run in runs]),
    )


@router.get("/backtests/{backtest_id}")
async def backtest(visit: Visiting, backtest_id: str) -> Response:
    view = await visit.api.get(at("/v1/backtests/{}", backtest_id))
    found = await visit.api.read(report=at("/v1/backtests/{}/report", backtest_id))
    report = found["report"].value
    return await visit.page(
        "backtest.html",
        section="backtests",
        readings=found if view["status"] in ("finished", "failed") or report else None,
        one=view,
        result=report,
        chart=None if report is None else equity(report),
        trades=[] if report is None else report["trades"][:TRADES],
    )


@router.post("/backtests/{backtest_id}/end")
async def end(visit: Visiting, backtest_id: str) -> Response:
    result = await send(visit, "DELETE", at("/v1/backtests/{}", backtest_id))
    return result if isinstance(result, Response) else visit.see("/backtests", "ended")


def equity(report: Mapping[str, Any]) -> Markup | None:
    """The strategy's growth beside those of its benchmarks."""
    days, picked = _thinned([date.fromisoformat(day) for day in report["sessions"]])
    if len(days) < 2:
        return None
    drawn = [lines.Line("strategy", "own", _growth(report["strategy"], picked))]
    kinds = ("benchmark", "third")
    for kind, track in zip(kinds, report["benchmarks"], strict=False):
        drawn.insert(0, lines.Line(track["name"], kind, _growth(track, picked)))
    return lines.line_chart(
        key="backtest",
        title="Return of the strategy and its benchmarks",
        description=f"{len(report['sessions'])} sessions from {days[0]} to {days[-1]}",
        days=days,
        lines=drawn,
        label=lines.percent,
        reference=0.0,
    )


def several(reports: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Runs of one period in one picture; None where their periods differ."""
    if len(reports) < 2 or any(report["sessions"] != reports[0]["sessions"] for report in reports):
        return None
    days, picked = _thinned([date.fromisoformat(day) for day in reports[0]["sessions"]])
    kinds = ("own", "third", "benchmark")
    return lines.line_chart(
        key="compared",
        title="Returns of the runs",
        description=f"{len(reports)} runs from {days[0]} to {days[-1]}",
        days=days,
        lines=[
            lines.Line(
                report["request"].get("name") or report["backtest_id"][:8], kind, _growth(report["strategy"], picked)
            )
            for report, kind in zip(reports, kinds, strict=False)
        ],
        label=lines.percent,
        reference=0.0,
    )


def _thinned(days: Sequence[date]) -> tuple[list[date], list[int]]:
    step = max(1, len(days) // POINTS)
    picked = sorted({*range(0, len(days), step), max(0, len(days) - 1)}) if days else []
    return [days[index] for index in picked], picked


def _growth(track: Mapping[str, Any], picked: Sequence[int]) -> list[float | None]:
    """Percent since the beginning. A track has its opening value first, then one a session's close."""
    opening, *closes = (float(value) for value in track["equity"])
    return [(closes[index] / opening - 1) * 100 if opening and index < len(closes) else None for index in picked]
