"""Attempts and evaluations as they stand in the book, for tests of what is counted from them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.extraction import (
    Entity,
    EntityRole,
    Event,
    EventType,
    Evidence,
    Extraction,
    ExtractionInput,
    ExtractorKind,
    Horizon,
    Materiality,
)
from domain.ids import digest
from store.database import Database, insert_new
from store.documents import AgentCall, Reading
from store.objects import key_for
from store.tables.agents import AgentEvaluation, AgentPerformance
from store.tables.ingestion import Document, ExtractionRow
from tests.api.harness import Platform

_numbers = itertools.count(1)


def agent_id() -> str:
    """An id that no other test knows."""
    return f"reader-{digest(datetime.now(UTC), next(_numbers), length=10)}"


def attempt(agent: str, variant: str, document: str, **changes: Any) -> AgentPerformance:
    """A first attempt with two quotes that stand, a minute ago."""
    values: dict[str, Any] = {
        "call_id": digest("test-call", agent, variant, document, next(_numbers)),
        "agent": agent,
        "variant_id": variant,
        "doc_id": document,
        "extractor_version": "qwen3:8b@0123456789ab#0123456789ab",
        "latency_ms": 1_000,
        "tokens_in": 800,
        "tokens_out": 100,
        "cost_dollars": Decimal("0.001"),
        "quotes_total": 2,
        "quotes_valid": 2,
        "recorded_at": datetime.now(UTC) - timedelta(minutes=1),
        **changes,
    }
    return AgentPerformance(**values)


async def log(database: Database, rows: Iterable[AgentPerformance]) -> None:
    async with database.transaction() as session:
        await insert_new(session, list(rows))


async def read_alike(database: Database, agent: str, variants: Iterable[str], documents: int, **changes: Any) -> None:
    """Every variant reads every document, all well."""
    await log(
        database,
        [attempt(agent, variant, f"doc-{n}", **changes) for variant in variants for n in range(documents)],
    )


async def evaluated(
    database: Database,
    agent: str,
    variant: str,
    right: Mapping[str, bool],
    *,
    dataset_hash: str = "sample",
    at: datetime | None = None,
    figures: Mapping[str, Any] | None = None,
) -> None:
    async with database.transaction() as session:
        session.add(
            AgentEvaluation(
                evaluation_id=digest("test-evaluation", agent, variant, next(_numbers)),
                agent_id=agent,
                variant_id=variant,
                engine_version="test",
                dataset="sample",
                dataset_hash=dataset_hash,
                figures=dict(figures or {}),
                right=dict(right),
                recorded_at=at or datetime.now(UTC) - timedelta(seconds=1),
            )
        )


async def answered(
    platform: Platform,
    agent: str,
    variant: str,
    document: Document,
    sentiments: Mapping[str, float],
    *,
    problem: str = "",
) -> None:
    """An answer in the object store that says this of each company."""
    now = datetime.now(UTC)
    events = tuple(
        Event(
            type=EventType.EARNINGS,
            entities=(Entity(symbol=symbol, surface=symbol, role=EntityRole.SUBJECT, sentiment=sentiment),),
            materiality=Materiality.MEDIUM,
            horizon=Horizon.WEEKS,
            confidence=0.9,
            evidence=(Evidence(quote="x", start=0, end=1),),
        )
        for symbol, sentiment in sentiments.items()
    )
    reading = Reading(
        available_at=now,
        source=ExtractionInput(doc_id=document.doc_id, text="x", published_at=now, candidates=()),
        answer=Extraction(doc_id=document.doc_id, extractor=ExtractorKind.MODEL, extractor_version="m", events=events),
        call=AgentCall(call_id="c", agent=agent, attempt=1, latency_ms=1, problem=problem, recorded_at=now),
    )
    body = reading.model_dump_json()
    key = await platform.parts.objects.put(key_for("readings", digest(body, length=64)), body.encode())
    async with platform.parts.database.transaction() as session:
        session.add(
            ExtractionRow(
                extraction_id=digest("test-extraction", agent, variant, document.doc_id),
                doc_id=document.doc_id,
                agent=agent,
                variant_id=variant,
                extractor="model",
                extractor_version="m",
                status="processed",
                result_key=key,
                recorded_at=now,
            )
        )
    await log(platform.parts.database, [attempt(agent, variant, document.doc_id)])


def sentences(count: int, *, wrong: int = 0) -> dict[str, bool]:
    return {f"sentence-{n}": n >= wrong for n in range(count)}
