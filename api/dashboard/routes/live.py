"""The stream of what happens, passed on from `/v1/stream` to the page's script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visiting

router = APIRouter(route_class=PageRoute)


@router.get("/events")
async def events(visit: Visiting) -> Response:
    """Pass the stream on; without one, 204 tells the browser not to ask again, and the page looks by itself."""
    headers = {"Accept": "text/event-stream"}
    if last := visit.request.headers.get("last-event-id", ""):
        headers["Last-Event-ID"] = last
    opened = visit.api.stream("/v1/stream", headers=headers)
    answer = await opened.__aenter__()
    if answer.status_code != HTTPStatus.OK:
        await opened.__aexit__(None, None, None)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def parts() -> AsyncIterator[bytes]:
        try:
            async for part in answer.aiter_raw():
                yield part
        finally:
            await opened.__aexit__(None, None, None)

    return StreamingResponse(parts(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
