"""Decisions, and one of them whole: what was read, what it came to, and what another reader would have decided."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from api.dashboard import highlights, stories
from api.dashboard.client import at
from api.dashboard.pages import PageRoute
from api.dashboard.routes.documents import texts
from api.dashboard.visits import Visit, Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)

TEXTS = 8
ACTIONS = ("buy", "sell", "hold", "watch", "none")


@router.get("/decisions")
async def decisions(visit: Visiting, symbol: str = "", action: str = "", cursor: str = "") -> Response:
    listed = await visit.api.get(
        "/v1/recommendations", limit=50, symbol=symbol.strip().upper(), action=action, cursor=cursor
    )
    return await visit.page(
        "decisions.html",
        section="decisions",
        listed=listed,
        symbol=symbol.strip().upper(),
        action=action,
        actions=ACTIONS,
        cursor=cursor,
    )


@router.get("/decisions/{recommendation_id}")
async def decision(visit: Visiting, recommendation_id: str) -> Response:
    explanation = await visit.api.get(at("/v1/recommendations/{}/explanation", recommendation_id))
    whole = explanation["recommendation_id"]
    found, texts = await asyncio.gather(
        visit.api.read(
            account="/v1/account",
            what_ifs=at("/v1/recommendations/{}/what-ifs?limit=10", whole),
            others=at("/v1/recommendations?limit=30&symbol={}", explanation["symbol"]),
            acted=at("/v1/trading/decisions?recommendation_id={}", whole),
            variants="/v1/agents/document-extractor/variants?limit=50",
            table="/v1/recommendations?limit=100",
        ),
        _texts(visit, explanation),
    )
    audits = await asyncio.gather(
        *(
            visit.api.read(audit=at("/v1/trading/decisions/{}", one["decision_id"]))
            for one in (found["acted"].value or {}).get("data", [])
        )
    )
    reports = await asyncio.gather(
        *(
            visit.api.read(view=at("/v1/what-ifs/{}", one["what_if_id"]))
            for one in (found["what_ifs"].value or {}).get("data", [])[:3]
        )
    )
    equity = ((found["account"].value or {}).get("account") or {}).get("equity")
    return await visit.page(
        "decision.html",
        section="decisions",
        one=explanation,
        story=stories.story(explanation, equity),
        rows=stories.waterfall_rows(explanation),
        layers=stories.layer_rows(explanation),
        texts=texts,
        equity=equity,
        audits=[each["audit"].value for each in audits if each["audit"].value is not None],
        reports=[each["view"] for each in reports],
        around=_around(found["others"].value, whole),
        alternatives=alternatives(found["table"].value, explanation),
        readings=found,
    )


@router.post("/decisions/{recommendation_id}/what-if")
async def what_if(visit: Visiting, recommendation_id: str) -> Response:
    form = visit.form
    body: dict[str, Any] = form.present("variant_id")
    settings = form.present("engine", "model", "instructions")
    if settings and not body:
        body["settings"] = settings
    path = at("/v1/recommendations/{}/what-ifs", recommendation_id)
    result = await send(visit, "POST", path, body)
    return result if isinstance(result, Response) else visit.see(f"/decisions/{recommendation_id}", "asked")


def alternatives(listed: Mapping[str, Any] | None, explanation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What else was decided at that instant and not taken further, the strongest first."""
    return sorted(
        (
            row
            for row in (listed or {}).get("data", [])
            if row["as_of"] == explanation["as_of"] and row["recommendation_id"] != explanation["recommendation_id"]
        ),
        key=lambda row: (-abs(float(row["score"])), row["symbol"]),
    )


def _around(listed: Mapping[str, Any] | None, recommendation_id: str) -> dict[str, Any]:
    """The same company's decisions before and after this one."""
    rows = (listed or {}).get("data", [])
    at = next((index for index, row in enumerate(rows) if row["recommendation_id"] == recommendation_id), None)
    return {
        "rows": rows[:10],
        "newer": rows[at - 1] if at is not None and at > 0 else None,
        "older": rows[at + 1] if at is not None and at + 1 < len(rows) else None,
    }


async def _texts(visit: Visit, explanation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The texts that weigh most, each with the passages that were read from it."""
    by_document: dict[str, list[Mapping[str, Any]]] = {}
    statements = [item for layer in explanation["layers"] for item in layer["evidence"]]
    for item in sorted(statements, key=lambda each: -abs(each["nano"])):
        by_document.setdefault(item["doc_id"], []).append(item)
    chosen = list(by_document.items())[:TEXTS]
    whole = explanation["recommendation_id"]
    bodies, cited = await asyncio.gather(
        texts(visit, [doc_id for doc_id, _ in chosen]),
        visit.api.read(evidence=at("/v1/recommendations/{}/evidence?limit=200", whole)),
    )
    offsets = {each["evidence_id"]: each["quotes"] for each in (cited["evidence"].value or {}).get("data", [])}
    return [_text(doc_id, items, bodies[doc_id], offsets) for doc_id, items in chosen]


def _text(
    doc_id: str, items: list[Mapping[str, Any]], body: str | None, offsets: Mapping[str, list[Mapping[str, Any]]]
) -> dict[str, Any]:
    first = items[0]
    return {
        "doc_id": doc_id,
        "title": first["title"],
        "publisher": first["publisher"],
        "published_at": first["published_at"],
        "statements": items,
        "nano": sum(item["nano"] for item in items),
        "pieces": None if body is None else highlights.pieces(body, _quotes(items, body, offsets)),
    }


def _quotes(
    items: list[Mapping[str, Any]], body: str, offsets: Mapping[str, list[Mapping[str, Any]]]
) -> list[highlights.Quote]:
    """Where each statement's words stand: as the API says, or where the text has them word for word."""
    found = []
    for item in items:
        key = item["evidence_id"]
        placed = [highlights.Quote(each["start"], each["end"], key) for each in offsets.get(key, [])]
        if not placed and (one := highlights.located(body, item["quote"], key)) is not None:
            placed = [one]
        found += placed
    return found
