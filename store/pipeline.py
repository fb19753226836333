"""How far each part of the pipeline has come, by what the book holds: the last success, and what waits since when."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.lake_tables import BY_NAME


class StageState(NamedTuple):
    """One part. `oldest` is since when the oldest piece of work waits; None where none does.

    `up_to` says of the lake alone up to when it has the book; None where it does not have every table.
    """

    stage: str
    last_success_at: datetime | None
    waiting: int
    oldest: datetime | None
    failed: int
    up_to: datetime | None = None


_QUERIES = {
    # A source is waited for from its next turn on.
    "ingest": """
        SELECT max(last_success_at),
               count(*) FILTER (WHERE overdue < :now), min(overdue) FILTER (WHERE overdue < :now),
               count(*) FILTER (WHERE failures > 0)
        FROM (SELECT last_success_at, failures,
                     CASE WHEN cadence_seconds > 0 THEN
                         coalesce(last_success_at, created_at)
                         + make_interval(secs => 2 * greatest(cadence_seconds, cadence_closed_seconds)) END AS overdue
              FROM sources WHERE NOT paused AND NOT removed) AS followed
    """,
    "read": """
        SELECT (SELECT occurred_at FROM outbox WHERE event IN ('document_processed', 'documents_processed')
                ORDER BY sequence DESC LIMIT 1),
               count(*) FILTER (WHERE status IN ('registered', 'released')),
               min(recorded_at) FILTER (WHERE status IN ('registered', 'released')),
               count(*) FILTER (WHERE status IN ('failed', 'needs_review'))
        FROM documents WHERE status IN ('registered', 'released', 'failed', 'needs_review')
    """,
    "research": """
        SELECT last.as_of, count(evidence.evidence_id), min(evidence.available_at), 0
        FROM (SELECT max(as_of) AS as_of FROM recommendations) AS last
        LEFT JOIN evidence ON evidence.available_at > last.as_of AND evidence.available_at <= :now
        GROUP BY last.as_of
    """,
    "trading": """
        SELECT (SELECT max(updated_at) FROM protection_state), count(*), min(as_of), 0
        FROM order_intents WHERE state = 'open'
              AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.intent_id = order_intents.intent_id)
              AND NOT EXISTS (SELECT 1 FROM approvals WHERE approvals.intent_id = order_intents.intent_id
                              AND approvals.status = 'pending')
    """,
    "approval": """
        SELECT (SELECT max(decided_at) FROM approvals), count(*), min(requested_at), 0
        FROM approvals WHERE status = 'pending'
    """,
    "order": """
        SELECT (SELECT max(submitted_at) FROM orders), count(*), min(created_at),
               count(*) FILTER (WHERE abandoned_at IS NOT NULL)
        FROM orders WHERE status IN ('pending', 'submitted', 'accepted', 'partially_filled', 'unknown')
    """,
    "reconcile": """
        SELECT (SELECT max(finished_at) FROM reconciliations), count(*), min(first_seen_at),
               count(*) FILTER (WHERE blocking)
        FROM reconciliation_differences WHERE resolved_at IS NULL
    """,
    "notify": """
        SELECT max(sent_at), count(*) FILTER (WHERE status IN ('planned', 'sending')),
               min(coalesce(due_at, created_at)) FILTER (WHERE status IN ('planned', 'sending')),
               count(*) FILTER (WHERE status = 'failed')
        FROM notifications
    """,
    "mark": "SELECT max(as_of), 0, NULL::timestamptz, 0 FROM account_snapshots",
    # Published every hour: a table is waited for once it has missed a turn.
    "lake": """
        SELECT max(finished_at),
               count(*) FILTER (WHERE overdue), min(up_to) FILTER (WHERE overdue),
               count(*) FILTER (WHERE failed),
               CASE WHEN count(up_to) = count(*) THEN min(up_to) END
        FROM (SELECT done.finished_at, done.up_to,
                     done.up_to < CAST(:now AS timestamptz) - interval '2 hours' AS overdue,
                     EXISTS (SELECT 1 FROM lake_exports AS tried
                             WHERE tried.table_name = name AND tried.status = 'failed' AND tried.up_to IS NULL
                             AND (done.started_at IS NULL OR tried.started_at > done.started_at)) AS failed
              FROM unnest(CAST(:tables AS text[])) AS name
              LEFT JOIN LATERAL (SELECT started_at, finished_at, up_to FROM lake_exports
                                 WHERE table_name = name AND status IN ('committed', 'unchanged')
                                 AND up_to IS NOT NULL ORDER BY up_to DESC LIMIT 1) AS done ON true) AS published
    """,
}


async def stages(session: AsyncSession, *, now: datetime) -> list[StageState]:
    """Every part of the pipeline, in the order in which a document goes through them; the lake last."""
    connection = await session.connection()
    known = {"now": now, "tables": list(BY_NAME)}
    found = []
    for stage, query in _QUERIES.items():
        given = {name: value for name, value in known.items() if f":{name}" in query}
        row = (await connection.execute(text(query), given)).one()
        found.append(StageState(stage, row[0], int(row[1]), row[2], int(row[3]), *row[4:]))
    return found
