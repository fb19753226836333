"""`/v1/backtests/drift`: days as they were traded, beside the same days played again."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Path, Query

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Day
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import drift
from api.operations.drift import DriftView
from api.paging import Page, PageQuery
from api.routing import Router
from domain.drift import DriftReport
from domain.errors import InvalidInput

KIND = "drift"

router = Router(prefix="/v1/backtests/drift", tags=["backtests"], dependencies=[require(Scope.READ)])


@router.get("", responses=problems(422, 503))
async def list_drift(dependencies: Provided, query: Annotated[PageQuery, Query()]) -> Page[DriftView]:
    """Days that were compared, the newest first."""
    rows = await drift.list_recent(dependencies.database, limit=query.limit + 1, before=_before(query.cursor))
    return keyed_page(KIND, rows, query.limit, key=lambda row: (row.session.isoformat(),), view=lambda row: row)


@router.get("/{session}", responses=problems(404, 422, 503))
async def read_drift(dependencies: Provided, session: Annotated[Day, Path(examples=["2014-07-16"])]) -> DriftReport:
    """A day's gaps, each with its label and its dollars, and what they explain of the difference."""
    return await drift.report(dependencies.database, session)


def _before(cursor: str | None) -> date | None:
    key = key_of(KIND, cursor)
    if key is None:
        return None
    try:
        return date.fromisoformat(key[0])
    except ValueError:
        raise InvalidInput(
            "CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list"
        ) from None
