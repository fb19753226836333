"""`/v1/signals`: how symbols were seen over time."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.operations import signals
from api.operations.signals import SignalDetail, SignalView
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.decisions import Layer

KIND = "signals"

router = Router(prefix="/v1/signals", tags=["signals"], dependencies=[require(Scope.READ)])


class EvidenceLayer(StrEnum):
    """The layers that evidence speaks in."""

    COMPANY = "company"
    MACRO = "macro"
    COMPETITIVE = "competitive"


class SymbolSignalQuery(PageQuery):
    layer: Annotated[EvidenceLayer | None, Field(description="only where this layer says something")] = None
    first: Annotated[Instant | None, Field(alias="from", description="as of or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="as of or before")] = None


class SignalQuery(SymbolSignalQuery):
    symbol: Annotated[str | None, Field(max_length=20, examples=["AAPL"])] = None


@router.get("", responses=problems(422, 503))
async def list_signals(dependencies: Provided, query: Annotated[SignalQuery, Query()]) -> Page[SignalView]:
    """Signals, newest first."""
    return await signal_page(dependencies, query, query.symbol)


@router.get("/{signal_id}", responses=problems(404, 422, 503))
async def read_signal(
    dependencies: Provided, signal_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]
) -> SignalDetail:
    """One signal with the weights of its layers and what each statement added; the shares sum to the score exactly."""
    return await signals.signal(dependencies.database, dependencies.objects, signal_id)


async def signal_page(dependencies: Provided, query: SymbolSignalQuery, symbol: str | None) -> Page[SignalView]:
    rows = await signals.signals(
        dependencies.database,
        limit=query.limit + 1,
        symbol=symbol,
        layer=Layer(query.layer.value) if query.layer else None,
        first=query.first,
        last=query.last,
        before=position(KIND, query.cursor),
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.as_of, row.signal_id), view=lambda row: row)
