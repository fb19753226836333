"""Orders that wait for a person: what each is, why, and the two answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from api.dashboard import formats
from api.dashboard.client import at
from api.dashboard.pages import PageRoute
from api.dashboard.sessions import Session
from api.dashboard.visits import Visit, Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)

SHOWN = 20
EVIDENCE = 3


@router.get("/inbox")
async def inbox(visit: Visiting) -> Response:
    found = await visit.api.read(
        pending=f"/v1/approvals?status=pending&limit={SHOWN}",
        decided="/v1/approvals?limit=15",
        account="/v1/account",
    )
    listed = (found["pending"].value or {}).get("data", [])
    detailed = await asyncio.gather(*(visit.api.get(at("/v1/approvals/{}", one["approval_id"])) for one in listed))
    return await visit.page(
        "inbox.html",
        section="inbox",
        readings=found,
        waiting=[told(one, visit, found["account"].value) for one in detailed],
        more=(found["pending"].value or {}).get("has_more", False),
    )


@router.get("/inbox/{approval_id}")
async def approval(visit: Visiting, approval_id: str) -> Response:
    one = await visit.api.get(at("/v1/approvals/{}", approval_id))
    found = await visit.api.read(account="/v1/account")
    return await visit.page("approval.html", section="inbox", one=told(one, visit, found["account"].value), full=True)


@router.post("/inbox/{approval_id}/review")
async def review(visit: Visiting, approval_id: str) -> Response:
    form = visit.form
    body = {"approve": form["answer"] == "approve", "reason": form["reason"], "order_hash": form["order_hash"]}
    result = await send(visit, "POST", at("/v1/approvals/{}/review", approval_id), body)
    if isinstance(result, Response):
        return result
    done = {"approved": "approved", "declined": "declined"}.get(result["status"], "voted")
    return visit.see("/inbox", done)


@router.post("/inbox/{approval_id}/amend")
async def amend(visit: Visiting, approval_id: str) -> Response:
    form = visit.form
    body = {"quantity": form["quantity"], "reason": form["reason"], "order_hash": form["order_hash"]}
    result = await send(visit, "POST", at("/v1/approvals/{}/amend", approval_id), body)
    return result if isinstance(result, Response) else visit.see("/inbox", "amended")


def told(one: Mapping[str, Any], visit: Visit, account: Mapping[str, Any] | None) -> dict[str, Any]:
    """An approval with what a person weighs: its share of equity, the time left, and what keeps one from answering."""
    equity = formats.number(((account or {}).get("account") or {}).get("equity"))
    notional = formats.number(one["notional"])
    left = formats.until(one["expires_at"], visit.now)
    failed = [check for check in one["checks"] if check["outcome"] != "allow"]
    return {
        **one,
        "share": None if not equity or notional is None else notional / equity,
        "seconds_left": None if left is None else left.total_seconds(),
        "top": sorted(one["evidence"], key=lambda item: -abs(item["nano"]))[:EVIDENCE],
        "not_allowed": failed,
        "asking": [rule for rule in one["rules"] if rule["people"] > 0],
        "barred": barred(one, visit.session),
    }


def barred(one: Mapping[str, Any], session: Session) -> str:
    """Why this person cannot approve it; empty where nothing is known against it. The API decides in any case."""
    if one["status"] != "pending":
        return f"It is {one['status']} already."
    if not session.may("approve"):
        return "Your sign-in has no right to approve."
    name = session.person.name
    if not one["solo"] and name in {_person(actor) for actor in one["proposers"]}:
        return "You proposed or changed this order, so another person must approve it. You may decline it."
    if name in {_person(vote["actor"]) for vote in one["votes"]}:
        return "You have voted already; it needs another person."
    return ""


def _person(actor: str) -> str:
    """The name in how the audit log writes an actor: `api:anna/3f2a` -> `anna`."""
    return actor.split(":", 1)[-1].split("/", 1)[0]
