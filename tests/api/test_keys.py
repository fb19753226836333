"""Keys: how they are made, shown once, and ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from api.keys import Scope, parse
from store import audit
from store.tables.platform import ApiKey, AuditEntry
from tests.api.browser import person
from tests.api.harness import BOOTSTRAP_KEY, Caller, Platform, assert_problem, caller

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    "key",
    [
        "wrong",
        "sk_",
        "sk__",
        "sk_unknown_secret",
        BOOTSTRAP_KEY[:-1],
        BOOTSTRAP_KEY + "x",
        BOOTSTRAP_KEY.upper(),
        "sk_" + "a" * 5_000 + "_b",
        "sk_%00_x",
    ],
)
async def test_key_when_unknown_then_401_and_it_is_not_echoed(platform: Platform, key: str) -> None:
    answer = await caller(platform, key)("GET", "/v1/overview")
    assert_problem(answer, 401, "KEY_INVALID")
    assert "invalid_token" in answer.headers["www-authenticate"]
    if len(key) > 3:
        assert key not in answer.text


async def test_key_when_its_secret_is_another_then_401(platform: Platform) -> None:
    one, other = await platform.key(Scope.READ), await platform.key(Scope.READ)
    (one_id, _), (_, other_secret) = parse(one) or ("", ""), parse(other) or ("", "")
    answer = await caller(platform, f"sk_{one_id}_{other_secret}")("GET", "/v1/overview")
    assert_problem(answer, 401, "KEY_INVALID")


async def test_bootstrap_key_when_none_is_set_then_an_empty_or_old_one_does_not_match(platform: Platform) -> None:
    from pydantic import SecretStr

    for key in ("", " ", BOOTSTRAP_KEY):
        ask = caller(platform, "", bootstrap_key=SecretStr(""))
        answer = await ask("GET", "/v1/overview", headers={"X-API-Key": key})
        assert answer.status_code == 401


async def test_key_when_sent_in_either_header_then_it_is_taken(platform: Platform) -> None:
    key = await platform.key(Scope.READ)
    ask = caller(platform, "")
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key}"}):
        assert (await ask("GET", "/v1/overview", headers=headers)).status_code == 200
    assert_problem(await ask("GET", "/v1/overview", headers={"Authorization": f"Basic {key}"}), 401, "KEY_MISSING")


@pytest.mark.parametrize(("seconds", "status"), [(-1, 401), (60, 200)])
async def test_key_when_its_time_is_over_then_401(platform: Platform, seconds: int, status: int) -> None:
    key = await platform.key(Scope.READ, expires_at=datetime.now(UTC) + timedelta(seconds=seconds))
    assert (await caller(platform, key)("GET", "/v1/overview")).status_code == status


async def test_key_when_made_over_http_then_it_works_until_it_is_revoked(platform: Platform, api: Caller) -> None:
    made = await api("POST", "/v1/api-keys", json={"name": "laptop", "scopes": ["read", "approve", "read"]})
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["scopes"] == ["approve", "read"]
    assert body["expires_at"] is not None
    key, key_id = body["key"], body["key_id"]
    assert key.startswith(f"sk_{key_id}_")
    ask = caller(platform, key)
    assert (await ask("GET", "/v1/overview")).status_code == 200

    listed = await api("GET", "/v1/api-keys", params={"limit": 200})
    row = next(each for each in listed.json()["data"] if each["key_id"] == key_id)
    assert row["last_used_at"] is not None
    assert row["revoked_at"] is None
    assert "key" not in row
    assert key.split("_", 2)[2] not in listed.text

    for _ in range(2):  # a second time changes nothing
        assert (await api("DELETE", f"/v1/api-keys/{key_id}")).status_code == 204
    assert_problem(await ask("GET", "/v1/overview"), 401, "KEY_INVALID")
    async with platform.parts.database.transaction() as session:
        entries = (
            await session.exec(
                select(AuditEntry).where(AuditEntry.subject == key_id).order_by(col(AuditEntry.sequence))
            )
        ).all()
        assert [entry.action for entry in entries] == ["api_key_created", "api_key_revoked"]
        assert entries[0].actor == "api:bootstrap/bootstrap"
        assert await audit.first_broken(session) is None


async def test_key_when_stored_then_the_table_holds_nothing_to_sign_in_with(platform: Platform) -> None:
    key = await platform.key(Scope.READ)
    key_id, secret = parse(key) or ("", "")
    async with platform.parts.database.transaction() as session:
        row = await session.get(ApiKey, key_id)
        assert row is not None
        assert secret not in row.model_dump_json()
        assert len(row.key_hash) == 64
    assert_problem(await caller(platform, f"sk_{key_id}_{row.key_hash}")("GET", "/v1/overview"), 401, "KEY_INVALID")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "", "scopes": ["read"]},
        {"name": "a\nb", "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "expires_in_days": 0},
        {"name": "x", "scopes": ["read"], "expires_in_days": 3651},
        {"name": "x", "scopes": ["read"], "key": "sk_mine"},
    ],
)
async def test_new_key_when_asked_for_wrongly_then_422(api: Caller, body: dict[str, Any]) -> None:
    assert_problem(await api("POST", "/v1/api-keys", json=body), 422, "REQUEST_INVALID")


async def test_unknown_key_when_revoked_then_404(api: Caller) -> None:
    assert_problem(await api("DELETE", "/v1/api-keys/nothing"), 404, "API_KEY_NOT_FOUND")


async def test_keys_when_asked_for_by_person_then_only_that_persons_are_listed(platform: Platform, api: Caller) -> None:
    anna, ben = await person(platform, Scope.READ), await person(platform, Scope.READ)
    await platform.key(Scope.READ, name="hers", person=anna)
    await platform.key(Scope.READ, name="his", person=ben)
    await platform.key(Scope.READ, name="nobody's")
    listed = await api.get("/v1/api-keys", person=anna)
    assert [(each["name"], each["person"]) for each in listed["data"]] == [("hers", anna)]
    assert_problem(await api("GET", "/v1/api-keys?person=nobody-of-that-name"), 404, "PERSON_NOT_FOUND")
