"""`/v1/search`: full text over documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.operations import searching
from api.operations.searching import HitView, SearchOrder
from api.paging import Page, PageQuery, decode, encode
from api.routing import Router
from domain.errors import InvalidInput
from store.search import Place

LONGEST_QUESTION = 300

router = Router(prefix="/v1/search", tags=["documents"], dependencies=[require(Scope.READ)])


class SearchQueryParameters(PageQuery):
    q: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST_QUESTION,
            description='words that must all occur; "a phrase", one word or another, -without',
            examples=['"dividend cut" -rumour'],
        ),
    ]
    limit: Annotated[int, Field(ge=1, le=50)] = 20
    symbol: Annotated[str | None, Field(max_length=20, examples=["AAPL"])] = None
    source: Annotated[str | None, Field(max_length=200, description="the id of a source")] = None
    first: Annotated[Instant | None, Field(alias="from", description="available at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="available at or before")] = None
    order: SearchOrder = SearchOrder.RANK


@router.get("", responses=problems(422, 503))
async def search_documents(dependencies: Provided, query: Annotated[SearchQueryParameters, Query()]) -> Page[HitView]:
    """Documents by their titles and texts. Words are whole and of any language; the snippet is text with offsets.

    By rank the best of the newest 2,000 that are found come, by time all of them.
    """
    kind = f"search-{query.order.value}"
    rows = await searching.find(
        dependencies.database,
        dependencies.objects,
        query.q,
        limit=query.limit + 1,
        symbol=query.symbol,
        source=query.source,
        first=query.first,
        last=query.last,
        order=query.order,
        before=_place(kind, query.cursor),
    )
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(
        data=[hit for hit, _ in shown], has_more=more, next_cursor=_cursor(kind, shown[-1][1]) if more else None
    )


_PLACE: TypeAdapter[tuple[float, AwareDatetime, str]] = TypeAdapter(
    tuple[Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)], AwareDatetime, str]
)


def _cursor(kind: str, place: Place) -> str:
    rank, at, doc_id = place
    return encode(kind, [rank, at.isoformat(), doc_id])


def _place(kind: str, cursor: str | None) -> tuple[float, datetime, str] | None:
    if cursor is None:
        return None
    try:
        return _PLACE.validate_python(decode(kind, cursor))
    except ValidationError:
        raise InvalidInput(
            "CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list"
        ) from None
