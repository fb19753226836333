"""Agents: who reads, how well, at what cost, and how much of the work a challenger gets."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi.responses import Response

from api.dashboard.client import at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)


@router.get("/agents")
async def agents(visit: Visiting) -> Response:
    listed = await visit.api.get("/v1/agents", limit=50)
    compared = await asyncio.gather(
        *(
            visit.api.read(
                comparison=at("/v1/agents/{}/comparison", one["agent_id"]),
                budget=at("/v1/agents/{}/budget", one["agent_id"]),
            )
            for one in listed["data"]
        )
    )
    return await visit.page(
        "agents.html",
        section="agents",
        rows=[{"agent": one, **found} for one, found in zip(listed["data"], compared, strict=True)],
    )


@router.get("/agents/{agent_id}")
async def agent(visit: Visiting, agent_id: str) -> Response:
    one = await visit.api.get(at("/v1/agents/{}", agent_id))
    base = at("/v1/agents/{}", agent_id)
    found = await visit.api.read(
        variants=f"{base}/variants?limit=50",
        comparison=f"{base}/comparison",
        promotions=f"{base}/promotions?limit=20",
        budget=f"{base}/budget",
        evaluations=f"{base}/evaluations?limit=10",
    )
    return await visit.page("agent.html", section="agents", readings=found, agent=one)


@router.post("/agents/{agent_id}/variants")
async def new_variant(visit: Visiting, agent_id: str) -> Response:
    form = visit.form
    settings: dict[str, Any] = form.present("engine", "model", "instructions")
    if form["temperature"]:
        settings["temperature"] = form["temperature"]
    body = {"name": form["name"], "settings": settings}
    result = await send(visit, "POST", at("/v1/agents/{}/variants", agent_id), body)
    return result if isinstance(result, Response) else visit.see(f"/agents/{agent_id}", "added")


@router.post("/agents/{agent_id}/variants/{variant_id}/activate")
async def activate(visit: Visiting, agent_id: str, variant_id: str) -> Response:
    form = visit.form
    body: dict[str, Any] = {"shadow": form["shadow"] == "yes"}
    if form["share"] and not body["shadow"]:  # a shadow reads what others read, so it has no share
        body["traffic_share"] = _fraction(form["share"])
    path = at("/v1/agents/{}/variants/{}/activate", agent_id, variant_id)
    result = await send(visit, "POST", path, body)
    return result if isinstance(result, Response) else visit.see(f"/agents/{agent_id}", "activated")


@router.post("/agents/{agent_id}/variants/{variant_id}/{what}")
async def change_variant(visit: Visiting, agent_id: str, variant_id: str, what: str) -> Response:
    """Deactivate a variant, or make it the champion where the gate lets it through."""
    path = at("/v1/agents/{}/variants/{}/{}", agent_id, variant_id, "promote" if what == "promote" else "deactivate")
    body: dict[str, Any] | None = {} if what == "promote" else None
    result = await send(visit, "POST", path, body)
    done = "changed" if what == "promote" else "deactivated"
    return result if isinstance(result, Response) else visit.see(f"/agents/{agent_id}", done)


def _fraction(percent: str) -> float | str:
    """A share as a person writes it, 25 or 25 %, as a fraction; what is no number goes on as it is and is refused."""
    try:
        return float(percent.rstrip("% ").replace(",", ".")) / 100
    except ValueError:
        return percent
