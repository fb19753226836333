"""Requests are counted by route and never by address, refusals as well as answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, StreamingResponse

from api import errors
from api.metering import NO_ROUTE, HttpMeter
from api.routing import Router
from domain.errors import NotFound
from tests.observability.pages import Page

router = Router(prefix="/v1/things")


@router.get("/{thing_id}")
async def read_thing(thing_id: str) -> PlainTextResponse:
    if thing_id == "none":
        raise NotFound("THING_NOT_FOUND")
    if thing_id == "bug":
        raise RuntimeError("a bug")
    return PlainTextResponse(thing_id)


@router.get("/{thing_id}/stream")
async def stream_thing(thing_id: str) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield thing_id
        assert requests_of(METER) == [("/v1/things/{thing_id}/stream", "GET", "2xx")]
        yield thing_id

    return StreamingResponse(parts())


METER = HttpMeter()


def application(meter: HttpMeter) -> FastAPI:
    app = FastAPI()
    app.include_router(router)
    errors.install(app, meter=meter)
    return app


def requests_of(meter: HttpMeter) -> list[tuple[str, str, str]]:
    """Route, method and class of every request that was counted."""
    page = Page.of_registry(meter.registry)
    return [
        (sample.labels["route"], sample.labels["method"], sample.labels["code"])
        for sample in page.families["stonks_http_requests"].samples
        for _ in range(int(sample.value))
    ]


async def ask(meter: HttpMeter, *asked: tuple[str, str]) -> list[int]:
    transport = httpx.ASGITransport(app=application(meter), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        return [(await client.request(method, path)).status_code for method, path in asked]


async def test_requests_when_answered_then_each_counts_under_its_routes_template_and_class() -> None:
    meter = HttpMeter()

    await ask(
        meter,
        ("GET", "/v1/things/AAPL"),
        ("GET", "/v1/things/MSFT"),
        ("GET", "/v1/things/none"),
        ("GET", "/v1/things/bug"),
        ("DELETE", "/v1/things/AAPL"),
    )

    route = "/v1/things/{thing_id}"
    assert requests_of(meter) == [
        (route, "GET", "2xx"),
        (route, "GET", "2xx"),
        (route, "GET", "4xx"),
        (route, "GET", "5xx"),
        (route, "DELETE", "4xx"),
    ]
    page = Page.of_registry(meter.registry)
    assert page.value("stonks_http_request_duration_seconds_count", route=route, method="GET") == 4


async def test_requests_when_address_or_method_is_anything_then_the_labels_stay_few() -> None:
    meter = HttpMeter()

    await ask(meter, *((f"X{number}", f"/v1/no/{number}") for number in range(30)))

    assert set(requests_of(meter)) == {(NO_ROUTE, "other", "4xx")}
    assert len(meter._seen) == 1, "what nobody expects fills the memory"


async def test_stream_when_it_has_begun_then_it_counts_though_it_goes_on() -> None:
    (status,) = await ask(METER, ("GET", "/v1/things/7/stream"))

    assert status == 200


@pytest.mark.parametrize(("status", "code"), [(99, "1xx"), (204, "2xx"), (304, "3xx"), (500, "5xx"), (600, "5xx")])
def test_status_when_it_is_any_number_then_it_is_one_of_five_classes(status: int, code: str) -> None:
    meter = HttpMeter()

    meter.answered("/", "GET", status, 0.001)

    assert requests_of(meter) == [("/", "GET", code)]
