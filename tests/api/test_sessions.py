"""Signing in, staying in and going: links, passwords, keys, and a proof of the last five minutes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import col, select

from api import keys
from api.auth import COOKIE
from api.errors import Unauthenticated
from api.keys import Scope
from api.operations import people as operations
from api.operations import sign_in
from api.operations.sign_in import Given
from api.throttle import Gate, Limits
from domain.people import IDLE, LONGEST_SESSION, STEP_UP_LASTS, SignInMethod
from store import people
from store.tables.access import SignInLink, SignInSession
from store.tables.platform import AuditEntry
from tests.api.browser import PASSWORD, Browser, forget_attempts, person, session_row, signed_in
from tests.api.harness import BOOTSTRAP_KEY, Caller, Platform, assert_problem, caller, eventually

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
async def _failures_of_other_tests_are_forgotten(platform: Platform) -> None:
    await forget_attempts(platform)


async def link(platform: Platform, name: str) -> str:
    return (await operations.make_link(platform.parts.database, name=name, actor="test")).token


async def with_password(platform: Platform, *scopes: Scope) -> str:
    name = await person(platform, *scopes)
    await operations.set_password(
        platform.parts.database, Gate(), name=name, password=SecretStr(PASSWORD), actor="test"
    )
    return name


async def entries(platform: Platform, name: str) -> list[AuditEntry]:
    async with platform.parts.database.transaction() as session:
        subject = (await people.require(session, name)).person_id
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == subject).order_by(col(AuditEntry.sequence))
        )
        return list(rows.all())


async def moved(platform: Platform, browser: Browser, **values: Any) -> None:
    """Change a session's row, as if time had passed."""
    row = await session_row(platform, browser)
    async with platform.parts.database.transaction() as session:
        connection = await session.connection()
        await connection.execute(
            update(SignInSession).where(col(SignInSession.session_id) == row.session_id).values(**values)
        )


async def test_link_when_used_then_a_session_begins_whose_cookie_no_script_can_read(platform: Platform) -> None:
    name = await person(platform, Scope.READ)
    browser = Browser(platform.app)
    answer = await browser.sign_in(link=await link(platform, name))
    assert answer.status_code == 201, answer.text
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"{COOKIE}=")
    for word in ("Secure", "HttpOnly", "Path=/", "SameSite=lax", "Max-Age=604800"):
        assert word in cookie
    assert "Domain" not in cookie
    view = answer.json()
    assert view["person"]["name"] == name
    assert (view["method"], view["scopes"], view["has_password"], view["solo"]) == ("link", ["read"], False, False)
    assert view["step_up_until"] is not None
    assert browser.token not in answer.text
    again = (await browser("GET", "/v1/session")).json()
    assert again["person"] == view["person"]
    assert (await browser("GET", "/v1/overview")).status_code == 200
    async with platform.parts.database.transaction() as session:
        rows = (await session.exec(select(SignInSession))).all()
    assert all(browser.token not in row.model_dump_json() for row in rows)


