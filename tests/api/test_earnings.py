"""Earnings dates: entered, changed, taken back, and seen as they were known by live trading and by backtests alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from activities.adapters.calendar import ExchangeCalendar
from activities.entering import earnings_around
from api.keys import Scope
from domain.documents import NEW_YORK
from domain.entries import KnownReport, ReportTiming
from domain.market import Bar
from domain.rules_config import EntryRules
from store import backtests, earnings, facts, registry
from store.tables.ingestion import Document
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_comovement import told
from tests.api.test_companies import entries, made

pytestmark = pytest.mark.stack

CALENDAR = ExchangeCalendar(today=date(2014, 12, 31))
RULES = EntryRules()


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 16, tzinfo=UTC)


async def dates(api: Caller, symbol: str, **query: Any) -> list[tuple[str, str, int]]:
    found = await api.get(f"/v1/companies/{symbol}/earnings-dates", **query)
    return [(each["date"], each["timing"], each["version"]) for each in found["data"]]


async def test_date_when_set_changed_and_removed_then_the_past_still_has_it(platform: Platform, api: Caller) -> None:
    symbol = (await made(api))["symbol"]
    path = f"/v1/companies/{symbol}/earnings-dates/2026-10-29"
    first = await api("PUT", path, json={"timing": "amc"})
    assert (first.status_code, first.headers["ETag"]) == (200, '"1"')
    assert (first.json()["timing"], first.json()["date"]) == ("amc", "2026-10-29")
    again = await api("PUT", path, json={"timing": "amc"})
    assert again.json() == first.json()
    second = (await api("PUT", path, json={"timing": "bmo"})).json()
    assert (second["version"], second["actor"]) == (2, first.json()["actor"])
    await api("PUT", f"/v1/companies/{symbol}/earnings-dates/2026-07-30", json={})
    assert await dates(api, symbol) == [("2026-07-30", "unknown", 1), ("2026-10-29", "bmo", 2)]
    assert await dates(api, symbol, as_of=first.json()["known_at"]) == [("2026-10-29", "amc", 1)]
    assert (await api("DELETE", path)).status_code == 204
    assert await dates(api, symbol) == [("2026-07-30", "unknown", 1)]
    assert await dates(api, symbol, as_of=second["known_at"]) == [("2026-10-29", "bmo", 2)]
    assert_problem(await api("DELETE", path), 404, "EARNINGS_DATE_NOT_FOUND")
    back = (await api("PUT", path, json={})).json()
    assert (back["version"], back["timing"]) == (4, "unknown")
    written = [entry.action for entry in await entries(platform, symbol)]
    assert written[1:] == ["earnings_date_set"] * 3 + ["earnings_date_removed", "earnings_date_set"]


async def test_date_when_somebody_else_changed_it_then_a_version_that_was_given_is_refused(api: Caller) -> None:
    symbol = (await made(api))["symbol"]
    path = f"/v1/companies/{symbol}/earnings-dates/2026-10-29"
    assert (await api("PUT", path, json={}, headers={"If-Match": '"0"'})).status_code == 200
    assert_problem(await api("PUT", path, json={}, headers={"If-Match": '"0"'}), 412, "VERSION_MISMATCH")
    assert_problem(await api("DELETE", path, headers={"If-Match": '"7"'}), 412, "VERSION_MISMATCH")
    assert (await api("DELETE", path, headers={"If-Match": '"1"'})).status_code == 204


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("NOBODY/earnings-dates/2026-10-29", {}, 404, "COMPANY_NOT_FOUND"),
        ("MSFT/earnings-dates/2126-10-29", {}, 422, "EARNINGS_DATE_INVALID"),
        ("MSFT/earnings-dates/1926-10-29", {}, 422, "EARNINGS_DATE_INVALID"),
        ("MSFT/earnings-dates/soon", {}, 422, "REQUEST_INVALID"),
        ("MSFT/earnings-dates/2026-10-29", {"timing": "noon"}, 422, "REQUEST_INVALID"),
        ("MSFT/earnings-dates/2026-10-29", {"day": "x"}, 422, "REQUEST_INVALID"),
    ],
)
async def test_date_when_it_makes_no_sense_then_it_is_refused(
    api: Caller, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    assert_problem(await api("PUT", f"/v1/companies/{path}", json=body), status, code)


async def test_dates_when_there_are_many_then_pages_follow_on_each_other(api: Caller) -> None:
    symbol = (await made(api))["symbol"]
    days = [f"2026-{month:02}-15" for month in range(1, 6)]
    for day in reversed(days):
        await api("PUT", f"/v1/companies/{symbol}/earnings-dates/{day}", json={})
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get(f"/v1/companies/{symbol}/earnings-dates", **query)
        seen += [each["date"] for each in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert seen == days
    answer = await api("GET", f"/v1/companies/{symbol}/earnings-dates", params={"cursor": "x"})
    assert_problem(answer, 422, "CURSOR_INVALID")


async def test_date_when_the_key_may_only_read_then_it_is_refused(platform: Platform, api: Caller) -> None:
    symbol = (await made(api))["symbol"]
    reader = caller(platform, await platform.key(Scope.READ))
    assert await dates(reader, symbol) == []
    answer = await reader("PUT", f"/v1/companies/{symbol}/earnings-dates/2026-10-29", json={})
    assert answer.status_code == 403


async def test_evaluation_when_a_report_is_near_then_it_says_what_risk_would(platform: Platform, api: Caller) -> None:
    symbol = (await made(api))["symbol"]
    calendar = ExchangeCalendar(today=datetime.now(UTC).date())
    asking = caller(platform, calendar=lambda: calendar)
    order = {"symbol": symbol, "side": "buy", "quantity": "1", "price": "50"}

    async def said() -> dict[str, str]:
        answer = await asking("POST", "/v1/risk/evaluations", json=order)
        assert answer.status_code == 200, answer.text
        return {check["code"]: check["outcome"] for check in answer.json()["checks"]}

    assert (await said())["EARNINGS_BLACKOUT"] == "allow"
    day = calendar.next_session(datetime.now(UTC)).date
    await api("PUT", f"/v1/companies/{symbol}/earnings-dates/{day}", json={})
    found = await said()
    assert (found["EARNINGS_BLACKOUT"], found["EARNINGS_DATE_UNKNOWN"]) == ("deny", "allow")


# -- what decisions see ----------------------------------------------------------------------------------------------


async def scheduled(platform: Platform, symbol: str, day: date, said_at: datetime, *, removed: bool = False) -> None:
    async with platform.parts.database.transaction() as session:
        company = await registry.require(session, symbol, for_change=True)
        if removed:
            await earnings.remove_date(session, company, day=day, actor="test", now=said_at)
        else:
            timing = ReportTiming.UNKNOWN
            await earnings.set_date(session, company, day=day, timing=timing, actor="test", now=said_at)


async def filed(
    platform: Platform, symbol: str, at: datetime, *, credibility: str = "official", **changes: Any
) -> None:
    """A document of a company's results; its reading is by the rules."""
    doc_id = await told(platform, [symbol], at, **{"event_type": "earnings", **changes})
    async with platform.parts.database.transaction() as session:
        document = await session.get(Document, doc_id)
        assert document is not None
        document.credibility = credibility
        session.add(document)


