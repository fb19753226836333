"""The stream of what happens, passed on from `/v1/stream` to the page's script."""

from __future__ import annotations

from contextlib import AsyncExitStack
from http import HTTPStatus

import httpx
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visiting
from api.routing import Router

router = Router(route_class=PageRoute)


@router.get("/events")
async def events(visit: Visiting) -> Response:
    """Pass the stream on; without one, 204 tells the browser not to ask again, and the page looks by itself."""
    headers = {"Accept": "text/event-stream"}
    if last := visit.request.headers.get("last-event-id", ""):
        headers["Last-Event-ID"] = last
    async with AsyncExitStack() as opened:
        answer = await opened.enter_async_context(visit.api.stream("/v1/stream", headers=headers))
        if answer.status_code != HTTPStatus.OK:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return _PassedOn(answer, opened.pop_all())


class _PassedOn(StreamingResponse):
    """Leaves the stream behind it however its own client leaves, also before the first part is asked for."""

    def __init__(self, answer: httpx.Response, opened: AsyncExitStack) -> None:
        super().__init__(answer.aiter_raw(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened:
            await super().__call__(scope, receive, send)
