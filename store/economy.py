"""What documents say of the economy, and figures of it as they were known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.documents import Credibility
from domain.extraction import ExtractorKind
from domain.macro import MacroTopic, Surprise
from domain.macro_items import MacroItem, telling_quote
from domain.registry import MacroFactor
from domain.sources import site_of
from store.database import Database, insert_from_json
from store.documents import taken_back
from store.tables.agents import AgentPerformance
from store.tables.ingestion import Document, ExtractionRow, MacroEventRow, Source
from store.tables.market import MacroFigureRow

_SAVE = f"""
    WITH earlier AS (
             UPDATE extractions SET superseded = NOT extractions.superseded
             FROM json_populate_recordset(NULL::extractions, $1::text::json) AS new
             WHERE extractions.doc_id = new.doc_id AND extractions.agent = new.agent AND NOT new.shadow
                   AND NOT extractions.shadow
                   AND extractions.superseded = (extractions.extraction_id = new.extraction_id)
         ),
         new_extraction AS ({insert_from_json(ExtractionRow, "$1")}),
         new_call AS ({insert_from_json(AgentPerformance, "$3")})
    {insert_from_json(MacroEventRow, "$2")}
"""  # noqa: S608 - built from the names of tables


async def save(database: Database, *, extraction: str, events: str, calls: str) -> None:
    """Save readings of the economy, rows as JSON arrays; repeating it changes nothing."""
    await database.run(_SAVE, extraction, events, calls)


async def items_for(session: AsyncSession, *, as_of: datetime, days: int) -> list[MacroItem]:
    """Statements known at `as_of` and not older than `days`, by (available_at, id), from each newest reading."""
    wanted = _statements(after=as_of - timedelta(days=days), until=as_of)
    rows = await session.exec(wanted.where(~taken_back(col(MacroEventRow.doc_id), as_of)))
    return [_item(event, document, extraction, kind) for event, document, extraction, kind in rows]


async def items_between(session: AsyncSession, *, after: datetime, until: datetime) -> list[MacroItem]:
    """All statements of a period, also what was taken back, by (available_at, id), from each newest reading."""
    rows = await session.exec(_statements(after=after, until=until))
    return [_item(event, document, extraction, kind) for event, document, extraction, kind in rows]


async def figures_at(
    session: AsyncSession, *, series: Sequence[str], first: date, as_of: datetime
) -> dict[str, dict[date, float]]:
    """By series, the figures of periods from a day on, each in its newest vintage that was known at an instant."""
    rows = await session.exec(
        select(MacroFigureRow)
        .where(
            col(MacroFigureRow.series).in_(series),
            MacroFigureRow.period >= first,
            MacroFigureRow.available_at <= as_of,
        )
        .ext(distinct_on(col(MacroFigureRow.series), col(MacroFigureRow.period)))
        .order_by(col(MacroFigureRow.series), col(MacroFigureRow.period), col(MacroFigureRow.known_from).desc())
    )
    found: dict[str, dict[date, float]] = {}
    for row in rows:
        if row.value is not None:
            found.setdefault(row.series, {})[row.period] = float(row.value)
    return found


def _statements(*, after: datetime, until: datetime) -> Any:
    return (
        select(MacroEventRow, Document, ExtractionRow, Source.kind)
        .join(Document, col(Document.doc_id) == col(MacroEventRow.doc_id))
        .join(ExtractionRow, col(ExtractionRow.extraction_id) == col(MacroEventRow.extraction_id))
        .join(Source, col(Source.source_id) == col(Document.source_id))
        .where(
            MacroEventRow.available_at <= until,
            MacroEventRow.available_at > after,
            ~col(ExtractionRow.superseded),
        )
        .order_by(col(MacroEventRow.available_at), col(MacroEventRow.macro_event_id))
    )


def _item(event: MacroEventRow, document: Document, extraction: ExtractionRow, kind: str) -> MacroItem:
    surprise = Surprise.model_validate(event.surprise) if event.surprise else None
    return MacroItem(
        macro_event_id=event.macro_event_id,
        doc_id=event.doc_id,
        extraction_id=event.extraction_id,
        available_at=event.available_at,
        topic=MacroTopic(event.topic),
        factor=MacroFactor(event.factor),
        name=event.name,
        region=event.region,
        direction=event.direction,
        confidence=event.confidence,
        quote_validity=extraction.quotes_valid / extraction.quotes_total if extraction.quotes_total else 1.0,
        surprise=surprise,
        credibility=Credibility(document.credibility),
        extractor=ExtractorKind(extraction.extractor),
        content_hash=document.content_hash,
        publisher=document.publisher,
        site=site_of(document.source_id, kind, document.publisher),
        title=document.title,
        quote=telling_quote([quote["quote"] for quote in event.quotes], surprise),
        shingles=tuple(document.shingles),
    )