async def known(platform: Platform, symbol: str, until: datetime, **options: Any) -> list[KnownReport]:
    async with platform.parts.database.transaction() as session:
        found = await earnings.known_reports(session, symbols=[symbol], until=until, **options)
    return found.get(symbol, [])


async def test_reports_when_filed_then_only_what_officially_tells_of_the_company_itself_counts(
    platform: Platform, api: Caller
) -> None:
    symbol = (await made(api))["symbol"]
    evening = datetime(2013, 4, 24, 23, tzinfo=UTC)  # 19:00 in New York
    await filed(platform, symbol, evening)
    await filed(platform, symbol, noon(date(2013, 4, 25)), credibility="wire")
    await filed(platform, symbol, noon(date(2013, 4, 26)), role="competitor")
    await filed(platform, symbol, noon(date(2013, 4, 29)), event_type="guidance")
    end = noon(date(2013, 12, 31))
    assert await known(platform, symbol, end) == [KnownReport(day=date(2013, 4, 24), made=True, since=evening)]
    assert await known(platform, symbol, evening - timedelta(seconds=1)) == []
    assert await known(platform, symbol, end, only_rules=True) == await known(platform, symbol, end)


async def test_reports_when_the_day_alone_is_known_then_it_is_that_day(platform: Platform, api: Caller) -> None:
    """A document of a day counts as published when the day is over."""
    symbol = (await made(api))["symbol"]
    over = datetime(2013, 5, 3, tzinfo=NEW_YORK).astimezone(UTC)
    await filed(platform, symbol, over)
    (report,) = await known(platform, symbol, over)
    assert (report.day, report.since) == (date(2013, 5, 2), over)