async def test_link_when_used_twice_or_too_old_then_401_and_one_of_many_at_once_wins(platform: Platform) -> None:
    name = await person(platform)
    token = await link(platform, name)
    answers = await asyncio.gather(*(Browser(platform.app).sign_in(link=token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401, 401]
    assert_problem(await Browser(platform.app).sign_in(link=token), 401, "SIGN_IN_FAILED")
    old = await link(platform, name)
    async with platform.parts.database.transaction() as session:
        owner = (await people.require(session, name)).person_id
        connection = await session.connection()
        unused = (col(SignInLink.used_at).is_(None), col(SignInLink.person_id) == owner)
        await connection.execute(update(SignInLink).where(*unused).values(expires_at=datetime.now(UTC)))
    assert_problem(await Browser(platform.app).sign_in(link=old), 401, "SIGN_IN_FAILED")


async def test_password_when_right_then_a_session_begins_and_when_wrong_nothing_tells_whether_the_name_exists(
    platform: Platform,
) -> None:
    name = await with_password(platform, Scope.READ)
    browser = Browser(platform.app)
    assert (await browser.sign_in(name=name, password=PASSWORD)).json()["method"] == "password"
    told = []
    without = await person(platform)
    for wrong in ({"name": name}, {"name": "nobody-of-this-name"}, {"name": without}, {"name": "\x00 no name"}):
        answer = await Browser(platform.app).sign_in(**wrong, password="not the password at all")
        body = assert_problem(answer, 401, "SIGN_IN_FAILED")
        told.append({key: value for key, value in body.items() if key != "request_id"})
    assert all(each == told[0] for each in told)
    (failed,) = [entry for entry in await entries(platform, name) if entry.action == "sign_in_failed"]
    assert failed.body == {"method": "password", "address": "127.0.0.1"}


async def test_key_when_it_belongs_to_a_person_then_the_session_may_no_more_than_the_key(platform: Platform) -> None:
    name = await person(platform, Scope.READ, Scope.APPROVE)
    key = await platform.key(Scope.READ, Scope.ADMIN, person=name)
    browser = Browser(platform.app)
    view = (await browser.sign_in(key=key)).json()
    assert (view["method"], view["scopes"], view["person"]["name"]) == ("key", ["read"], name)
    owner = Browser(platform.app)
    assert (await owner.sign_in(key=BOOTSTRAP_KEY)).json()["person"]["name"] == "owner"
    nobodys = await platform.key(Scope.READ)
    assert_problem(await Browser(platform.app).sign_in(key=nobodys), 403, "KEY_WITHOUT_PERSON")
    assert_problem(await Browser(platform.app).sign_in(key="sk_no_such"), 401, "SIGN_IN_FAILED")
    (key_id, _) = keys.parse(key) or ("", "")
    assert (await owner("DELETE", f"/v1/api-keys/{key_id}")).status_code == 204
    assert_problem(await browser("GET", "/v1/session"), 401, "SESSION_INVALID")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"link": "a", "key": "b"},
        {"name": "anna"},
        {"password": "x"},
        {"link": None},
        {"link": "a", "name": "anna"},
        {"link": ""},
        {"link": "a", "next": "/"},
        [],
    ],
)
async def test_sign_in_when_not_exactly_one_way_is_given_then_422_without_the_secret(
    platform: Platform, body: Any
) -> None:
    answer = await Browser(platform.app)("POST", "/v1/session", json=body)
    assert_problem(answer, 422, "REQUEST_INVALID")


async def test_sign_in_when_the_cookie_would_travel_in_clear_text_then_403(platform: Platform) -> None:
    name = await person(platform)
    for base, status in (
        ("http://desk.lan:8000", 403),
        ("http://127.0.0.1.evil.test", 403),
        ("https://desk.lan", 201),
        ("http://localhost:8000", 201),
        ("http://[::1]:8000", 201),
    ):
        browser = Browser(platform.app, base=base)
        answer = await browser.sign_in(link=await link(platform, name))
        assert answer.status_code == status, (base, answer.text)
        if status == 403:
            assert_problem(answer, 403, "ORIGIN_NOT_PRIVATE")
            assert not answer.headers.get_list("set-cookie")
        assert ("strict-transport-security" in answer.headers) is base.startswith("https")


