"""One symbol: bars as the book knew them, and what moves it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from domain.documents import NEW_YORK
from domain.market import Bar, CorporateAction
from domain.registry import LinkStatus, NewCompany, NewCompetitor
from store import competitors, exposures, facts, registry
from tests.api.harness import Caller, Platform, assert_problem
from tests.api.library import AS_OF, Library, company, story
from tests.api.test_lists import walk

pytestmark = pytest.mark.stack

SPLIT = "ZSPL"
DAYS = [date(2014, 6, 2) + timedelta(days=number) for number in (0, 1, 2, 3, 4, 7, 8)]
EX_DATE = DAYS[5]
REPORT = datetime.now(UTC).date() + timedelta(days=30)


@pytest.fixture(scope="module")
async def split(platform: Platform) -> str:
    """A company whose shares were split seven for one, with its raw bars."""
    bars = [
        Bar(
            symbol=SPLIT,
            session=day,
            open=Decimal(700) if day < EX_DATE else Decimal(100),
            high=Decimal("707.35") if day < EX_DATE else Decimal(102),
            low=Decimal("690.10") if day < EX_DATE else Decimal(99),
            close=Decimal(700) if day < EX_DATE else Decimal(101),
            volume=1_000 if day < EX_DATE else 7_500,
        )
        for day in DAYS
    ]
    action = CorporateAction(symbol=SPLIT, ex_date=EX_DATE, cash_dividend=Decimal(0), split_ratio=Decimal(7))
    async with platform.parts.database.transaction() as session:
        await registry.create(
            session, wanted=NewCompany(symbol=SPLIT, name="Zsplit Works"), actor="test", now=datetime.now(UTC)
        )
        await facts.save_bars(session, bars)
        await facts.save_actions(session, [action])
    return SPLIT


async def test_bars_when_paged_then_they_are_raw_and_newest_first(api: Caller, split: str) -> None:
    path = f"/v1/symbols/{split}/bars"
    everything = await walk(api, path, 1_000)
    assert [row["session"] for row in everything] == [day.isoformat() for day in reversed(DAYS)]
    for limit in (1, 2, 3, 7):
        assert await walk(api, path, limit) == everything
    first, last = DAYS[1].isoformat(), DAYS[3].isoformat()
    assert [row["session"] for row in await walk(api, path, 2, **{"from": first, "to": last})] == [
        day.isoformat() for day in reversed(DAYS[1:4])
    ]
    oldest = everything[-1]
    assert (oldest["open"], oldest["high"], oldest["close"], oldest["volume"], oldest["factor"]) == (
        "700.00",
        "707.35",
        "700.00",
        "1000",
        "1",
    )


async def test_bars_when_adjusted_then_prices_are_in_the_shares_of_the_day_looked_from(api: Caller, split: str) -> None:
    path = f"/v1/symbols/{split}/bars"
    rows = {row["session"]: row for row in await walk(api, path, 3, adjustment="split")}
    before, after = rows[DAYS[0].isoformat()], rows[EX_DATE.isoformat()]
    assert (before["close"], before["high"], before["volume"], before["factor"]) == ("100.00", "101.05", "7000", "7")
    assert (after["close"], after["volume"], after["factor"]) == ("101.00", "7500", "1")
    assert before["low"] == "98.585714"


async def test_bars_when_looked_at_from_an_instant_then_nothing_later_is_known(api: Caller, split: str) -> None:
    path = f"/v1/symbols/{split}/bars"
    close = datetime.combine(DAYS[2], time(16), NEW_YORK).astimezone(UTC)
    rows = await walk(api, path, 2, as_of=close.isoformat(), adjustment="split")
    assert [row["session"] for row in rows] == [day.isoformat() for day in reversed(DAYS[:3])]
    assert {row["factor"] for row in rows} == {"1"}  # the split had not happened
    a_moment_before = (close - timedelta(seconds=1)).isoformat()
    assert len(await walk(api, path, 2, as_of=a_moment_before)) == 2
    assert await walk(api, path, 2, as_of="2001-01-01T00:00:00Z") == []


async def test_bars_when_a_cursor_is_forged_then_422(api: Caller, split: str) -> None:
    (cursor,) = [(await api.get("/v1/companies", limit=1))["next_cursor"]]
    for forged in (cursor, "x", "WyJiYXJzIixbIjIwMTQtMTMtNDUiXV0"):  # the last: a list's own, with no day
        answer = await api("GET", f"/v1/symbols/{split}/bars", params={"cursor": forged})
        assert_problem(answer, 422, "CURSOR_INVALID")


async def test_summary_when_a_split_lies_between_two_closes_then_the_change_is_without_it(
    api: Caller, split: str, platform: Platform
) -> None:
    body = await api.get(f"/v1/symbols/{split}/summary")
    assert (body["price"]["session"], body["price"]["change_pct"]) == (DAYS[-1].isoformat(), "0.0000")
    assert (body["holding"], body["signal"], body["recommendation"], body["last_document_at"]) == (None,) * 4
    assert body["open_orders"] == 0
    answer = await api("PUT", f"/v1/companies/{split}/earnings-dates/{REPORT}", json={})
    assert answer.status_code in (200, 201), answer.text
    body = await api.get(f"/v1/symbols/{split}/summary")
    assert body["next_report"] == REPORT.isoformat()


async def test_exposure_when_links_and_a_profile_are_given_then_both_are_told(
    platform: Platform, api: Caller, split: str
) -> None:
    now = datetime.now(UTC)
    async with platform.parts.database.transaction() as session:
        for symbol, name in (("ZRIV", "Zrival Works"), ("ZNAM", "Znaming Works")):
            await registry.create(session, wanted=NewCompany(symbol=symbol, name=name), actor="test", now=now)
        row = await registry.require(session, split, for_change=True)
        await exposures.replace(
            session, row, exposures={"rates": -0.4, "region:Europe": 0.3}, provenance="", actor="test", now=now
        )
        for symbol, competitor in ((split, "ZRIV"), ("ZNAM", split)):
            wanted = NewCompetitor(competitor=competitor, strength=0.8, status=LinkStatus.CONFIRMED)
            await competitors.add_link(session, symbol=symbol, wanted=wanted, actor="test", now=now)
    body = await api.get(f"/v1/symbols/{split.lower()}/exposure")
    assert [(each["factor"], each["exposure"]) for each in body["factors"]] == [("rates", -0.4), ("region:Europe", 0.3)]
    (rival,) = body["competitors"]
    assert (rival["competitor"], rival["name"], rival["strength"]) == ("ZRIV", "Zrival Works", 0.8)
    assert (rival["rho"], rival["events"], rival["share"]) == (None, 0, None)
    assert body["named_by"] == ["ZNAM"]
    assert (body["signal_id"], body["direct"], body["profile_version"]) == (None, None, 1)


async def test_exposure_when_it_was_assessed_then_the_parts_are_those_of_its_newest_signal(
    platform: Platform, api: Caller
) -> None:
    symbol = await company(platform, "ZPRT")
    library = Library(platform)  # one that keeps no registry without the company
    told = story("Zprt Works profit rises", "Zprt Works said profit rose and beat estimates.", tickers=(symbol,))
    await library.read(told)
    earlier = await library.assess(symbol, AS_OF + timedelta(hours=1))
    recommendation_id = await library.assess(symbol, AS_OF + timedelta(hours=4))
    assert recommendation_id != earlier
    body = await api.get(f"/v1/symbols/{symbol}/exposure")
    signal = await api.get(f"/v1/signals/{body['signal_id']}")
    own = [Decimal(each["share"]) for each in signal["contributions"] if each["layer"] == "company"]
    assert own
    assert Decimal(body["direct"]) == sum(own)
    assert signal["recommendation_id"] == recommendation_id
