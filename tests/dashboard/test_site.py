"""The dashboard beside the API instead of in it, and the stream that it passes on."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from api.dashboard.client import Backend, connect
from api.dashboard.site import alone
from api.dashboard.transport import InProcess
from tests.api.harness import BOOTSTRAP_KEY, Platform, caller
from tests.dashboard.visitor import HERE, Visitor, sign_in
from workflows.names import Queue

pytestmark = pytest.mark.stack


async def test_dashboard_when_it_runs_alone_then_its_pages_are_the_same(platform: Platform) -> None:
    app = alone("https://api.test")
    app.state.dashboard = Backend(connect(InProcess(platform.app), "https://api.test"), inside=False)
    async with Visitor(app) as browser:
        await sign_in(browser)
        page = await browser.get("/decisions")
        assert page.tree.xpath("//h1/text()") == ["Decisions"]
        assert (await browser.get("/no-such-page", status=404)).tree.xpath("//h1")
        assert (await browser("GET", "/v1/overview")).status_code == 404, "the API is elsewhere"


async def test_dashboard_when_the_api_is_away_then_the_page_says_so(platform: Platform) -> None:
    app = alone("http://127.0.0.1:9")
    async with Visitor(app) as browser:
        page = await browser.get("/sign-in", status=503)
        assert "API_UNREACHABLE" in page.text
        assert page.answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_sign_in_when_the_way_is_not_private_then_it_is_refused_with_what_to_do(platform: Platform) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=platform.app), base_url="http://house.test"
    ) as plain:
        answer = await plain.post("/sign-in", data={"key": BOOTSTRAP_KEY})
        assert answer.status_code == 403
        assert "ORIGIN_NOT_PRIVATE" in answer.text
        assert "set-cookie" not in answer.headers


async def test_events_when_trading_is_paused_then_the_page_hears_of_it(platform: Platform, visitor: Visitor) -> None:
    cookie = "; ".join(f"{each.name}={each.value}" for each in visitor.cookies.jar)
    async with (
        platform.working(Queue.TRADING),
        connect(InProcess(platform.app), HERE) as http,
        http.stream("GET", "/events", headers={"Cookie": cookie}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        heard = asyncio.create_task(_until(stream, "event: trading"))
        await asyncio.sleep(0)
        await caller(platform)("POST", "/v1/trading/pause", json={"reason": "to be heard of"})
        async with asyncio.timeout(60):
            await heard
        await caller(platform)(
            "POST", "/v1/trading/resume", json={"reason": "heard of"}, headers={"Idempotency-Key": "heard-1"}
        )


async def test_events_when_nobody_is_signed_in_then_there_are_none(platform: Platform) -> None:
    async with Visitor(platform.app) as stranger:
        answer = await stranger("GET", "/events")
        assert answer.status_code == 303


async def _until(stream: httpx.Response, line: str) -> None:
    async for found in stream.aiter_lines():
        if found == line:
            return
    raise AssertionError(f"the stream ended without {line!r}")
