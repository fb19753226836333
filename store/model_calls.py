"""What was asked of models: set aside from the day's budget before, settled or given back after.

A question is a row by its key. Setting aside is idempotent: a retry after a crash finds the row of the attempt before,
and uses what that set aside; an answered row is the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from domain.agents import AgentBudget
from domain.prompting import ModelReply
from store.database import Database, as_json, fetch, insert_from_json
from store.tables.agents import AgentPerformance

_OPEN_DAY = "INSERT INTO model_budget_days (agent_id, day, calls, tokens) VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING"
_LOCK_DAY = "SELECT calls, tokens FROM model_budget_days WHERE agent_id = $1 AND day = $2 FOR UPDATE"
_ASKED = "SELECT 1 FROM model_calls WHERE call_key = $1"
_SET_ASIDE = """
    WITH fresh AS (
        INSERT INTO model_calls (call_key, agent_id, day, model, model_digest, reserved_tokens, tokens_in, tokens_out,
                                 cut, elapsed_ms, reserved_at)
        VALUES ($1, $2, $3, $4, $5, $6::int, 0, 0, false, 0, $7)
    )
    UPDATE model_budget_days SET calls = calls + 1, tokens = tokens + $6::int WHERE agent_id = $2 AND day = $3
"""
_KNOWN = "SELECT answer, cut, tokens_in, tokens_out, elapsed_ms FROM model_calls WHERE call_key = $1"
_GIVE_BACK = """
    WITH gone AS (
        DELETE FROM model_calls WHERE call_key = $1 AND answer IS NULL RETURNING agent_id, day, reserved_tokens
    )
    UPDATE model_budget_days AS budget SET calls = calls - 1, tokens = tokens - gone.reserved_tokens
    FROM gone WHERE budget.agent_id = gone.agent_id AND budget.day = gone.day
"""
# The row is gone where another attempt at the same question gave it back: what was computed is charged all the same.
_SETTLE = f"""
    WITH before AS (
        SELECT call_key, agent_id, day, reserved_tokens FROM model_calls
        WHERE call_key = $1 AND answer IS NULL FOR UPDATE
    ), settled AS (
        UPDATE model_calls SET answer = $2, cut = $3, tokens_in = $4::int, tokens_out = $5::int, elapsed_ms = $6::int,
                               answered_at = $7
        FROM before WHERE model_calls.call_key = before.call_key
    ), lost AS (
        INSERT INTO model_calls (call_key, agent_id, day, model, model_digest, reserved_tokens, tokens_in, tokens_out,
                                 cut, answer, elapsed_ms, reserved_at, answered_at)
        SELECT $1, $9, $10::date, $11, $12, 0, $4::int, $5::int, $3, $2, $6::int, $7, $7
        WHERE NOT EXISTS (SELECT 1 FROM model_calls WHERE call_key = $1)
        ON CONFLICT DO NOTHING RETURNING agent_id, day
    ), spent AS (
        UPDATE model_budget_days AS budget
        SET calls = budget.calls + due.calls, tokens = budget.tokens - due.reserved + $4::int + $5::int
        FROM (
            SELECT agent_id, day, reserved_tokens AS reserved, 0 AS calls FROM before
            UNION ALL SELECT agent_id, day, 0, 1 FROM lost
        ) AS due
        WHERE budget.agent_id = due.agent_id AND budget.day = due.day
    )
    {insert_from_json(AgentPerformance, "$8")}
"""  # noqa: S608 - built from the names of tables
_LOG = insert_from_json(AgentPerformance, "$1")
_USED = "SELECT calls, tokens FROM model_budget_days WHERE agent_id = $1 AND day = $2"


@dataclass(frozen=True)
class Question:
    """What identifies a question, and the most tokens that it may use."""

    key: str
    agent_id: str
    model: str
    model_digest: str
    tokens: int


@dataclass(frozen=True)
class BudgetUse:
    """What an agent has used and set aside on a day."""

    calls: int = 0
    tokens: int = 0

    def lacks(self, budget: AgentBudget) -> str:
        """Name the limit that is passed; empty where none is."""
        if budget.calls_per_day is not None and self.calls > budget.calls_per_day:
            return "calls_per_day"
        if budget.tokens_per_day is not None and self.tokens > budget.tokens_per_day:
            return "tokens_per_day"
        return ""


async def answered(database: Database, key: str) -> ModelReply | None:
    """The answer that the same question was given before, None where there is none yet."""
    rows = await database.run(_KNOWN, key)
    if not rows or rows[0]["answer"] is None:
        return None
    row = rows[0]
    return ModelReply(
        text=row["answer"],
        cut=row["cut"],
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        elapsed_ms=row["elapsed_ms"],
    )


@dataclass(frozen=True)
class Reserved:
    """Whether a question may be asked."""

    fresh: bool = False
    """It was set aside now; otherwise an attempt before has done so, and may be asking still."""
    lacking: str = ""
    """The limit that does not allow it; nothing is set aside then."""


async def reserve(database: Database, question: Question, budget: AgentBudget, *, now: datetime) -> Reserved:
    """Set a question's tokens aside before it is asked, once however often it is retried."""
    day = now.astimezone(UTC).date()
    async with database.transaction() as session:
        await fetch(session, _OPEN_DAY, question.agent_id, day)
        (row,) = await fetch(session, _LOCK_DAY, question.agent_id, day)  # one after another: nobody overdraws
        if await fetch(session, _ASKED, question.key):
            return Reserved()
        lacking = BudgetUse(calls=row["calls"] + 1, tokens=row["tokens"] + question.tokens).lacks(budget)
        if not lacking:
            await fetch(
                session,
                _SET_ASIDE,
                question.key,
                question.agent_id,
                day,
                question.model,
                question.model_digest,
                question.tokens,
                now,
            )
    return Reserved(fresh=not lacking, lacking=lacking)


async def give_back(database: Database, key: str) -> None:
    """Return what was set aside for a question that the server never began to answer."""
    await database.run(_GIVE_BACK, key)


async def settle(
    database: Database, question: Question, reply: ModelReply, *, log: AgentPerformance | None, now: datetime
) -> None:
    """Keep an answer, charge what it took instead of what was set aside, and log the attempt, all or nothing."""
    await database.run(
        _SETTLE,
        question.key,
        reply.text,
        reply.cut,
        reply.tokens_in,
        reply.tokens_out,
        reply.elapsed_ms,
        now,
        as_json([log] if log is not None else []),
        question.agent_id,
        now.astimezone(UTC).date(),
        question.model,
        question.model_digest,
    )


async def note(database: Database, log: AgentPerformance) -> None:
    """Log an attempt that brought no new answer: it failed, or the answer was known."""
    await database.run(_LOG, as_json([log]))


async def used(database: Database, agent_id: str, *, now: datetime) -> BudgetUse:
    rows = await database.run(_USED, agent_id, now.astimezone(UTC).date())
    return BudgetUse(calls=rows[0]["calls"], tokens=rows[0]["tokens"]) if rows else BudgetUse()
