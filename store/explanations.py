"""What stands behind a recommendation: three statements, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
_DOCUMENT = ("doc_id", "title", "publisher", "url", "published_at")
_EXTRACTION = ("extraction_id", "extractor", "extractor_version")
_STATEMENT = ("evidence_id", "event_type", "role", "sentiment", "quote")
_NAMED = f"""
    SELECT ARRAY(SELECT ({", ".join(_DOCUMENT)}) FROM documents WHERE doc_id = ANY($1)) AS documents,
           ARRAY(SELECT ({", ".join(_EXTRACTION)}) FROM extractions WHERE extraction_id = ANY($2)) AS extractions,
           ARRAY(SELECT (macro_event_id, topic, factor, direction, coalesce(quotes -> 0 ->> 'quote', ''))
                 FROM macro_events WHERE macro_event_id = ANY($3)) AS on_economy,
           ARRAY(SELECT ({", ".join(_STATEMENT)}) FROM evidence WHERE evidence_id = ANY($4)) AS on_rivals
"""  # noqa: S608
_INTENT = (
    *("intent_id", "side", "quantity", "reference_price", "notional", "target_weight", "reason", "state"),
    "clamps",
)
_RISK = ("decision_id", "outcome", "allowed_quantity", "checks", "needs_approval", "approval_reason")
_ASKED = (
    *("approval_id", "status", "reason", "requested_at", "expires_at", "decided_at", "decided_by"),
    "decision_reason",
)
_ORDER = (
    *("order_id", "client_order_id", "status", "quantity", "filled_quantity", "filled_average_price", "reason"),
    *("submitted_at", "closed_at"),
)
_FILL = ("fill_id", "quantity", "price", "fee", "filled_at")
_FOLLOWED = f"""
    SELECT {", ".join(_INTENT)},
           (SELECT ({", ".join(_RISK)}) FROM risk_decisions WHERE risk_decisions.intent_id = intents.intent_id
            ORDER BY as_of DESC, stage DESC, decision_id LIMIT 1) AS risk,
           (SELECT ({", ".join(_ASKED)}) FROM approvals WHERE approvals.intent_id = intents.intent_id
            ORDER BY requested_at DESC, ask DESC LIMIT 1) AS asked,
           (SELECT ({", ".join(_ORDER)}) FROM orders WHERE orders.intent_id = intents.intent_id) AS followed_by,
           ARRAY(SELECT ({", ".join(f"fills.{name}" for name in _FILL)})
                 FROM fills JOIN orders USING (order_id) WHERE orders.intent_id = intents.intent_id
                 ORDER BY filled_at, fill_id) AS fills
    FROM order_intents AS intents WHERE recommendation_id = $1 ORDER BY intents.as_of, intent_id
"""  # noqa: S608


@dataclass(frozen=True)
class Named:
    """What the terms of a score name, each by its id."""

    documents: Mapping[str, Row]
    extractions: Mapping[str, Row]
    statements: Mapping[str, Row]
    """Kind, role, sign and quote of what the terms of the macro and the competitive layer rest on."""


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


async def named(
    run: Run,
    *,
    documents: Collection[str],
    extractions: Collection[str],
    on_economy: Collection[str],
    on_rivals: Collection[str],
) -> Named:
    """Everything that a record names, by ids; what is not there any more is left out."""
    (row,) = await run(_NAMED, list(documents), list(extractions), list(on_economy), list(on_rivals))
    return Named(
        documents=_by_id(_DOCUMENT, row["documents"]),
        extractions=_by_id(_EXTRACTION, row["extractions"]),
        statements=_by_id(_STATEMENT, row["on_economy"]) | _by_id(_STATEMENT, row["on_rivals"]),
    )


async def followed(run: Run, recommendation_id: str) -> list[Followed]:
    """What was planned from a recommendation, in order, and what became of each."""
    return [
        Followed(
            intent={name: row[name] for name in _INTENT},
            risk=_row(_RISK, row["risk"]),
            asked=_row(_ASKED, row["asked"]),
            order=_row(_ORDER, row["followed_by"]),
            fills=[dict(zip(_FILL, each, strict=True)) for each in row["fills"]],
        )
        for row in await run(_FOLLOWED, recommendation_id)
    ]


def _row(names: Sequence[str], values: Sequence[Any] | None) -> Row | None:
    return dict(zip(names, values, strict=True)) if values is not None else None


def _by_id(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Row]:
    """Rows by what stands first in them."""
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}
