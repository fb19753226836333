"""What-ifs: what was known to a decision, and what came of asking it again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import defer
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import DecisionRecord
from domain.errors import NotFound
from domain.sources import site_of
from domain.what_if import MAXIMUM_DOCUMENTS, FrozenDocument, WhatIfPlan, WhatIfReport, WhatIfRequest
from store.database import insert_new
from store.keysets import newest_first
from store.tables.agents import WhatIfRow
from store.tables.ingestion import Document, DocumentSymbol, ExtractionRow, Source

_REPORT: Any = WhatIfRow.report
"""Large, and nothing that a list shows."""


async def plan(session: AsyncSession, record: DecisionRecord) -> WhatIfPlan:
    """The documents that a decision knew: those of its evidence, and those that their source ties to the symbol.

    Each with the reading that the decision saw; one that gave no evidence, with the reading that it has.
    """
    extractions = sorted({item.extraction_id for item in record.evidence})
    seen = await session.exec(
        select(Document.doc_id, ExtractionRow.result_key, Document.available_at)
        .join(ExtractionRow, col(ExtractionRow.doc_id) == col(Document.doc_id))
        .where(col(ExtractionRow.extraction_id).in_(extractions))
    )
    found = {doc_id: FrozenDocument(doc_id=doc_id, result_key=key, available_at=at) for doc_id, key, at in seen.all()}
    oldest = record.as_of - timedelta(days=record.config.signals.lookback_days)
    silent = await session.exec(
        select(Document.doc_id, Document.text_key, Document.available_at)
        .join(DocumentSymbol, col(DocumentSymbol.doc_id) == col(Document.doc_id))
        .where(
            DocumentSymbol.symbol == record.symbol,
            Document.available_at <= record.as_of,
            Document.available_at >= oldest,
            Document.text_key != "",
        )
    )
    for doc_id, key, at in silent.all():
        found.setdefault(doc_id, FrozenDocument(doc_id=doc_id, result_key=key, available_at=at))
    ordered = sorted(found.values(), key=lambda each: (each.available_at, each.doc_id), reverse=True)
    kept = ordered[:MAXIMUM_DOCUMENTS]
    return WhatIfPlan(
        symbol=record.symbol,
        as_of=record.as_of,
        documents=tuple(reversed(kept)),
        left_out=len(ordered) - len(kept),
    )


async def documents_of(session: AsyncSession, doc_ids: Sequence[str]) -> dict[str, tuple[Document, str]]:
    """Documents by id, each with who answers for it."""
    rows = await session.exec(
        select(Document, Source.kind)
        .join(Source, col(Source.source_id) == col(Document.source_id))
        .where(col(Document.doc_id).in_(doc_ids))
    )
    return {row.doc_id: (row, site_of(row.source_id, kind, row.publisher)) for row, kind in rows.all()}


async def begin(session: AsyncSession, request: WhatIfRequest, *, actor: str, now: datetime) -> None:
    """Note that somebody asks; the same request again changes nothing."""
    row = WhatIfRow(
        what_if_id=request.what_if_id,
        recommendation_id=request.recommendation_id,
        request=request.model_dump(mode="json"),
        requested_by=actor,
        requested_at=now,
    )
    await insert_new(session, [row])


async def finish(
    session: AsyncSession, what_if_id: str, *, report: WhatIfReport | None, error: str = "", now: datetime
) -> None:
    row = await require(session, what_if_id)
    row.status = "finished" if report is not None else "failed"
    row.report = report.model_dump(mode="json") if report is not None else {}
    row.error = error[:2_000]
    row.finished_at = now
    session.add(row)


async def require(session: AsyncSession, what_if_id: str) -> WhatIfRow:
    row = await session.get(WhatIfRow, what_if_id)
    if row is None:
        raise NotFound("WHAT_IF_NOT_FOUND", "/v1/recommendations/{id}/what-ifs lists them", what_if_id=what_if_id)
    return row


async def of_recommendation(
    session: AsyncSession, recommendation_id: str, *, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[WhatIfRow]:
    """What-ifs without their reports, the newest first; `before` is the instant and the id of one."""
    statement = select(WhatIfRow).where(WhatIfRow.recommendation_id == recommendation_id)
    page = newest_first(statement, WhatIfRow.requested_at, WhatIfRow.what_if_id, limit=limit, before=before)
    return list((await session.exec(page.options(defer(_REPORT)))).all())
