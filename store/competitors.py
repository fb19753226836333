"""Links between competitors, searches for them, and the evidence that the searches read."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.competitors import (
    CommonDocuments,
    CompanyFacts,
    CompetitorConfig,
    CompetitorEvidence,
    InferenceFailure,
    InferenceReport,
    InferenceRequest,
)
from domain.documents import NEW_YORK, Relation
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import digest
from domain.registry import CompetitorProposal, LinkChange, LinkStatus, NewCompetitor
from domain.sources import RATE_GROUPS, RateGroup
from store import competitor_history, registry
from store.database import insert_new
from store.registry import SymbolMaster
from store.tables.ingestion import Document, DocumentSymbol, Source
from store.tables.registry import Company, CompetitorInference, CompetitorLink

RUNNING, FINISHED, FAILED = "running", "finished", "failed"
ANNUAL_FORMS = ("10-K", "10-K405", "10-KSB", "10-KT", "20-F")
"""Annual reports, as the titles of filings begin. Amendments mostly leave the business out."""

_COMMON = """
    WITH about AS (
        SELECT doc_id, symbol FROM document_symbols
        UNION
        SELECT doc_id, symbol FROM evidence WHERE available_at <= :as_of
    ), counted AS (
        SELECT doc_id, symbol, count(*) OVER (PARTITION BY doc_id) AS companies
        FROM about JOIN documents USING (doc_id)
        WHERE documents.available_at <= :as_of AND documents.available_at > :since AND NOT EXISTS (
            SELECT FROM document_links
            WHERE document_links.doc_id = documents.doc_id
              AND document_links.relation = :duplicate AND document_links.available_at <= :as_of
        )
    ), usable AS (
        SELECT doc_id, symbol FROM counted WHERE companies <= :crowd
    ), own AS (
        SELECT doc_id FROM usable WHERE symbol = :symbol
    )
    SELECT symbol, count(*), count(own.doc_id), (SELECT count(DISTINCT doc_id) FROM usable)
    FROM usable LEFT JOIN own USING (doc_id) GROUP BY symbol ORDER BY symbol
"""
"""By company: documents about it, those about the one asked for too, and documents about anybody. Copies count once."""


@dataclass(frozen=True)
class ReportHead:
    """The newest annual report that was known."""

    doc_id: str
    title: str
    raw_key: str
    published_at: datetime
    available_at: datetime


# -- links ------------------------------------------------------------------------------------------------------------


async def require_link(session: AsyncSession, link_id: str, *, for_change: bool = False) -> CompetitorLink:
    """Read a link; `for_change` keeps others from changing it meanwhile.

    Raises:
        NotFound: there is none.
    """
    row = await session.get(CompetitorLink, link_id, with_for_update=for_change or None)
    if row is None:
        raise NotFound("COMPETITOR_LINK_NOT_FOUND", "A company's list of competitors shows them", link_id=link_id)
    return row


async def list_links(
    session: AsyncSession,
    *,
    symbol: str,
    limit: int,
    status: LinkStatus | None = None,
    after: str | None = None,
) -> Sequence[CompetitorLink]:
    """A company's competitors by symbol; `after` is one of them."""
    statement = select(CompetitorLink).where(CompetitorLink.symbol == symbol)
    if status is not None:
        statement = statement.where(CompetitorLink.status == status.value)
    if after is not None:
        statement = statement.where(CompetitorLink.competitor > after)
    return (await session.exec(statement.order_by(col(CompetitorLink.competitor)).limit(limit))).all()


async def add_link(
    session: AsyncSession, *, symbol: str, wanted: NewCompetitor, actor: str, now: datetime
) -> CompetitorLink:
    """Say that one company competes with another. The other direction is a link of its own.

    Raises:
        NotFound: the registry lacks one of them.
        InvalidInput: they are one.
        Conflict: there is such a link, in whatever status.
    """
    await registry.require(session, symbol)
    await registry.require(session, wanted.competitor)
    if symbol == wanted.competitor:
        raise InvalidInput("COMPETITOR_IS_ITSELF", "Name another company", symbol=symbol)
    row = CompetitorLink(
        link_id=f"cl_{secrets.token_hex(10)}",
        symbol=symbol,
        competitor=wanted.competitor,
        strength=wanted.strength,
        status=wanted.status.value,
        provenance=registry.PERSON,
        reasons=list(wanted.reasons),
        created_at=now,
        decided_by=actor,
    )
    if not await insert_new(session, [row]):
        known = await session.exec(
            select(CompetitorLink).where(
                CompetitorLink.symbol == symbol, CompetitorLink.competitor == wanted.competitor
            )
        )
        there = known.one()
        raise Conflict(
            "COMPETITOR_LINK_EXISTS",
            "Change it instead",
            symbol=symbol,
            competitor=wanted.competitor,
            link_id=there.link_id,
            status=there.status,
        )
    await competitor_history.note_link(session, symbol, wanted.competitor, _in_force(row), actor=actor, now=now)
    await registry.note(
        session, actor=actor, action="competitor_added", subject=row.link_id, row=row, before=None, now=now
    )
    return row


