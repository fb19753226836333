"""The lake as people operate it: commands, routes and the workflow, with a worker that serves its queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from activities import publishing
from activities.adapters.lake.querying import query
from api.app import create_app
from api.keys import Scope
from cli.stack.supervisor import Stack
from domain.errors import InvalidInput, NotFound
from domain.lake import ExportRequest
from domain.lake_tables import BY_NAME, TABLES
from store import lake_exports
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.streaming import served
from tests.dashboard.test_pages import assert_sound
from tests.dashboard.visitor import Visitor, sign_in
from tests.lake.house import House
from tests.operate.conftest import Done, Stonks
from workers.parts import Parts
from workers.schedules import ensure_publication
from workers.settings import load
from workflows import names
from workflows.names import Queue


@pytest.fixture
async def stonks(house: House, servers: Stack, migrated: dict[str, str]) -> AsyncIterator[Any]:
    async with house.platform.working(Queue.LAKE), served(create_app(house.platform.dependencies())) as address:
        run = Stonks(servers.directory.root, address)

        async def command(*arguments: str) -> Done:
            given = {**migrated, **run._api}
            return await run(*arguments, environment=given)

        yield command


@pytest.fixture
def api(platform: Platform) -> Caller:
    return caller(platform)


async def test_publish_when_a_person_asks_then_it_goes_through_temporal_and_the_lake_has_what_is_new(
    house: House, stonks: Any, api: Caller
) -> None:
    await house.make("fills", 3)

    done: Done = await stonks("lake", "publish", "--table", "fills", "--table", "orders", "--json")

    assert done.code == 0, done
    body = json.loads(done.out)
    assert body["publication_id"].startswith("publish-lake/")
    assert [(each["table"], each["status"]) for each in body["exports"]] == [
        ("fills", "committed"),
        ("orders", "unchanged"),
    ]
    assert await house.in_lake("fills") == await house.in_book("fills")
    assert body == await api.get(f"/v1/lake/publications/{body['publication_id']}")
    ((entry),) = (await api.get("/v1/audit", action="lake_publication"))["data"][:1]
    assert entry["subject"] == body["publication_id"]


async def test_query_when_typed_then_rows_are_shown_and_money_is_exact(stonks: Any) -> None:
    sql = "SELECT symbol, sum(quantity * price)::DECIMAL(20,6) AS paid FROM fills WHERE symbol = 'LAKE' GROUP BY 1"

    table, as_json = await stonks("lake", "query", sql), await stonks("lake", "query", sql, "--json")

    assert table.code == 0, table
    assert table.out.splitlines()[1].split() == ["LAKE", "6850.000000"]
    assert '"paid": "6850.000000"' in as_json.out
    assert '"has_more": false' in as_json.out


async def test_query_when_refused_then_one_line_says_why(stonks: Any) -> None:
    done: Done = await stonks("lake", "query", "DROP TABLE fills")

    assert done.code == 1
    assert done.err.startswith("LAKE_QUERY_REFUSED: found=DROP, allowed=one SELECT")


async def test_commands_when_they_read_the_lake_then_the_catalog_refuses_them_anything_else(
    house: House, migrated: dict[str, str]
) -> None:
    reading = Parts(load(migrated), client=house.platform.parts.client, read_only=True)

    assert await asyncio.to_thread(reading.lake.find, BY_NAME["fills"]) is not None
    with pytest.raises(DBAPIError, match="read-only transaction"):
        await asyncio.to_thread(reading.lake.catalog.drop_table, "stonks.fills")

    await reading.close()
    assert await house.in_lake("fills")


async def test_query_when_nothing_was_ever_published_then_it_says_what_to_do(
    migrated: dict[str, str], house: House
) -> None:
    await house.sql("ALTER SCHEMA lake RENAME TO lake_elsewhere")
    await house.sql("CREATE SCHEMA lake")
    reading = Parts(load(migrated), client=house.platform.parts.client, read_only=True)
    try:
        with pytest.raises(NotFound, match="LAKE_TABLE_UNPUBLISHED"):
            await asyncio.to_thread(query, reading.lake, BY_NAME, "SELECT * FROM fills", limit=1)
    finally:
        await reading.close()
        await house.sql("DROP SCHEMA lake")
        await house.sql("ALTER SCHEMA lake_elsewhere RENAME TO lake")


async def test_tables_when_listed_then_each_says_how_far_it_is(stonks: Any, api: Caller) -> None:
    listed = (await api.get("/v1/lake/tables"))["data"]

    assert [each["table"] for each in listed] == [table.name for table in TABLES]
    fills = next(each for each in listed if each["table"] == "fills")
    assert fills["status"] == "well"
    assert fills["rows"] > 0
    assert 0 <= fills["lag_seconds"] < fills["late_after_seconds"]
    assert {"name": "price", "type": "decimal(20,6)", "description": "of one", "key": False} in fills["columns"]
    shown, one = await stonks("lake", "tables"), await stonks("lake", "tables", "fills")
    assert (shown.code, one.code) == (0, 0)
    assert len(shown.out.splitlines()) == len(TABLES) + 1
    assert "filled_at" in one.out
    assert all(len(line) <= 80 for line in (shown.out + one.out).splitlines())


async def test_tables_when_not_published_for_long_then_late(
    house: House, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.sql(
        "UPDATE lake_exports SET up_to = :then WHERE table_name = 'reserve_ledger'",
        then=datetime.now(UTC) - timedelta(hours=4),
    )

    (found,) = (each for each in (await api.get("/v1/lake/tables"))["data"] if each["table"] == "reserve_ledger")

    assert found["status"] == "late"


async def test_pipeline_when_tables_are_behind_or_failed_then_the_lake_is_a_stage_that_says_so(
    house: House, platform: Platform, api: Caller
) -> None:
    async def stage() -> dict[str, Any]:
        stages = (await api.get("/v1/pipeline/health"))["stages"]
        return next(each for each in stages if each["stage"] == "lake")

    await house.publish()
    well = await stage()
    assert (well["status"], well["waiting"], well["oldest_waiting_at"], well["failed"]) == ("well", 0, None, 0)
    assert well["up_to"] == min(each["up_to"] for each in (await api.get("/v1/lake/tables"))["data"])
    assert well["last_success_at"] > well["up_to"]

    # Two tables have missed turns, one of them more than the lake may be late; a third failed since.
    for table, hours in (("fills", 3), ("orders", 4)):
        statement = "UPDATE lake_exports SET up_to = up_to - make_interval(hours => :hours) WHERE table_name = :table"
        await house.sql(statement, table=table, hours=hours)
    failed = ExportRequest(publication_id="publish-lake/failed", table="bars")
    async with house.database.transaction() as session:
        await lake_exports.begin(session, failed, BY_NAME["bars"], now=datetime.now(UTC))
        await lake_exports.fail(session, failed.export_id, "LAKE_VALUE_INVALID: x", now=datetime.now(UTC))
    late = await stage()
    oldest = min(each["up_to"] for each in (await api.get("/v1/lake/tables"))["data"])
    assert (late["status"], late["waiting"], late["oldest_waiting_at"], late["failed"]) == ("late", 2, oldest, 1)
    assert (late["up_to"], late["late_after_seconds"]) == (oldest, 3 * 3_600)
    assert 4 * 3_600 <= late["lag_seconds"] < 5 * 3_600
    async with Visitor(platform.app) as visitor:
        await sign_in(visitor)
        page = await visitor.get("/")
        assert_sound(page)
        (row,) = page.tree.xpath("//section[@id='pipeline']//tr[starts-with(normalize-space(th), 'lake')]")
        shown = " ".join(row.text_content().split())
    assert "1 failed" in shown
    assert "2 wait for 4 h" in shown
    assert shown.endswith(f"up to {datetime.fromisoformat(oldest):%-d %b %H:%M}")

    await house.publish()
    after = await stage()
    assert (after["status"], after["waiting"], after["failed"]) == ("well", 0, 0)

    # What is not published at all is not up to anything.
    await house.sql("UPDATE lake_exports SET table_name = 'gone_' || table_name WHERE table_name = 'fills'")
    try:
        lacking = await stage()
    finally:
        await house.sql("UPDATE lake_exports SET table_name = 'fills' WHERE table_name = 'gone_fills'")
    assert (lacking["up_to"], lacking["status"]) == (None, "well")


async def test_publications_when_asked_for_then_scope_and_names_are_checked(platform: Platform, api: Caller) -> None:
    reader = caller(platform, await platform.key(Scope.READ, name="lake-reader"))
    assert_problem(await reader("POST", "/v1/lake/publications", json={}), 403, "SCOPE_MISSING")
    assert_problem(await api("POST", "/v1/lake/publications", json={"tables": ["nothing"]}), 422, "LAKE_TABLE_UNKNOWN")
    assert_problem(await api("GET", "/v1/lake/publications/publish-lake/never"), 404, "LAKE_PUBLICATION_NOT_FOUND")

    begun = await api(
        "POST", "/v1/lake/publications", json={"tables": ["fills"]}, headers={"Idempotency-Key": "lake-1"}
    )
    again = await api(
        "POST", "/v1/lake/publications", json={"tables": ["fills"]}, headers={"Idempotency-Key": "lake-1"}
    )

    assert (begun.status_code, again.json()) == (202, begun.json())
    assert begun.headers["Location"] == f"/v1/lake/publications/{begun.json()['publication_id']}"
    async with platform.working(Queue.LAKE):
        await platform.parts.client.get_workflow_handle(begun.json()["workflow_id"]).result()
    assert (await api.get(begun.headers["Location"]))["exports"][0]["table"] == "fills"


async def test_publication_when_one_table_cannot_be_published_then_the_others_are_and_it_says_which(
    house: House, stonks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = publishing.PublishingActivities._export

    async def refuse(self: Any, request: Any, table: Any) -> Any:
        if table.name == "orders":
            raise InvalidInput("LAKE_VALUE_INVALID", "as if", table=table.name)
        return await real(self, request, table)

    monkeypatch.setattr(publishing.PublishingActivities, "_export", refuse)
    await house.make("fills", 1)

    done: Done = await stonks("lake", "publish", "--table", "orders", "--table", "fills")

    assert done.code == 1
    assert "PUBLICATION_ENDED" in done.err
    assert "LAKE_INCOMPLETE: orders: LAKE_VALUE_INVALID: table=orders. as if" in done.err.replace("\n", "")
    assert await house.in_lake("fills") == await house.in_book("fills")


async def test_schedules_when_ensured_twice_then_one_runs_hourly_and_one_tidies_at_night(platform: Platform) -> None:
    for _ in range(2):
        await ensure_publication(platform.parts.client)

    hourly = await platform.parts.client.get_schedule_handle(names.PUBLISH_LAKE).describe()
    nightly = await platform.parts.client.get_schedule_handle(names.TIDY_LAKE).describe()

    action: Any = hourly.schedule.action
    assert (action.workflow, action.task_queue) == ("PublishLake", "lake")
    assert hourly.info.next_action_times[1] - hourly.info.next_action_times[0] == timedelta(hours=1)
    assert nightly.info.next_action_times[1] - nightly.info.next_action_times[0] <= timedelta(hours=25)
    for schedule in (names.PUBLISH_LAKE, names.TIDY_LAKE):
        await platform.parts.client.get_schedule_handle(schedule).delete()


async def test_rows_of_exports_when_old_then_forgotten_but_for_those_that_count(house: House) -> None:
    await house.make("stop_events", 1)
    committed = await house.export("stop_events", "test/kept")
    for number in range(3):
        await house.export("stop_events", f"test/forgotten-{number}")
    soon = datetime.now(UTC) + timedelta(hours=1)

    async with house.database.transaction() as session:
        await lake_exports.forget(session, "stop_events", before=soon)
        left = {row.publication_id for number in ("kept", *(f"forgotten-{each}" for each in range(3)))
                for row in await lake_exports.of_publication(session, f"test/{number}")}  # fmt: skip

    assert left == {"test/kept", "test/forgotten-2"}
    assert (await house.export("stop_events")).snapshot_id == committed.snapshot_id
