"""`/v1/documents`."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from api import queries
from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import documents, submissions
from api.operations.documents import Reprocessed, Reprocessing
from api.operations.links import TemporalLinks
from api.operations.submissions import NewDocument, Submitted
from api.paging import Page, PageQuery, page, position
from domain.documents import DocumentStatus
from store.tables.ingestion import Document

KIND = "documents"

router = APIRouter(prefix="/v1/documents", tags=["documents"])


class DocumentQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    source: Annotated[str | None, Field(max_length=200)] = None
    status: DocumentStatus | None = None
    first: Annotated[AwareDatetime | None, Field(alias="from", description="available at or after")] = None
    last: Annotated[AwareDatetime | None, Field(alias="to", description="available at or before")] = None


class DocumentView(BaseModel):
    doc_id: str
    source_id: str
    title: str
    url: str
    publisher: str
    language: str
    credibility: str
    published_at: datetime
    precision: str
    available_at: datetime
    """When it could first be known: the instant that orders documents."""
    recorded_at: datetime
    location: str
    status: str
    error: str
    symbols: list[str]


Operator = Annotated[Principal, require(Scope.OPS_WRITE)]
DocId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


@router.post("", status_code=HTTPStatus.ACCEPTED, responses=problems(409, 413, 422, 503))
async def submit_document(
    dependencies: Provided, principal: Operator, new: NewDocument, response: Response
) -> Submitted:
    """Hand in one document, of at most 200,000 characters. It is read as those of any source are.

    The same title, text and time again are the same document: `duplicate` says so, and nothing is read twice.
    """
    done = await submissions.submit(
        dependencies.database,
        dependencies.objects,
        dependencies.client,
        TemporalLinks(dependencies.ui_url, dependencies.client.namespace),
        new,
        mode=dependencies.mode,
        actor=principal.actor,
    )
    response.headers["Location"] = f"/v1/documents/{done.doc_id}"
    return done


@router.post("/{doc_id}/reprocess", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409, 422, 503))
async def reprocess_document(
    dependencies: Provided, principal: Operator, doc_id: DocId, wanted: Reprocessing
) -> Reprocessed:
    """Have a document that needs review, or that failed, read again: by the rules or by another variant."""
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return await documents.reprocess(
        dependencies.database, dependencies.client, links, doc_id, wanted, actor=principal.actor
    )


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_documents(dependencies: Provided, query: Annotated[DocumentQuery, Query()]) -> Page[DocumentView]:
    """Documents, newest first."""
    async with dependencies.database.transaction() as session:
        rows = await queries.list_documents(
            session,
            limit=query.limit + 1,
            symbol=query.symbol,
            source=query.source,
            status=query.status.value if query.status else None,
            first=query.first,
            last=query.last,
            before=position(KIND, query.cursor),
        )
        symbols = await queries.symbols_by_document(session, [row.doc_id for row in rows])

    def view(row: Document) -> DocumentView:
        return DocumentView(
            **row.model_dump(include=set(DocumentView.model_fields) - {"symbols"}), symbols=symbols[row.doc_id]
        )

    return page(KIND, rows, query.limit, at=lambda row: (row.available_at, row.doc_id), view=view)
