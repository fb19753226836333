"""`/v1/backtests/drift`: days that were compared, listed page by page and read one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from api.keys import Scope
from domain.drift import DriftReport
from store import drift
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_lists import walk
from tests.drift.builders import laid, mirror, play

pytestmark = pytest.mark.stack

PATH = "/v1/backtests/drift"
AT = datetime(2014, 7, 20, 2, 30, tzinfo=UTC)
DAYS = [date(2014, 7, day) for day in (18, 17, 16, 15, 14)]


def _report(session: date) -> DriftReport:
    played = play(0)
    live = mirror(0, played)
    orders = tuple(order.model_copy(update={"fills": ()}) for order in live.orders)
    report = laid(live.model_copy(update={"orders": orders}), played)
    return report.model_copy(update={"session": session})


@pytest.fixture
async def reports(platform: Platform) -> AsyncIterator[dict[date, DriftReport]]:
    found = {day: _report(day) for day in DAYS}
    async with platform.parts.database.transaction() as session:
        for report in found.values():
            await drift.save(session, report, compared_at=AT)
    yield found
    async with platform.parts.database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM drift_reports"))


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_list_when_walked_then_every_day_comes_once_the_newest_first(api: Caller, limit: int) -> None:
    found = await walk(api, PATH, limit)
    assert [each["session"] for each in found] == [day.isoformat() for day in DAYS]


async def test_list_when_read_then_a_day_is_a_headline(api: Caller, reports: dict[date, DriftReport]) -> None:
    listed = await api.get(PATH, limit=1)
    (first,) = listed["data"]
    report = reports[DAYS[0]]
    assert first == {
        "session": "2014-07-18",
        "compared_at": "2014-07-20T02:30:00Z",
        "gaps": len(report.found),
        "counts": {kind.value: count for kind, count in report.counts.items()},
        "difference": "0.00",
        "unexplained": first["unexplained"],
    }
    assert report.equity.unexplained is not None
    assert Decimal(first["unexplained"]) == report.equity.unexplained.quantize(Decimal("0.000001")) != 0


async def test_day_when_read_then_it_is_the_report_with_plain_numbers(
    api: Caller, reports: dict[date, DriftReport]
) -> None:
    body: Any = await api.get(f"{PATH}/2014-07-16")
    assert DriftReport.model_validate(body) == reports[date(2014, 7, 16)]
    amounts = [gap["dollars"] for gap in body["gaps"]] + list(body["equity"]["explained"].values())
    assert not [amount for amount in amounts if "E" in amount]


@pytest.mark.usefixtures("reports")
async def test_day_when_it_was_not_compared_then_404_says_how_to(api: Caller) -> None:
    answer = await api("GET", f"{PATH}/2014-07-11")
    assert_problem(answer, 404, "DRIFT_REPORT_NOT_FOUND")
    assert "stonks backtest drift SESSION --run" in answer.text


@pytest.mark.parametrize("session", ["yesterday", "2014-13-01", "20140718T", "%20"])
async def test_day_when_it_is_no_date_then_422(api: Caller, session: str) -> None:
    assert_problem(await api("GET", f"{PATH}/{session}"), 422, "REQUEST_INVALID")


@pytest.mark.usefixtures("reports")
async def test_list_when_the_cursor_is_not_its_own_then_422(api: Caller) -> None:
    other = (await api.get(PATH, limit=1))["next_cursor"]
    assert (await api.get(PATH, cursor=other, limit=1))["data"][0]["session"] == "2014-07-17"
    for wrong in ("x", other[:-2], ""):
        assert_problem(await api("GET", PATH, params={"cursor": wrong}), 422, "CURSOR_INVALID")


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize("path", [PATH, f"{PATH}/2014-07-16"])
async def test_drift_when_the_key_may_only_approve_then_403_and_reading_is_enough(
    platform: Platform, path: str
) -> None:
    refused = await caller(platform, await platform.key(Scope.APPROVE))("GET", path)
    assert assert_problem(refused, 403, "SCOPE_MISSING")["fields"]["needed"] == "read"
    assert (await caller(platform, await platform.key(Scope.READ))("GET", path)).status_code == 200
    assert (await caller(platform, "")("GET", path)).status_code == 401
