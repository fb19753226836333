"""Who guesses passwords waits, whichever process is asked and however often it starts anew; nobody is shut out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from api.keys import Scope
from api.operations import people as operations
from api.throttle import Gate
from domain.sign_in_delays import FORGOTTEN_AFTER, FREE_FOR_A_NAME, FREE_FOR_AN_ADDRESS, LONGEST_DELAY
from store import sign_in_attempts
from tests.api.browser import PASSWORD, Browser, forget_attempts, person, signed_in
from tests.api.harness import Platform, assert_problem, caller

pytestmark = pytest.mark.stack

WRONG = "a wrong password"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def _failures_of_other_tests_are_forgotten(platform: Platform) -> None:
    await forget_attempts(platform)


async def with_password(platform: Platform, *scopes: Scope) -> str:
    name = await person(platform, *scopes)
    await operations.set_password(
        platform.parts.database, Gate(), name=name, password=SecretStr(PASSWORD), actor="test"
    )
    return name


def started_anew(platform: Platform) -> FastAPI:
    """Another process of the API, or the same one after a crash: it remembers nothing."""
    return create_app(platform.dependencies())


async def begun(platform: Platform, *, ago: timedelta) -> None:
    """Have every attempt so far begun a time ago."""
    await platform.parts.database.run("UPDATE sign_in_attempts SET last_at = $1", datetime.now(UTC) - ago)


async def just_begun(platform: Platform) -> None:
    """Have them begun now, however long this takes: a clock that runs ahead makes nobody wait longer than the delay."""
    await begun(platform, ago=-timedelta(minutes=30))


async def rows(platform: Platform) -> dict[str, int]:
    found = await platform.parts.database.run("SELECT key, count FROM sign_in_attempts")
    return {row["key"]: row["count"] for row in found}


async def test_sign_in_when_it_fails_again_and_again_then_each_further_attempt_waits_in_every_process(
    platform: Platform,
) -> None:
    name = await with_password(platform)
    for _ in range(FREE_FOR_A_NAME):
        answer = await Browser(started_anew(platform)).sign_in(name=name, password=WRONG)
        assert_problem(answer, 401, "SIGN_IN_FAILED")
    await just_begun(platform)
    answer = await Browser(started_anew(platform)).sign_in(name=name, password=PASSWORD)
    assert_problem(answer, 429, "SIGN_IN_THROTTLED")
    assert answer.headers["retry-after"] == "2"
    link = (await operations.make_link(platform.parts.database, name=name, actor="test")).token
    assert (await Browser(platform.app).sign_in(link=link)).status_code == 201, "the way that stays open"
    await begun(platform, ago=timedelta(seconds=2))
    assert_problem(await Browser(platform.app).sign_in(name=name, password=WRONG), 401, "SIGN_IN_FAILED")
    await just_begun(platform)
    answer = await Browser(platform.app).sign_in(name=name, password=PASSWORD)
    assert answer.headers["retry-after"] == "4"
    await begun(platform, ago=timedelta(seconds=4))
    assert (await Browser(platform.app).sign_in(name=name, password=PASSWORD)).status_code == 201
    assert_problem(await Browser(platform.app).sign_in(name=name, password=WRONG), 401, "SIGN_IN_FAILED")


async def test_name_when_it_is_nobodys_then_it_waits_like_everybodys_and_does_not_stand_in_the_book(
    platform: Platform,
) -> None:
    known = await with_password(platform)
    answers: dict[str, list[int]] = {}
    for name in (known, "nobody-of-this-name", "My Password, in the wrong field"):
        tries = [await Browser(platform.app).sign_in(name=name, password=WRONG) for _ in range(FREE_FOR_A_NAME)]
        await just_begun(platform)
        tries.append(await Browser(platform.app).sign_in(name=name, password=WRONG))
        answers[name] = [answer.status_code for answer in tries]
        await platform.parts.database.run("DELETE FROM sign_in_attempts WHERE key LIKE 'address/%'")
    assert set(map(tuple, answers.values())) == {(*([401] * FREE_FOR_A_NAME), 429)}
    kept = await rows(platform)
    assert len([key for key in kept if key.startswith("name/")]) == len(answers)
    for name in answers:
        assert name not in str(kept)


async def test_owner_when_somebody_guesses_without_end_then_the_delay_is_bounded_and_what_stops_trading_goes_on(
    platform: Platform,
) -> None:
    name = await with_password(platform, *Scope)
    browser, key = await signed_in(platform, name, proven=False), await platform.key(*Scope, person=name)
    await Browser(platform.app).sign_in(name=name, password=WRONG)
    await platform.parts.database.run("UPDATE sign_in_attempts SET count = 2000000000")
    answer = await Browser(platform.app).sign_in(name=name, password=PASSWORD)
    assert_problem(answer, 429, "SIGN_IN_THROTTLED")
    assert int(answer.headers["retry-after"]) <= LONGEST_DELAY.total_seconds()
    for ask in (browser, caller(platform, key)):
        for path in ("/v1/trading/pause", "/v1/trading/halt"):
            assert_problem(await ask("POST", path, json={"reason": ""}), 422, "REQUEST_INVALID")
    link = (await operations.make_link(platform.parts.database, name=name, actor="test")).token
    assert (await browser("POST", "/v1/session/step-up", json={"link": link})).status_code == 200
    assert (await Browser(platform.app).sign_in(key=key)).status_code == 201
    await begun(platform, ago=LONGEST_DELAY)
    assert (await Browser(platform.app).sign_in(name=name, password=PASSWORD)).status_code == 201


async def test_address_when_one_of_its_people_signs_in_then_the_failures_of_others_still_count(
    platform: Platform,
) -> None:
    name, database = await with_password(platform), platform.parts.database
    assert_problem(await Browser(platform.app).sign_in(name="somebody", password=WRONG), 401, "SIGN_IN_FAILED")
    failed = "UPDATE sign_in_attempts SET count = $1 WHERE key LIKE 'address/%'"
    await database.run(failed, FREE_FOR_AN_ADDRESS - 1)
    assert (await Browser(platform.app).sign_in(name=name, password=PASSWORD)).status_code == 201
    assert_problem(await Browser(platform.app).sign_in(name="another", password=WRONG), 401, "SIGN_IN_FAILED")
    await just_begun(platform)
    before = await rows(platform)
    answer = await Browser(platform.app).sign_in(name="one-more", password=WRONG)
    assert_problem(answer, 429, "SIGN_IN_THROTTLED")
    after = await rows(platform)
    assert {key: count for key, count in after.items() if count} == {key: n for key, n in before.items() if n}


async def test_attempts_when_many_begin_at_once_then_no_more_are_taken_than_are_free(platform: Platform) -> None:
    database = platform.parts.database
    free = {"name/anna": 5, "address/here": 20}
    waits = await asyncio.gather(*(sign_in_attempts.begin(database, free, now=NOW) for _ in range(30)))
    assert sorted(waits) == [timedelta(0)] * 5 + [timedelta(seconds=2)] * 25
    assert await rows(platform) == {"name/anna": 5, "address/here": 5}


@pytest.mark.parametrize("given_back", [0, 3])
async def test_attempt_when_it_succeeded_then_its_name_is_forgotten_and_of_its_address_only_itself(
    platform: Platform, given_back: int
) -> None:
    database = platform.parts.database
    free: Mapping[str, Any] = {"name/anna": 5, "address/here": 20}
    for _ in range(2):
        await sign_in_attempts.begin(database, free, now=NOW)
    for _ in range(given_back):
        await sign_in_attempts.succeeded(database, name="name/anna", address="address/here")
    expected = {"name/anna": 2, "address/here": 2} if not given_back else {"address/here": 0}
    assert await rows(platform) == expected


async def test_attempts_when_an_hour_is_over_then_they_are_removed_by_whoever_comes_next(platform: Platform) -> None:
    database, moment = platform.parts.database, timedelta(microseconds=1)
    for number, at in enumerate((NOW - FORGOTTEN_AFTER, NOW - FORGOTTEN_AFTER + moment)):
        await sign_in_attempts.begin(database, {f"name/{number}": 5}, now=at)
    await sign_in_attempts.begin(database, {"name/new": 5}, now=NOW)
    assert set(await rows(platform)) == {"name/1", "name/new"}
