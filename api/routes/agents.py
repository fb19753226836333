"""`/v1/agents`: who reads documents, by which settings, how the variants compare, and which of them reads most."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.etags import IfMatch, require_version, tag
from api.instants import Instant
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import agent_comparison, agent_trials, agents
from api.operations.agent_comparison import Promoted, PromotionRequest, PromotionView
from api.operations.agent_trials import AgentTrial
from api.operations.agents import Activation, AgentChange, AgentView, BudgetView, NewAgent, NewVariant, VariantView
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.agents import AgentKind
from domain.comparison import Comparison
from domain.trials import AgentTrialReport

KIND = "agents"
VARIANTS = "agent-variants"
PROMOTIONS = "agent-promotions"

router = Router(prefix="/v1/agents", tags=["agents"])

Keeper = Annotated[Principal, require(Scope.AGENTS_WRITE)]
AgentPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9\-]{0,62}$", description="the agent's id")]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class AgentQuery(PageQuery):
    kind: AgentKind | None = None
    archived: Annotated[bool, Field(description="those that were taken out of use, in place of the others")] = False


class PromotionQuery(PageQuery):
    variant_id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_\-]{1,64}$")] = None


class ComparisonQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: Annotated[Instant | None, Field(description="attempts from then on count; 30 days without it")] = None


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_agents(dependencies: Provided, query: Annotated[AgentQuery, Query()]) -> Page[AgentView]:
    """Agents by id, with their settings and who reads for them."""
    after = key_of(KIND, query.cursor)
    rows = await agents.list_agents(
        dependencies.database,
        dependencies.agent_defaults,
        limit=query.limit + 1,
        kind=query.kind,
        archived=query.archived,
        after=after[0] if after else "",
    )
    return keyed_page(KIND, rows, query.limit, key=lambda row: (row.agent_id,), view=lambda row: row)


@router.post("", status_code=HTTPStatus.CREATED, responses=problems(409, 422, 503))
async def create_agent(dependencies: Provided, principal: Keeper, wanted: NewAgent, response: Response) -> AgentView:
    """Make an agent for trying out and comparing. Documents pass the three that are there."""
    view = await agents.create(dependencies.database, dependencies.agent_defaults, wanted, actor=principal.actor)
    response.headers["Location"] = f"/v1/agents/{view.agent_id}"
    tag(response, view.version)
    return view


@router.get("/{agent_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_agent(dependencies: Provided, agent_id: AgentPath, response: Response) -> AgentView:
    """One agent, with the ETag that a change of it needs. A change of its variants' shares is none of it."""
    view = await agents.get(dependencies.database, dependencies.agent_defaults, agent_id)
    tag(response, view.version)
    return view


