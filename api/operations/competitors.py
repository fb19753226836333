"""Competitors: links that people decide on, and searches that propose them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from api.operations.links import TemporalLinks
from domain.competitors import InferenceRequest
from domain.errors import Conflict, InvalidInput
from domain.ids import digest
from domain.registry import CompetitorProposal, LinkChange, LinkStatus, NewCompetitor
from store import audit, competitors, registry
from store.database import Database
from store.tables.registry import CompetitorInference, CompetitorLink
from workflows import names
from workflows.infer_competitors import InferCompetitors

Check = Callable[[int], None]
"""Is given the present version and raises where the caller has seen another."""


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


class Search(BaseModel):
    """What is searched for."""

    model_config = ConfigDict(extra="forbid")

    as_of: AwareDatetime | None = Field(default=None, description="nothing that was known later is read; null: now")


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
    return [_view(row) for row in rows]


async def add(database: Database, symbol: str, wanted: NewCompetitor, *, actor: str) -> LinkView:
    """Add a link. Raises NotFound, InvalidInput, and Conflict where there is one."""
    async with database.transaction() as session:
        now = datetime.now(UTC)
        return _view(await competitors.add_link(session, symbol=symbol, wanted=wanted, actor=actor, now=now))


async def change(
    database: Database, link_id: str, wanted: LinkChange, *, actor: str, check: Check | None = None
) -> LinkView:
    """Confirm, reject or weigh a link. Raises NotFound."""
    async with database.transaction() as session:
        row = await competitors.require_link(session, link_id, for_change=True)
        if check is not None:
            check(row.version)
        now = datetime.now(UTC)
        return _view(await competitors.change_link(session, row, wanted=wanted, actor=actor, now=now))


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


def _view(row: CompetitorLink) -> LinkView:
    return LinkView(**row.model_dump())


def _inference_view(row: CompetitorInference, links: TemporalLinks) -> InferenceView:
    return InferenceView(**row.model_dump(), temporal_url=links.workflow(names.infer_competitors_id(row.inference_id)))
