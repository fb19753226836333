"""What-ifs: ask a recommendation again by another reader, and look at what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from api.failures import as_stonks_error
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

    variant_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]{0,64}$")] = ""
    settings: dict[str, Any] = Field(
        default_factory=dict, examples=[{"engine": "rules"}, {"instructions": "Report earnings only."}]
    )


class WhatIfSummary(BaseModel):
    what_if_id: str
    recommendation_id: str
    status: str = Field(description="running, finished or failed")
    variant_id: str
    settings: AgentSettings
    error: str
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    workflow_id: str
    temporal_url: str


class WhatIfView(WhatIfSummary):
    report: WhatIfReport | None


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
    try:
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
    except Exception as error:  # nobody works on it: it must not look as if somebody did
        said = str(as_stonks_error(error) or error)
        async with database.transaction() as session:
            await what_ifs.finish(session, request.what_if_id, report=None, error=said, now=datetime.now(UTC))
        raise
    return await get(database, links, request.what_if_id)


async def get(database: Database, links: TemporalLinks, what_if_id: str) -> WhatIfView:
    """Raises NotFound."""
    async with database.transaction() as session:
        row = await what_ifs.require(session, what_if_id)
    report = WhatIfReport.model_validate(row.report) if row.report else None
    return WhatIfView(**dict(_summary(row, links)), report=report)


async def list_for(
    database: Database,
    links: TemporalLinks,
    recommendation_id: str,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
) -> list[WhatIfSummary]:
    """What was asked of a recommendation, or of a symbol's newest, the newest first; `before` is instant and id of one.

    Raises:
        NotFound: no such recommendation.
    """
    async with database.transaction() as session:
        found = await recommendations.find(session, recommendation_id)
        rows = await what_ifs.of_recommendation(session, found.recommendation_id, limit=limit, before=before)
    return [_summary(row, links) for row in rows]


async def wait(client: Client, what_if_id: str) -> None:
    """Wait for its end, whatever it is; the row says how it went."""
    try:
        await client.get_workflow_handle(names.what_if_id(what_if_id)).result()
    except WorkflowFailureError:
        return


def _summary(row: WhatIfRow, links: TemporalLinks) -> WhatIfSummary:
    request = WhatIfRequest.model_validate(row.request)
    workflow_id = names.what_if_id(row.what_if_id)
    return WhatIfSummary(
        what_if_id=row.what_if_id,
        recommendation_id=row.recommendation_id,
        status=row.status,
        variant_id=request.variant_id,
        settings=request.settings,
        error=row.error,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        workflow_id=workflow_id,
        temporal_url=links.workflow(workflow_id),
    )
