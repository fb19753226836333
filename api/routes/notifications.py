"""`/v1/notifications`: who is told what, a test, and what was told."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.etags import IfMatch, check_version, tag
from api.keys import Scope
from api.operations import notifications
from api.operations.notifications import ConfigChange, ConfigView, NotificationView, TestReport, TestRequest
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.notification_texts import Place
from domain.notifications import NotificationStatus

KIND = "notifications"

router = Router(prefix="/v1/notifications", tags=["notifications"])

Administrator = Annotated[Principal, require(Scope.ADMIN)]
NotificationId = Annotated[str, Path(pattern=r"^[0-9a-f]{8,64}$")]


class HistoryQuery(PageQuery):
    status: NotificationStatus | None = None
    channel: Annotated[str, Field(max_length=40)] = ""
    event: Annotated[str, Field(max_length=80)] = ""


@router.get("/config", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_config(dependencies: Provided, response: Response) -> ConfigView:
    """Channels, routes, severities and quiet hours in force. Secrets are named and never shown."""
    view = await notifications.read_config(dependencies.database)
    tag(response, view.version)
    return view


@router.put("/config", responses=problems(409, 412, 422, 503))
async def put_config(
    dependencies: Provided,
    principal: Administrator,
    wanted: ConfigChange,
    response: Response,
    if_match: IfMatch = None,
) -> ConfigView:
    """Replace the whole configuration; it is in force within seconds. If-Match may be left out."""
    view = await notifications.put_config(
        dependencies.database,
        wanted,
        actor=principal.actor,
        check=lambda version: check_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.post("/test", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 422, 503))
async def send_test(
    dependencies: Provided, principal: Administrator, response: Response, wanted: TestRequest | None = None
) -> TestReport:
    """Send a test to channels, past their routes and the quiet hours. The history shows what became of it."""
    report = await notifications.send_test(
        dependencies.database, Place(mode=dependencies.mode), wanted or TestRequest(), actor=principal.actor
    )
    first = report.notifications[0].notification_id
    response.headers["Location"] = f"/v1/notifications/history/{first}"
    return report


@router.get("/history", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_history(dependencies: Provided, query: Annotated[HistoryQuery, Query()]) -> Page[NotificationView]:
    """Sent, failed, held and planned ones, the newest first."""
    rows = await notifications.history(
        dependencies.database,
        limit=query.limit + 1,
        status=query.status,
        channel=query.channel,
        event=query.event,
        before=position(KIND, query.cursor),
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.created_at, row.notification_id), view=lambda row: row)


@router.get("/history/{notification_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_notification(dependencies: Provided, notification_id: NotificationId) -> NotificationView:
    return await notifications.get(dependencies.database, notification_id)


@router.post(
    "/history/{notification_id}/retry", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409, 422, 503)
)
async def retry_notification(
    dependencies: Provided, principal: Administrator, notification_id: NotificationId
) -> NotificationView:
    """Send a failed one again, under the id that its receiver knows."""
    return await notifications.retry(dependencies.database, notification_id, actor=principal.actor)
