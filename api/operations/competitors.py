"""Competitors: links that people decide on, and searches that propose them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from api.instants import Instant
from api.operations.links import TemporalLinks
from domain.competitors import InferenceRequest
from domain.errors import Conflict, InvalidInput
from domain.ids import digest
from domain.registry import CompetitorProposal, LinkChange, LinkStatus, NewCompetitor
from store import audit, competitor_history, competitors, registry
from store.database import Database
from store.tables.registry import CompetitorComovement, CompetitorInference, CompetitorLink
from workflows import names
from workflows.infer_competitors import InferCompetitors

Check = Callable[[int], None]
"""Is given the present version and raises where the caller has seen another."""


class ComovementView(BaseModel):
    """How the company moved at the competitor's events, beyond the market."""

    rho: float = Field(description="correlation of abnormal returns about 0, in [-1, 1]")
    events: int = Field(description="sessions that it was measured on; few say little")
    as_of: datetime = Field(description="nothing that was known later was read")
    known_at: datetime = Field(description="when it was measured: earlier decisions do not know it")
    first_event: date | None
    last_event: date | None
    benchmark: str


class LinkView(BaseModel):
    """`competitor` competes with `symbol`. Only confirmed links take part in signals."""

    link_id: str
    symbol: str
    competitor: str
    strength: float
    status: str
    provenance: str = Field(description="person, or inference/ and the id of a search")
    reasons: list[str]
    created_at: datetime
    updated_at: datetime | None
    decided_by: str = Field(description="who touched it last; empty: nobody")
    version: int
    comovement: ComovementView | None = Field(description="null: not measured")


class LinkChangeView(BaseModel):
    """From when on a link held with a strength."""

    symbol: str
    competitor: str
    number: int = Field(description="counts the changes of the link")
    since: datetime
    strength: float | None = Field(description="null: from then on it was not in force")
    actor: str


class Search(BaseModel):
    """What is searched for."""

    model_config = ConfigDict(extra="forbid")

    as_of: Instant | None = Field(default=None, description="nothing that was known later is read; null: now")


class InferenceView(BaseModel):
    inference_id: str
    symbol: str
    status: str = Field(description="running, finished or failed")
    as_of: datetime
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    proposals: list[CompetitorProposal] = Field(description="the strongest first")
    error: str
    temporal_url: str


async def list_links(
    database: Database, symbol: str, *, limit: int, status: LinkStatus | None = None, after: str | None = None
) -> list[LinkView]:
    """A company's competitors by symbol. Raises NotFound."""
    async with database.transaction() as session:
        await registry.require(session, symbol)
        rows = await competitors.list_links(session, symbol=symbol, limit=limit, status=status, after=after)
        measured = await competitor_history.newest_comovements(session, [symbol], as_of=datetime.now(UTC))
    return [_view(row, measured[symbol].get(row.competitor)) for row in rows]


async def list_changes(
    database: Database, symbol: str, *, limit: int, before: tuple[datetime, str, int] | None = None
) -> list[LinkChangeView]:
    """From when each link of a company held, the newest change first. Raises NotFound."""
    async with database.transaction() as session:
        await registry.require(session, symbol)
        rows = await competitor_history.list_changes(session, symbol=symbol, limit=limit, before=before)
    return [LinkChangeView(**row.model_dump()) for row in rows]


async def add(database: Database, symbol: str, wanted: NewCompetitor, *, actor: str) -> LinkView:
    """Add a link. Raises NotFound, InvalidInput, and Conflict where there is one."""
    async with database.transaction() as session:
        now = datetime.now(UTC)
        row = await competitors.add_link(session, symbol=symbol, wanted=wanted, actor=actor, now=now)
        return await _viewed(session, row)


async def change(
    database: Database, link_id: str, wanted: LinkChange, *, actor: str, check: Check | None = None
) -> LinkView:
    """Confirm, reject or weigh a link. Raises NotFound."""
    async with database.transaction() as session:
        row = await competitors.require_link(session, link_id, for_change=True)
        if check is not None:
            check(row.version)
        now = datetime.now(UTC)
        return await _viewed(session, await competitors.change_link(session, row, wanted=wanted, actor=actor, now=now))


async def remove(database: Database, link_id: str, *, actor: str, check: Check | None = None) -> None:
    """Remove a link. Raises NotFound."""
    async with database.transaction() as session:
        row = await competitors.require_link(session, link_id, for_change=True)
        if check is not None:
            check(row.version)
        await competitors.remove_link(session, row, actor=actor, now=datetime.now(UTC))


async def infer(
    database: Database, client: Client, links: TemporalLinks, symbol: str, wanted: Search, *, actor: str
) -> InferenceView:
    """Start a search. The same company and instant are one search: it runs again only where it failed.

    Raises:
        NotFound: no such company.
        Conflict: it is not followed.
        InvalidInput: the instant lies ahead.
    """
    now = datetime.now(UTC)
    as_of = (wanted.as_of or now.replace(microsecond=0)).astimezone(UTC)
    if as_of > now:
        raise InvalidInput("AS_OF_IN_FUTURE", "Give an instant that has passed", found=as_of.isoformat())
    async with database.transaction() as session:
        company = await registry.require(session, symbol)
    if not company.followed:
        raise Conflict("COMPANY_NOT_FOLLOWED", "Follow it again first: nothing new is concluded", symbol=symbol)
    request = InferenceRequest(
        inference_id=f"ci_{digest('inference', symbol, as_of, length=20)}",
        symbol=symbol,
        as_of=as_of,
        requested_by=actor,
        requested_at=now,
    )
    await _start(client, request)
    # The workflow notes the search too: a crash between the two leaves none that nobody knows of.
    async with database.transaction() as session:
        row = await competitors.note_request(session, request)
        await audit.append(
            session,
            key=f"competitor-inference/{request.inference_id}/{now.isoformat()}",
            actor=actor,
            action="competitors_inferred",
            subject=symbol,
            body={"inference_id": request.inference_id, "as_of": as_of.isoformat()},
            recorded_at=now,
        )
    return _inference_view(row, links)


async def inference(database: Database, links: TemporalLinks, inference_id: str) -> InferenceView:
    """A search and what it proposed. Raises NotFound."""
    async with database.transaction() as session:
        return _inference_view(await competitors.require_inference(session, inference_id), links)


async def _start(client: Client, request: InferenceRequest) -> None:
    try:
        await client.start_workflow(
            InferCompetitors.run,
            request,
            id=names.infer_competitors_id(request.inference_id),
            task_queue=names.Queue.OPS,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(names.STAGE, "competitors"),
                    SearchAttributePair(names.SYMBOL, request.symbol),
                ]
            ),
            static_summary=f"competitors of {request.symbol}",
        )
    except WorkflowAlreadyStartedError:
        return  # it succeeded before: its result stands


async def _viewed(session: AsyncSession, row: CompetitorLink) -> LinkView:
    measured = await competitor_history.newest_comovements(session, [row.symbol], as_of=datetime.now(UTC))
    return _view(row, measured[row.symbol].get(row.competitor))


def _view(row: CompetitorLink, measured: CompetitorComovement | None) -> LinkView:
    return LinkView(
        **row.model_dump(), comovement=ComovementView(**measured.model_dump()) if measured is not None else None
    )


def _inference_view(row: CompetitorInference, links: TemporalLinks) -> InferenceView:
    return InferenceView(**row.model_dump(), temporal_url=links.workflow(names.infer_competitors_id(row.inference_id)))
