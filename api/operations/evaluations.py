"""Evaluations: have an agent judge labelled sentences, durably, and look at its record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlmodel import select
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError

from domain.agent_evaluation import (
    MAXIMUM_SENTENCES,
    EvaluationReport,
    EvaluationRequest,
    EvaluationStart,
    dataset_hash,
    labels_of,
)
from domain.agents import AgentKind, merged
from domain.errors import InvalidInput, StonksError, VendorRejected
from domain.evaluation import Evaluation, LabelledSentence
from domain.ids import digest
from store import agents
from store.database import Database
from store.keysets import newest_first
from store.objects import ObjectStore, key_for
from store.tables.agents import AgentEvaluation
from workflows import names
from workflows.evaluate_agent import EvaluateAgent
from workflows.names import Queue

RPC_TIMEOUT = timedelta(seconds=30)


class EvaluationView(BaseModel):
    evaluation_id: str
    agent_id: str
    variant_id: str
    engine_version: str
    dataset: str
    dataset_hash: str
    figures: Evaluation
    recorded_at: datetime


async def begin(
    database: Database,
    objects: ObjectStore,
    client: Client,
    agent_id: str,
    *,
    dataset: str,
    sentences: Sequence[LabelledSentence],
    variant_id: str,
    defaults: Mapping[AgentKind, Mapping[str, Any]],
) -> str:
    """Start an evaluation and return its id. The sentences are kept, so that it goes on after any crash.

    Raises:
        NotFound: no such agent or variant.
        InvalidInput: a label that agents of this kind are not measured on, or no sentence.
    """
    async with database.transaction() as session:
        agent = await agents.require(session, agent_id)
        variant: Mapping[str, Any] = {}
        if variant_id:
            variant = (await agents.require_variant(session, agent_id, variant_id)).settings
    kind = AgentKind(agent.kind)
    allowed = labels_of(kind)
    wrong = next((sentence.label for sentence in sentences if sentence.label not in allowed), None)
    if wrong is not None or not sentences or kind is AgentKind.THESIS_REWRITER:
        raise InvalidInput(
            "EVALUATION_NOT_POSSIBLE",
            f"A {kind.value} is measured on sentences labelled {', '.join(allowed)}",
            field="label",
            found=wrong if wrong is not None else f"{len(sentences)} sentences",
        )
    if len(sentences) > MAXIMUM_SENTENCES:
        raise InvalidInput(
            "TOO_MANY_SENTENCES", field="sentences", found=len(sentences), allowed=f"at most {MAXIMUM_SENTENCES}"
        )
    request = EvaluationRequest(
        evaluation_id=uuid.uuid4().hex[:24],
        agent_id=agent_id,
        kind=kind,
        variant_id=variant_id,
        settings=merged(defaults.get(kind, {}), agent.settings, variant),
        dataset=dataset,
        dataset_hash=dataset_hash(sentences),
        sentences=tuple(sentences),
        begun_at=datetime.now(UTC),
    )
    body = request.model_dump_json()
    start = EvaluationStart(
        evaluation_id=request.evaluation_id,
        request_key=await objects.put(
            key_for("evaluations", digest(body, length=64)), body.encode(), "application/json"
        ),
        engine=request.settings.engine,
        count=len(sentences),
        dataset=dataset,
    )
    await client.start_workflow(
        EvaluateAgent.run,
        start,
        id=names.evaluate_agent_id(request.evaluation_id),
        task_queue=Queue.RESEARCH,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        static_summary=f"{agent_id} on {len(sentences)} sentences of {dataset}",
        rpc_timeout=RPC_TIMEOUT,
    )
    return request.evaluation_id


async def result(client: Client, evaluation_id: str) -> EvaluationReport:
    """Wait for an evaluation's report.

    Raises:
        VendorRejected: it gave up; the message says why.
    """
    handle = client.get_workflow_handle(names.evaluate_agent_id(evaluation_id), result_type=EvaluationReport)
    try:
        report: EvaluationReport = await handle.result()
    except WorkflowFailureError as error:
        raise _refused(error, evaluation_id) from error
    return report


async def list_for(
    database: Database, agent_id: str, *, limit: int = 50, before: tuple[datetime, str] | None = None
) -> list[EvaluationView]:
    """An agent's evaluations, the newest first; `before` is the instant and the id of one.

    Raises:
        NotFound: no such agent.
    """
    statement = select(AgentEvaluation).where(AgentEvaluation.agent_id == agent_id)
    page = newest_first(
        statement, AgentEvaluation.recorded_at, AgentEvaluation.evaluation_id, limit=limit, before=before
    )
    async with database.transaction() as session:
        await agents.require(session, agent_id)
        rows = await session.exec(page)
        return [
            EvaluationView(
                **row.model_dump(exclude={"figures", "right"}), figures=Evaluation.model_validate(row.figures)
            )
            for row in rows
        ]


def _refused(error: WorkflowFailureError, evaluation_id: str) -> StonksError:
    cause: BaseException | None = error.cause
    if isinstance(cause, ActivityError):
        cause = cause.cause
    said = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
    return VendorRejected("EVALUATION_FAILED", said, evaluation_id=evaluation_id)
