"""`/v1/schedules`: what starts by itself. An id may contain slashes (`source/wire`) and stands in the path as it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import schedules
from api.operations.links import TemporalLinks
from api.operations.schedules import ScheduleChange, ScheduleView
from api.paging import Page, PageQuery, from_token, token_of
from api.routing import Router

KIND = "schedules"

router = Router(prefix="/v1/schedules", tags=["schedules"])


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_schedules(dependencies: Provided, query: Annotated[PageQuery, Query()]) -> Page[ScheduleView]:
    """Every schedule, with its last and its next times. One that was just made may be missing for a moment."""
    found, token = await schedules.list_page(
        dependencies.client, _links(dependencies), limit=query.limit, token=token_of(KIND, query.cursor)
    )
    return Page(data=found, has_more=bool(token), next_cursor=from_token(KIND, token))


@router.patch("/{schedule_id:path}", responses=problems(404, 409, 422, 503))
async def change_schedule(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.OPS_WRITE)],
    schedule_id: str,
    wanted: ScheduleChange,
) -> ScheduleView:
    """Pause a schedule, or let it go on. Pausing the schedule of a source pauses the source."""
    return await schedules.change(
        dependencies.client,
        dependencies.database,
        _links(dependencies),
        schedule_id,
        wanted,
        actor=principal.actor,
    )


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
