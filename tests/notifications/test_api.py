"""Notifications over HTTP: the configuration and its versions, the test, the history, another try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from api.keys import Scope
from domain.ids import digest
from store import audit, notifications
from store.database import insert_new
from store.tables.platform import AuditEntry, Notification
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_lists import walk
from tests.notifications.builders import HOOK, MAIL

pytestmark = pytest.mark.stack

CONFIG = "/v1/notifications/config"
TEST = "/v1/notifications/test"
HISTORY = "/v1/notifications/history"
NOW = datetime.now(UTC).replace(microsecond=0)


async def put(api: Caller, config: dict[str, Any], headers: dict[str, str] | None = None, **body: Any) -> Any:
    return await api("PUT", CONFIG, json={"config": config, **body}, headers=headers or {})


def row(number: int, **changes: Any) -> Notification:
    values: dict[str, Any] = {
        "notification_id": digest("api test", number),
        "event": "tested_by_api",
        "channel": "mail",
        "status": "sent",
        "subject": f"Number {number}",
        "created_at": NOW + timedelta(seconds=number // 3),
    }
    return Notification(**{**values, **changes})


async def test_config_when_put_then_it_is_read_back_with_its_version_and_audited(
    platform: Platform, api: Caller
) -> None:
    config = {
        "channels": [MAIL, HOOK],
        "routes": [{"channel": "mail"}, {"channel": "hook", "events": ["approval_*"], "minimum": "urgent"}],
        "quiet_hours": {"start": "22:00", "end": "07:00", "time_zone": "Europe/Berlin"},
    }

    answer = await put(api, config, reason="the new phone")

    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert answer.headers["etag"] == f'"{seen["version"]}"'
    assert seen == await api.get(CONFIG)
    assert seen["config"]["routes"][1] == {"channel": "hook", "events": ["approval_*"], "minimum": "urgent"}
    assert (seen["reason"], seen["created_by"]) == ("the new phone", "api:bootstrap/bootstrap")
    async with platform.parts.database.transaction() as session:
        key = f"notifications-config/{seen['version']}"
        entry = (await session.exec(select(AuditEntry).where(AuditEntry.entry_key == key))).one()
        assert entry.body == {"reason": "the new phone", "channels": ["mail", "hook"]}
        assert await audit.first_broken(session) is None
    again = (await put(api, config)).json()
    assert again["version"] == seen["version"]


async def test_config_when_somebody_changed_it_meanwhile_then_412(api: Caller) -> None:
    seen = (await put(api, {"channels": [MAIL]})).json()
    tag = {"If-Match": f'"{seen["version"]}"'}
    changed = await put(api, {"channels": [HOOK]}, tag)
    assert changed.status_code == 200

    problem = assert_problem(await put(api, {"channels": [MAIL]}, tag), 412, "VERSION_MISMATCH")

    assert problem["fields"]["current"] == changed.headers["etag"]
    assert (await api.get(CONFIG))["config"]["channels"][0]["name"] == "hook"


@pytest.mark.parametrize(
    "config",
    [
        {"channels": [{**MAIL, "password": "hunter2"}]},
        {"channels": [{**HOOK, "url": "https://example.com/in?token=x"}]},
        {"routes": [{"channel": "nobody"}]},
        {"channels": [{"kind": "pigeon", "name": "p"}]},
    ],
)
async def test_config_when_it_is_wrong_then_422_and_nothing_changes(api: Caller, config: dict[str, Any]) -> None:
    before = await api.get(CONFIG)

    answer = await put(api, config)

    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert await api.get(CONFIG) == before


async def test_test_when_asked_for_then_a_message_is_planned_for_each_channel_and_can_be_looked_at(
    platform: Platform, api: Caller
) -> None:
    await put(api, {"channels": [MAIL, HOOK]})

    answer = await api("POST", TEST)

    assert answer.status_code == 202, answer.text
    planned = answer.json()["notifications"]
    assert [each["channel"] for each in planned] == ["mail", "hook"]
    assert {(each["status"], each["event"], each["attempts"]) for each in planned} == {
        ("planned", "notification_test", 0)
    }
    assert await api.get(answer.headers["location"]) == planned[0]
    one = await api("POST", TEST, json={"channels": ["hook"]})
    assert [each["channel"] for each in one.json()["notifications"]] == ["hook"]
    async with platform.parts.database.transaction() as session:  # nobody is to send them in other tests
        for each in [*planned, *one.json()["notifications"]]:
            await notifications.mark_failed(session, each["notification_id"], "the test is over")


async def test_test_when_a_channel_is_unknown_or_there_is_none_then_it_is_refused(api: Caller) -> None:
    await put(api, {"channels": [MAIL]})
    problem = assert_problem(await api("POST", TEST, json={"channels": ["nobody"]}), 404, "CHANNEL_NOT_FOUND")
    assert problem["fields"] == {"channel": "nobody", "configured": "mail"}
    await put(api, {})

    assert_problem(await api("POST", TEST), 422, "NO_CHANNEL")


async def test_history_when_read_page_by_page_then_every_row_comes_once_the_newest_first(
    platform: Platform, api: Caller
) -> None:
    rows = [row(number, status="failed" if number % 4 == 0 else "sent") for number in range(11)]
    async with platform.parts.database.transaction() as session:
        await insert_new(session, rows)

    found = await walk(api, HISTORY, 3, event="tested_by_api")

    expected = sorted(rows, key=lambda each: (each.created_at, each.notification_id), reverse=True)
    assert [each["notification_id"] for each in found] == [each.notification_id for each in expected]
    failed = await walk(api, HISTORY, 2, event="tested_by_api", status="failed")
    assert sorted(each["subject"] for each in failed) == ["Number 0", "Number 4", "Number 8"]
    assert (await api.get(HISTORY, event="tested_by_api", channel="other"))["data"] == []


async def test_history_when_the_query_is_wrong_then_422(api: Caller) -> None:
    for wrong in ({"status": "lost"}, {"limit": 0}, {"cursor": "x"}, {"unknown": 1}):
        assert (await api("GET", HISTORY, params=wrong)).status_code == 422


async def test_notification_when_retried_then_only_a_failed_one_is_planned_again(
    platform: Platform, api: Caller
) -> None:
    failed, sent = row(100, status="failed", error="WEBHOOK_REFUSED", attempts=1), row(101)
    async with platform.parts.database.transaction() as session:
        await insert_new(session, [failed, sent])

    answer = await api("POST", f"{HISTORY}/{failed.notification_id}/retry")

    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["attempts"]) == ("planned", 1)
    assert_problem(await api("POST", f"{HISTORY}/{failed.notification_id}/retry"), 409, "NOT_FAILED")
    assert_problem(await api("POST", f"{HISTORY}/{sent.notification_id}/retry"), 409, "NOT_FAILED")
    assert_problem(await api("POST", f"{HISTORY}/{'0' * 24}/retry"), 404, "NOTIFICATION_NOT_FOUND")
    assert_problem(await api("GET", f"{HISTORY}/{'0' * 24}"), 404, "NOTIFICATION_NOT_FOUND")
    async with platform.parts.database.transaction() as session:
        await notifications.mark_failed(session, failed.notification_id, "the test is over")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", CONFIG, Scope.READ),
        ("PUT", CONFIG, Scope.ADMIN),
        ("POST", TEST, Scope.ADMIN),
        ("GET", HISTORY, Scope.READ),
        ("GET", f"{HISTORY}/{'0' * 24}", Scope.READ),
        ("POST", f"{HISTORY}/{'0' * 24}/retry", Scope.ADMIN),
    ],
)
async def test_route_when_its_scope_is_missing_then_403_and_without_a_key_401(
    platform: Platform, method: str, path: str, scope: Scope
) -> None:
    key = await platform.key(*(each for each in Scope if each is not scope))

    assert (await caller(platform, key)(method, path, json={"config": {}})).status_code == 403
    assert (await caller(platform, "")(method, path)).status_code == 401
