"""`/v1/sources`: versions, scopes, errors that name the field, runs and tries."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.keys import Scope
from tests.api.harness import Caller, Platform, caller
from tests.sources.newsroom import Newsroom, opened, rss, xml
from tests.web.server import HostileServer, reply

SOURCES = "/v1/sources"


@pytest.fixture
async def newsroom(platform: Platform, servers: Any) -> AsyncIterator[Newsroom]:
    async with HostileServer() as vendor, opened(servers.environment(), vendor) as newsroom:
        yield newsroom


def _id() -> str:
    return f"feed-{uuid.uuid4().hex[:10]}"


async def _add(api: Caller, source_id: str, **changes: Any) -> Any:
    body = {
        "source_id": source_id,
        "config": {"kind": "feed", "url": "https://example.com/news.rss"},
        "cadence_seconds": 0,
        **changes,
    }
    return await api("POST", SOURCES, json=body)


async def test_source_when_added_then_it_is_listed_with_its_etag(api: Caller) -> None:
    source_id = _id()

    created = await _add(api, source_id, name="Example news")

    assert created.status_code == 201
    assert created.headers["location"] == f"{SOURCES}/{source_id}"
    found = await api("GET", f"{SOURCES}/{source_id}")
    assert found.headers["etag"] == created.headers["etag"] == '"1"'
    body = found.json()
    assert (body["kind"], body["rate_group"], body["health"], body["name"]) == ("feed", "web", "new", "Example news")
    listed = (await api("GET", SOURCES)).json()
    assert source_id in [each["source_id"] for each in listed["data"]]


async def test_source_when_added_twice_then_the_second_is_refused(api: Caller) -> None:
    source_id = _id()
    await _add(api, source_id)
    again = await _add(api, source_id)
    assert (again.status_code, again.json()["code"]) == (409, "SOURCE_EXISTS")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"config": {"kind": "pigeon"}}, "SOURCE_CONFIG_INVALID", "kind"),
        ({"config": {"kind": "feed"}}, "SOURCE_CONFIG_INVALID", "url"),
        ({"config": {"kind": "feed", "url": "ftp://example.com"}}, "SOURCE_CONFIG_INVALID", "url"),
        ({"config": {"kind": "feed", "url": "https://u:p@example.com"}}, "SOURCE_CONFIG_INVALID", "url"),
        ({"config": {"kind": "feed", "url": "https://example.com", "colour": 1}}, "SOURCE_CONFIG_INVALID", "colour"),
        (
            {"config": {"kind": "edgar_filings", "ciks": ["1"], "since": "2024-01-01", "user_agent": "me"}},
            "SOURCE_CONFIG_INVALID",
            "user_agent",
        ),
        ({"cadence_seconds": 3}, "CADENCE_INVALID", "found"),
    ],
)
async def test_source_when_it_cannot_work_then_the_error_names_the_field(
    api: Caller, changes: dict[str, Any], code: str, field: str
) -> None:
    refused = await _add(api, _id(), **changes)

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert field in refused.json()["fields"].values() or field in refused.json()["fields"]
    assert "u:p" not in refused.text


async def test_source_when_changed_then_the_version_that_was_seen_is_needed(api: Caller) -> None:
    source_id = _id()
    await _add(api, source_id)
    address = f"{SOURCES}/{source_id}"

    blind = await api("PATCH", address, json={"paused": True})
    stale = await api("PATCH", address, json={"paused": True}, headers={"If-Match": '"9"'})
    changed = await api("PATCH", address, json={"paused": True, "name": "Other"}, headers={"If-Match": '"1"'})

    assert (blind.status_code, blind.json()["code"]) == (428, "PRECONDITION_REQUIRED")
    assert (stale.status_code, stale.json()["code"]) == (412, "VERSION_MISMATCH")
    assert changed.status_code == 200
    assert (changed.headers["etag"], changed.json()["paused"], changed.json()["name"]) == ('"2"', True, "Other")
    assert changed.json()["health"] == "paused"


async def test_source_when_its_kind_is_changed_then_it_is_refused(api: Caller) -> None:
    source_id = _id()
    await _add(api, source_id)
    config = {"kind": "page", "urls": ["https://example.com"]}
    refused = await api("PATCH", f"{SOURCES}/{source_id}", json={"config": config}, headers={"If-Match": '"1"'})
    assert (refused.status_code, refused.json()["code"]) == (409, "SOURCE_KIND_FIXED")


async def test_source_when_removed_then_it_is_gone_and_can_be_added_again(api: Caller) -> None:
    source_id = _id()
    await _add(api, source_id)
    address = f"{SOURCES}/{source_id}"

    removed = await api("DELETE", address, headers={"If-Match": '"1"'})

    assert removed.status_code == 200
    assert (await api("GET", address)).status_code == 404
    assert (await _add(api, source_id)).json()["version"] == 3


async def test_source_when_run_by_hand_then_its_run_is_listed(api: Caller, newsroom: Newsroom) -> None:
    source_id = _id()
    newsroom.vendor.replies["/news"] = xml(rss([(f"Title {source_id}", "Text")]))
    await _add(api, source_id, config={"kind": "feed", "url": f"{newsroom.url}/news"})

    started = await api("POST", f"{SOURCES}/{source_id}/runs")
    async with newsroom.working():
        await newsroom.parts.client.get_workflow_handle(started.json()["workflow_id"]).result()

    assert started.status_code == 202
    (run,) = (await api("GET", f"{SOURCES}/{source_id}/runs")).json()["data"]
    assert (run["status"], run["registered"], run["pages"]) == ("finished", 1, 1)
    assert (await api("GET", f"{SOURCES}/{source_id}")).json()["health"] == "well"


async def test_source_when_tried_then_its_first_page_is_shown_and_nothing_is_registered(
    api: Caller, newsroom: Newsroom
) -> None:
    source_id = _id()
    newsroom.vendor.replies["/news"] = xml(rss([(f"Title {source_id}", "Text"), ("Other", "Text")]))
    config = {"kind": "feed", "url": f"{newsroom.url}/news"}

    async with newsroom.working():
        tried = await api("POST", f"{SOURCES}/{source_id}/test", json={"config": config})

    assert tried.status_code == 200
    assert (tried.json()["documents"], tried.json()["titles"][0]) == (2, f"Title {source_id}")
    assert (await api("GET", f"{SOURCES}/{source_id}")).status_code == 404


async def test_source_when_tried_and_the_vendor_refuses_then_the_answer_says_so(
    api: Caller, newsroom: Newsroom
) -> None:
    newsroom.vendor.replies["/news"] = reply(403, b"no")
    config = {"kind": "feed", "url": f"{newsroom.url}/news"}

    async with newsroom.working():
        tried = await api("POST", f"{SOURCES}/{_id()}/test", json={"config": config})

    assert (tried.status_code, tried.json()["code"]) == (502, "VENDOR_CREDENTIALS_REFUSED")


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
async def test_source_when_unknown_then_404(api: Caller, method: str) -> None:
    extra: dict[str, Any] = {"json": {}} if method == "patch" else {}
    answer = await api(method.upper(), f"{SOURCES}/none-such", headers={"If-Match": '"1"'}, **extra)
    assert (answer.status_code, answer.json()["code"]) == (404, "SOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "", Scope.REGISTRY_WRITE),
        ("post", "", Scope.READ),
        ("get", "/x", Scope.REGISTRY_WRITE),
        ("patch", "/x", Scope.READ),
        ("delete", "/x", Scope.READ),
        ("post", "/x/test", Scope.READ),
        ("get", "/x/runs", Scope.OPS_WRITE),
        ("post", "/x/runs", Scope.REGISTRY_WRITE),
    ],
)
async def test_route_when_the_scope_is_missing_then_403_and_without_a_key_401(
    platform: Platform, method: str, path: str, scope: Scope
) -> None:
    wrong = caller(platform, await platform.key(scope))
    none = caller(platform, "")
    extra: dict[str, Any] = {"json": {}} if method in ("post", "patch") else {}
    assert (await wrong(method.upper(), SOURCES + path, **extra)).status_code == 403
    assert (await none(method.upper(), SOURCES + path, **extra)).status_code == 401
