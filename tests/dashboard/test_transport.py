"""Calls within a process: answers come as they are made, people do not mix, and whoever leaves is told of."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from api.dashboard.client import Api, ApiProblem, Identity, connect
from api.dashboard.transport import CLIENT, InProcess


async def test_answer_when_it_never_ends_then_its_first_part_comes_and_leaving_ends_it() -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        try:
            assert (await receive())["type"] == "http.disconnect"
        finally:
            ended.set()

    api = Api(connect(InProcess(app), "http://api.test"), Identity())
    async with api.stream("/v1/stream", headers={}) as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"data: 1\n\n"
        assert not ended.is_set()
    async with asyncio.timeout(5):
        await ended.wait()


async def test_cookies_when_one_answer_sets_them_then_no_other_request_carries_them() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        seen.append(dict(scope["headers"]).get(b"cookie", b"").decode())
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"set-cookie", b"__Host-stonks=anna; Path=/; Secure")],
            }
        )
        await send({"type": "http.response.body", "body": b"{}"})

    for base in ("http://api.test", "https://api.test"):
        http = connect(InProcess(app), base)
        await Api(http, Identity(cookie="anna")).get("/v1/session")
        await Api(http, Identity()).get("/v1/session")
        await Api(http, Identity(cookie="bob")).get("/v1/session")
        assert seen[-3:] == ["__Host-stonks=anna", "", "__Host-stonks=bob"]


async def test_request_when_made_for_somebody_then_address_token_key_and_version_go_along() -> None:
    found: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.update(
            headers={k.decode(): v.decode() for k, v in scope["headers"]}, client=scope["client"], path=scope["path"]
        )
        found["body"] = (await receive())["body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    who = Identity(cookie="c", csrf_token="t", client=("10.1.2.3", 5), request_id="r1", base_url="https://house.test/")
    api = Api(connect(InProcess(app), "http://api.test"), who)
    assert await api.send("POST", "/v1/x/a%2Fb", {"a": 1}, key="k1", version=7) is None
    assert found["client"] == ("10.1.2.3", 5)
    assert found["path"] == "/v1/x/a/b"
    assert found["body"] == b'{"a":1}'
    wanted = {
        "x-csrf-token": "t",
        "idempotency-key": "k1",
        "if-match": '"7"',
        "x-request-id": "r1",
        "host": "house.test",
    }
    assert wanted.items() <= found["headers"].items()


async def test_application_when_it_fails_before_an_answer_then_the_api_counts_as_away() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("no")

    api = Api(connect(InProcess(app), "http://api.test"), Identity(request_id="r2"))
    with pytest.raises(ApiProblem, match="API_UNREACHABLE") as caught:
        await api.get("/v1/overview")
    assert (caught.value.status, caught.value.request_id) == (503, "r2")


async def test_answer_when_it_is_no_problem_document_then_status_and_words_are_kept() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>bad gateway"})

    with pytest.raises(ApiProblem, match="HTTP_502"):
        await Api(connect(InProcess(app), "http://api.test"), Identity()).get("/v1/overview")


async def test_extension_when_absent_then_the_client_is_this_machine() -> None:
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope["client"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async with httpx.AsyncClient(transport=InProcess(app), base_url="http://api.test") as http:
        await http.get("/")
        await http.get("/", extensions={CLIENT: ("::1", 9)})
    assert found == [("127.0.0.1", 0), ("::1", 9)]
