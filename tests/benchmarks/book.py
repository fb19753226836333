"""A large book: the packaged demo's rows, as the pipeline wrote them, copied until there are as many as wanted.

A copy has ids, instants and words of its own and everything else of its original: a document keeps its symbols,
readings, events and evidence, an order its recommendation, intent, risk decision, question, steps and execution.
Nothing is drawn: the same numbers make the same book. Indexes and keys are taken away before and made anew after.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

RARE_WORD = "zyzzyva"
"""Ten documents have it."""
COMMON_WORD = "halfling"
"""Every second document has it."""
RARE_DOCUMENTS = 10
OWN_WORDS = 50_000
WAKES_KEPT = 200_000
"""As many events as the outbox keeps."""

_TABLES = (
    "documents",
    "document_symbols",
    "document_search",
    "extractions",
    "events",
    "evidence",
    "signal_snapshots",
    "recommendations",
    "decision_records",
    "order_intents",
    "risk_decisions",
    "approvals",
    "orders",
    "order_events",
    "fills",
    "cash_entries",
    "outbox",
)


@dataclass(frozen=True)
class Size:
    documents: int
    orders: int


async def enlarge(connection: Any, size: Size) -> None:
    """Copy the rows that are there until there are so many documents and orders more."""
    await connection.execute(_PREPARE)
    async with connection.transaction(), without_indexes(connection, _TABLES):
        for table, columns, source in (*_documents(size), *_orders(size)):
            await _copy(connection, table, columns, source)
    for table in _TABLES:
        await connection.execute(f"VACUUM (ANALYZE) {table}")


_PREPARE = """
    SET synchronous_commit = off;
    SET maintenance_work_mem = '512MB';
    SET timezone = 'UTC';
    CREATE FUNCTION pg_temp.own(text, bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
        $$ SELECT left(md5($1 || '/' || $2), 24) $$;
    CREATE FUNCTION pg_temp.later(bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
        $$ SELECT timestamptz '2004-07-01 12:00Z' + ($1 / 2) * interval '10 minutes' $$;
    CREATE TEMP TABLE document_originals AS
        SELECT doc_id, row_number() OVER (ORDER BY doc_id) - 1 AS place, count(*) OVER () AS many
        FROM documents WHERE status = 'processed' AND doc_id IN (SELECT doc_id FROM document_search);
    CREATE TEMP TABLE decision_originals AS
        SELECT recommendation_id, symbol, row_number() OVER (ORDER BY recommendation_id) - 1 AS place,
               count(*) OVER () AS many
        FROM recommendations;
    CREATE TEMP TABLE order_originals AS
        SELECT orders.order_id, orders.intent_id, row_number() OVER (ORDER BY order_id) - 1 AS place,
               count(*) OVER () AS many
        FROM orders WHERE status = 'filled';
"""

_Copy = tuple[str, Mapping[str, str], str]
"""A table, the columns that a copy has of its own, and where the originals come from (as `old`, the number as `n`)."""


def _documents(size: Size) -> Sequence[_Copy]:
    copies = f"generate_series(1, {size.documents}) AS n JOIN document_originals AS o ON o.place = n % o.many"
    doc_id, at = "pg_temp.own('document', n)", "pg_temp.later(n)"
    extraction_id = "pg_temp.own(old.extraction_id, n)"
    words = (
        f"old.search || to_tsvector('simple', 'own' || n % {OWN_WORDS}"
        f" || CASE WHEN n % 2 = 0 THEN ' {COMMON_WORD}' ELSE '' END"
        f" || CASE WHEN n % {max(1, size.documents // RARE_DOCUMENTS)} = 0 THEN ' {RARE_WORD}' ELSE '' END)"
    )

    def of(table: str) -> str:
        return f"{copies} JOIN {table} AS old ON old.doc_id = o.doc_id"

    return (
        (
            "documents",
            {
                "doc_id": doc_id,
                "content_hash": "md5('document/' || n) || md5('content/' || n)",
                "title": "old.title || ', ' || n",
                "published_at": at,
                "available_at": at,
                "recorded_at": at,
                "location": "'bench:' || n",
                "status": "CASE WHEN n % 1000 = 0 THEN 'needs_review' WHEN n % 5000 = 1 THEN 'failed' "
                "ELSE old.status END",
            },
            of("documents"),
        ),
        ("document_symbols", {"doc_id": doc_id, "available_at": at}, of("document_symbols")),
        ("document_search", {"doc_id": doc_id, "available_at": at, "search": words}, of("document_search")),
        (
            "extractions",
            {"extraction_id": extraction_id, "doc_id": doc_id, "recorded_at": at},
            of("extractions"),
        ),
        (
            "events",
            {
                "event_id": "pg_temp.own(old.event_id, n)",
                "extraction_id": extraction_id,
                "doc_id": doc_id,
                "available_at": at,
            },
            of("events"),
        ),
        (
            "evidence",
            {
                "evidence_id": "pg_temp.own(old.evidence_id, n)",
                "event_id": "pg_temp.own(old.event_id, n)",
                "extraction_id": extraction_id,
                "doc_id": doc_id,
                "available_at": at,
            },
            of("evidence"),
        ),
        (
            "outbox",
            {"event_id": "'document/' || pg_temp.own('outbox', n)", "subject_id": doc_id, "occurred_at": at},
            f"generate_series(greatest(1, {size.documents - WAKES_KEPT}), {size.documents}) AS n "
            "JOIN (SELECT * FROM outbox WHERE event = 'document_processed' ORDER BY sequence LIMIT 1) AS old ON true",
        ),
    )


def _orders(size: Size) -> Sequence[_Copy]:
    numbers = f"generate_series(1, {size.orders}) AS n"
    assessed = f"{numbers} JOIN decision_originals AS d ON d.place = n % d.many"
    at = "pg_temp.later(n)"
    assessed_at = f"{at} + n % 2 * interval '1 minute'"  # of one symbol never two at an instant
    made = "pg_temp.own('recommendation', n)"
    intent, order = "pg_temp.own('intent', n)", "pg_temp.own('order', n)"
    traded = f"{assessed} JOIN order_originals AS o ON o.place = n % o.many"
    side = "CASE WHEN n % 2 = 0 THEN 'buy' ELSE 'sell' END"

    def of(table: str, key: str = "intent_id") -> str:
        return f"{traded} JOIN {table} AS old ON old.{key} = o.{key}"

    return (
        (
            "recommendations",
            {"recommendation_id": made, "as_of": assessed_at},
            f"{assessed} JOIN recommendations AS old ON old.recommendation_id = d.recommendation_id",
        ),
        (
            "signal_snapshots",
            {"snapshot_id": "pg_temp.own('snapshot', n)", "as_of": assessed_at},
            f"{assessed} JOIN recommendations AS r ON r.recommendation_id = d.recommendation_id "
            "JOIN signal_snapshots AS old ON old.symbol = r.symbol AND old.as_of = r.as_of",
        ),
        (
            "decision_records",
            {"record_hash": "md5('record/' || n) || md5('hash/' || n)", "recommendation_id": made, "as_of": at},
            f"{assessed} JOIN decision_records AS old ON old.recommendation_id = d.recommendation_id",
        ),
        (
            "order_intents",
            {
                "intent_id": intent,
                "recommendation_id": made,
                "symbol": "d.symbol",
                "side": side,
                "as_of": at,
                "state": "CASE WHEN n % 20 = 0 THEN 'denied' ELSE old.state END",
            },
            of("order_intents"),
        ),
        (
            "risk_decisions",
            {"decision_id": "pg_temp.own(old.decision_id, n)", "intent_id": intent, "as_of": at},
            of("risk_decisions"),
        ),
        (
            "approvals",
            {
                "approval_id": "pg_temp.own(old.approval_id, n)",
                "intent_id": intent,
                "symbol": "d.symbol",
                "requested_at": at,
                "decided_at": at,
            },
            f"{of('approvals')} WHERE n % 10 = 0",
        ),
        (
            "orders",
            {
                "order_id": order,
                "intent_id": intent,
                "client_order_id": f"'so-replay-' || {intent}",
                "broker_order_id": "pg_temp.own('broker', n)",
                "symbol": "d.symbol",
                "side": side,
                "created_at": at,
                "submitted_at": at,
                "sent_at": at,
                "closed_at": at,
                "status": "CASE WHEN n % 100 = 0 THEN 'canceled' ELSE old.status END",
            },
            of("orders"),
        ),
        (
            "order_events",
            {"event_id": "pg_temp.own(old.event_id, n)", "order_id": order, "at": at},
            of("order_events", "order_id"),
        ),
        (
            "fills",
            {
                "fill_id": "pg_temp.own('fill', n)",
                "order_id": order,
                "symbol": "d.symbol",
                "side": side,
                "filled_at": at,
            },
            of("fills", "order_id"),
        ),
        (
            "cash_entries",
            {
                "entry_id": "pg_temp.own('cash', n)",
                "source_id": "pg_temp.own('fill', n)",
                "amount": "CASE WHEN n % 2 = 0 THEN old.amount ELSE -old.amount END",
                "symbol": "d.symbol",
                "occurred_at": at,
                "recorded_at": at,
            },
            f"{of('fills', 'order_id').replace('AS old', 'AS f').replace('old.', 'f.')} "
            "JOIN cash_entries AS old ON old.kind = 'fill' AND old.source_id = f.fill_id",
        ),
    )


async def _copy(connection: Any, table: str, own: Mapping[str, str], source: str) -> None:
    rows = await connection.fetch(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = $1 AND is_identity = 'NO' AND is_generated = 'NEVER' "
        "ORDER BY ordinal_position",
        table,
    )
    names = [row["column_name"] for row in rows]
    assert set(own) <= set(names), f"{table} has other columns now: {sorted(set(own) - set(names))}"
    wanted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(own.get(name, f'old."{name}"') for name in names)
    await connection.execute(f"INSERT INTO {table} ({wanted}) SELECT {values} FROM {source}", timeout=None)


@asynccontextmanager
async def without_indexes(connection: Any, tables: Sequence[str]) -> AsyncIterator[None]:
    """Drop indexes and constraints of tables; make the same ones again at the end."""
    oids = "(SELECT format('public.%I', name)::regclass::oid FROM unnest($1::text[]) AS name)"
    constraints = await connection.fetch(
        "SELECT conrelid::regclass::text AS owner, conname AS name, contype, pg_get_constraintdef(oid) AS definition "
        f"FROM pg_constraint WHERE contype IN ('p', 'u', 'f') AND (conrelid IN {oids} OR confrelid IN {oids}) "
        "ORDER BY contype = 'f', contype = 'u'",
        list(tables),
    )
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index "
        f"WHERE indrelid IN {oids} AND indexrelid NOT IN (SELECT conindid FROM pg_constraint)",
        list(tables),
    )
    for each in reversed(constraints):
        await connection.execute(f'ALTER TABLE {each["owner"]} DROP CONSTRAINT "{each["name"]}"')
    for each in indexes:
        await connection.execute(f"DROP INDEX {each['name']}")
    yield
    for each in indexes:
        await connection.execute(each["definition"], timeout=None)
    for each in constraints:
        await connection.execute(
            f'ALTER TABLE {each["owner"]} ADD CONSTRAINT "{each["name"]}" {each["definition"]}', timeout=None
        )
