"""`/v1/agents/{id}/evaluations`: agents measured on sentences that people have labelled."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import evaluations
from api.operations.evaluations import EvaluationView
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.agent_evaluation import MAXIMUM_SENTENCES
from domain.evaluation import LabelledSentence
from domain.registry import Line, Name
from workflows import names

KIND = "evaluations"

router = Router(prefix="/v1/agents", tags=["agents"])

Keeper = Annotated[Principal, require(Scope.AGENTS_WRITE)]
AgentPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9\-]{0,62}$", description="the agent's id")]


class Sentence(BaseModel):
    """A sentence, and what people say that it says."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=4_000, pattern=r"^[^\x00]*$")]
    label: Annotated[str, Field(examples=["positive"])]
    """positive, neutral or negative; for a classifier hawkish, neutral or dovish."""
    company: Annotated[Line | None, AfterValidator(lambda name: name or None)] = None


class NewEvaluation(BaseModel):
    """Who judges which sentences."""

    model_config = ConfigDict(extra="forbid")

    dataset: Name
    variant_id: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_\-]{0,64}$", description="empty: the agent's own settings")
    ] = ""
    sentences: Annotated[
        list[Sentence],
        Field(
            min_length=1,
            max_length=MAXIMUM_SENTENCES,
            description="a request has 4 MiB at most",
        ),
    ]


class EvaluationStarted(BaseModel):
    evaluation_id: str
    workflow_id: str
    temporal_url: str


@router.get("/{agent_id}/evaluations", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_evaluations(
    dependencies: Provided, agent_id: AgentPath, query: Annotated[PageQuery, Query()]
) -> Page[EvaluationView]:
    """What an agent and its variants reached on labelled sentences, the newest first."""
    rows = await evaluations.list_for(
        dependencies.database, agent_id, limit=query.limit + 1, before=position(KIND, query.cursor)
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.recorded_at, row.evaluation_id), view=lambda row: row)


@router.post("/{agent_id}/evaluations", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 422, 503))
async def begin_evaluation(
    dependencies: Provided, principal: Keeper, agent_id: AgentPath, wanted: NewEvaluation, response: Response
) -> EvaluationStarted:
    """Have sentences judged, after the documents; the result appears in the list. Each sentence is asked once.

    A request has 4 MiB at most, which no known sample fills.
    """
    evaluation_id = await evaluations.begin(
        dependencies.database,
        dependencies.objects,
        dependencies.client,
        agent_id,
        dataset=wanted.dataset,
        sentences=[LabelledSentence(**each.model_dump(), split_key=each.text) for each in wanted.sentences],
        variant_id=wanted.variant_id,
        defaults=dependencies.agent_defaults,
    )
    response.headers["Location"] = f"/v1/agents/{agent_id}/evaluations"
    workflow_id = names.evaluate_agent_id(evaluation_id)
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return EvaluationStarted(
        evaluation_id=evaluation_id, workflow_id=workflow_id, temporal_url=links.workflow(workflow_id)
    )
