"""`/v1/extractions` and `/v1/events`: what was read in documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.operations import extractions
from api.operations.extractions import EventDetail, EventView, ExtractionView
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.extraction import EventType

KIND = "events"

router = Router(prefix="/v1", tags=["documents"], dependencies=[require(Scope.READ)])

Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class EventQuery(PageQuery):
    symbol: Annotated[
        str | None, Field(max_length=20, description="a company that it is good or bad for", examples=["AAPL"])
    ] = None
    type: EventType | None = None
    document: Annotated[str | None, Field(max_length=64, description="the id of its document")] = None
    first: Annotated[Instant | None, Field(alias="from", description="known at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="known at or before")] = None


@router.get("/extractions/{extraction_id}", responses=problems(404, 422, 503))
async def read_extraction(dependencies: Provided, extraction_id: Id) -> ExtractionView:
    """One reading of a document: who read it, what was found, and what the text did not support."""
    return await extractions.extraction(dependencies.database, extraction_id)


@router.get("/events", responses=problems(422, 503))
async def list_events(dependencies: Provided, query: Annotated[EventQuery, Query()]) -> Page[EventView]:
    """Events, newest first, each with the words that say so. Those of a reading that was replaced are left out."""
    rows = await extractions.events(
        dependencies.database,
        limit=query.limit + 1,
        symbol=query.symbol,
        type=query.type.value if query.type else None,
        doc_id=query.document,
        first=query.first,
        last=query.last,
        before=position(KIND, query.cursor),
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.available_at, row.event_id), view=lambda row: row)


@router.get("/events/{event_id}", responses=problems(404, 422, 503))
async def read_event(dependencies: Provided, event_id: Id) -> EventDetail:
    """One event, what it means for each company, and the document that it was read in."""
    return await extractions.event(dependencies.database, event_id)