async def test_sign_in_when_another_site_sends_it_then_403(platform: Platform) -> None:
    name = await person(platform)
    token = await link(platform, name)
    for headers in (
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = await Browser(platform.app)("POST", "/v1/session", json={"link": token}, headers=headers)
        assert_problem(answer, 403, "ORIGIN_FOREIGN")
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert (await Browser(platform.app)("POST", "/v1/session", json={"link": token}, headers=own)).status_code == 201


async def test_sign_in_when_the_browser_had_a_session_then_the_old_one_ends(platform: Platform) -> None:
    name = await person(platform)
    browser = await signed_in(platform, name)
    before = Browser(platform.app, dict(browser.cookies), browser.csrf)
    assert (await browser.sign_in(link=await link(platform, name))).status_code == 201
    assert browser.token != before.token
    assert_problem(await before("GET", "/v1/session"), 401, "SESSION_INVALID")
    assert (await browser("GET", "/v1/session")).status_code == 200


async def test_sign_out_when_done_then_the_cookie_is_worth_nothing(platform: Platform) -> None:
    name = await person(platform)
    browser = await signed_in(platform, name)
    kept = Browser(platform.app, dict(browser.cookies), browser.csrf)
    answer = await browser("DELETE", "/v1/session")
    assert answer.status_code == 204
    assert browser.cookies == {}
    assert_problem(await kept("GET", "/v1/session"), 401, "SESSION_INVALID")
    assert [entry.action for entry in await entries(platform, name)][-2:] == ["signed_in", "signed_out"]


@pytest.mark.parametrize(
    ("last_seen", "begun", "status"),
    [
        (IDLE - timedelta(minutes=2), IDLE, 200),
        (IDLE, IDLE, 401),
        (timedelta(0), LONGEST_SESSION - timedelta(minutes=2), 200),
        (timedelta(0), LONGEST_SESSION, 401),
    ],
)
async def test_session_when_it_rests_or_grows_old_then_it_ends(
    platform: Platform, last_seen: timedelta, begun: timedelta, status: int
) -> None:
    browser = await signed_in(platform, await person(platform))
    now = datetime.now(UTC)
    await moved(platform, browser, last_seen_at=now - last_seen, expires_at=now - begun + LONGEST_SESSION)
    assert (await browser("GET", "/v1/session")).status_code == status
    if status == 200:
        assert (await session_row(platform, browser)).last_seen_at >= now - timedelta(minutes=1)


async def test_person_when_disabled_then_sessions_keys_and_links_end_and_do_not_come_back(platform: Platform) -> None:
    name = await with_password(platform, Scope.READ)
    browser, key = await signed_in(platform, name), await platform.key(Scope.READ, person=name)
    waiting = await link(platform, name)
    for disabled, status in ((True, 401), (False, 200)):
        await operations.change(platform.parts.database, name=name, actor="test", disabled=disabled)
        assert_problem(await browser("GET", "/v1/session"), 401, "SESSION_INVALID")
        assert (await caller(platform, key)("GET", "/v1/overview")).status_code == status
        assert_problem(await Browser(platform.app).sign_in(link=waiting), 401, "SIGN_IN_FAILED")
        signed = await Browser(platform.app).sign_in(name=name, password=PASSWORD)
        assert signed.status_code == (401 if disabled else 201)


async def test_scopes_when_taken_away_then_keys_and_sessions_lose_them_at_once(platform: Platform) -> None:
    name = await person(platform, Scope.READ, Scope.APPROVE)
    browser, key = await signed_in(platform, name), await platform.key(*Scope, person=name)
    assert (await browser("GET", "/v1/overview")).status_code == 200
    await operations.change(platform.parts.database, name=name, actor="test", scopes=[Scope.APPROVE])
    for ask in (browser, caller(platform, key)):
        assert_problem(await ask("GET", "/v1/overview"), 403, "SCOPE_MISSING")


async def test_step_up_when_proven_then_five_minutes_are_open(platform: Platform) -> None:
    name = await with_password(platform, Scope.TRADE_CONTROL)
    other = await with_password(platform)
    browser = await signed_in(platform, name, proven=False)
    resume = {"reason": "a test"}
    assert_problem(await browser("POST", "/v1/trading/resume", json=resume), 403, "STEP_UP_REQUIRED")
    assert (await browser("GET", "/v1/session")).json()["step_up_until"] is None
    for wrong in (
        {"password": "not the password at all"},
        {"link": await link(platform, other)},
        {"key": await platform.key(Scope.READ, person=other)},
    ):
        assert_problem(await browser("POST", "/v1/session/step-up", json=wrong), 401, "SIGN_IN_FAILED")
    assert_problem(await browser("POST", "/v1/trading/resume", json=resume), 403, "STEP_UP_REQUIRED")
    for right in (
        {"password": PASSWORD},
        {"link": await link(platform, name)},
        {"key": await platform.key(Scope.READ, person=name)},
    ):
        await moved(platform, browser, step_up_at=datetime.now(UTC) - STEP_UP_LASTS)
        answer = await browser("POST", "/v1/session/step-up", json=right)
        assert answer.status_code == 200, answer.text
        until = datetime.fromisoformat(answer.json()["step_up_until"])
        assert timedelta(minutes=4) < until - datetime.now(UTC) <= STEP_UP_LASTS
        opened = await browser("POST", "/v1/trading/resume", json={"reason": ""})
        assert_problem(opened, 422, "REQUEST_INVALID")


async def test_key_when_its_person_gives_the_password_then_the_token_opens_for_that_key_alone(
    platform: Platform,
) -> None:
    name = await with_password(platform, *Scope)
    key, sibling = [await platform.key(*Scope, person=name, unattended=False) for _ in range(2)]
    ask = caller(platform, key)
    assert_problem(await ask("POST", "/v1/step-up", json={"password": "wrong, wrong, wrong"}), 401, "SIGN_IN_FAILED")
    answer = await ask("POST", "/v1/step-up", json={"password": PASSWORD})
    assert answer.status_code == 200, answer.text
    headers = {"Step-Up": answer.json()["token"]}
    body = {"reason": ""}
    assert_problem(await ask("POST", "/v1/trading/resume", json=body, headers=headers), 422, "REQUEST_INVALID")
    for other in (sibling, await platform.key(*Scope, unattended=False)):
        refused = await caller(platform, other)("POST", "/v1/trading/resume", json=body, headers=headers)
        assert_problem(refused, 403, "STEP_UP_REQUIRED")
    unattended = await platform.key(*Scope, person=name, unattended=True)
    assert_problem(await caller(platform, unattended)("POST", "/v1/trading/resume", json=body), 422, "REQUEST_INVALID")
    await operations.set_password(
        platform.parts.database, Gate(), name=name, password=SecretStr(PASSWORD + "!"), actor="test"
    )
    gone = await ask("POST", "/v1/trading/resume", json=body, headers=headers)
    assert_problem(gone, 403, "STEP_UP_REQUIRED")


async def test_password_when_changed_by_its_person_then_every_other_session_ends(platform: Platform) -> None:
    name = await person(platform, Scope.READ)
    here, there = await signed_in(platform, name), await signed_in(platform, name)
    weak = await here("PUT", "/v1/session/password", json={"password": "short"})
    assert_problem(weak, 422, "PASSWORD_INVALID")
    answer = await here("PUT", "/v1/session/password", json={"password": PASSWORD})
    assert answer.status_code == 200, answer.text
    here.csrf = answer.json()["csrf_token"]
    assert answer.json()["has_password"]
    assert (await here("GET", "/v1/session")).status_code == 200
    assert_problem(await there("GET", "/v1/session"), 401, "SESSION_INVALID")
    assert (await Browser(platform.app).sign_in(name=name, password=PASSWORD)).status_code == 201


ENDINGS: list[tuple[str, dict[str, Any]]] = [
    ("PUT /password", {"password": PASSWORD + "!"}),
    ("PUT /password", {"password": None}),
    ("PATCH ", {"disabled": True}),
    ("DELETE /sessions", {}),
]


@pytest.mark.parametrize(("route", "body"), ENDINGS, ids=["new password", "no password", "disabled", "signed out"])
async def test_person_when_everything_ends_at_once_then_each_browser_is_out_and_no_older_proof_begins_anything(
    platform: Platform, api: Caller, route: str, body: dict[str, Any]
) -> None:
    name = await with_password(platform, *Scope)
    dependencies = platform.dependencies()
    browsers = [await signed_in(platform, name) for _ in range(3)]
    attended = caller(platform, await platform.key(*Scope, person=name, unattended=False))
    token = (await attended("POST", "/v1/step-up", json={"password": PASSWORD})).json()["token"]
    password = Given(SignInMethod.PASSWORD, SecretStr(PASSWORD), name)
    taken = Given(SignInMethod.LINK, SecretStr(await link(platform, name)))
    proofs = [await sign_in.prove(dependencies, Gate(), given, address="here") for given in (password, taken)]
    method, _, rest = route.partition(" ")
    ended = await api(method, f"/v1/people/{name}{rest}", json=body or None)
    assert ended.is_success, ended.text
    if body.get("disabled"):
        await operations.change(platform.parts.database, name=name, actor="test", disabled=False)
    for browser in browsers:
        assert_problem(await browser("GET", "/v1/session"), 401, "SESSION_INVALID")
    for proof in proofs:
        with pytest.raises(Unauthenticated, match="SIGN_IN_FAILED"):
            await sign_in.begin(dependencies, proof, before=None)
    refused = await attended("POST", "/v1/trading/resume", json={"reason": ""}, headers={"Step-Up": token})
    assert_problem(refused, 403, "STEP_UP_REQUIRED")
    assert await api.get(f"/v1/people/{name}/sessions") == []


async def test_sign_in_when_somebody_is_just_signing_the_person_out_then_it_waits_and_fails(platform: Platform) -> None:
    name, database = await person(platform, Scope.READ), platform.parts.database
    given = Given(SignInMethod.LINK, SecretStr(await link(platform, name)))
    dependencies = platform.dependencies()
    proof = await sign_in.prove(dependencies, Gate(), given, address="here")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR SHARE%'"
    async with database.transaction() as session:
        await people.end_sessions(session, name=name, actor="test", now=datetime.now(UTC))
        beginning = asyncio.create_task(sign_in.begin(dependencies, proof, before=None))

        async def decided() -> bool:
            return beginning.done() or bool(await database.run(waiting))

        await eventually(decided)
        assert not beginning.done(), "it must not begin a session that nobody would end"
    with pytest.raises(Unauthenticated, match="SIGN_IN_FAILED"):
        await beginning


@pytest.mark.parametrize("by", ["session", "key"])
async def test_person_when_signing_out_everywhere_then_no_right_is_needed_and_others_stay(
    platform: Platform, by: str
) -> None:
    anna, ben = await person(platform), await person(platform)
    here, there, other = [await signed_in(platform, name) for name in (anna, anna, ben)]
    waiting = await link(platform, anna)
    key = caller(platform, await platform.key(person=anna))
    answer = await (here if by == "session" else key)("DELETE", "/v1/sessions")
    assert answer.status_code == 204, answer.text
    assert (COOKIE in here.cookies) == (by == "key")
    for browser in (here, there):
        assert (await browser("GET", "/v1/session")).status_code == 401
    assert_problem(await Browser(platform.app).sign_in(link=waiting), 401, "SIGN_IN_FAILED")
    assert (await other("GET", "/v1/session")).status_code == 200
    assert (await key("DELETE", "/v1/sessions")).status_code == 204, "the key stays"
    (entry, *_) = [each for each in await entries(platform, anna) if each.action == "person_signed_out"]
    assert entry.actor.startswith(f"{by if by == 'session' else 'api'}:{anna}/")


async def test_sessions_when_a_key_that_is_nobodys_would_end_its_own_then_403(platform: Platform) -> None:
    answer = await caller(platform, await platform.key(*Scope))("DELETE", "/v1/sessions")
    assert_problem(answer, 403, "KEY_WITHOUT_PERSON")


async def test_sessions_when_listed_then_ones_own_alone_and_anothers_does_not_exist(platform: Platform) -> None:
    anna, ben = await person(platform), await person(platform, *Scope)
    here, there, other = [await signed_in(platform, name) for name in (anna, anna, ben)]
    listed = (await here("GET", "/v1/sessions")).json()
    assert [each["current"] for each in listed] in ([True, False], [False, True])
    theirs = (await session_row(platform, other)).session_id
    assert theirs not in {each["session_id"] for each in listed}
    for unknown in (theirs, "nothing"):
        assert_problem(await here("DELETE", f"/v1/sessions/{unknown}"), 404, "SESSION_NOT_FOUND")
    assert (await other("GET", "/v1/session")).status_code == 200
    (mine,) = [each["session_id"] for each in listed if not each["current"]]
    assert (await here("DELETE", f"/v1/sessions/{mine}")).status_code == 204
    assert_problem(await there("GET", "/v1/session"), 401, "SESSION_INVALID")


async def test_requests_when_too_many_then_429_but_pause_is_always_taken(platform: Platform) -> None:
    tight = Limits.model_validate({"requests": {"per_minute": 0.001, "burst": 2}})
    ask = caller(platform, await platform.key(*Scope), limits=tight)
    for _ in range(2):
        assert (await ask("GET", "/v1/fills")).status_code == 200
    answer = await ask("GET", "/v1/fills")
    assert_problem(answer, 429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) > 1
    for path in ("/v1/trading/pause", "/v1/trading/halt"):
        assert_problem(await ask("POST", path, json={"reason": ""}), 422, "REQUEST_INVALID")
    other = caller(platform, await platform.key(*Scope), limits=tight)
    assert (await other("GET", "/v1/fills")).status_code == 200


async def test_methods_when_read_then_the_sign_in_page_knows_what_to_offer(platform: Platform) -> None:
    await with_password(platform)
    answer = await Browser(platform.app)("GET", "/v1/session/methods")
    assert answer.json() == {"password": True, "key": True, "oidc": None}
    for name, value in (
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ):
        assert answer.headers[name] == value
