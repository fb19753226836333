"""The broker on real time with a bar a day: what rested through a session fills from its bar when that comes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from alpaca.trading.enums import TimeInForce

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import Client, Watch, bar

NIGHT = datetime(2024, 3, 4, 3, tzinfo=UTC)
NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
CLOSE = datetime(2024, 3, 4, 21, tzinfo=UTC)
EVENING = datetime(2024, 3, 5, 1, tzinfo=UTC)
MORNING = datetime(2024, 3, 5, 9, tzinfo=UTC)
NEXT_EVENING = datetime(2024, 3, 6, 1, tzinfo=UTC)
MONDAY, TUESDAY = "2024-03-04", "2024-03-05"


@pytest.fixture
def watch() -> Watch:
    return Watch(NIGHT)


@pytest.fixture
def broker(start: Start, watch: Watch) -> Client:
    return start(clock="wall", now=watch, rate_limit=0)


def _finish(broker: Client, *bars: dict[str, Any], session: str = MONDAY) -> Any:
    return broker.told("finished-sessions", {"session": session, "bars": list(bars)})


def test_market_order_when_placed_before_the_session_then_fills_at_the_open_of_its_bar(
    broker: Client, watch: Watch
) -> None:
    order = broker.market("buy", qty=2)
    watch.at = EVENING
    assert broker.status(order) == "accepted"
    assert _finish(broker, bar("AAPL", "100", "110", "90", "105"))["executions"] == 1
    filled = broker.get(order)
    assert (filled.status.value, filled.filled_avg_price, filled.filled_at) == ("filled", "100", EVENING)
    assert broker.sdk.get_open_position("AAPL").current_price == "105"


def test_market_order_when_placed_within_the_session_then_fills_at_its_close(broker: Client, watch: Watch) -> None:
    watch.at = NOON
    order = broker.market("buy")
    watch.at = EVENING
    _finish(broker, bar("AAPL", "100", "110", "90", "105"))
    assert broker.get(order).filled_avg_price == "105"


def test_resting_orders_when_the_bar_reaches_them_then_fill_and_the_others_expire(broker: Client, watch: Watch) -> None:
    reached, missed = broker.limit("buy", 95), broker.limit("buy", 80)
    lasting = broker.limit("buy", 80, time_in_force=TimeInForce.GTC)
    watch.at = NOON
    late = broker.limit("buy", 95)
    watch.at = EVENING
    assert broker.status(missed) == "new"
    _finish(broker, bar("AAPL", "100", "110", "90", "105"))
    assert broker.get(reached).filled_avg_price == "95"
    assert [broker.status(each) for each in (missed, late, lasting)] == ["expired", "expired", "new"]


def test_bar_when_given_again_then_changes_nothing(broker: Client, watch: Watch) -> None:
    broker.market("buy", qty=2)
    watch.at = EVENING
    assert _finish(broker, bar("AAPL", "100", "110", "90", "105"))["bars"] == 1
    stop = broker.stop("sell", 95)
    assert _finish(broker, bar("AAPL", "100", "110", "90", "105")) == {
        "session": MONDAY,
        "bars": 0,
        "executions": 0,
    }
    assert broker.status(stop) == "accepted"
    assert broker.control("GET", "finished-sessions").json() == {"AAPL": MONDAY}


def test_order_when_no_bar_of_its_session_comes_then_it_expires_in_the_night(broker: Client, watch: Watch) -> None:
    order = broker.market("buy")
    watch.at = MORNING
    assert broker.status(order) == "expired"
    assert _finish(broker, bar("AAPL", "100"))["executions"] == 0


def test_order_when_placed_after_the_close_then_waits_for_the_bar_of_the_next_session(
    broker: Client, watch: Watch
) -> None:
    watch.at = CLOSE
    order = broker.market("buy")
    watch.at = EVENING
    assert _finish(broker, bar("AAPL", "100"))["executions"] == 0
    assert broker.status(order) == "accepted"
    watch.at = NEXT_EVENING
    _finish(broker, bar("AAPL", "120", "125", "119", "121"), session=TUESDAY)
    assert broker.get(order).filled_avg_price == "120"


def test_bar_when_single_prices_of_its_session_were_seen_then_is_market_data_alone(
    broker: Client, watch: Watch
) -> None:
    watch.at = NOON
    broker.told("prices", {"prices": [{"symbol": "AAPL", "price": "100", "at": NOON.isoformat()}]})
    order = broker.limit("buy", 95)
    watch.at = EVENING
    assert broker.status(order) == "expired"
    assert _finish(broker, bar("AAPL", "100", "110", "90", "105"))["executions"] == 0
    assert broker.sdk.get_account().cash == "100000"


def test_bar_when_older_than_one_that_was_given_then_changes_nothing(broker: Client, watch: Watch) -> None:
    watch.at = NEXT_EVENING
    _finish(broker, bar("AAPL", "120"), session=TUESDAY)
    assert _finish(broker, bar("AAPL", "100"))["bars"] == 0
    assert broker.control("GET", "finished-sessions").json() == {"AAPL": TUESDAY}


def test_bracket_when_its_entry_fills_from_a_bar_then_its_exits_wait_for_the_next_one(
    broker: Client, watch: Watch
) -> None:
    entry = broker.bracket(110, 90)
    watch.at = EVENING
    assert _finish(broker, bar("AAPL", "100", "120", "80", "105"))["executions"] == 1
    watch.at = NEXT_EVENING
    assert _finish(broker, bar("AAPL", "106", "107", "85", "88"), session=TUESDAY)["executions"] == 1
    assert sorted(leg.status.value for leg in broker.legs(entry)) == ["canceled", "filled"]


@pytest.mark.parametrize("session", ["2024-03-03", "2024-03-05"])
def test_bars_when_their_session_is_none_or_not_over_then_409(broker: Client, watch: Watch, session: str) -> None:
    watch.at = EVENING
    answer = broker.control("POST", "finished-sessions", {"session": session, "bars": [bar("AAPL", "100")]})
    assert (answer.status_code, answer.json()["code"]) == (409, "SESSION_NOT_OVER")


def test_bars_of_finished_sessions_when_time_is_virtual_then_409(start: Start) -> None:
    answer = start().control("POST", "finished-sessions", {"session": MONDAY, "bars": []})
    assert (answer.status_code, answer.json()["code"]) == (409, "CLOCK_IS_VIRTUAL")
