"""Account, assets, activities, clock and calendar."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alpaca.trading.requests import GetAssetsRequest, GetCalendarRequest

from tests.paper_broker.harness import Client, bar
from tests.paper_broker.vendor import FILE

RECORDED = FILE.parents[1] / "recorded_haannbboo"
NEW_YORK = ZoneInfo("America/New_York")


def test_account_when_new_then_has_the_opening_cash_and_a_lasting_identity(broker: Client) -> None:
    account = broker.sdk.get_account()
    assert (account.cash, account.equity, account.buying_power) == ("100000", "100000", "100000")
    assert account.account_number.startswith("PA")
    assert account.created_at.isoformat() == "2024-03-01T21:00:00+00:00"
    assert account.shorting_enabled is False
    assert str(account.id) == "49afec48-c7cd-5019-badd-2d245caf77a9"


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded answers are not beside the repository")
@pytest.mark.parametrize(
    ("file", "path", "gone"),
    [
        (
            "account.json",
            "/account",
            {
                "daytrade_count",
                "daytrading_buying_power",
                "pattern_day_trader",
                "pending_transfer_in",
                "pending_transfer_out",
            },
        ),
        ("orders.json", "/orders?status=all", set()),
        ("positions.json", "/positions", {"avg_entry_swap_rate", "swap_rate", "usd"}),
    ],
)
def test_answer_when_compared_with_a_recorded_one_then_has_every_field(
    broker: Client, file: str, path: str, gone: set[str]
) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy")
    recorded, answer = json.loads((RECORDED / file).read_text()), broker.sdk.get(path)
    if isinstance(recorded, list):
        recorded, answer = recorded[0], answer[0]
    assert recorded.keys() - answer.keys() == gone
    kinds = {name: type(answer[name]) for name in recorded.keys() & answer.keys() if recorded[name] is not None}
    assert {
        name: kind for name, kind in kinds.items() if kind is not type(recorded[name]) and answer[name] is not None
    } == {}


def test_assets_when_listed_or_asked_for_then_found_by_symbol_and_id(broker: Client) -> None:
    listed = broker.sdk.get_all_assets()
    assert [asset.symbol for asset in listed] == ["AAPL", "MSFT", "TINY"]
    assert broker.sdk.get_asset("AAPL").name == "AAPL Inc."
    assert broker.sdk.get_asset(listed[1].id).symbol == "MSFT"
    status, body = broker.refused(lambda: broker.sdk.get_asset("NOPE"))
    assert (status, body["code"]) == (404, 40410000)


def test_assets_when_filtered_then_only_what_fits(broker: Client) -> None:
    broker.know("OLD", exchange="NYSE", shortable=False)
    assert [a.symbol for a in broker.sdk.get_all_assets(GetAssetsRequest(exchange="NYSE"))] == ["OLD"]
    assert broker.sdk.get_all_assets(GetAssetsRequest(status="inactive")) == []
    assert broker.sdk.get_all_assets(GetAssetsRequest(asset_class="crypto")) == []
    assert broker.sdk.get("/assets/OLD")["borrow_status"] == "hard_to_borrow"


def test_asset_message_when_repeated_with_changes_then_updates_and_keeps_the_id(broker: Client) -> None:
    before = broker.sdk.get_asset("AAPL")
    broker.know("AAPL", name="Apple", fractionable=False)
    after = broker.sdk.get_asset("AAPL")
    assert (after.id, after.name, after.fractionable) == (before.id, "Apple", False)
    assert broker.control("GET", "assets").json()[0]["symbol"] == "AAPL"
    assert broker.control("POST", "assets", [{"symbol": "not a symbol"}]).status_code == 422


def _filled(broker: Client, count: int) -> None:
    broker.opened(bar("AAPL", "100"))
    for _ in range(count):
        broker.market("buy")


def test_activities_when_paged_then_every_fill_comes_once_in_order(broker: Client) -> None:
    _filled(broker, 7)
    for direction in ("desc", "asc"):
        pages: list[list[dict[str, Any]]] = []
        token = None
        while not pages or pages[-1]:
            query = {"page_size": 3, "direction": direction} | ({"page_token": token} if token else {})
            pages.append(broker.sdk.get("/account/activities/FILL", query))
            token = pages[-1][-1]["id"] if pages[-1] else None
        ids = [fill["id"] for page in pages for fill in page]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert len(set(ids)) == 7
        everything = broker.sdk.get("/account/activities", {"activity_types": "FILL", "direction": direction})
        assert [fill["id"] for fill in everything] == ids


def test_activity_when_a_fill_then_has_the_vendors_id_and_the_orders_figures(broker: Client) -> None:
    broker.opened(bar("AAPL", "187.25"))
    order = broker.market("buy", qty=10)
    (fill,) = broker.sdk.get("/account/activities/FILL")
    stamp, _, execution = fill["id"].partition("::")
    assert (stamp, len(execution)) == ("20240304143000000", 36)
    assert fill["transaction_time"] == "2024-03-04T14:30:00.000000Z"
    assert (fill["order_id"], fill["side"], fill["qty"], fill["price"]) == (str(order.id), "buy", "10", "187.25")


@pytest.mark.parametrize(("size", "fits"), [("1", True), ("100", True), ("0", False), ("101", False)])
def test_activities_when_the_page_size_is_at_or_past_its_bounds_then_listed_or_refused(
    broker: Client, size: str, fits: bool
) -> None:
    _filled(broker, 1)
    if fits:
        assert len(broker.sdk.get("/account/activities/FILL", {"page_size": size})) == 1
    else:
        assert broker.refused(lambda: broker.sdk.get("/account/activities/FILL", {"page_size": size}))[0] == 422


def test_activities_when_the_token_is_unknown_then_422(broker: Client) -> None:
    status, _ = broker.refused(lambda: broker.sdk.get("/account/activities/FILL", {"page_token": "2024::x"}))
    assert status == 422


def test_activities_when_bounded_by_day_then_only_that_days(broker: Client) -> None:
    _filled(broker, 2)
    assert len(broker.sdk.get("/account/activities/FILL", {"date": "2024-03-04"})) == 2
    assert broker.sdk.get("/account/activities/FILL", {"date": "2024-03-05"}) == []
    assert broker.sdk.get("/account/activities/FILL", {"after": "2024-03-04T14:30:00Z"}) == []
    assert len(broker.sdk.get("/account/activities/FILL", {"until": "2024-03-04T14:30:01Z"})) == 2


def test_clock_when_sessions_open_and_close_then_follows_the_messages(broker: Client) -> None:
    clock = broker.sdk.get_clock()
    assert clock.is_open is False
    assert clock.next_open == datetime(2024, 3, 4, 9, 30, tzinfo=NEW_YORK)
    broker.opened(bar("AAPL", "1"))
    clock = broker.sdk.get_clock()
    assert clock.is_open is True
    assert clock.timestamp == datetime(2024, 3, 4, 9, 30, tzinfo=NEW_YORK)
    assert clock.next_close == datetime(2024, 3, 4, 16, tzinfo=NEW_YORK)
    assert clock.next_open == datetime(2024, 3, 5, 9, 30, tzinfo=NEW_YORK)
    broker.closed(bar("AAPL", "1"))
    clock = broker.sdk.get_clock()
    assert (clock.is_open, clock.next_close) == (False, datetime(2024, 3, 5, 16, tzinfo=NEW_YORK))


def test_calendar_when_asked_for_a_week_then_has_holidays_half_days_and_settlement(broker: Client) -> None:
    days = broker.sdk.get_calendar(GetCalendarRequest(start=date(2023, 11, 22), end=date(2023, 11, 27)))
    assert [(day.date.isoformat(), day.open.strftime("%H:%M"), day.close.strftime("%H:%M")) for day in days] == [
        ("2023-11-22", "09:30", "16:00"),
        ("2023-11-24", "09:30", "13:00"),
        ("2023-11-27", "09:30", "16:00"),
    ]
    raw = broker.sdk.get("/calendar", {"start": "2024-05-24", "end": "2024-05-28"})
    assert [(day["date"], day["settlement_date"]) for day in raw] == [
        ("2024-05-24", "2024-05-29"),
        ("2024-05-28", "2024-05-29"),
    ]
    assert broker.refused(lambda: broker.sdk.get("/calendar", {"start": "soon"}))[0] == 422
