"""People: added, limited, shut out; and four eyes that see people behind keys, sessions and terminals."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import col, select

from api.keys import Scope
from api.operations import people as operations
from api.throttle import Gate
from domain.errors import Conflict
from store import people
from store.tables.access import Person
from store.tables.platform import AuditEntry
from tests.api.browser import PASSWORD, Browser, forget_attempts, person, signed_in
from tests.api.harness import BOOTSTRAP_KEY, Caller, Platform, assert_problem, caller, eventually
from workflows.names import Queue

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
async def _failures_of_other_tests_are_forgotten(platform: Platform) -> None:
    await forget_attempts(platform)


async def actions(platform: Platform, name: str) -> list[str]:
    async with platform.parts.database.transaction() as session:
        subject = (await people.require(session, name)).person_id
        rows = await session.exec(
            select(AuditEntry.action).where(AuditEntry.subject == subject).order_by(col(AuditEntry.sequence))
        )
        return list(rows.all())


async def test_installation_when_new_then_it_has_an_owner_who_may_everything(platform: Platform, api: Caller) -> None:
    owner = await api.get("/v1/people/owner")
    assert set(owner["scopes"]) == set(Scope)
    assert (owner["has_password"], owner["disabled_at"]) == (False, None)
    async with platform.parts.database.transaction() as session:
        assert not await people.ensure_owner(session, scopes=list(Scope), now=datetime.now(UTC))


async def test_person_when_added_changed_and_shut_out_then_the_audit_log_has_each_step(
    platform: Platform, api: Caller
) -> None:
    name = f"anna-{id(api):x}"
    made = await api("POST", "/v1/people", json={"name": name, "scopes": ["read", "approve", "read"]})
    assert made.status_code == 201, made.text
    assert made.json()["scopes"] == ["approve", "read"]
    assert_problem(await api("POST", "/v1/people", json={"name": name, "scopes": []}), 409, "PERSON_EXISTS")
    path = f"/v1/people/{name}"
    assert (await api("PATCH", path, json={"scopes": ["read"]})).json()["scopes"] == ["read"]
    assert (await api("PUT", f"{path}/password", json={"password": PASSWORD})).json()["has_password"]
    link = await api("POST", f"{path}/sign-in-links")
    assert link.status_code == 201
    assert link.json()["path"] == f"/sign-in?link={link.json()['token']}"
    assert (await Browser(platform.app).sign_in(link=link.json()["token"])).status_code == 201
    for _ in range(2):  # a second time changes nothing
        assert (await api("PATCH", path, json={"disabled": True})).json()["disabled_at"] is not None
    assert_problem(await api("POST", f"{path}/sign-in-links"), 404, "PERSON_DISABLED")
    assert (await api("PATCH", path, json={"disabled": False})).json()["disabled_at"] is None
    assert not (await api("PUT", f"{path}/password", json={"password": None})).json()["has_password"]
    assert await actions(platform, name) == [
        "person_created",
        "person_scopes_changed",
        "person_password_changed",
        "sign_in_link_made",
        "signed_in",
        "person_disabled",
        "person_enabled",
        "person_password_changed",
    ]


async def test_sessions_when_an_administrator_ends_them_then_every_browser_and_unused_link_is_out_and_keys_stay(
    platform: Platform, api: Caller
) -> None:
    name = await person(platform, Scope.READ)
    key = await platform.key(Scope.READ, person=name)
    browsers = [await signed_in(platform, name) for _ in range(2)]
    path = f"/v1/people/{name}"
    link = (await api("POST", f"{path}/sign-in-links")).json()["token"]
    listed = await api.get(f"{path}/sessions")
    assert [(each["method"], each["current"]) for each in listed] == [("link", False)] * 2
    assert (await api("DELETE", f"{path}/sessions")).status_code == 204
    assert await api.get(f"{path}/sessions") == []
    for browser in browsers:
        assert (await browser("GET", "/v1/session")).status_code == 401
    assert_problem(await Browser(platform.app).sign_in(link=link), 401, "SIGN_IN_FAILED")
    assert (await caller(platform, key)("GET", "/v1/overview")).status_code == 200
    assert (await actions(platform, name))[-1] == "person_signed_out"
    for method in ("GET", "DELETE"):
        assert_problem(await api(method, "/v1/people/nobody-of-that-name/sessions"), 404, "PERSON_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "", {"name": "engine", "scopes": []}, "PERSON_NAME_INVALID"),
        ("POST", "", {"name": "operator", "scopes": []}, "PERSON_NAME_INVALID"),
        ("POST", "", {"name": "Anna", "scopes": []}, "REQUEST_INVALID"),
        ("POST", "", {"name": "an/na", "scopes": []}, "REQUEST_INVALID"),
        ("POST", "", {"name": "a" * 65, "scopes": []}, "REQUEST_INVALID"),
        ("POST", "", {"name": "ben", "scopes": ["everything"]}, "REQUEST_INVALID"),
        ("PUT", "/owner/password", {"password": "short"}, "PASSWORD_INVALID"),
        ("PUT", "/owner/password", {"password": "aaaaaaaaaaaaaaaa"}, "PASSWORD_INVALID"),
        ("PUT", "/owner/password", {"password": "ownerowner12"}, "PASSWORD_INVALID"),
        ("PUT", "/owner/password", {"password": ""}, "REQUEST_INVALID"),
        ("PUT", "/owner/password", {}, "REQUEST_INVALID"),
    ],
)
async def test_change_when_asked_for_wrongly_then_422(
    api: Caller, method: str, path: str, body: dict[str, Any], code: str
) -> None:
    answer = await api(method, f"/v1/people{path}", json=body)
    assert_problem(answer, 422, code)
    assert not str(body.get("password")) or len(str(body.get("password"))) < 5 or body["password"] not in answer.text


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_person_when_unknown_then_404(api: Caller, method: str) -> None:
    assert_problem(await api(method, "/v1/people/nobody", json={}), 404, "PERSON_NOT_FOUND")


async def test_people_when_listed_then_pages_follow_the_names(platform: Platform, api: Caller) -> None:
    names = sorted([await person(platform) for _ in range(3)])
    seen: list[str] = []
    cursor = None
    while True:
        page = await api.get("/v1/people", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [each["name"] for each in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert seen == sorted(seen)
    assert set(names) < set(seen)


async def test_last_administrator_when_two_are_disabled_at_once_then_one_stays(platform: Platform) -> None:
    database = platform.parts.database
    first, second = [await person(platform, Scope.ADMIN) for _ in range(2)]
    async with database.transaction() as session:
        rows = (await session.exec(select(Person))).all()
        admins = [row.name for row in rows if "admin" in row.scopes and row.disabled_at is None]
    others = [name for name in admins if name not in (first, second)]
    for name in others:
        await operations.change(database, name=name, actor="test", disabled=True)
    try:
        changes = (
            operations.change(database, name=first, actor="test", disabled=True),
            operations.change(database, name=second, actor="test", scopes=[]),
        )
        done = await asyncio.gather(*changes, return_exceptions=True)
        refused = [each for each in done if isinstance(each, Conflict)]
        assert [each.code for each in refused] == ["LAST_ADMIN"]
    finally:
        for name in others:
            await operations.change(database, name=name, actor="test", disabled=False)


async def test_keys_when_made_for_a_person_then_the_list_shows_whose_and_whether_unattended(
    platform: Platform, api: Caller
) -> None:
    name = await person(platform, Scope.READ)
    body = {"name": "laptop", "scopes": ["read", "admin"], "person": name, "unattended": True}
    made = await api("POST", "/v1/api-keys", json=body)
    assert made.status_code == 201, made.text
    listed = (await api.get("/v1/api-keys", limit=200))["data"]
    (row,) = [each for each in listed if each["key_id"] == made.json()["key_id"]]
    assert (row["person"], row["unattended"]) == (name, True)
    async with platform.parts.database.transaction() as session:
        entry = (await session.exec(select(AuditEntry).where(AuditEntry.subject == row["key_id"]))).one()
    assert (entry.body["person"], entry.body["unattended"]) == (name, True)
    # The person may only read, so the key may, whatever was asked for.
    assert_problem(await caller(platform, made.json()["key"])("GET", "/v1/people"), 403, "SCOPE_MISSING")
    unknown = await api("POST", "/v1/api-keys", json={**body, "person": "nobody"})
    assert_problem(unknown, 404, "PERSON_NOT_FOUND")
    plain = await api("POST", "/v1/api-keys", json={"name": "laptop", "scopes": ["read"]})
    assert (plain.json()["person"], plain.json()["unattended"]) == (None, False)


async def test_order_when_its_proposer_approves_by_another_key_or_session_then_four_eyes_see_one_person(
    platform: Platform,
) -> None:
    scopes = (Scope.READ, Scope.TRADE_CONTROL, Scope.APPROVE)
    anna, ben = await person(platform, *scopes), await person(platform, *scopes)
    keys = [await platform.key(*scopes, person=anna, name=name) for name in ("laptop", "phone")]
    browser = await signed_in(platform, anna)
    async with platform.working(Queue.TRADING):
        asked = await platform.waiting("KO", quantity=700)
        path = f"/v1/approvals/{asked['approval_id']}"
        amend = {"quantity": "600", "reason": "less", "order_hash": asked["order_hash"]}
        assert (await caller(platform, keys[0])("POST", f"{path}/amend", json=amend)).status_code == 200

        async def anew() -> Any:
            page = await browser("GET", "/v1/approvals", params={"status": "pending", "limit": 200})
            return next((each for each in page.json()["data"] if each["intent_id"] == asked["intent_id"]), None)

        again = await eventually(anew)
        assert again["proposers"][-1].startswith(f"api:{anna}/")
        path = f"/v1/approvals/{again['approval_id']}"
        review = {"approve": True, "reason": "yes", "order_hash": again["order_hash"]}
        for ask in (caller(platform, keys[0]), caller(platform, keys[1]), browser):
            assert_problem(await ask("POST", f"{path}/review", json=review), 403, "FOUR_EYES")
        done = await (await signed_in(platform, ben))("POST", f"{path}/review", json=review)
        assert done.status_code == 200, done.text
        assert (done.json()["status"], done.json()["decided_by"].partition("/")[0]) == ("approved", f"session:{ben}")


async def test_secrets_when_used_and_mistyped_then_no_log_no_answer_and_no_audit_entry_has_them(
    platform: Platform, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    name = await person(platform, Scope.READ, Scope.ADMIN)
    canary = "canary-3c1f9f0e2b nobody may see"
    with caplog.at_level(logging.DEBUG):
        await operations.set_password(
            platform.parts.database, Gate(), name=name, password=SecretStr(canary), actor="test"
        )
        browser = Browser(platform.app)
        link = (await operations.make_link(platform.parts.database, name=name, actor="test")).token
        answers = [
            await browser.sign_in(name=name, password=canary),
            await browser.sign_in(link=link),
            await browser.sign_in(link=link),
            await Browser(platform.app).sign_in(name=canary, password=canary),
            await Browser(platform.app)("POST", "/v1/session", json={"password": [canary], "name": name}),
            await Browser(platform.app)("POST", "/v1/session", json={"link": canary, "key": canary}),
            await Browser(platform.app)("POST", "/v1/session", content=f'{{"password": "{canary}'),
            await browser("POST", "/v1/session/step-up", json={"password": canary}),
            await browser("PUT", "/v1/session/password", json={"password": canary[:11]}),
        ]
    key = await platform.key(*Scope, person=name, unattended=False)
    stepped = await caller(platform, key)("POST", "/v1/step-up", json={"password": canary})
    assert stepped.status_code == 200
    told = "".join(answer.text for answer in answers if answer.request.method != "POST" or answer.status_code >= 400)
    out, err = capsys.readouterr()
    async with platform.parts.database.transaction() as session:
        entries = (await session.exec(select(AuditEntry))).all()
        kept = "".join(entry.model_dump_json() for entry in entries)
        rows = "".join(row.model_dump_json() for row in (await session.exec(select(Person))).all())
    for secret in (canary, link, browser.token, BOOTSTRAP_KEY, stepped.json()["token"]):
        for place in (told, out, err, caplog.text, kept, rows):
            assert secret not in place
