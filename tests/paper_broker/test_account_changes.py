"""Closing positions, the account's settings, its history, its watchlists and the announcements."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from alpaca.trading.enums import CorporateActionType
from alpaca.trading.requests import (
    ClosePositionRequest,
    CreateWatchlistRequest,
    GetCorporateAnnouncementsRequest,
    GetPortfolioHistoryRequest,
    UpdateWatchlistRequest,
)

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import MONDAY, Client, bar

TUESDAY = date(2024, 3, 5)


def _holding(broker: Client, qty: float = 10) -> None:
    broker.opened(bar("AAPL", "100"), bar("MSFT", "50"))
    broker.market("buy", qty=qty)


def test_close_when_all_is_asked_then_the_position_is_gone_and_the_answer_is_the_order(broker: Client) -> None:
    _holding(broker)
    order = broker.sdk.close_position("AAPL")
    assert (order.side.value, order.qty, order.position_intent.value) == ("sell", "10", "sell_to_close")
    assert broker.sdk.get_all_positions() == []
    assert broker.refused(lambda: broker.sdk.close_position("AAPL"))[0] == 404


@pytest.mark.parametrize(
    ("held", "request_fields", "left"),
    [
        (10, {"qty": "4"}, "6"),
        (10, {"percentage": "50"}, "5"),
        (10, {"percentage": "33.3"}, "7"),
        (10.5, {"percentage": "50"}, "5.25"),
        (10, {"percentage": "100"}, None),
        (10, {"qty": "0.5"}, "9.5"),
    ],
)
def test_close_when_part_is_asked_then_so_much_goes(
    broker: Client, held: float, request_fields: dict[str, str], left: str | None
) -> None:
    _holding(broker, held)
    broker.sdk.close_position("AAPL", ClosePositionRequest(**request_fields))
    assert [position.qty for position in broker.sdk.get_all_positions()] == ([left] if left else [])


@pytest.mark.parametrize(
    ("parameters", "status", "message"),
    [
        ("qty=11", 403, "insufficient qty available for order (requested: 11, available: 10)"),
        ("qty=1&percentage=1", 422, "only one of qty or percentage is accepted"),
        ("percentage=101", 422, "percentage must be between 0 and 100"),
        ("percentage=5", 422, "qty must be > 0"),
        ("qty=0", 422, "qty must be > 0"),
        ("qty=many", 422, "qty must be a number"),
        ("qty=1.0000000001", 422, "qty must be limited to 9 decimal places"),
    ],
)
def test_close_when_it_cannot_be_then_is_refused(broker: Client, parameters: str, status: int, message: str) -> None:
    _holding(broker)
    answer = broker.ask("DELETE", f"/v2/positions/AAPL?{parameters}")
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def test_close_all_when_shares_are_held_by_orders_then_only_canceling_frees_them(broker: Client) -> None:
    _holding(broker)
    broker.market("buy", "MSFT", qty=3)
    broker.limit("sell", 120, qty=10)
    first, second = broker.sdk.close_all_positions()
    assert (first.symbol, first.status, first.body.code) == ("AAPL", 403, 40310000)
    assert (second.symbol, second.status, second.body.symbol) == ("MSFT", 200, "MSFT")
    answers = broker.sdk.close_all_positions(cancel_orders=True)
    assert [(answer.symbol, answer.status) for answer in answers] == [("AAPL", 200)]
    assert broker.sdk.get_all_positions() == []
    assert broker.sdk.close_all_positions() == []


def test_close_when_short_then_buys_back(start: Start) -> None:
    broker = start(shorting=True)
    broker.opened(bar("AAPL", "100"))
    broker.market("sell", qty=5)
    assert broker.sdk.close_position("AAPL").side.value == "buy"
    assert broker.sdk.get_all_positions() == []


def test_configurations_when_trading_is_suspended_then_orders_are_refused_until_it_is_not(broker: Client) -> None:
    settings = broker.sdk.get_account_configurations()
    assert (settings.suspend_trade, settings.no_shorting, settings.fractional_trading) == (False, False, True)
    settings.suspend_trade = True
    assert broker.sdk.set_account_configurations(settings).suspend_trade is True
    assert broker.sdk.get_account().trade_suspended_by_user is True
    assert broker.refused(lambda: broker.market("buy"))[1]["message"] == "new orders are rejected by user request"
    settings.suspend_trade = False
    broker.sdk.set_account_configurations(settings)
    broker.market("buy")


def test_configurations_when_long_only_or_whole_shares_only_then_orders_follow(start: Start) -> None:
    broker = start(shorting=True)
    broker.opened(bar("AAPL", "100"))
    assert broker.ask("PATCH", "/v2/account/configurations", json={"no_shorting": True}).json()["no_shorting"] is True
    assert broker.sdk.get_account().shorting_enabled is False
    assert broker.refused(lambda: broker.market("sell"))[1]["message"] == "account is not allowed to short"
    broker.ask("PATCH", "/v2/account/configurations", json={"fractional_trading": False})
    assert broker.refused(lambda: broker.market("buy", qty=0.5))[1]["message"] == (
        "account is not allowed to trade fractional shares"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"suspend_trade": "yes"}, "suspend_trade must be a boolean"),
        ({"max_margin_multiplier": "3"}, "invalid max_margin_multiplier: 3, allowed are 1, 2, 4"),
        ({"max_options_trading_level": True}, "invalid max_options_trading_level: True, allowed are 0, 1, 2, 3"),
        ({"colour": "blue"}, "unknown field: colour"),
        ([], "request body format is invalid"),
    ],
)
def test_configurations_when_they_cannot_be_then_nothing_changes(broker: Client, body: Any, message: str) -> None:
    before = broker.ask("GET", "/v2/account/configurations").json()
    answer = broker.ask("PATCH", "/v2/account/configurations", json=body)
    assert (answer.status_code, answer.json()["message"]) == (422, message)
    assert broker.ask("GET", "/v2/account/configurations").json() == before


def _two_days(broker: Client) -> None:
    _holding(broker)
    broker.closed(bar("AAPL", "100", "112", "100", "110"))
    dividend = [{"symbol": "AAPL", "cash_dividend": "1"}]
    broker.opened(bar("AAPL", "108"), day=TUESDAY, actions=dividend)
    broker.closed(bar("AAPL", "108", "121", "108", "120"), day=TUESDAY)


def test_history_when_asked_by_day_then_has_the_worth_at_each_close(broker: Client) -> None:
    _two_days(broker)
    request = GetPortfolioHistoryRequest(period="1W", timeframe="1D", cashflow_types="ALL")
    found = broker.sdk.get_portfolio_history(request)
    assert found.equity == [100_000, 100_100, 100_210]
    assert found.profit_loss == [0, 100, 210]
    assert found.profit_loss_pct == [0, 0.001, 0.0021]
    assert (found.base_value, found.timeframe) == (100_000, "1D")
    assert {kind.value: flow for kind, flow in found.cashflow.items()} == {"DIV": [0, 0, 10]}


def test_history_when_asked_within_days_then_has_the_worth_at_each_step(broker: Client) -> None:
    _two_days(broker)
    answer = broker.ask(
        "GET",
        "/v2/account/portfolio/history",
        params={"timeframe": "1H", "period": "1D", "end": "2024-03-05T21:00:00Z"},
    ).json()
    assert answer["equity"] == [100_090.0] * 6 + [100_210.0]
    assert (answer["base_value"], answer["base_value_asof"]) == (100_100.0, "2024-03-04")
    assert answer["cashflow"] == {}


@pytest.mark.parametrize(
    "parameters", [{"period": "1Y"}, {"timeframe": "2H"}, {"timeframe": "1H", "period": "2M"}, {"end": "soon"}]
)
def test_history_when_the_parameters_make_no_sense_then_422(broker: Client, parameters: dict[str, str]) -> None:
    assert broker.ask("GET", "/v2/account/portfolio/history", params=parameters).status_code == 422


def test_history_when_nothing_has_happened_then_is_empty_or_flat(broker: Client) -> None:
    found = broker.sdk.get_portfolio_history(GetPortfolioHistoryRequest(period="1M", timeframe="1D"))
    assert (found.equity, found.base_value) == ([100_000], 100_000)


def test_watchlist_when_made_changed_and_deleted_then_follows(broker: Client) -> None:
    made = broker.sdk.create_watchlist(CreateWatchlistRequest(name="tech", symbols=["MSFT", "AAPL"]))
    assert [asset.symbol for asset in made.assets] == ["MSFT", "AAPL"]
    assert [(entry.id, entry.assets) for entry in broker.sdk.get_watchlists()] == [(made.id, None)]
    added = broker.sdk.add_asset_to_watchlist_by_id(made.id, "TINY")
    assert [asset.symbol for asset in added.assets] == ["MSFT", "AAPL", "TINY"]
    renamed = broker.sdk.update_watchlist_by_id(made.id, UpdateWatchlistRequest(name="all"))
    assert (renamed.name, len(renamed.assets)) == ("all", 3)
    removed = broker.sdk.remove_asset_from_watchlist_by_id(made.id, "AAPL")
    assert [asset.symbol for asset in removed.assets] == ["MSFT", "TINY"]
    assert broker.ask("GET", "/v2/watchlists:by_name", params={"name": "all"}).json()["id"] == str(made.id)
    broker.sdk.delete_watchlist_by_id(made.id)
    assert broker.sdk.get_watchlists() == []
    assert broker.refused(lambda: broker.sdk.get_watchlist_by_id(made.id))[0] == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "tech", "symbols": []}, "watchlist name must be unique"),
        ({"symbols": ["AAPL"]}, "name is required"),
        ({"name": "x" * 65}, "name must be a string of no more than 64 characters"),
        ({"name": "new", "symbols": ["NOPE"]}, 'asset "NOPE" not found'),
        ({"name": "new", "symbols": "AAPL"}, "symbols must be a list"),
    ],
)
def test_watchlist_when_it_cannot_be_then_is_refused(broker: Client, body: Any, message: str) -> None:
    broker.sdk.create_watchlist(CreateWatchlistRequest(name="tech", symbols=["AAPL"]))
    answer = broker.ask("POST", "/v2/watchlists", json=body)
    assert (answer.status_code, answer.json()["message"]) == (422, message)


def test_watchlist_by_name_when_changed_then_is_the_same_list(broker: Client) -> None:
    broker.ask("POST", "/v2/watchlists", json={"name": "tech", "symbols": ["AAPL"]})
    path = "/v2/watchlists:by_name?name=tech"
    assert len(broker.ask("POST", path, json={"symbol": "MSFT"}).json()["assets"]) == 2
    assert broker.ask("POST", path, json={"symbol": "MSFT"}).json()["message"] == "duplicate symbol"
    assert broker.ask("PUT", path, json={"name": "tech", "symbols": ["TINY"]}).json()["assets"][0]["symbol"] == "TINY"
    assert broker.ask("DELETE", path).status_code == 204
    assert broker.ask("GET", "/v2/watchlists:by_name").status_code == 422


def test_announcements_when_actions_took_effect_then_are_listed_and_found_by_id(broker: Client) -> None:
    actions = [{"symbol": "AAPL", "cash_dividend": "0.25"}, {"symbol": "MSFT", "split_ratio": "3"}]
    broker.opened(bar("AAPL", "100"), actions=actions)
    every = [CorporateActionType.DIVIDEND, CorporateActionType.SPLIT]
    found = broker.sdk.get_corporate_announcements(
        GetCorporateAnnouncementsRequest(ca_types=every, since=date(2024, 3, 1), until=date(2024, 3, 31))
    )
    shown = [(entry.initiating_symbol, entry.ca_sub_type.value, entry.cash, entry.new_rate) for entry in found]
    assert shown == [("AAPL", "cash", 0.25, 1), ("MSFT", "stock_split", 0, 3)]
    assert broker.sdk.get_corporate_announcement_by_id(found[1].id).ex_date == MONDAY
    only = GetCorporateAnnouncementsRequest(
        ca_types=[CorporateActionType.SPLIT], since=date(2024, 3, 1), until=date(2024, 3, 31), symbol="AAPL"
    )
    assert broker.sdk.get_corporate_announcements(only) == []
    assert broker.refused(lambda: broker.sdk.get_corporate_announcement_by_id(uuid4()))[0] == 404


def test_activities_when_of_every_kind_then_are_told_apart_by_type_and_category(start: Start) -> None:
    broker = start(fee_per_share=Decimal("0.01"))
    _two_days(broker)

    def kinds(**parameters: str) -> list[str]:
        return [entry["activity_type"] for entry in broker.sdk.get("/account/activities", parameters)]

    assert kinds(direction="asc") == ["FILL", "FEE", "DIV"]
    assert kinds(category="trade_activity") == ["FILL"]
    assert kinds(category="non_trade_activity") == ["DIV", "FEE"]
    assert kinds(activity_types="DIV,FILL") == ["DIV", "FILL"]
    (dividend,) = broker.sdk.get("/account/activities/DIV")
    assert (dividend["per_share_amount"], dividend["qty"], dividend["net_amount"]) == ("1", "10", "10")
    assert dividend["activity_sub_type"] == "CDIV"
    assert broker.refused(lambda: kinds(category="all"))[0] == 422
