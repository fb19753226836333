"""How things stand with the broker, as the status shows it; and what the paper broker is told of prices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from activities.adapters.calendar import ExchangeCalendar
from activities.feeding import LOOK_ANYWAY, MarketFeed
from api.operations.broker_standing import last_comparison, unpriced_orders
from cli.stack.supervisor import Stack
from cli.trading_findings import trading_findings
from domain.broker import OrderType
from domain.errors import Conflict
from domain.market import Bar, CorporateAction
from store.database import insert_new
from store.tables.market import BarRow, CorporateActionRow
from tests.broker.office import Office

pytestmark = pytest.mark.stack

MONDAY = date(2024, 3, 4)
CLOSE = datetime(2024, 3, 4, 21, tzinfo=UTC)
A_DAY = timedelta(days=1)


@pytest.fixture
async def market(books: Office) -> AsyncIterator[Office]:
    """A book without any bar or action."""
    await books.run("TRUNCATE bars, corporate_actions")
    yield books
    await books.run("TRUNCATE bars, corporate_actions")


async def _bar(books: Office, symbol: str = "AAPL", *, session: date = MONDAY) -> None:
    prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(100))
    at = CLOSE + (session - MONDAY)
    async with books.database.transaction() as transaction:
        row = BarRow(symbol=symbol, session=session, **prices, volume=1, available_at=at)
        await insert_new(transaction, [row])


async def test_standing_when_book_and_broker_were_compared_then_age_and_open_differences_are_told(
    books: Office,
) -> None:
    assert await last_comparison(books.database, now=books.now) is None
    report = await books.reconcile()
    books.later(minutes=20)
    found = await last_comparison(books.database, now=books.now)
    assert found is not None
    assert (found.reconciliation_id, found.clean, found.open_differences, found.age_seconds) == (
        report.reconciliation_id,
        True,
        0,
        1200,
    )
    await books.place_past_us("nobody", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    await books.reconcile()
    found = await last_comparison(books.database, now=books.now)
    assert found is not None
    assert (found.clean, found.open_differences, found.age_seconds) == (False, 1, 0)


async def test_order_when_its_session_is_over_without_a_bar_then_it_is_shown_until_the_bar_comes(
    market: Office,
) -> None:
    await market.intend("a1")
    await market.prepare("a1")
    await market.place_past_us("a1", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    await market.reconcile()
    calendar = ExchangeCalendar(today=MONDAY)

    async def shown(at: datetime) -> list[tuple[str, date, date | None]]:
        found = await unpriced_orders(market.database, lambda: calendar, now=at)
        return [(each.symbol, each.session, each.newest_bar) for each in found]

    assert await shown(CLOSE - timedelta(minutes=1)) == []
    assert await shown(CLOSE + timedelta(minutes=1)) == [("AAPL", MONDAY, None)]
    await _bar(market, session=MONDAY - 3 * A_DAY)
    assert await shown(CLOSE + timedelta(minutes=1)) == [("AAPL", MONDAY, MONDAY - 3 * A_DAY)]
    await _bar(market)
    assert await shown(CLOSE + timedelta(minutes=1)) == []


async def test_doctor_when_a_difference_and_an_order_wait_then_it_names_both_and_what_to_do(
    market: Office, servers: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {**servers.environment(), "STONKS_DB_NAME": str(market.database.engine.url.database)}.items():
        monkeypatch.setenv(name, value)
    found = await asyncio.to_thread(trading_findings, tmp_path)
    assert [(each.part, each.ok) for each in found] == [("reconciliation", True), ("orders", True), ("ledger", True)]
    await market.intend("a1")
    await market.prepare("a1")
    await market.place_past_us("a1", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    await market.place_past_us("nobody", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    assert not (await market.reconcile()).clean
    differences, orders, ledger = await asyncio.to_thread(trading_findings, tmp_path)
    assert (differences.ok, orders.ok, ledger.ok) == (False, False, True)
    assert differences.what.startswith("1 differences with the broker wait: unknown order AAPL"), differences
    assert "stonks reconcile" in differences.fix
    assert orders.what == f"buy AAPL waits for the bar of {MONDAY}, the newest is none"
    assert "stonks sources list" in orders.fix
    await market.run("INSERT INTO cash_balances VALUES ('fee', '2024-01-02', -5)")
    *_, ledger = await asyncio.to_thread(trading_findings, tmp_path)
    assert not ledger.ok
    assert "fee of 2024-01-02, is kept as -5.000000000000000, its entries come to None" in ledger.what
    assert "DELETE FROM cash_balances" in ledger.fix
    monkeypatch.setenv("STONKS_API_PORT", "many")
    (settings,) = trading_findings(tmp_path)
    assert (settings.part, settings.ok, settings.what) == (
        "settings",
        False,
        "SETTING_INVALID: variable=STONKS_API_PORT",
    )


class Listener:
    """A paper broker's control side that remembers what it was told; `closed` are days without a session."""

    def __init__(self) -> None:
        self.told: list[tuple[date, list[str]]] = []
        self.acted: list[tuple[date, list[str]]] = []
        self.too_late: set[str] = set()
        self.asked = 0
        self.closed: set[date] = set()

    async def finished(self) -> dict[str, date]:
        self.asked += 1
        return {
            symbol: max(day for day, told in self.told if symbol in told) for _, each in self.told for symbol in each
        }

    async def finish(self, session: date, bars: Sequence[Bar]) -> int:
        if session in self.closed:
            raise Conflict("SESSION_NOT_OVER")
        self.told.append((session, [bar.symbol for bar in bars]))
        return 0

    async def applied(self, since: date) -> set[tuple[str, date]]:
        return {(symbol, day) for day, symbols in self.acted for symbol in symbols if day >= since}

    async def act(self, ex_date: date, actions: Sequence[CorporateAction]) -> list[str]:
        if ex_date in self.closed:
            raise Conflict("EX_DATE_AHEAD")
        self.acted.append((ex_date, [each.symbol for each in actions if each.symbol not in self.too_late]))
        self.told.append((ex_date, [f"action of {each.symbol}" for each in actions]))
        return sorted(self.too_late & {each.symbol for each in actions})