async def test_gates_when_live_and_in_a_backtest_then_they_say_the_same_every_day(
    platform: Platform, api: Caller
) -> None:
    """Dates set, moved and removed, and a filing: as the engine sees them before each open, and as a backtest does."""
    symbol = (await made(api))["symbol"]
    first, last = date(2013, 4, 1), date(2013, 6, 28)
    sessions = CALENDAR.sessions(first, last)
    await filed(platform, symbol, noon(date(2013, 1, 10)))  # long before the evidence that is read
    await scheduled(platform, symbol, date(2013, 4, 23), noon(date(2013, 4, 2)))
    await scheduled(platform, symbol, date(2013, 4, 23), noon(date(2013, 4, 19)), removed=True)
    await scheduled(platform, symbol, date(2013, 4, 25), noon(date(2013, 4, 19)))
    await filed(platform, symbol, datetime(2013, 4, 25, 20, 30, tzinfo=UTC))
    await scheduled(platform, symbol, date(2013, 5, 25), noon(date(2013, 5, 20)))  # a Saturday before a holiday
    bar = Bar(
        symbol=symbol,
        session=first,
        open=Decimal(50),
        high=Decimal(51),
        low=Decimal(49),
        close=Decimal(50),
        volume=1_000_000,
    )
    around = CALENDAR.sessions(first - timedelta(days=130), last + timedelta(days=7))
    async with platform.parts.database.transaction() as session:
        await facts.save_bars(session, [bar])
        data = await backtests.load(
            session, sessions=sessions, session_dates=[one.date for one in around], lookback_days=60
        )
        passed, values = [], set()
        for one in sessions:
            as_of = one.opens_at - timedelta(minutes=5)
            live = await earnings_around(session, CALENDAR, [symbol], trading=None, as_of=as_of)
            gates = live.gates(symbol, RULES)
            assert gates == data.earnings_at(one.date, as_of).gates(symbol, RULES), one.date
            assert live.next_report(symbol) == data.earnings_at(one.date, as_of).next_report(symbol)
            passed += [one.date] if all(gate.passed for gate in gates) else []
            values |= {gate.value for gate in gates}
    closed = [one.date for one in sessions if one.date not in passed]
    assert closed == [
        *(date(2013, 4, day) for day in (1, 2)),  # 81 days, and nobody has said when the next one comes
        *(date(2013, 4, day) for day in (19, 23, 24, 25, 26)),  # on the 19th it was still the 23rd
        *(date(2013, 5, day) for day in (23, 24, 28, 29)),
    ]
    assert {"unknown, last report 81", "report in 2 sessions", "report in -1 sessions"} <= values


async def test_fingerprint_when_a_date_or_an_old_filing_comes_in_then_the_data_are_others(
    platform: Platform, api: Caller
) -> None:
    symbol = (await made(api))["symbol"]
    found = []

    async def note() -> None:
        async with platform.parts.database.transaction() as session:
            period = {"first": date(2012, 6, 4), "last": date(2012, 6, 8), "lookback_days": 60}
            found.append(await backtests.fingerprint(session, **period))

    await note()
    await note()
    await scheduled(platform, symbol, date(2012, 6, 7), noon(date(2012, 6, 1)))
    await note()
    await scheduled(platform, symbol, date(2012, 6, 7), noon(date(2012, 6, 4)), removed=True)
    await note()
    await filed(platform, symbol, noon(date(2012, 1, 20)))
    await note()
    await scheduled(platform, symbol, date(2012, 6, 7), noon(date(2012, 6, 20)))  # after the period
    await note()
    assert found[0] == found[1]
    assert len(set(found)) == 4
    assert found[4] == found[5]
