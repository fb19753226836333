"""Watchlists: make, rename, fill, delete."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select

from api.keys import Scope
from store.tables.platform import AuditEntry
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_lists import walk

pytestmark = pytest.mark.stack

PATH = "/v1/watchlists"


async def made(api: Caller, name: str, *symbols: str) -> dict[str, Any]:
    answer = await api("POST", PATH, json={"name": name})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    for symbol in symbols:
        found = (await api("PUT", f"{PATH}/{found['watchlist_id']}/members/{symbol}")).json()
    return found


async def test_watchlist_when_made_then_it_is_read_back(api: Caller) -> None:
    answer = await api("POST", PATH, json={"name": " Banks ", "description": "all of them\nand more"})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert answer.headers["location"] == f"{PATH}/{body['watchlist_id']}"
    assert answer.headers["etag"] == '"1"'
    assert (body["name"], body["members"], body["symbols"]) == ("Banks", 0, [])
    assert await api.get(answer.headers["location"]) == body
    assert_problem(await api("POST", PATH, json={"name": "Banks"}), 409, "WATCHLIST_NAME_TAKEN")


async def test_watchlist_when_members_come_and_go_then_each_counts_once(platform: Platform, api: Caller) -> None:
    watchlist = await made(api, "Oil", "XOM", "CVX", "XOM")
    path = f"{PATH}/{watchlist['watchlist_id']}"
    assert (watchlist["symbols"], watchlist["members"], watchlist["version"]) == (["CVX", "XOM"], 2, 3)
    assert [row["symbol"] for row in await walk(api, "/v1/companies", 1, watchlist=watchlist["watchlist_id"])] == [
        "CVX",
        "XOM",
    ]
    assert await walk(api, "/v1/companies", 1, watchlist="wl_nothing") == []
    for _ in range(2):
        assert (await api("DELETE", f"{path}/members/XOM")).status_code == 204
    body = await api.get(path)
    assert (body["symbols"], body["version"]) == (["CVX"], 4)
    assert_problem(await api("PUT", f"{path}/members/NOBODY"), 404, "COMPANY_NOT_FOUND")
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == watchlist["watchlist_id"]).order_by(col(AuditEntry.sequence))
        )
        found = rows.all()
    assert [entry.action.removeprefix("watchlist_") for entry in found] == [
        "created",
        "member_added",
        "member_added",
        "member_removed",
    ]
    assert found[1].body["after"]["symbol"] == "XOM"
    assert found[3].body["before"]["symbol"] == "XOM"


async def test_watchlist_when_renamed_then_its_version_grows_and_names_stay_unique(api: Caller) -> None:
    one, other = await made(api, "Cars", "F"), await made(api, "Planes")
    path = f"{PATH}/{one['watchlist_id']}"
    version = one["version"]
    answer = await api("PATCH", path, json={"name": "Autos"}, headers={"If-Match": f'"{version}"'})
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == f'"{version + 1}"'
    assert answer.json() == {**one, "name": "Autos", "version": version + 1}
    assert (await api("PATCH", path, json={"name": "Autos"})).json()["version"] == version + 1
    assert (await api("PATCH", path, json={"description": "four wheels"})).json()["name"] == "Autos"
    assert_problem(await api("PATCH", path, json={"name": other["name"]}), 409, "WATCHLIST_NAME_TAKEN")
    refused = await api("PATCH", path, json={"name": "Cars"}, headers={"If-Match": f'"{version}"'})
    assert_problem(refused, 412, "VERSION_MISMATCH")


async def test_watchlist_when_deleted_then_its_companies_stay(platform: Platform, api: Caller) -> None:
    watchlist = await made(api, "Short lived", "KO", "MCD")
    path = f"{PATH}/{watchlist['watchlist_id']}"
    assert_problem(await api("DELETE", path, headers={"If-Match": '"1"'}), 412, "VERSION_MISMATCH")
    assert (await api("DELETE", path)).status_code == 204
    for method, tail in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("PUT", "/members/KO"), ("DELETE", "/members/KO")):
        assert_problem(await api(method, path + tail, json={}), 404, "WATCHLIST_NOT_FOUND")
    assert (await api.get("/v1/companies/KO"))["followed"] is True
    assert (await made(api, "Short lived"))["watchlist_id"] != watchlist["watchlist_id"]
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(select(AuditEntry).where(AuditEntry.action == "watchlist_deleted"))
        found = [entry.body for entry in rows if entry.subject == watchlist["watchlist_id"]]
    assert [body["before"]["symbols"] for body in found] == [["KO", "MCD"]]


async def test_watchlists_when_paged_then_they_come_by_name_with_their_counts(api: Caller) -> None:
    for number in range(4):
        await made(api, f"Paged {number}", *["SBUX", "TGT", "PFE"][:number])
    for limit in (1, 3, 200):
        rows = await walk(api, PATH, limit)
        assert [(row["name"], row["members"]) for row in rows if row["name"].startswith("Paged")] == [
            (f"Paged {number}", number) for number in range(4)
        ]
        names = [row["name"] for row in rows]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": " "}, {"name": "a\tb"}, {"name": "x", "symbols": []}, {"name": "x" * 201}]
)
async def test_new_watchlist_when_wrong_then_422(api: Caller, body: dict[str, Any]) -> None:
    assert_problem(await api("POST", PATH, json=body), 422, "REQUEST_INVALID")


async def test_watchlist_when_asked_for_wrongly_then_422(api: Caller) -> None:
    watchlist = await made(api, "Strict")
    path = f"{PATH}/{watchlist['watchlist_id']}"
    for body in ({"name": None}, {"name": ""}, {"members": []}):
        assert_problem(await api("PATCH", path, json=body), 422, "REQUEST_INVALID")
    for tail in ("/%00", "/a.b", f"/{watchlist['watchlist_id']}/members/%00"):
        assert_problem(await api("DELETE", f"{PATH}{tail}"), 422, "REQUEST_INVALID")
    assert_problem(await api("GET", PATH, params={"colour": "red"}), 422, "REQUEST_INVALID")
    assert_problem(await api("GET", PATH, params={"cursor": "x"}), 422, "CURSOR_INVALID")


async def test_watchlists_when_the_key_may_only_read_then_it_cannot_write(platform: Platform, api: Caller) -> None:
    watchlist = await made(api, "Read me")
    path = f"{PATH}/{watchlist['watchlist_id']}"
    reader = caller(platform, await platform.key(Scope.READ))
    assert (await reader("GET", path)).status_code == 200
    for method, where in (("POST", PATH), ("PATCH", path), ("DELETE", path), ("PUT", f"{path}/members/KO")):
        assert_problem(await reader(method, where, json={"name": "x"}), 403, "SCOPE_MISSING")
        assert_problem(await caller(platform, "")(method, where, json={}), 401, "KEY_MISSING")
