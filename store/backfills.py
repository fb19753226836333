"""What a backfill writes and looks up: the statements of `store.documents`, each for a whole batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from domain.ingestion import IngestReport
from store import outbox
from store.database import Database, fetch, insert_from_json, values_as_json
from store.documents import ADD_SYMBOLS, DocumentHead
from store.search import index_from_json
from store.sources import COUNTS
from store.tables.agents import AgentPerformance
from store.tables.ingestion import (
    Document,
    EventRow,
    EvidenceRow,
    ExtractionRow,
    IngestionRun,
    MacroEventRow,
)

_KNOWN = """
    SELECT doc_id, run_id, location,
           ARRAY(SELECT symbol FROM document_symbols WHERE document_symbols.doc_id = documents.doc_id) AS symbols
    FROM documents WHERE doc_id = ANY($1::text[])
"""
_ADD_DOCUMENTS = f"{insert_from_json(Document, '$1')} RETURNING doc_id"
_READ_AGAIN = """
    UPDATE documents SET status = 'released', error = ''
    WHERE doc_id = ANY($1::text[]) AND status IN ('processed', 'duplicate')
"""
# A document that this run has handed over is not read before all are registered: it can still turn out to be a copy.
_MARK_COPIES = """
    UPDATE documents SET status = 'duplicate', error = ''
    WHERE doc_id = ANY($1::text[]) AND (status = 'registered' OR (status = 'released' AND run_id = $2))
    RETURNING doc_id, run_id
"""
_UNREAD = """
    SELECT doc_id, raw_key, language, published_at, available_at, credibility, sections,
           ARRAY(SELECT symbol FROM document_symbols WHERE document_symbols.doc_id = documents.doc_id) AS symbols,
           ARRAY(SELECT original_id FROM document_links WHERE document_links.doc_id = documents.doc_id
                 AND relation IN ('correction', 'retraction')) AS takes_back
    FROM documents WHERE doc_id = ANY($1::text[]) AND status IN ('registered', 'released', 'failed')
    ORDER BY doc_id
"""
_TELLING = outbox.telling(
    "'documents/' || md5($5::text), 'documents_processed', '', "
    "jsonb_build_object('count', json_array_length($5::text::json)), now()"
)
_SAVE_READINGS = f"""
    WITH earlier AS (
             UPDATE extractions SET superseded = NOT extractions.superseded
             FROM json_populate_recordset(NULL::extractions, $1::text::json) AS new
             WHERE extractions.doc_id = new.doc_id AND extractions.agent = new.agent
                   AND NOT extractions.shadow
                   AND extractions.superseded = (extractions.extraction_id = new.extraction_id)
         ),
         new_extractions AS ({insert_from_json(ExtractionRow, "$1")}),
         new_events AS ({insert_from_json(EventRow, "$2")}),
         new_evidence AS ({insert_from_json(EvidenceRow, "$3")}),
         new_calls AS ({insert_from_json(AgentPerformance, "$4")}),
         new_macro_events AS ({insert_from_json(MacroEventRow, "$6")}),
         found_by AS ({index_from_json("$7", replace=True)}),
         {_TELLING}
    UPDATE documents SET status = new.status, error = new.error, text_key = new.text_key
    FROM json_to_recordset($5::text::json) AS new(doc_id text, status text, error text, text_key text)
    WHERE documents.doc_id = new.doc_id
"""  # noqa: S608 - built from the names of tables
# An array and no join: the index is used however little is known of a table that has just begun to fill.
_READ_BY = """
    read AS MATERIALIZED (
        SELECT COALESCE(array_agg(doc_id), '{}') AS ids FROM agent_performance_log WHERE call_id = ANY($1::text[])
    )
"""
_TALLY = f"""
    WITH {_READ_BY}
    SELECT count(*) FILTER (WHERE status = 'processed') AS processed,
           count(*) FILTER (WHERE status = 'needs_review') AS needs_review,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           (SELECT count(*) FROM events WHERE doc_id = ANY((SELECT ids FROM read)::text[])) AS events,
           (SELECT count(*) FROM evidence WHERE doc_id = ANY((SELECT ids FROM read)::text[])) AS evidence
    FROM documents WHERE doc_id = ANY((SELECT ids FROM read)::text[])
"""  # noqa: S608 - a constant of this module
# What an earlier document said of a company counts no longer where a later one takes it back: it is judged anew.
_NEWEST = f"""
    WITH {_READ_BY},
         judged AS (
             SELECT symbol, doc_id, available_at FROM evidence WHERE doc_id = ANY((SELECT ids FROM read)::text[])
             UNION ALL
             SELECT evidence.symbol, links.doc_id, links.available_at
             FROM document_links AS links JOIN evidence ON evidence.doc_id = links.original_id
             WHERE links.doc_id = ANY((SELECT ids FROM read)::text[])
               AND links.relation IN ('correction', 'retraction')
         )
    SELECT DISTINCT ON (symbol) symbol, doc_id, available_at
    FROM judged ORDER BY symbol, available_at DESC, doc_id DESC