async def change_link(
    session: AsyncSession, row: CompetitorLink, *, wanted: LinkChange, actor: str, now: datetime
) -> CompetitorLink:
    """Decide on a link that was read `for_change`, or weigh it anew; nothing happens where nothing differs."""
    before = row.model_dump(mode="json")
    changes = wanted.model_dump(mode="json", include=wanted.model_fields_set)
    if all(before[name] == value for name, value in changes.items()):
        return row
    for name, value in changes.items():
        setattr(row, name, value)
    row.decided_by, row.updated_at = actor, now
    row.version += 1
    session.add(row)
    await session.flush()
    await competitor_history.note_link(session, row.symbol, row.competitor, _in_force(row), actor=actor, now=now)
    action = "competitor_changed" if row.status == before["status"] else f"competitor_{row.status}"
    await registry.note(session, actor=actor, action=action, subject=row.link_id, row=row, before=before, now=now)
    return row


async def remove_link(session: AsyncSession, row: CompetitorLink, *, actor: str, now: datetime) -> None:
    """Remove a link that was read `for_change`. A later search may propose it again; a rejected one it may not."""
    before = row.model_dump(mode="json")
    await session.delete(row)
    await session.flush()
    await competitor_history.note_link(session, row.symbol, row.competitor, None, actor=actor, now=now)
    await registry.note(
        session, actor=actor, action="competitor_removed", subject=row.link_id, row=None, before=before, now=now
    )


def _in_force(row: CompetitorLink) -> float | None:
    return row.strength if row.status == LinkStatus.CONFIRMED.value else None


# -- what a search reads ----------------------------------------------------------------------------------------------


async def evidence(
    session: AsyncSession, master: SymbolMaster, *, symbol: str, as_of: datetime, config: CompetitorConfig
) -> CompetitorEvidence:
    """What was known at an instant about a company and the others, apart from its annual report.

    Raises:
        NotFound: the registry has no such company.
    """
    if symbol not in master.companies:
        raise NotFound("COMPANY_NOT_FOUND", "`stonks companies list` and /v1/companies show them", symbol=symbol)
    day = as_of.astimezone(NEW_YORK).date()
    candidates = [
        _facts(row)
        for row in master.companies.values()
        if (row.active_from is None or row.active_from <= day) and (row.active_to is None or day <= row.active_to)
    ]
    connection = await session.connection()
    rows = await connection.execute(
        text(_COMMON),
        {
            "symbol": symbol,
            "as_of": as_of,
            "since": as_of - timedelta(days=config.window_days),
            "crowd": config.crowd,
            "duplicate": Relation.DUPLICATE.value,
        },
    )
    counted = [tuple(row) for row in rows]
    return CompetitorEvidence(
        company=_facts(master.companies[symbol]),
        candidates=tuple(candidates),
        documents=counted[0][3] if counted else 0,
        own_documents=next((documents for each, documents, _, _ in counted if each == symbol), 0),
        common=tuple(
            CommonDocuments(symbol=each, documents=documents, together=together)
            for each, documents, together, _ in counted
            if each != symbol and together
        ),
    )


async def newest_report(session: AsyncSession, *, symbol: str, as_of: datetime) -> ReportHead | None:
    """A company's newest annual report among the filings that were known at an instant."""
    kinds = [kind.value for kind, group in RATE_GROUPS.items() if group is RateGroup.EDGAR]
    rows = await session.exec(
        select(Document)
        .join(DocumentSymbol, col(DocumentSymbol.doc_id) == col(Document.doc_id))
        .join(Source, col(Source.source_id) == col(Document.source_id))
        .where(
            DocumentSymbol.symbol == symbol,
            Document.available_at <= as_of,
            col(Source.kind).in_(kinds),
            or_(*(col(Document.title).startswith(f"{form} ", autoescape=True) for form in ANNUAL_FORMS)),
        )
        .order_by(col(Document.published_at).desc(), col(Document.doc_id))
        .limit(1)
    )
    row = rows.first()
    if row is None:
        return None
    return ReportHead(
        doc_id=row.doc_id,
        title=row.title,
        raw_key=row.raw_key,
        published_at=row.published_at,
        available_at=row.available_at,
    )


def _facts(row: Company) -> CompanyFacts:
    return CompanyFacts.model_validate(row.model_dump(include=set(CompanyFacts.model_fields)))


