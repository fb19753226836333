"""Splits and dividends on real time: in the morning of the ex-date, each once, late ones only where nothing moved."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from alpaca.trading.enums import TimeInForce

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import Client, Watch, bar

MONDAY, TUESDAY = "2024-03-04", "2024-03-05"
MONDAY_NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
FIVE = datetime(2024, 3, 5, 10, tzinfo=UTC)
TUESDAY_NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)


@pytest.fixture
def watch() -> Watch:
    return Watch(MONDAY_NOON)


@pytest.fixture
def broker(start: Start, watch: Watch) -> Client:
    """Ten shares of AAPL, bought at 100 on Monday."""
    broker = start(clock="wall", now=watch, rate_limit=0)
    _seen(broker, watch, "100")
    broker.market("buy", qty=10)
    _seen(broker, watch, "100")
    assert broker.sdk.get_open_position("AAPL").qty == "10"
    return broker


def _seen(broker: Client, watch: Watch, price: str) -> None:
    broker.told("prices", {"prices": [{"symbol": "AAPL", "price": price, "at": watch.at.isoformat()}]})


def _act(broker: Client, ex_date: str = TUESDAY, **action: str) -> Any:
    return broker.told("corporate-actions", {"ex_date": ex_date, "actions": [{"symbol": "AAPL", **action}]})


def test_split_when_its_morning_has_come_then_shares_prices_and_orders_change_once(
    broker: Client, watch: Watch
) -> None:
    limit = broker.limit("buy", 80, qty=4, time_in_force=TimeInForce.GTC)
    watch.at = FIVE
    equity = broker.sdk.get_account().equity
    assert _act(broker, split_ratio="2") == {"applied": ["AAPL"], "late": []}
    assert _act(broker, split_ratio="2") == {"applied": [], "late": []}
    position, changed = broker.sdk.get_open_position("AAPL"), broker.get(limit)
    assert (position.qty, position.avg_entry_price, position.current_price) == ("20", "50", "50")
    assert (changed.qty, changed.limit_price) == ("8", "40")
    assert broker.sdk.get_account().equity == equity
    assert broker.control("GET", "corporate-actions?since=2024-03-01").json() == [
        {"symbol": "AAPL", "ex_date": TUESDAY}
    ]
    assert broker.audit() == []


def test_dividend_when_paid_then_it_is_part_of_the_days_gain(broker: Client, watch: Watch) -> None:
    watch.at = FIVE
    _act(broker, cash_dividend="1.5")
    watch.at = TUESDAY_NOON
    account = broker.sdk.get_account()
    assert (account.cash, account.last_equity, account.equity) == ("99015", "100000", "100015")
    assert broker.audit() == []


def test_split_when_orders_know_of_it_already_then_they_and_the_new_price_stay(broker: Client, watch: Watch) -> None:
    watch.at = TUESDAY_NOON
    _seen(broker, watch, "50")
    knowing = broker.limit("buy", 40, qty=4)
    assert _act(broker, split_ratio="2")["applied"] == ["AAPL"]
    assert (broker.get(knowing).qty, broker.get(knowing).limit_price) == ("4", "40")
    position = broker.sdk.get_open_position("AAPL")
    assert (position.qty, position.current_price, position.lastday_price) == ("20", "50", "50")
    assert broker.audit() == []


def test_split_when_something_was_traded_since_then_it_is_told_as_late_and_changes_nothing(
    broker: Client, watch: Watch
) -> None:
    watch.at = TUESDAY_NOON
    _seen(broker, watch, "50")
    broker.market("sell", qty=3)
    _seen(broker, watch, "50")
    assert _act(broker, split_ratio="2") == {"applied": [], "late": ["AAPL"]}
    assert broker.sdk.get_open_position("AAPL").qty == "7"
    assert broker.audit() == []


def test_action_when_all_was_bought_since_then_it_concerns_nothing(broker: Client, watch: Watch) -> None:
    assert _act(broker, ex_date=MONDAY, split_ratio="2", cash_dividend="1") == {"applied": ["AAPL"], "late": []}
    assert (broker.sdk.get_open_position("AAPL").qty, broker.sdk.get_account().cash) == ("10", "99000")
    assert broker.audit() == []


def test_bar_when_older_than_a_split_that_took_effect_then_it_fills_nothing(broker: Client, watch: Watch) -> None:
    resting = broker.limit("sell", 120, qty=10, time_in_force=TimeInForce.GTC)
    watch.at = FIVE
    _act(broker, split_ratio="2")
    finished = {"session": MONDAY, "bars": [bar("AAPL", "100", "110", "90", "105")]}
    assert broker.told("finished-sessions", finished)["executions"] == 0
    assert (broker.get(resting).filled_qty, broker.get(resting).limit_price) == ("0", "60")
    assert broker.sdk.get_open_position("AAPL").current_price == "50"


@pytest.mark.parametrize("ex_date", [TUESDAY, "2024-03-03"])
def test_action_when_its_hour_has_not_come_or_its_day_is_no_session_then_409(broker: Client, ex_date: str) -> None:
    body = {"ex_date": ex_date, "actions": [{"symbol": "AAPL", "split_ratio": "2"}]}
    answer = broker.control("POST", "corporate-actions", body)
    assert answer.status_code == 409
    assert "EX_DATE_AHEAD" in answer.text
    assert broker.sdk.get_open_position("AAPL").qty == "10"


def test_action_when_time_is_virtual_then_409(start: Start) -> None:
    answer = start().control("POST", "corporate-actions", {"ex_date": MONDAY, "actions": []})
    assert answer.status_code == 409