@router.patch("/{agent_id}", responses=problems(404, 409, 412, 422, 428, 503))
async def change_agent(
    dependencies: Provided,
    principal: Keeper,
    agent_id: AgentPath,
    wanted: AgentChange,
    response: Response,
    if_match: IfMatch = None,
) -> AgentView:
    """Change an agent. Workers see it within a minute. Other settings make what was compared before worthless."""
    view = await agents.change(
        dependencies.database,
        dependencies.agent_defaults,
        agent_id,
        wanted,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.delete("/{agent_id}", responses=problems(404, 409, 412, 422, 428, 503))
async def archive_agent(
    dependencies: Provided, principal: Keeper, agent_id: AgentPath, response: Response, if_match: IfMatch = None
) -> AgentView:
    """Take an agent out of use; all that it answered stays. 409 for those that documents pass."""
    view = await agents.archive(
        dependencies.database,
        dependencies.agent_defaults,
        agent_id,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.get("/{agent_id}/variants", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_variants(
    dependencies: Provided, agent_id: AgentPath, query: Annotated[PageQuery, Query()]
) -> Page[VariantView]:
    """Variants with their figures of the last 30 days, the newest first."""
    rows = await agents.list_variants(
        dependencies.database,
        dependencies.agent_defaults,
        agent_id,
        limit=query.limit + 1,
        before=position(VARIANTS, query.cursor),
    )
    return page(VARIANTS, rows, query.limit, at=lambda row: (row.created_at, row.variant_id), view=lambda row: row)


@router.post(
    "/{agent_id}/variants",
    status_code=HTTPStatus.CREATED,
    responses={**problems(404, 409, 422, 503), 200: {"model": VariantView, "description": "It is there already"}},
)
async def create_variant(
    dependencies: Provided, principal: Keeper, agent_id: AgentPath, wanted: NewVariant, response: Response
) -> VariantView:
    """Make a variant, which never changes and reads nothing yet. 200 where the same one is there already."""
    view, new = await agents.create_variant(
        dependencies.database, dependencies.agent_defaults, agent_id, wanted, actor=principal.actor
    )
    if not new:
        response.status_code = HTTPStatus.OK
    response.headers["Location"] = f"/v1/agents/{agent_id}/variants/{view.variant_id}"
    return view


@router.get("/{agent_id}/variants/{variant_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_variant(dependencies: Provided, agent_id: AgentPath, variant_id: Id) -> VariantView:
    """One variant with its figures of the last 30 days."""
    return await agents.get_variant(dependencies.database, dependencies.agent_defaults, agent_id, variant_id)


@router.post("/{agent_id}/variants/{variant_id}/activate", responses=problems(404, 409, 422, 503))
async def activate_variant(
    dependencies: Provided, principal: Keeper, agent_id: AgentPath, variant_id: Id, wanted: Activation
) -> VariantView:
    """Let a variant read a share of the documents, or all of them as a shadow.

    A share above a half needs a gate that was passed, and not before the last change: 409 with what is missing.
    """
    return await agents.activate(
        dependencies.database, dependencies.agent_defaults, agent_id, variant_id, wanted, actor=principal.actor
    )


@router.post("/{agent_id}/variants/{variant_id}/deactivate", responses=problems(404, 422, 503))
async def deactivate_variant(
    dependencies: Provided, principal: Keeper, agent_id: AgentPath, variant_id: Id
) -> VariantView:
    """Let a variant read nothing more. Always allowed."""
    return await agents.deactivate(
        dependencies.database, dependencies.agent_defaults, agent_id, variant_id, actor=principal.actor
    )


@router.post("/{agent_id}/variants/{variant_id}/promote", responses=problems(404, 409, 422, 503))
async def promote_variant(
    dependencies: Provided,
    principal: Keeper,
    agent_id: AgentPath,
    variant_id: Id,
    wanted: PromotionRequest | None = None,
) -> Promoted:
    """Ask the gate now and write down what it says; if it passes, the variant reads the share from now on.

    409 with every criterion that fails otherwise. What it needs is taken from the champion before it.
    """
    return await agent_comparison.promote(
        dependencies.database,
        dependencies.agent_defaults,
        agent_id,
        variant_id,
        wanted or PromotionRequest(),
        actor=principal.actor,
    )


@router.get("/{agent_id}/comparison", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def compare_variants(
    dependencies: Provided, agent_id: AgentPath, query: Annotated[ComparisonQuery, Query()]
) -> Comparison:
    """The champion beside the others, with intervals, and the differences on what both have read."""
    return await agent_comparison.compare(dependencies.database, dependencies.objects, agent_id, since=query.since)


@router.get("/{agent_id}/promotions", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_promotions(
    dependencies: Provided, agent_id: AgentPath, query: Annotated[PromotionQuery, Query()]
) -> Page[PromotionView]:
    """What the gate said, the newest first: passed or not, with every criterion."""
    rows = await agent_comparison.list_promotions(
        dependencies.database,
        agent_id,
        limit=query.limit + 1,
        variant_id=query.variant_id,
        before=position(PROMOTIONS, query.cursor),
    )
    return page(PROMOTIONS, rows, query.limit, at=lambda row: (row.decided_at, row.promotion_id), view=lambda row: row)


@router.get("/{agent_id}/budget", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_budget(dependencies: Provided, agent_id: AgentPath) -> BudgetView:
    """What the agent has used and set aside today, against its limits. The day ends at midnight UTC."""
    return await agents.budget(dependencies.database, agent_id)


@router.post("/{agent_id}/test", responses=problems(404, 422, 502, 503))
async def try_agent(
    dependencies: Provided, principal: Keeper, agent_id: AgentPath, wanted: AgentTrial
) -> AgentTrialReport:
    """Let an agent read a text, by a variant or by settings that nobody has saved, and keep nothing of it.

    Answers within two minutes. The budget is charged.
    """
    return await agent_trials.try_agent(
        dependencies.database, dependencies.client, dependencies.agent_defaults, agent_id, wanted
    )