# -- searches ---------------------------------------------------------------------------------------------------------


async def require_inference(session: AsyncSession, inference_id: str) -> CompetitorInference:
    row = await session.get(CompetitorInference, inference_id)
    if row is None:
        raise NotFound(
            "COMPETITOR_INFERENCE_NOT_FOUND", "It is named where it was asked for", inference_id=inference_id
        )
    return row


async def note_request(session: AsyncSession, request: InferenceRequest) -> CompetitorInference:
    """Note that a search was asked for, unless it is known."""
    fresh = CompetitorInference(
        inference_id=request.inference_id,
        symbol=request.symbol,
        status=RUNNING,
        as_of=request.as_of,
        requested_by=request.requested_by,
        requested_at=request.requested_at,
    )
    await insert_new(session, [fresh])
    row = await session.get(CompetitorInference, request.inference_id, with_for_update=True)
    assert row is not None
    return row


async def begin(session: AsyncSession, request: InferenceRequest) -> None:
    """Note that a search runs, for the first time or after it failed."""
    row = await note_request(session, request)
    if row.status == FAILED:
        row.status, row.error, row.finished_at = RUNNING, "", None
        session.add(row)


async def finish(
    session: AsyncSession, request: InferenceRequest, proposals: Sequence[CompetitorProposal], *, now: datetime
) -> InferenceReport:
    """Write what a search proposed, to the search and as links. A repeat changes nothing and reports the same.

    A link stays as it is where a person touched it, or where a search at a later instant proposed it.
    """
    row = await note_request(session, request)
    if row.status != FINISHED:
        row.status, row.finished_at = FINISHED, now
        row.proposals = [proposal.model_dump(mode="json") for proposal in proposals]
        session.add(row)
        await _write_links(session, request, proposals, now=now)
    written = [CompetitorProposal.model_validate(proposal) for proposal in row.proposals]
    links = await _links_of(session, request.symbol)
    new = changed = 0
    for proposal in written:
        link = links.get(proposal.competitor)
        if link is not None and link.provenance == _provenance(request):
            fresh = link.link_id == _link_id(request, proposal.competitor)
            new, changed = new + fresh, changed + (not fresh)
    return InferenceReport(
        inference_id=request.inference_id,
        symbol=request.symbol,
        proposed=len(written),
        new_links=new,
        changed_links=changed,
        kept_links=len(written) - new - changed,
    )


async def fail(session: AsyncSession, failure: InferenceFailure, *, now: datetime) -> None:
    """Note that a search gave up."""
    row = await note_request(session, failure.request)
    if row.status != FINISHED:
        row.status, row.error, row.finished_at = FAILED, failure.error[:2_000], now
        session.add(row)


async def _write_links(
    session: AsyncSession, request: InferenceRequest, proposals: Sequence[CompetitorProposal], *, now: datetime
) -> None:
    links = await _links_of(session, request.symbol)
    known_at = await _instants(session, links)
    for proposal in proposals:
        link = links.get(proposal.competitor)
        if link is None:
            link = CompetitorLink(
                link_id=_link_id(request, proposal.competitor),
                symbol=request.symbol,
                competitor=proposal.competitor,
                strength=proposal.strength,
                provenance=_provenance(request),
                reasons=list(proposal.reasons),
                created_at=now,
            )
            await insert_new(session, [link])
            continue
        if link.decided_by or known_at.get(link.provenance, request.as_of) > request.as_of:
            continue
        if (link.strength, link.reasons) == (proposal.strength, list(proposal.reasons)):
            continue
        link.strength, link.reasons = proposal.strength, list(proposal.reasons)
        link.provenance, link.updated_at = _provenance(request), now
        link.version += 1
        session.add(link)


async def _links_of(session: AsyncSession, symbol: str) -> dict[str, CompetitorLink]:
    rows = await session.exec(select(CompetitorLink).where(CompetitorLink.symbol == symbol).with_for_update())
    return {row.competitor: row for row in rows}


async def _instants(session: AsyncSession, links: dict[str, CompetitorLink]) -> dict[str, datetime]:
    """At which instant each search looked that proposed one of the links."""
    ids = {link.provenance.removeprefix(_INFERENCE) for link in links.values()}
    rows = await session.exec(select(CompetitorInference).where(col(CompetitorInference.inference_id).in_(ids)))
    return {f"{_INFERENCE}{row.inference_id}": row.as_of for row in rows}


_INFERENCE = "inference/"


def _provenance(request: InferenceRequest) -> str:
    return f"{_INFERENCE}{request.inference_id}"


def _link_id(request: InferenceRequest, competitor: str) -> str:
    return f"cl_{digest('link', request.inference_id, competitor, length=20)}"
