"""`/v1/backups`: copies of the book and its objects, and the drills that try them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import backups
from api.operations.backups import BackupPage, BackupView, DrillView, Nothing
from api.operations.links import TemporalLinks
from api.paging import PageQuery, page, position
from api.routing import Router

KIND = "backups"

router = Router(prefix="/v1/backups", tags=["backups"])

Admin = Annotated[Principal, require(Scope.ADMIN)]
BackupId = Annotated[str, Path(pattern=r"^[0-9]{8}T[0-9]{6}Z$", examples=["20261127T083000Z"])]


@router.get("", dependencies=[require(Scope.ADMIN)], responses=problems(422, 503))
async def list_backups(dependencies: Provided, query: Annotated[PageQuery, Query()]) -> BackupPage:
    """Backups with the drills of each, the newest first, and how they stand. Those whose files are gone stay listed."""
    database, links = dependencies.database, _links(dependencies)
    rows = await backups.list_recent(database, links, limit=query.limit + 1, before=position(KIND, query.cursor))
    listed = page(KIND, rows, query.limit, at=lambda row: (row.created_at, row.backup_id), view=lambda row: row)
    return BackupPage(**dict(listed), standing=await backups.standing(database, links))


@router.post("", status_code=HTTPStatus.ACCEPTED, responses=problems(409, 422, 503))
async def begin_backup(
    dependencies: Provided, principal: Admin, response: Response, wanted: Nothing | None = None
) -> BackupView:
    """Back up now. One that is under way is answered with 409."""
    view = await backups.begin(dependencies.database, dependencies.client, _links(dependencies), actor=principal.actor)
    response.headers["Location"] = f"/v1/backups/{view.backup_id}"
    return view


@router.get("/{backup_id}", dependencies=[require(Scope.ADMIN)], responses=problems(404, 422, 503))
async def read_backup(dependencies: Provided, backup_id: BackupId) -> BackupView:
    """One backup: what it holds, how it stands, and what its drills found."""
    return await backups.get(dependencies.database, _links(dependencies), backup_id)


@router.post("/{backup_id}/drill", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409, 422, 503))
async def begin_drill(
    dependencies: Provided,
    principal: Admin,
    backup_id: BackupId,
    response: Response,
    wanted: Nothing | None = None,
) -> DrillView:
    """Restore it to a scratch database now, and compare. The backup shows what was found."""
    view = await backups.begin_drill(
        dependencies.database, dependencies.client, _links(dependencies), backup_id, actor=principal.actor
    )
    response.headers["Location"] = f"/v1/backups/{backup_id}"
    return view


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
