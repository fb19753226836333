"""The first page: how the account fares, what protects it, and what happens next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi.responses import Response
from markupsafe import Markup

from api.dashboard import formats
from api.dashboard.charts import lines
from api.dashboard.charts.waterfall import meter
from api.dashboard.client import Api, ApiProblem, Reading
from api.dashboard.pages import PageRoute
from api.dashboard.routes.orders import UNFINISHED, WAITING, asked
from api.dashboard.visits import Visiting
from api.routing import Router

router = Router(route_class=PageRoute)

SESSIONS = 250
NEWEST = 8
RUNS = 8


@router.get("/")
async def overview(visit: Visiting) -> Response:
    found, history = await asyncio.gather(
        visit.api.read(
            overview="/v1/overview",
            account="/v1/account",
            performance="/v1/trading/performance",
            protection="/v1/trading/protection",
            limits="/v1/risk/limits",
            health="/v1/pipeline/health",
            schedules="/v1/schedules?limit=200",
            reconciliations="/v1/trading/reconciliations?limit=1",
            decisions=f"/v1/recommendations?limit={NEWEST}",
            unfinished=UNFINISHED,
            waiting=WAITING,
        ),
        _history(visit.api),
    )
    return await visit.page(
        "overview.html",
        section="overview",
        readings=found,
        history=history,
        asked=asked(found["waiting"]),
        chart=equity_chart(history.value, found["performance"].value),
        exposures=exposures(found["account"].value, found["limits"].value),
        upcoming=upcoming(found["schedules"].value),
        drawdown=drawdown(found["account"].value, found["limits"].value),
    )


async def _history(api: Api) -> Reading:
    try:
        return Reading(value=list(reversed(await api.every("/v1/trading/performance/history", limit=SESSIONS))))
    except ApiProblem as problem:
        if problem.status == 401:
            raise
        return Reading(problem=problem)


def equity_chart(history: Sequence[Mapping[str, Any]] | None, performance: Mapping[str, Any] | None) -> Markup | None:
    """Growth of the account beside its benchmark's, both from 1; None below two sessions."""
    if history is None or len(history) < 2:
        return None
    benchmark = ((performance or {}).get("benchmark") or {}).get("symbol") or "benchmark"
    days = [date.fromisoformat(point["session"]) for point in history]
    own = [(point["growth"] - 1) * 100 for point in history]
    other = [None if point["benchmark_growth"] is None else (point["benchmark_growth"] - 1) * 100 for point in history]
    return lines.line_chart(
        key="equity",
        title="Return of the account and its benchmark",
        description=f"From {days[0]} to {days[-1]} the account went {own[-1]:+.2f} %"
        + ("" if other[-1] is None else f", {benchmark} {other[-1]:+.2f} %"),
        days=days,
        lines=[lines.Line(benchmark, "benchmark", other), lines.Line("account", "own", own)],
        label=lines.percent,
        reference=0.0,
    )


def exposures(account: Mapping[str, Any] | None, limits: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """Gross, net and each sector as a fraction of equity, beside its limit where it has one; None where unknown."""
    state = (account or {}).get("account")
    equity = formats.number((state or {}).get("equity"))
    if state is None or not equity:
        return None
    gross_cap = formats.number(((limits or {}).get("limits") or {}).get("gross_cap"))
    sector_cap = formats.number(((limits or {}).get("caps") or {}).get("sector_cap"))
    rows = [_exposure("Gross", state["gross_exposure"], equity, gross_cap)]
    if state["net_exposure"] is not None:
        rows.append(_exposure("Net", state["net_exposure"], equity, None))
    sectors = sorted(state["sectors"].items(), key=lambda item: (-(formats.number(item[1]) or 0), item[0]))
    return rows + [_exposure(name or "no sector known", value, equity, sector_cap) for name, value in sectors]


def _exposure(name: str, value: Any, equity: Any, cap: Any) -> dict[str, Any]:
    amount = formats.number(value)
    share = None if amount is None else amount / equity
    return {
        "name": name,
        "value": value,
        "share": share,
        "limit": cap,
        "meter": None if share is None or cap is None else meter(float(share), float(cap)),
    }


def upcoming(schedules: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The next runs in their order, those that are paused last."""
    rows = (schedules or {}).get("data", [])
    return sorted(rows, key=lambda row: (row["paused"], (row["next_at"] or ["9"])[0], row["schedule_id"]))[:RUNS]


def drawdown(account: Mapping[str, Any] | None, limits: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Fraction below the peak, and how much of what is allowed that uses."""
    state = (account or {}).get("account")
    if state is None:
        return None
    depth = formats.number(state["drawdown_pct"])
    cap = formats.number(((limits or {}).get("limits") or {}).get("drawdown"))
    fraction = None if depth is None else depth / 100
    return {
        "value": fraction,
        "limit": cap,
        "meter": None if fraction is None or not cap else meter(float(fraction), float(cap)),
    }
