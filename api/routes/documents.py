"""`/v1/documents`: what came in, its text, what was read in it and what became of that."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Header, Path, Query, Request, Response
from pydantic import Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.operations import document_texts, documents, extractions, submissions
from api.operations import lineage as lineages
from api.operations.document_texts import DocumentText, RawLinks
from api.operations.documents import DocumentDetail, DocumentView, Reprocessed, Reprocessing
from api.operations.extractions import ExtractionView
from api.operations.lineage import Lineage
from api.operations.links import TemporalLinks
from api.operations.submissions import NewDocument, Submitted
from api.paging import Page, PageQuery, page, position
from api.ranges import answer_bytes
from api.routing import Router
from domain.documents import DocumentStatus

KIND = "documents"
EXTRACTIONS = "extractions"

router = Router(prefix="/v1/documents", tags=["documents"])


class DocumentQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    source: Annotated[str | None, Field(max_length=200)] = None
    status: DocumentStatus | None = None
    first: Annotated[Instant | None, Field(alias="from", description="available at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="available at or before")] = None


TEXT_ONLY = "default-src 'none'; sandbox"
"""A browser that opens a text runs and loads nothing for it."""
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
    views = await documents.list_documents(
        dependencies.database,
        limit=query.limit + 1,
        symbol=query.symbol,
        source=query.source,
        status=query.status.value if query.status else None,
        first=query.first,
        last=query.last,
        before=position(KIND, query.cursor),
    )
    return page(KIND, views, query.limit, at=lambda row: (row.available_at, row.doc_id), view=lambda row: row)


@router.get("/{doc_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_document(dependencies: Provided, doc_id: DocId) -> DocumentDetail:
    """One document: where it came from, what it is to earlier and later ones, and how far it was read."""
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return await documents.document(dependencies.database, links, doc_id)


@router.get(
    "/{doc_id}/content",
    dependencies=[require(Scope.READ)],
    response_class=Response,
    responses=problems(404, 416, 422, 503)
    | {
        200: {
            "model": DocumentText,
            "description": "The whole text; with `Accept: application/json` also its sections",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "Acme cuts its dividend\n\nAcme said on ..."},
            },
            "headers": {
                "ETag": {"description": "Of the text's bytes", "schema": {"type": "string"}},
                "Accept-Ranges": {"schema": {"type": "string"}, "description": "bytes"},
            },
        },
        206: {
            "description": "The bytes that `Range` asks for",
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "headers": {"Content-Range": {"schema": {"type": "string"}, "description": "bytes 0-1023/20480"}},
        },
        304: {"description": "`If-None-Match` names this text"},
    },
)
async def read_content(
    request: Request,
    dependencies: Provided,
    doc_id: DocId,
    accept: Annotated[str, Header(max_length=500)] = "*/*",
    range: Annotated[str | None, Header(max_length=200, examples=["bytes=0-1023"])] = None,
    if_none_match: Annotated[str | None, Header(max_length=1_000)] = None,
    if_range: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The text that readers were given, plain and without markup: offsets of quotes, sections and snippets are into it.

    Offsets count characters (Unicode code points), ranges count bytes of UTF-8.
    """
    found = await document_texts.text_of(dependencies.database, dependencies.objects, doc_id)
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept", "Content-Security-Policy": TEXT_ONLY}
    if "application/json" in accept:
        return answer_bytes(
            request,
            found.model_dump_json().encode(),
            media_type="application/json",
            tag=found.tag("json"),
            asked=(None, if_none_match, None),
            headers=headers,
        )
    return answer_bytes(
        request,
        found.text.encode(),
        media_type="text/plain; charset=utf-8",
        tag=found.tag("text"),
        asked=(range, if_none_match, if_range),
        headers=headers,
    )


@router.get("/{doc_id}/raw", responses=problems(404, 422, 503))
async def link_raw(dependencies: Provided, principal: Operator, doc_id: DocId) -> RawLinks:
    """Addresses in the object store, good for five minutes, of what the document was read from. Audited.

    Whoever has such an address needs no key. What lies there is a stranger's: open it as a file, not as a page.
    """
    return await document_texts.raw_links(dependencies.database, dependencies.objects, doc_id, actor=principal.actor)


@router.get("/{doc_id}/extractions", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_extractions(
    dependencies: Provided, doc_id: DocId, query: Annotated[PageQuery, Query()]
) -> Page[ExtractionView]:
    """Readings of a document, the newest first: by the rules, by models, and by challengers in shadow."""
    rows = await extractions.of_document(
        dependencies.database, doc_id, limit=query.limit + 1, before=position(EXTRACTIONS, query.cursor)
    )
    return page(
        EXTRACTIONS, rows, query.limit, at=lambda row: (row.recorded_at, row.extraction_id), view=lambda row: row
    )


@router.get("/{doc_id}/lineage", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_lineage(dependencies: Provided, doc_id: DocId) -> Lineage:
    """From the run that brought a document to the fills that followed, as nodes and edges.

    Of each kind 200 at the most: of signals first those that an order followed, then the newest.
    """
    return await lineages.lineage(dependencies.database, doc_id)
