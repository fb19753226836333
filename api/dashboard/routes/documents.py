"""Documents: found by filter or by words, and one of them with its text, its readings side by side and its lineage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import Response

from api.dashboard import highlights
from api.dashboard.client import ApiProblem, Reading, at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visit, Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)

STATUSES = ("processed", "registered", "needs_review", "failed", "duplicate", "released")
_STEPS = (
    ("Source", ("run", "answer")),
    ("Document", ("document",)),
    ("Read", ("extraction",)),
    ("Found", ("event", "statement")),
    ("Means", ("evidence",)),
    ("Counted in", ("signal",)),
    ("Decided", ("recommendation",)),
    ("Traded", ("intent", "order", "fill")),
)


@router.get("/documents")
async def documents(
    visit: Visiting, q: str = "", symbol: str = "", source: str = "", status: str = "", cursor: str = ""
) -> Response:
    """List documents by filter, or find them by words."""
    filters = {"symbol": symbol.strip().upper(), "source": source.strip(), "cursor": cursor}
    wanted = q.strip()
    problem: ApiProblem | None = None
    listed: dict[str, Any] = {"data": [], "has_more": False, "next_cursor": None}
    try:
        if wanted:
            listed = await visit.api.get("/v1/search", q=wanted, limit=30, **filters)
        else:
            listed = await visit.api.get("/v1/documents", limit=50, status=status, **filters)
    except ApiProblem as refused:
        if refused.status == 401:
            raise
        problem = refused
    return await visit.page(
        "documents.html",
        section="documents",
        listed=listed,
        problem=problem,
        hits=[_hit(row) for row in listed["data"]] if wanted else [],
        q=wanted,
        status=status,
        statuses=STATUSES,
        filters=filters,
        cursor=cursor,
    )


@router.get("/documents/{doc_id}")
async def document(visit: Visiting, doc_id: str) -> Response:
    found = await visit.api.read(
        document=at("/v1/documents/{}", doc_id),
        extractions=at("/v1/documents/{}/extractions?limit=20", doc_id),
        lineage=at("/v1/documents/{}/lineage", doc_id),
    )
    if found["document"].problem is not None:
        raise found["document"].problem
    text = await _text(visit, doc_id)
    readings = (found["extractions"].value or {}).get("data", [])
    return await visit.page(
        "document.html",
        section="documents",
        readings=found,
        doc_id=doc_id,
        text=text,
        pieces=None if text.value is None else highlights.pieces(text.value, quotes(readings, text.value)),
        readers=readings,
        steps=steps(found["lineage"].value),
    )


@router.post("/documents/{doc_id}/reprocess")
async def reprocess(visit: Visiting, doc_id: str) -> Response:
    body = {"read_by": visit.form["read_by"] or "rules", "reason": visit.form["reason"]}
    result = await send(visit, "POST", at("/v1/documents/{}/reprocess", doc_id), body)
    return result if isinstance(result, Response) else visit.see(f"/documents/{doc_id}", "reprocessing")


def quotes(readings: Sequence[Mapping[str, Any]], text: str) -> list[highlights.Quote]:
    """Passages that any reading in force rests on."""
    found = []
    for reading in readings:
        if reading["superseded"]:
            continue
        for event in [*reading["events"], *reading["statements"]]:
            key = event.get("event_id") or event["macro_event_id"]
            found += [highlights.Quote(each["start"], each["end"], key) for each in event["quotes"]]
    return [quote for quote in found if quote.end <= len(text)]


def steps(lineage: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The lineage as columns, from the source to what was traded; steps of which nothing is known are left out."""
    if lineage is None:
        return []
    columns = []
    for name, kinds in _STEPS:
        nodes = [node for node in lineage["nodes"] if node["kind"] in kinds]
        if nodes:
            columns.append({"name": name, "nodes": [{**node, "href": _href(node)} for node in nodes]})
    return columns


def _href(node: Mapping[str, Any]) -> str:
    if node["kind"] == "document":
        return f"/documents/{node['key']}"
    if node["kind"] == "recommendation":
        return f"/decisions/{node['key']}"
    return f"/symbols/{node['symbol']}" if node["symbol"] else ""


def _hit(row: Mapping[str, Any]) -> dict[str, Any]:
    snippet = row.get("snippet")
    if snippet is None:
        return {**row, "pieces": None}
    start = snippet["start"]
    found = [highlights.Quote(each["start"] - start, each["end"] - start) for each in snippet["highlights"]]
    return {**row, "pieces": highlights.pieces(snippet["text"], found)}


async def _text(visit: Visit, doc_id: str) -> Reading:
    try:
        return Reading(value=await visit.api.text(at("/v1/documents/{}/content", doc_id)))
    except ApiProblem as problem:
        if problem.status == 401:
            raise
        return Reading(problem=problem)


async def texts(visit: Visit, doc_ids: Sequence[str]) -> dict[str, str | None]:
    """Texts of several documents; None where one cannot be read."""
    found = await asyncio.gather(*(_text(visit, doc_id) for doc_id in doc_ids))
    return {doc_id: reading.value for doc_id, reading in zip(doc_ids, found, strict=True)}
