"""`/v1/audit`: who did what, and whether the record still holds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import audit
from api.operations.audit import AuditView
from api.paging import Page, PageQuery
from api.routing import Router
from domain.audit_chain import ChainReport
from domain.errors import InvalidInput

KIND = "audit"
LINES = "application/jsonl"
LARGEST = 2**63 - 1

router = Router(prefix="/v1/audit", tags=["audit"])

Text = Annotated[str, Field(min_length=1, max_length=200)]


class AuditQuery(PageQuery):
    actor: Annotated[str, Field(min_length=1, max_length=200, description="how it begins: `session:anna/`")] | None = (
        None
    )
    action: Text | None = None
    subject: Text | None = None
    since: Annotated[Instant | None, Field(alias="from", description="recorded then or later")] = None
    until: Annotated[Instant | None, Field(alias="to", description="recorded then or earlier")] = None


@router.get("", dependencies=[require(Scope.ADMIN)], responses=problems(422, 503))
async def list_entries(dependencies: Provided, query: Annotated[AuditQuery, Query()]) -> Page[AuditView]:
    """Entries, the newest first."""
    key = key_of(KIND, query.cursor)
    rows = await audit.entries(
        dependencies.database,
        limit=query.limit + 1,
        before=_sequence(key[0]) if key is not None else None,
        actor=query.actor,
        action=query.action,
        subject=query.subject,
        since=query.since,
        until=query.until,
    )
    return keyed_page(KIND, rows, query.limit, key=lambda row: (str(row.sequence),), view=lambda row: row)


@router.get("/verify", dependencies=[require(Scope.ADMIN)], responses=problems(503))
async def verify(dependencies: Provided) -> ChainReport:
    """Walk along the whole chain. `first_broken` is the first sequence number that does not hold, null where all do."""
    return await audit.verify(dependencies.database)


_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {LINES: {"schema": {"type": "string"}}}}}


@router.get(
    "/export",
    dependencies=[require(Scope.ADMIN)],
    response_class=StreamingResponse,
    responses={**problems(422, 503), **_STREAM},
)
async def export(
    dependencies: Provided, first: Annotated[int, Query(ge=1, le=LARGEST, description="sequence to begin with")] = 1
) -> StreamingResponse:
    """The log as lines of JSON, oldest first, which `stonks audit verify FILE` checks without a database."""
    return StreamingResponse(
        audit.export(dependencies.database, first=first),
        media_type=LINES,
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )


def _sequence(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= LARGEST):
        raise InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
    return int(text)
