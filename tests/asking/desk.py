"""What the tests of asking share: a desk on the real database, an asker, a document."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.adapters.agents.document_extractor import DocumentExtractor
from activities.asking import Asked, Asker, ModelDesk
from domain.agents import AgentBudget, AgentSettings, Engine
from domain.extraction import Extraction, ExtractionInput
from store.database import Database
from tests.extraction.builders import document
from tests.model_server.server import MODEL

SETTINGS = AgentSettings(engine=Engine.OLLAMA, model=MODEL, num_ctx=8_192, num_predict=512, timeout_seconds=5)


def asker(**changes: Any) -> Asker:
    """Somebody with a budget of their own."""
    values: dict[str, Any] = {"agent_id": f"reader-{uuid.uuid4().hex[:12]}", "settings": SETTINGS, **changes}
    return Asker(**values)


def story(mark: str = "") -> ExtractionInput:
    """A document that nobody has asked about before."""
    unique = mark or uuid.uuid4().hex
    return document("Ford profit rises 12 percent", f"Ford Motor Co said profit rose. Note {unique}.", label="F")


async def ask(desk: ModelDesk, source: ExtractionInput, who: Asker, *, attempt: int = 1) -> Asked[Extraction]:
    """Ask as an activity does."""
    environment = ActivityEnvironment()
    environment.info = replace(
        environment.info, attempt=attempt, workflow_run_id=f"{who.agent_id}/{source.text[-40:]}", activity_id="1"
    )
    return await environment.run(desk.ask, DocumentExtractor(), source, who)


async def budget_rows(database: Database, agent_id: str) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in await _rows(database, "calls, tokens", "model_budget_days", agent_id)]


async def calls(database: Database, agent_id: str) -> list[dict[str, Any]]:
    """Questions as the book has them."""
    return [dict(row._mapping) for row in await _rows(database, "*", "model_calls", agent_id)]


async def log(database: Database, agent_id: str) -> list[dict[str, Any]]:
    """Attempts, the first one first."""
    rows = await _rows(database, "*", "agent_performance_log", agent_id, column="agent", order="recorded_at, kind")
    return [dict(row._mapping) for row in rows]


async def _rows(
    database: Database, what: str, table: str, agent_id: str, *, column: str = "agent_id", order: str = "1"
) -> Any:
    async with database.engine.connect() as connection:
        found = await connection.execute(
            text(f"SELECT {what} FROM {table} WHERE {column} = :agent ORDER BY {order}"),
            {"agent": agent_id},
        )
        return found.all()


def budget(**limits: int) -> AgentBudget:
    return AgentBudget(**limits)