async def test_feed_when_bars_come_into_the_book_then_each_is_told_once_the_oldest_first(market: Office) -> None:
    heard = Listener()
    feed = MarketFeed(market.database, heard)
    await _bar(market, "MSFT", session=MONDAY + A_DAY)
    await _bar(market, "AAPL")
    await _bar(market, "OLD", session=MONDAY - 30 * A_DAY)
    assert await feed.feed(at=CLOSE - timedelta(seconds=1)) == 0
    assert await feed.feed(at=CLOSE) == 1
    assert await feed.feed(at=CLOSE + A_DAY) == 1
    assert heard.told == [(MONDAY, ["AAPL"]), (MONDAY + A_DAY, ["MSFT"])]
    await _bar(market, "AAPL", session=MONDAY + A_DAY)
    assert await MarketFeed(market.database, heard).feed(at=CLOSE + A_DAY) == 1  # another worker, or after a restart
    assert heard.told[-1] == (MONDAY + A_DAY, ["AAPL"])


async def test_feed_when_nothing_is_new_then_the_broker_is_asked_again_only_after_a_while(market: Office) -> None:
    heard = Listener()
    feed = MarketFeed(market.database, heard)
    await _bar(market)
    assert [await feed.feed(at=CLOSE + timedelta(seconds=n)) for n in range(3)] == [1, 0, 0]
    assert heard.asked == 1
    heard.told.clear()  # the broker's book was put back
    assert await feed.feed(at=CLOSE + LOOK_ANYWAY + timedelta(seconds=1)) == 1


async def test_feed_when_a_bar_is_of_no_session_then_the_others_are_told(market: Office) -> None:
    heard = Listener()
    heard.closed.add(MONDAY)
    await _bar(market)
    await _bar(market, session=MONDAY + A_DAY)
    assert await MarketFeed(market.database, heard).feed(at=CLOSE + A_DAY) == 1
    assert heard.told == [(MONDAY + A_DAY, ["AAPL"])]


async def _split(books: Office, symbol: str, *, ex_date: date) -> None:
    async with books.database.transaction() as transaction:
        row = CorporateActionRow(symbol=symbol, ex_date=ex_date, cash_dividend=Decimal(0), split_ratio=Decimal(2))
        await insert_new(transaction, [row])


async def test_feed_when_a_split_takes_effect_then_it_is_told_once_from_five_on_and_before_the_days_bars(
    market: Office,
) -> None:
    heard, at_five = Listener(), datetime(2024, 3, 5, 10, tzinfo=UTC)
    feed = MarketFeed(market.database, heard)
    await _bar(market)
    await _split(market, "AAPL", ex_date=MONDAY + A_DAY)
    await feed.feed(at=at_five - timedelta(seconds=1))
    assert heard.told == [(MONDAY, ["AAPL"])]
    await feed.feed(at=at_five)
    await feed.feed(at=at_five + LOOK_ANYWAY + timedelta(seconds=1))
    await _bar(market, session=MONDAY + A_DAY)
    await MarketFeed(market.database, heard).feed(at=CLOSE + A_DAY)
    assert heard.told[1:] == [(MONDAY + A_DAY, ["action of AAPL"]), (MONDAY + A_DAY, ["AAPL"])]


async def test_feed_when_an_action_is_refused_or_late_then_everything_else_is_told(market: Office) -> None:
    heard = Listener()
    heard.closed.add(MONDAY - A_DAY)  # a Sunday
    heard.too_late.add("LATE")
    await _split(market, "AAPL", ex_date=MONDAY - A_DAY)
    await _split(market, "LATE", ex_date=MONDAY)
    await _split(market, "MSFT", ex_date=MONDAY)
    await _bar(market)
    assert await MarketFeed(market.database, heard).feed(at=CLOSE) == 1
    assert heard.acted == [(MONDAY, ["MSFT"])]
