"""What the API is compared with: the same rows, read with asyncpg and answered by FastAPI, without anything around it.

No key is asked for, nothing is counted, limited, marked or checked, and no record is computed again. What the API
remembers of whole tables is not read here at all. It is served as the API is: a process of its own, the same server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from fastapi import FastAPI

from api.operations.documents import DocumentView
from api.operations.overview import Overview
from api.paging import Page
from api.server import serve_app
from store.objects import ObjectStore
from workers.settings import Settings, load

CONNECTIONS = 16
"""As many as the API's pool may have."""

DOCUMENTS = """
    SELECT doc_id, source_id, title, url, publisher, language, credibility, published_at, precision, available_at,
           recorded_at, location, status, error,
           ARRAY(SELECT symbol FROM document_symbols AS s WHERE s.doc_id = d.doc_id
                 UNION SELECT symbol FROM evidence AS e WHERE e.doc_id = d.doc_id ORDER BY symbol) AS symbols
    FROM documents AS d WHERE (available_at, doc_id) < ($1, $2)
    ORDER BY available_at DESC, doc_id DESC LIMIT 51
"""
STATE = "SELECT state, reason, changed_at AS since, changed_by FROM trading_control LIMIT 1"
MARKED = "SELECT * FROM account_snapshots ORDER BY as_of DESC LIMIT 1"
HELD = "SELECT symbol, quantity, average_price, last_price FROM positions WHERE quantity <> 0 ORDER BY symbol"
OPEN = """
    SELECT (SELECT count(*) FROM order_intents WHERE state = 'open') AS open_orders,
           (SELECT count(*) FROM approvals WHERE status = 'pending') AS approvals_pending
"""
RECOMMENDED = """
    SELECT as_of, action, count(*) AS symbols FROM recommendations
    WHERE as_of = (SELECT max(as_of) FROM recommendations) GROUP BY as_of, action ORDER BY action
"""
RECOMMENDATION = "SELECT body FROM recommendations WHERE recommendation_id = $1"
RECORD = "SELECT record_key, decided_by FROM decision_records WHERE recommendation_id = $1"
THESIS = """
    SELECT sentences, invalidation, engine_version, recorded_at FROM theses
    WHERE recommendation_id = $1 ORDER BY recorded_at DESC LIMIT 1
"""
NAMED = "SELECT doc_id, title, publisher, url, published_at FROM documents WHERE doc_id = ANY($1)"
READ = "SELECT extraction_id, extractor, extractor_version FROM extractions WHERE extraction_id = ANY($1)"
INTENTS = """
    SELECT intent_id, side, quantity, reference_price, notional, target_weight, reason, state, clamps
    FROM order_intents WHERE recommendation_id = $1 ORDER BY as_of, intent_id
"""
RISK = """
    SELECT decision_id, outcome, allowed_quantity, checks, needs_approval, approval_reason
    FROM risk_decisions WHERE intent_id = $1 ORDER BY as_of DESC LIMIT 1
"""
ASKED = """
    SELECT approval_id, status, reason, requested_at, expires_at, decided_at, decided_by, decision_reason
    FROM approvals WHERE intent_id = $1 ORDER BY requested_at DESC LIMIT 1
"""
ORDER = """
    SELECT order_id, client_order_id, status, quantity, filled_quantity, filled_average_price, reason, submitted_at,
           closed_at
    FROM orders WHERE intent_id = $1
"""
FILLS = "SELECT fill_id, quantity, price, fee, filled_at FROM fills WHERE order_id = $1 ORDER BY filled_at, fill_id"
SHOWN = ("recommendation_id", "symbol", "as_of", "action", "previous_action", "thesis", "reasons", "invalidation")
OF_EVIDENCE = ("evidence_id", "doc_id", "event_type", "role", "sentiment", "quote", "title", "publisher")


def create(settings: Settings) -> FastAPI:
    pools: list[Any] = []
    objects = ObjectStore(settings.objects())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = settings.database()
        async with asyncpg.create_pool(
            host=database.host,
            port=database.port,
            user=database.user,
            password=database.password.get_secret_value(),
            database=database.name,
            max_size=CONNECTIONS,
            init=_read_json,
        ) as pool:
            pools.append(pool)
            yield
        objects.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/documents")
    async def documents(at: datetime, key: str) -> Page[DocumentView]:
        rows = await pools[0].fetch(DOCUMENTS, at, key)
        return Page(data=[DocumentView(**row) for row in rows[:50]], has_more=len(rows) > 50, next_cursor=None)

    @app.get("/overview")
    async def overview() -> Overview:
        async with pools[0].acquire() as connection:
            state = await connection.fetchrow(STATE)
            marked = await connection.fetchrow(MARKED)
            held = await connection.fetch(HELD)
            under_way = await connection.fetchrow(OPEN)
            recommended = await connection.fetch(RECOMMENDED)
        return Overview.model_validate(
            {
                "mode": "replay",
                "trading": dict(state or {"state": "active", "reason": "", "since": None, "changed_by": ""}),
                "account": {**marked, "drawdown_pct": "0", "return_pct": "0"},
                "positions": [
                    {
                        **row,
                        "market_value": row["quantity"] * row["last_price"],
                        "unrealized_pnl": row["quantity"] * (row["last_price"] - row["average_price"]),
                    }
                    for row in held
                ],
                "documents": {"duplicate": 1, "failed": 2, "needs_review": 3, "processed": 4},
                "last_session": marked["as_of"].date(),
                "recommendations": {
                    "as_of": recommended[0]["as_of"],
                    "by_action": {row["action"]: row["symbols"] for row in recommended},
                },
                **under_way,
            }
        )

    @app.get("/explanation/{recommendation_id}")
    async def explanation(recommendation_id: str) -> dict[str, Any]:
        async with pools[0].acquire() as connection:
            made = await connection.fetchrow(RECOMMENDATION, recommendation_id)
            kept = await connection.fetchrow(RECORD, recommendation_id)
            thesis = await connection.fetchrow(THESIS, recommendation_id)
            record = json.loads(await objects.get(kept["record_key"]))
            evidence = record["evidence"]
            named = await connection.fetch(NAMED, [each["doc_id"] for each in evidence])
            read = await connection.fetch(READ, [each["extraction_id"] for each in evidence])
            intents = []
            for intent in await connection.fetch(INTENTS, recommendation_id):
                order = await connection.fetchrow(ORDER, intent["intent_id"])
                intents.append(
                    {
                        **intent,
                        "risk": dict(await connection.fetchrow(RISK, intent["intent_id"]) or {}),
                        "approval": dict(await connection.fetchrow(ASKED, intent["intent_id"]) or {}),
                        "order": dict(order or {}),
                        "fills": [dict(row) for row in await connection.fetch(FILLS, order["order_id"])]
                        if order
                        else [],
                    }
                )
        body = made["body"]
        urls = {row["doc_id"]: row["url"] for row in named}
        return {
            **{name: body[name] for name in (*SHOWN, "gates", "assessment", "config_version", "record_hash")},
            "evidence": [
                {**{name: each[name] for name in OF_EVIDENCE}, "url": urls[each["doc_id"]]} for each in evidence
            ],
            "plain_thesis": dict(thesis) if thesis else None,
            "record_key": kept["record_key"],
            "decided_by": kept["decided_by"],
            "extractors": sorted({row["extractor_version"] for row in read}),
            "intents": intents,
        }

    return app


async def _read_json(connection: Any) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


if __name__ == "__main__":
    asyncio.run(serve_app(create(load(dict(os.environ))), "127.0.0.1", int(sys.argv[1]), mode="bare"))
