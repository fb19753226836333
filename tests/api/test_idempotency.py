"""A request that is sent again: carried out once, answered as it was the first time."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api import idempotency
from api.keys import Scope
from store import requests
from store.database import Database
from tests.api.harness import Caller, Platform, assert_problem, caller, eventually
from tests.api.openapi import document
from workflows.names import Queue

pytestmark = pytest.mark.stack

KEYS = "/v1/api-keys"


def new_key() -> str:
    return uuid.uuid4().hex


def body_of(name: str) -> dict[str, Any]:
    return {"name": name, "scopes": ["read"]}


async def make(api: Caller, name: str, key: str) -> httpx.Response:
    """Make an API key: of all that can be done, what is not the same when it is done twice."""
    return await api("POST", KEYS, json=body_of(name), headers={"Idempotency-Key": key})


async def made(platform: Platform, name: str) -> int:
    rows = await platform.parts.database.run("SELECT count(*) AS found FROM api_keys WHERE name = $1", name)
    return int(rows[0]["found"])


async def test_posts_when_twenty_with_one_key_come_at_once_then_one_acts(platform: Platform, api: Caller) -> None:
    key, name = new_key(), f"once {new_key()}"
    answers = await asyncio.gather(*(make(api, name, key) for _ in range(20)))
    assert await made(platform, name) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert_problem(answer, 409, "REQUEST_IN_FLIGHT")
    assert sum(answer.status_code == 201 and "idempotent-replay" not in answer.headers for answer in answers) == 1
    again = await make(api, name, key)
    assert again.headers["idempotent-replay"] == "true"
    assert await made(platform, name) == 1


async def test_post_when_sent_again_then_status_headers_and_body_are_the_same(platform: Platform, api: Caller) -> None:
    key, body = new_key(), {"name": f"list-{new_key()[:8]}"}
    first = await api("POST", "/v1/watchlists", json=body, headers={"Idempotency-Key": key})
    again = await api("POST", "/v1/watchlists", json=body, headers={"Idempotency-Key": key})
    assert first.status_code == again.status_code == 201, first.text
    assert first.content == again.content
    for name in ("content-type", "location", "etag"):
        assert first.headers.get(name) == again.headers.get(name)
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


async def test_answer_when_it_holds_a_secret_then_neither_secret_nor_key_nor_body_is_kept(
    platform: Platform, api: Caller
) -> None:
    key, name = new_key(), f"secret {new_key()}"
    first, again = [await make(api, name, key) for _ in range(2)]
    assert first.json()["key"].startswith("sk_")
    assert again.json() == {**first.json(), "key": None}
    rows = await platform.parts.database.run("SELECT kept_answers::text AS row, body FROM kept_answers")
    kept = "".join(f"{row['row']}{row['body'].decode()}" for row in rows)
    assert name in kept
    assert first.json()["key"] not in kept
    assert key not in kept


@pytest.mark.parametrize("other", ["body", "address"])
async def test_key_when_used_for_another_request_then_422_and_nothing_is_done(
    platform: Platform, api: Caller, other: str
) -> None:
    key, name = new_key(), f"reused {new_key()}"
    assert (await make(api, name, key)).status_code == 201
    if other == "body":
        answer = await make(api, f"{name} 2", key)
        assert await made(platform, f"{name} 2") == 0
    else:
        answer = await api("POST", f"{KEYS}?x=1", json=body_of(name), headers={"Idempotency-Key": key})
        assert await made(platform, name) == 1
    body = assert_problem(answer, 422, "IDEMPOTENCY_KEY_REUSED")
    assert key not in answer.text
    assert body["hint"]


async def test_key_when_used_by_another_principal_or_for_another_route_then_it_is_another_request(
    platform: Platform, api: Caller
) -> None:
    key, name = new_key(), f"both {new_key()}"
    assert (await make(api, name, key)).status_code == 201
    other = caller(platform, await platform.key(Scope.ADMIN, Scope.REGISTRY_WRITE))
    assert (await make(other, name, key)).json()["key"]
    assert await made(platform, name) == 2
    watchlist = await other(
        "POST", "/v1/watchlists", json={"name": f"list-{key[:8]}"}, headers={"Idempotency-Key": key}
    )
    assert watchlist.status_code == 201, watchlist.text


async def test_key_when_the_caller_may_not_act_then_it_is_not_used_up(platform: Platform, api: Caller) -> None:
    key, name = new_key(), f"denied {new_key()}"
    reader = caller(platform, await platform.key(Scope.READ))
    for stranger, status, code in ((caller(platform, ""), 401, "KEY_MISSING"), (reader, 403, "SCOPE_MISSING")):
        assert_problem(await make(stranger, name, key), status, code)
    assert (await make(api, name, key)).json()["key"]


async def test_answer_when_it_is_a_final_refusal_then_it_is_given_again(platform: Platform, api: Caller) -> None:
    headers = {"Idempotency-Key": new_key()}
    path, body = "/v1/approvals/0f6e1c94/review", {"approve": True, "reason": "x", "order_hash": "0" * 24}
    first = await api("POST", path, json=body, headers=headers)
    again = await api("POST", path, json=body, headers=headers)
    assert first.status_code == 404
    assert again.content == first.content
    assert again.headers["content-type"] == "application/problem+json"


class Flaky(Database):
    """Fails the transactions after a claim as long as it is told to."""

    failing = True
    begun = 0

    def transaction(self) -> Any:
        self.begun += 1
        if self.failing and self.begun == 2:
            raise ConnectionRefusedError(111, "no")
        return super().transaction()


async def test_answer_when_it_is_a_5xx_then_it_is_not_kept_and_the_same_key_acts(platform: Platform) -> None:
    key, name = new_key(), f"flaky {new_key()}"
    database = Flaky(platform.parts.database.settings)
    try:
        api = caller(platform, database=database)
        assert_problem(await make(api, name, key), 503, "DATABASE_UNAVAILABLE")
        assert await made(platform, name) == 0
        database.failing = False
        assert (await make(api, name, key)).json()["key"]
    finally:
        await database.close()


async def test_answer_when_it_speaks_of_the_version_then_it_is_not_kept(platform: Platform, api: Caller) -> None:
    key = new_key()
    made_list = await api("POST", "/v1/watchlists", json={"name": f"list-{key[:8]}"})
    path = f"/v1/watchlists/{made_list.json()['watchlist_id']}"
    change = {"name": f"list-{key[8:16]}"}
    headers = {"Idempotency-Key": key}
    stale = await api("PATCH", path, json=change, headers={**headers, "If-Match": '"99"'})
    assert stale.status_code == 412, stale.text
    fresh = await api("PATCH", path, json=change, headers={**headers, "If-Match": made_list.headers["etag"]})
    assert fresh.status_code == 200, fresh.text
    again = await api("PATCH", path, json=change, headers={**headers, "If-Match": made_list.headers["etag"]})
    assert again.headers["idempotent-replay"] == "true"


async def test_attempt_when_its_process_died_then_it_is_in_flight_for_a_minute_and_runs_again_after_it(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, name = new_key(), f"crashed {new_key()}"

    async def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_keep", die)  # as if killed between the act and its answer
        patch.setattr(idempotency, "_let_go", die)
        with pytest.raises(SystemExit):
            await make(api, name, key)
    assert await made(platform, name) == 1
    assert_problem(await make(api, name, key), 409, "REQUEST_IN_FLIGHT")
    await platform.parts.database.run(
        "UPDATE kept_answers SET expires_at = $1 WHERE status = 0", datetime.now(UTC) - timedelta(milliseconds=1)
    )
    assert (await make(api, f"{name} 2", key)).status_code == 422
    assert (await make(api, name, key)).status_code == 201


async def test_attempt_when_another_took_its_request_over_then_its_answer_changes_nothing(platform: Platform) -> None:
    database, now = platform.parts.database, datetime.now(UTC)
    said = {"request_id": new_key(), "fingerprint": "f", "actor": "a", "route": "r"}

    async def claim(attempt: str, at: datetime) -> Any:
        async with database.transaction() as session:
            return await requests.claim(session, **said, attempt=attempt, now=at)

    assert await claim("one", now) is None
    assert (await claim("two", now + requests.HELD - timedelta(seconds=1))).attempt == "one"
    async with database.transaction() as session:
        await requests.hold(session, request_id=said["request_id"], attempt="one", now=now + timedelta(seconds=30))
    assert (await claim("two", now + requests.HELD)).attempt == "one"
    assert await claim("two", now + requests.HELD + timedelta(seconds=30)) is None
    for attempt, status in (("one", 500), ("two", 201)):
        async with database.transaction() as session:
            await requests.keep(
                session,
                request_id=said["request_id"],
                attempt=attempt,
                status=status,
                headers={},
                body=b"",
                now=now + timedelta(minutes=2),
            )
    assert (await claim("three", now + timedelta(minutes=3))).status == 201
    assert await claim("three", now + timedelta(minutes=2) + requests.KEPT) is None


async def test_route_when_it_needs_a_key_and_has_none_then_428(platform: Platform, api: Caller) -> None:
    answer = await api("POST", "/v1/trading/resume", json={"reason": "x"}, idempotent=False)
    body = assert_problem(answer, 428, "IDEMPOTENCY_KEY_REQUIRED")
    assert body["fields"] == {"header": "Idempotency-Key"}


@pytest.mark.parametrize("key", ["", " ", "a b", "ä".encode().decode("latin-1"), "x" * 256])
async def test_key_when_malformed_then_422_names_the_header(api: Caller, key: str) -> None:
    answer = await api("POST", KEYS, json=body_of("x"), headers={"Idempotency-Key": key.encode("latin-1")})
    assert_problem(answer, 422, "IDEMPOTENCY_KEY_INVALID")


def test_openapi_when_read_then_every_act_has_the_header_and_only_those_that_need_it_require_it() -> None:
    required = set()
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            found = [each for each in operation.get("parameters", []) if each["name"] == "Idempotency-Key"]
            signs_in = path.startswith(("/v1/session", "/v1/step-up")) or path.endswith(("/password", "/sign-in-links"))
            acts = method.upper() in idempotency.ACTS and not signs_in
            assert len(found) == acts, (method, path)
            if found and found[0]["required"]:
                required.add((method.upper(), path))
                assert "428" in operation["responses"]
    assert required == idempotency.REQUIRED


@pytest.mark.parametrize("command", ["pause", "halt"])
async def test_stop_when_an_attempt_with_its_key_died_then_it_is_carried_out_again_at_once(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    path, said, headers = f"/v1/trading/{command}", {"reason": "a crash"}, {"Idempotency-Key": new_key()}

    async def die(*_: object) -> None:
        raise SystemExit

    async def resumed() -> bool:
        answer = await api("POST", "/v1/trading/resume", json=said, headers={"Idempotency-Key": new_key()})
        return answer.status_code == 200

    async with platform.working(Queue.TRADING):
        with monkeypatch.context() as patch:
            patch.setattr(idempotency, "_keep", die)
            patch.setattr(idempotency, "_let_go", die)
            with pytest.raises(SystemExit):
                await api("POST", path, json=said, headers=headers)
        await eventually(resumed)
        again = await api("POST", path, json=said, headers=headers)
        assert again.status_code == 200, again.text
        status = (await api("GET", "/v1/trading/status")).json()
        assert status["state"] == {"pause": "reducing", "halt": "halted"}[command]
        await eventually(resumed)
