"""`/v1/account`: equity and cash, their history, and the cash ledger."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.operations import account
from api.operations.account import AccountReport, AccountState, CashEntryView, Entered, NewCashEntry
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.cash import CashKind
from domain.trading import TickPhase

HISTORY = "account-history"
LEDGER = "cash-entries"

router = Router(prefix="/v1/account", tags=["account"])

Controller = Annotated[Principal, require(Scope.TRADE_CONTROL)]


class HistoryQuery(PageQuery):
    phase: TickPhase | None = None
    first: Annotated[Instant | None, Field(alias="from", description="recorded as of this instant or later")] = None
    last: Annotated[Instant | None, Field(alias="to", description="recorded as of this instant or earlier")] = None


class LedgerQuery(PageQuery):
    kind: CashKind | None = None
    symbol: Annotated[str | None, Field(max_length=20)] = None
    first: Annotated[Instant | None, Field(alias="from", description="at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="at or before")] = None


@router.get("", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_account(dependencies: Provided) -> AccountReport:
    """The account as it was marked last, what its cash is for, and what the ledger says it is made of."""
    return await account.account(dependencies.database, mode=dependencies.mode)


@router.get("/history", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_history(dependencies: Provided, query: Annotated[HistoryQuery, Query()]) -> Page[AccountState]:
    """The account at every mark, newest first."""
    at = position(HISTORY, query.cursor)
    rows = await account.history(
        dependencies.database,
        limit=query.limit + 1,
        phase=query.phase.value if query.phase else None,
        first=query.first,
        last=query.last,
        before=at[0] if at is not None else None,
    )
    return page(HISTORY, rows, query.limit, at=_mark, view=lambda row: row)


@router.get("/ledger", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_ledger(dependencies: Provided, query: Annotated[LedgerQuery, Query()]) -> Page[CashEntryView]:
    """Every movement of money with the balance after it, newest first."""
    rows = await account.ledger(
        dependencies.database,
        limit=query.limit + 1,
        kind=query.kind,
        symbol=query.symbol,
        first=query.first,
        last=query.last,
        before=position(LEDGER, query.cursor),
    )
    return page(LEDGER, rows, query.limit, at=lambda row: (row.entry.occurred_at, row.key), view=account.view_of)


@router.post(
    "/ledger",
    status_code=HTTPStatus.CREATED,
    responses={**problems(409, 422, 503), 200: {"model": Entered, "description": "It is there already"}},
)
async def enter(dependencies: Provided, principal: Controller, wanted: NewCashEntry, response: Response) -> Entered:
    """Enter a movement at the broker that nothing else explains. The same one again answers 200 and changes nothing."""
    done = await account.enter(dependencies.database, wanted, actor=principal.actor)
    if not done.new:
        response.status_code = HTTPStatus.OK
    return done


def _mark(row: AccountState) -> tuple[datetime, str]:
    return (row.as_of, row.phase)
