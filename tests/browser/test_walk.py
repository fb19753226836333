"""The pages in a real browser: what people do, what they see, and what a screen reader needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psutil
import pytest

from tests.browser.conftest import Served

pytestmark = pytest.mark.stack

CLIENTS = 200
OPENING = 4
"""Clients that come at a time: it is about what they leave behind, not about load."""
ALLOWED = 1.2


def value(walked: dict[str, Any], step: str) -> Any:
    assert "failed" not in walked[step], walked[step]["failed"]
    return walked[step]["value"]


def test_pages_when_360_pixels_wide_then_none_scrolls_sideways(walked: dict[str, Any]) -> None:
    assert set(value(walked, "pictures").values()) == {360}


def test_pages_when_looked_at_by_axe_then_nothing_is_serious(walked: dict[str, Any]) -> None:
    assert value(walked, "accessible") == {}


def test_decision_when_opened_then_its_quote_is_marked_within_the_text(walked: dict[str, Any]) -> None:
    found = value(walked, "quotes")
    assert found["quote"]
    assert found["in_text"]
    assert found["longer"]


def test_what_if_when_asked_then_both_decisions_stand_side_by_side(walked: dict[str, Any]) -> None:
    assert value(walked, "what_if") == ["Decision", "buy", "buy"]


def test_keyboard_when_used_alone_then_help_skip_link_and_pause_are_in_reach(walked: dict[str, Any]) -> None:
    assert value(walked, "keys") == ["Skip to the content", "reason"]


def test_pause_when_scripts_are_off_then_it_works_from_any_page(walked: dict[str, Any]) -> None:
    assert value(walked, "pause_without_scripts") == "/decisions"


def test_page_when_somebody_else_acts_then_it_renews_itself_and_keeps_what_is_open(walked: dict[str, Any]) -> None:
    assert value(walked, "renewed") is True


def test_inbox_when_answered_then_the_outcome_is_listed_with_its_reason(walked: dict[str, Any]) -> None:
    assert "strong quarter" in value(walked, "approve")
    assert "too expensive" in value(walked, "decline")


def test_order_when_canceled_then_its_open_page_renews_itself(walked: dict[str, Any]) -> None:
    assert "canceled" in value(walked, "cancel")


def test_person_when_added_on_a_telephone_then_the_link_lets_the_person_in(walked: dict[str, Any]) -> None:
    said, name = value(walked, "people")
    assert said
    assert name == "anna"


def test_dead_letter_when_retried_then_it_runs_again(walked: dict[str, Any]) -> None:
    assert value(walked, "retry") is True


def test_browser_when_it_walked_then_no_error_was_said_and_nothing_left_the_machine(walked: dict[str, Any]) -> None:
    assert walked["console"] == []
    assert walked["outside"] == []


@pytest.fixture(scope="session")
async def warmed(served: Served) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A process that has had as many clients at once before: imports, caches, pools and arenas are there."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=served.address, timeout=300, limits=limits, trust_env=False) as http:
        cookie = (await http.post("/sign-in", data={"key": served.key})).headers["set-cookie"].split(";")[0]
        await _clients(http, cookie)
        yield http, cookie


async def test_server_when_many_clients_came_and_went_again_then_its_memory_is_as_before(
    served: Served, warmed: tuple[httpx.AsyncClient, str]
) -> None:
    process = psutil.Process(served.api_pid)
    before = process.memory_info().rss
    await _clients(*warmed)
    assert await _settles(process, before), f"{before} bytes before, {process.memory_info().rss} after"


async def _clients(http: httpx.AsyncClient, cookie: str) -> None:
    """Open as many pages, hold all their streams at once, and close them."""
    close, opening, opened = asyncio.Event(), asyncio.Semaphore(OPENING), asyncio.Semaphore(0)
    headers = {"Cookie": cookie}

    async def client() -> None:
        async with opening:
            page = await http.get("/", headers=headers)
            assert page.status_code == 200
            stream = await http.send(http.build_request("GET", "/events", headers=headers), stream=True)
            assert stream.status_code == 200
        opened.release()
        await close.wait()
        await stream.aclose()

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
        for _ in range(CLIENTS):
            await opened.acquire()
        close.set()


async def _settles(process: psutil.Process, before: int) -> bool:
    for _ in range(60):
        if process.memory_info().rss <= before * ALLOWED:
            return True
        await asyncio.sleep(0.5)
    return False
