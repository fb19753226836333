"""What stands behind a recommendation, each kind of row in one short statement whatever their number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.errors import NotFound
from store.database import Run

Row = Mapping[str, Any]

_CONCLUDED = """
    SELECT recommendations.body, recommendations.recommendation_id, record.record_key, record.decided_by,
           thesis.sentences, thesis.invalidation, thesis.engine_version, thesis.recorded_at
    FROM recommendations
    LEFT JOIN LATERAL (SELECT * FROM decision_records
        WHERE decision_records.recommendation_id = recommendations.recommendation_id LIMIT 1) AS record ON true
    LEFT JOIN LATERAL (SELECT * FROM theses
        WHERE theses.recommendation_id = recommendations.recommendation_id
        ORDER BY recorded_at DESC, thesis_id LIMIT 1) AS thesis ON true
"""
_OF_ID = f"{_CONCLUDED} WHERE recommendations.recommendation_id = $1"
_NEWEST_OF_SYMBOL = f"""{_CONCLUDED} WHERE recommendations.symbol = $1
    ORDER BY recommendations.as_of DESC, recommendations.recommendation_id DESC LIMIT 1"""
_DOCUMENTS = "SELECT doc_id, title, publisher, url, published_at FROM documents WHERE doc_id = ANY($1)"
_EXTRACTIONS = "SELECT extraction_id, extractor, extractor_version FROM extractions WHERE extraction_id = ANY($1)"
_ON_ECONOMY = """
    SELECT macro_event_id AS evidence_id, topic AS event_type, factor AS role, direction AS sentiment,
           coalesce(quotes -> 0 ->> 'quote', '') AS quote
    FROM macro_events WHERE macro_event_id = ANY($1)
"""
_ON_RIVALS = "SELECT evidence_id, event_type, role, sentiment, quote FROM evidence WHERE evidence_id = ANY($1)"
_INTENTS = """
    SELECT intent_id, side, quantity, reference_price, notional, target_weight, reason, state, clamps
    FROM order_intents WHERE recommendation_id = $1 ORDER BY as_of, intent_id
"""
_RISK = """
    SELECT DISTINCT ON (intent_id)
           intent_id, decision_id, outcome, allowed_quantity, checks, needs_approval, approval_reason
    FROM risk_decisions WHERE intent_id = ANY($1) ORDER BY intent_id, as_of DESC, stage DESC, decision_id
"""
_ASKED = """
    SELECT DISTINCT ON (intent_id)
           intent_id, approval_id, status, reason, requested_at, expires_at, decided_at, decided_by, decision_reason
    FROM approvals WHERE intent_id = ANY($1) ORDER BY intent_id, requested_at DESC, ask DESC
"""
_ORDERS = """
    SELECT intent_id, order_id, client_order_id, status, quantity, filled_quantity, filled_average_price, reason,
           submitted_at, closed_at
    FROM orders WHERE intent_id = ANY($1)
"""
_FILLS = """
    SELECT order_id, fill_id, quantity, price, fee, filled_at
    FROM fills WHERE order_id = ANY($1) ORDER BY filled_at, fill_id
"""


@dataclass(frozen=True)
class Followed:
    """An intent with its newest risk decision, its newest question, and its order with what was executed."""

    intent: Row
    risk: Row | None
    asked: Row | None
    order: Row | None
    fills: Sequence[Row] = field(default_factory=list)


async def concluded(run: Run, wanted: str) -> Row:
    """The recommendation of an id, or the newest one of a symbol, with its record's key and a model's thesis.

    Raises:
        NotFound: neither an id nor a symbol with a recommendation, or its decision record is not there.
    """
    rows = await run(_OF_ID, wanted) or await run(_NEWEST_OF_SYMBOL, wanted.upper())
    if not rows:
        raise NotFound(
            "RECOMMENDATION_NOT_FOUND",
            "Give a recommendation's id, or a symbol that was recommended; /v1/recommendations lists them",
            wanted=wanted[:100],
        )
    row: Row = rows[0]
    if row["record_key"] is None:
        raise NotFound("DECISION_RECORD_NOT_FOUND", recommendation_id=row["recommendation_id"])
    return row


async def documents(run: Run, doc_ids: Collection[str]) -> dict[str, Row]:
    return await _by(run, "doc_id", _DOCUMENTS, doc_ids)


async def extractions(run: Run, extraction_ids: Collection[str]) -> dict[str, Row]:
    return await _by(run, "extraction_id", _EXTRACTIONS, extraction_ids)


async def statements(run: Run, *, on_economy: Collection[str], on_rivals: Collection[str]) -> dict[str, Row]:
    """Kind, role, sign and quote of what the terms of the macro and the competitive layer name, by their ids."""
    return {
        **await _by(run, "evidence_id", _ON_ECONOMY, on_economy),
        **await _by(run, "evidence_id", _ON_RIVALS, on_rivals),
    }


async def followed(run: Run, recommendation_id: str) -> list[Followed]:
    """What was planned from a recommendation, in order, and what became of each."""
    intents = await run(_INTENTS, recommendation_id)
    ids = [row["intent_id"] for row in intents]
    risks = await _by(run, "intent_id", _RISK, ids)
    asked = await _by(run, "intent_id", _ASKED, ids)
    orders = await _by(run, "intent_id", _ORDERS, ids)
    fills: dict[str, list[Row]] = {row["order_id"]: [] for row in orders.values()}
    if fills:
        for row in await run(_FILLS, list(fills)):
            fills[row["order_id"]].append(row)
    return [
        Followed(
            intent=row,
            risk=risks.get(row["intent_id"]),
            asked=asked.get(row["intent_id"]),
            order=(order := orders.get(row["intent_id"])),
            fills=fills[order["order_id"]] if order is not None else [],
        )
        for row in intents
    ]


async def _by(run: Run, key: str, statement: str, wanted: Collection[str]) -> dict[str, Row]:
    """Rows by their key; nothing is asked where nothing is wanted."""
    return {row[key]: row for row in await run(statement, list(wanted))} if wanted else {}
