"""A router that is passed by is one that has no route for the address; every other is asked."""

from __future__ import annotations

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from api.routing import Router

ROUTERS = {
    "/v1/people": ("", "/{name}", "/{name}/links"),
    "/v1/people-of": ("/{name}",),
    "/v1/orders": ("", "/{order_id}", "/open/{day}"),
    "": ("/{anything}/tail", "/v1/what-ifs"),
}
ADDRESSES = (
    *("/v1/people", "/v1/people/anna", "/v1/people/anna/links", "/v1/people-of/anna", "/v1/peopl", "/v1/people/a/b"),
    *("/v1/orders", "/v1/orders/7", "/v1/orders/open/monday", "/v1/what-ifs", "/v1/tail", "/v1", "/", "/v1/orders/"),
)


def _app(kind: type[APIRouter]) -> FastAPI:
    app = FastAPI(openapi_url=None)
    for prefix, paths in ROUTERS.items():
        router = kind(prefix=prefix)
        for path in paths:
            router.get(path)(_answering(f"{prefix}{path}"))
        app.include_router(router)
    return app


def _answering(path: str) -> object:
    async def answer() -> str:
        return path

    return answer


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_address_when_it_is_asked_for_then_it_is_answered_as_by_the_plain_router(method: str) -> None:
    found = []
    for kind in (APIRouter, Router):
        transport = httpx.ASGITransport(_app(kind))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answers = [await client.request(method, address) for address in ADDRESSES]
        found.append([(each.status_code, each.text, each.headers.get("location")) for each in answers])
    assert found[0] == found[1]
    assert {status for status, _, _ in found[1]} == ({200, 307, 404} if method == "GET" else {405, 307, 404})


async def test_router_when_it_has_no_route_for_the_beginning_then_none_of_its_routes_is_asked() -> None:
    router = Router(prefix="/v1/people")
    router.get("/{name}")(_answering(""))
    assert router._beginning() == "/v1/people/"
    router.get("")(_answering(""))
    assert router._beginning() == "/v1/people"
