"""What-ifs: ask a recommendation again by another reader, and look at what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from api.operations.links import TemporalLinks
from domain.agents import AgentKind, AgentSettings, merged
from domain.errors import InvalidInput
from domain.what_if import WhatIfReport, WhatIfRequest
from store import agents, recommendations, what_ifs
from store.database import Database
from store.tables.agents import AgentVariant, WhatIfRow
from workflows import names
from workflows.names import Queue
from workflows.what_if import WhatIf

AGENT = AgentKind.DOCUMENT_EXTRACTOR
RPC_TIMEOUT = timedelta(seconds=30)


class NewWhatIf(BaseModel):
    """Who reads instead: a variant of the document extractor, or settings that differ from the agent's own."""

    model_config = ConfigDict(extra="forbid")

    variant_id: Annotated[str, Field(max_length=100)] = ""
    settings: dict[str, Any] = Field(
        default_factory=dict, examples=[{"engine": "rules"}, {"instructions": "Report earnings only."}]
    )


class WhatIfView(BaseModel):
    what_if_id: str
    recommendation_id: str
    status: str = Field(description="running, finished or failed")
    variant_id: str
    settings: AgentSettings
    report: WhatIfReport | None
    error: str
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    workflow_id: str
    temporal_url: str


async def begin(
    database: Database,
    client: Client,
    links: TemporalLinks,
    recommendation_id: str,
    wanted: NewWhatIf,
    *,
    defaults: Mapping[AgentKind, Mapping[str, Any]],
    actor: str,
) -> WhatIfView:
    """Start a what-if of a recommendation, or of a symbol's newest; its report can be read when it is finished.

    Raises:
        NotFound: no such recommendation or variant.
        InvalidInput: both a variant and settings, or settings that do not fit together.
    """
    if wanted.variant_id and wanted.settings:
        raise InvalidInput("WHAT_IF_AMBIGUOUS", "Give a variant or settings, not both", field="settings")
    now = datetime.now(UTC)
    async with database.transaction() as session:
        recommendation_id = (await recommendations.find(session, recommendation_id)).recommendation_id
        agent = await agents.require(session, AGENT.value)
        variant: Mapping[str, Any] = wanted.settings
        if wanted.variant_id:
            row = await session.get(AgentVariant, wanted.variant_id)
            if row is None or row.agent_id != agent.agent_id:
                raise InvalidInput(
                    "VARIANT_UNKNOWN",
                    "`stonks agents variants document-extractor` lists them",
                    field="variant_id",
                    found=wanted.variant_id,
                )
            variant = row.settings
        request = WhatIfRequest(
            what_if_id=uuid.uuid4().hex[:24],
            recommendation_id=recommendation_id,
            settings=merged(defaults.get(AGENT, {}), agent.settings, variant),
            variant_id=wanted.variant_id,
        )
        await what_ifs.begin(session, request, actor=actor, now=now)
    await client.start_workflow(
        WhatIf.run,
        request,
        id=names.what_if_id(request.what_if_id),
        task_queue=Queue.RESEARCH,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"{recommendation_id} read by {request.settings.model or request.settings.engine.value}",
        rpc_timeout=RPC_TIMEOUT,
    )
    return await get(database, links, request.what_if_id)


async def get(database: Database, links: TemporalLinks, what_if_id: str) -> WhatIfView:
    """Raises NotFound."""
    async with database.transaction() as session:
        return _view(await what_ifs.require(session, what_if_id), links)


async def list_for(database: Database, links: TemporalLinks, recommendation_id: str) -> list[WhatIfView]:
    """The newest 50. Raises NotFound for an unknown recommendation."""
    async with database.transaction() as session:
        await recommendations.require(session, recommendation_id)
        rows = await what_ifs.of_recommendation(session, recommendation_id)
    return [_view(row, links) for row in rows]


async def wait(client: Client, what_if_id: str) -> None:
    """Wait for its end, whatever it is; the row says how it went."""
    try:
        await client.get_workflow_handle(names.what_if_id(what_if_id)).result()
    except WorkflowFailureError:
        return


def _view(row: WhatIfRow, links: TemporalLinks) -> WhatIfView:
    request = WhatIfRequest.model_validate(row.request)
    workflow_id = names.what_if_id(row.what_if_id)
    return WhatIfView(
        what_if_id=row.what_if_id,
        recommendation_id=row.recommendation_id,
        status=row.status,
        variant_id=request.variant_id,
        settings=request.settings,
        report=WhatIfReport.model_validate(row.report) if row.report else None,
        error=row.error,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        workflow_id=workflow_id,
        temporal_url=links.workflow(workflow_id),
    )