"""  # noqa: S608 - a constant of this module
_REGISTRY = """
    SELECT (SELECT count(*) FROM companies), (SELECT sum(version) FROM companies),
           (SELECT count(*) FROM company_aliases)
"""


@dataclass(frozen=True)
class KnownDocument:
    """A document that is in the book: by which run, where it stood, and whom it belongs to."""

    run_id: str
    location: str
    symbols: frozenset[str]


@dataclass(frozen=True)
class Readings:
    """Rows of a batch of read documents, and what becomes of each document: each a JSON array."""

    extractions: str
    events: str
    evidence: str
    calls: str
    documents: str
    """doc_id, status, error and text_key."""
    macro_events: str = "[]"
    found_by: str = "[]"
    """See `store.search.index_values`."""


@dataclass(frozen=True)
class Tally:
    """What became of the documents that were read, and what was found in them."""

    processed: int
    needs_review: int
    failed: int
    events: int
    evidence: int


async def known(database: Database, doc_ids: Collection[str]) -> dict[str, KnownDocument]:
    rows = await database.run(_KNOWN, list(doc_ids))
    return {row["doc_id"]: KnownDocument(row["run_id"], row["location"], frozenset(row["symbols"])) for row in rows}


async def lock_run(session: AsyncSession, run_id: str) -> IngestionRun | None:
    """Read a run's row and keep others from it until the transaction ends."""
    return await session.get(IngestionRun, run_id, with_for_update=True)


async def add_documents(session: AsyncSession, rows: Sequence[str]) -> frozenset[str]:
    """Insert documents, each a row as JSON; what is known stays. Returns those that were new."""
    if not rows:
        return frozenset()
    return frozenset(row["doc_id"] for row in await fetch(session, _ADD_DOCUMENTS, f"[{','.join(rows)}]"))


async def add_symbols(session: AsyncSession, values: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Attach symbols to documents. Returns the documents that gained one."""
    if not values:
        return frozenset()
    return frozenset(row["doc_id"] for row in await fetch(session, ADD_SYMBOLS, values_as_json(values)))


async def read_again(session: AsyncSession, doc_ids: Collection[str]) -> None:
    """Hand over documents that were dealt with already, because they belong to one more symbol now."""
    if doc_ids:
        await fetch(session, _READ_AGAIN, list(doc_ids))


async def mark_copies(session: AsyncSession, doc_ids: Sequence[str], *, run_id: str) -> int:
    """Mark documents that nobody needs to read. Returns how many of them the run itself had registered."""
    if not doc_ids:
        return 0
    return sum(row["run_id"] == run_id for row in await fetch(session, _MARK_COPIES, doc_ids, run_id))


def note_progress(run: IngestionRun, report: IngestReport) -> None:
    """Write down how far a run has come, with the transaction that brought it there."""
    for name in COUNTS:
        setattr(run, name, getattr(report, name))


async def end_run(
    session: AsyncSession, *, run_id: str, status: str, finished_at: datetime, error: str
) -> IngestionRun | None:
    """Note how a run ended. It says nothing about the health of its source: its file is another one."""
    run = await session.get(IngestionRun, run_id, with_for_update=True)
    if run is not None:
        run.status, run.finished_at, run.error = status, finished_at, error[:2_000]
    return run


async def unread(database: Database, doc_ids: Sequence[str]) -> list[DocumentHead]:
    """Those of the documents that wait to be read, or that could not be read before."""
    return [
        DocumentHead(
            **{
                **dict(row),
                "symbols": tuple(sorted(row["symbols"])),
                "takes_back": tuple(sorted(row["takes_back"])),
                "sections": tuple(row["sections"]),
            }
        )
        for row in await database.run(_UNREAD, doc_ids)
    ]


async def save_readings(database: Database, readings: Readings) -> None:
    """Save what was read in a batch, in one transaction; repeating it changes nothing."""
    await database.run(
        _SAVE_READINGS,
        readings.extractions,
        readings.events,
        readings.evidence,
        readings.calls,
        readings.documents,
        readings.macro_events,
        readings.found_by,
    )


async def tally(database: Database, call_ids: Sequence[str]) -> Tally:
    """Count what the calls of a run came to, whichever attempt made them."""
    return Tally(**dict((await database.run(_TALLY, call_ids))[0]))


async def newest_evidence(database: Database, call_ids: Sequence[str]) -> dict[str, tuple[datetime, str]]:
    """For each symbol that gained evidence by the calls, when the newest was known and the document it stands in."""
    rows = await database.run(_NEWEST, call_ids)
    return {row["symbol"]: (row["available_at"], row["doc_id"]) for row in rows}


async def refresh_statistics(database: Database) -> None:
    """Let the planner know what a table that is being filled holds, before it does so by itself."""
    await database.run("ANALYZE documents, document_symbols, document_bands, document_links")


async def registry_version(database: Database) -> tuple[Any, ...]:
    """Something else after every change of the registry, which is read whole only then."""
    return tuple((await database.run(_REGISTRY))[0])
