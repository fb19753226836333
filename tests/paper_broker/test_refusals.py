"""Every refusal the vendor gives, with its status, code, wording and fields."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import requests
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, TimeInForce
from alpaca.trading.requests import TakeProfitRequest

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import KEY, SECRET, Client, bar

ORDER = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}


def _post(broker: Client, **changes: Any) -> Callable[[], Any]:
    body = {name: value for name, value in (ORDER | changes).items() if value is not None}
    return lambda: broker.sdk.post("/orders", body)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("scope", ["forever", "active"])
def test_duplicate_client_id_when_its_order_is_open_or_ended_then_the_scope_decides(
    start: Start, scope: str, ended: bool
) -> None:
    broker = start(client_id_scope=scope)
    first = broker.limit("buy", 50, client_order_id="so-1")
    if ended:
        broker.sdk.cancel_order_by_id(first.id)
    if scope == "active" and ended:
        second = broker.limit("buy", 50, client_order_id="so-1")
        assert second.id != first.id
        assert broker.sdk.get_order_by_client_id("so-1").id == second.id
    else:
        assert broker.refused(lambda: broker.limit("buy", 50, client_order_id="so-1")) == (
            422,
            {"code": 40010001, "message": "client_order_id must be unique"},
        )


def test_duplicate_client_id_when_the_cash_is_spent_then_still_says_duplicate(broker: Client) -> None:
    broker.limit("buy", 100, qty=999, client_order_id="so-1")
    _, body = broker.refused(lambda: broker.limit("buy", 100, qty=999, client_order_id="so-1"))
    assert body["message"] == "client_order_id must be unique"


@pytest.mark.parametrize(("length", "fits"), [(128, True), (129, False)])
def test_client_id_when_at_or_above_its_length_then_taken_or_refused(broker: Client, length: int, fits: bool) -> None:
    name = "x" * length
    if fits:
        assert broker.market("buy", client_order_id=name).client_order_id == name
    else:
        status, body = broker.refused(lambda: broker.market("buy", client_order_id=name))
        assert (status, body["code"]) == (422, 40010001)


def test_client_id_when_left_out_then_one_is_made(broker: Client) -> None:
    made = {_post(broker)()["client_order_id"] for _ in range(2)}
    assert len(made) == 2


@pytest.mark.parametrize(("quantity", "fits"), [(999, True), (1000, True), (1001, False)])
def test_buying_power_when_below_at_or_above_then_taken_or_refused(broker: Client, quantity: int, fits: bool) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.closed(bar("AAPL", "100"))
    if fits:
        broker.market("buy", qty=quantity)
    else:
        assert broker.refused(lambda: broker.market("buy", qty=quantity)) == (
            403,
            {
                "code": 40310000,
                "message": "insufficient buying power",
                "buying_power": "100000",
                "cost_basis": "100100",
            },
        )


def test_buying_power_when_open_orders_reserve_it_then_is_refused(broker: Client) -> None:
    broker.limit("buy", 100, qty=600)
    status, body = broker.refused(lambda: broker.limit("buy", 100, "MSFT", qty=401))
    assert (status, body["buying_power"], body["cost_basis"]) == (403, "40000", "40100")


def test_shares_when_held_by_another_order_then_is_refused(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=10)
    held = broker.limit("sell", 120, qty=7)
    assert broker.sdk.get_open_position("AAPL").qty_available == "3"
    status, body = broker.refused(lambda: broker.market("sell", qty=4))
    assert status == 403
    assert body == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 4, available: 3)",
        "symbol": "AAPL",
        "available": "3",
        "existing_qty": "10",
        "held_for_orders": "7",
    }
    broker.market("sell", qty=3)
    broker.sdk.cancel_order_by_id(held.id)
    broker.market("sell", qty=7)
    assert broker.sdk.get_all_positions() == []


def test_sale_when_nothing_is_held_then_shorting_is_refused(broker: Client) -> None:
    assert broker.refused(lambda: broker.market("sell")) == (
        403,
        {"code": 40310000, "message": "account is not allowed to short"},
    )


@pytest.mark.parametrize(
    ("resting", "incoming", "crosses"),
    [
        (("limit", "buy", 90.0), ("market", "sell", None), True),
        (("limit", "buy", 90.0), ("limit", "sell", 90.01), False),
        (("limit", "buy", 90.0), ("limit", "sell", 90.0), True),
        (("limit", "buy", 90.0), ("stop", "sell", 80.0), True),
        (("limit", "sell", 110.0), ("market", "buy", None), True),
        (("limit", "sell", 110.0), ("limit", "buy", 109.99), False),
        (("limit", "sell", 110.0), ("limit", "buy", 110.0), True),
        (("stop", "sell", 80.0), ("limit", "buy", 70.0), True),
    ],
)
def test_opposite_orders_when_they_could_trade_with_each_other_then_refused_as_wash_trade(
    broker: Client, resting: tuple[str, str, Any], incoming: tuple[str, str, Any], crosses: bool
) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=10)

    def place(kind: str, side: str, price: Any) -> Any:
        return broker.market(side) if kind == "market" else getattr(broker, kind)(side, price)

    first = place(*resting)
    if not crosses:
        place(*incoming)
        return
    status, body = broker.refused(lambda: place(*incoming))
    assert (status, body["code"]) == (403, 40310000)
    assert body["message"] == "potential wash trade detected. use complex orders"
    assert body["existing_order_id"] == str(first.id)


@pytest.mark.parametrize(("notional", "fits"), [("0.99", False), ("1", True), ("1.01", True)])
def test_amount_when_below_at_or_above_a_dollar_then_refused_or_taken(
    broker: Client, notional: str, fits: bool
) -> None:
    attempt = _post(broker, qty=None, notional=notional)
    if fits:
        attempt()
    else:
        assert broker.refused(attempt) == (
            403,
            {"code": 40310000, "message": "cost basis must be >= minimal amount of order 1"},
        )


def test_new_orders_when_suspended_by_the_user_then_refused_until_resumed(broker: Client) -> None:
    broker.told("account", {"trade_suspended_by_user": True})
    assert broker.sdk.get_account().trade_suspended_by_user is True
    assert broker.refused(lambda: broker.market("buy")) == (
        403,
        {"code": 40310000, "message": "new orders are rejected by user request"},
    )
    broker.told("account", {"trade_suspended_by_user": False})
    broker.market("buy")


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"symbol": "NOPE"}, 42210000, 'asset "NOPE" not found'),
        ({"symbol": None}, 40010001, "symbol is required"),
        ({"qty": None}, 40010001, "qty or notional is required"),
        ({"notional": "5"}, 40010001, "only one of qty or notional is accepted"),
        ({"qty": "0"}, 40010001, "qty must be > 0"),
        ({"qty": "-1"}, 40010001, "qty must be > 0"),
        ({"qty": "NaN"}, 40010001, "qty must be > 0"),
        ({"qty": "1e99"}, 40010001, "invalid qty"),
        ({"qty": "many"}, 40010001, "qty must be a number"),
        ({"qty": True}, 40010001, "qty must be a number"),
        ({"qty": "0.1234567891"}, 42210000, "qty must be limited to 9 decimal places"),
        ({"qty": None, "notional": "1.001"}, 42210000, "notional value must be limited to 2 decimal places"),
        ({"side": "hold"}, 40010001, "invalid side"),
        ({"type": "iceberg"}, 40010001, "invalid order type"),
        ({"time_in_force": "gtd"}, 40010001, "invalid time_in_force"),
        ({"type": "limit"}, 40010001, "limit orders require a limit price"),
        ({"type": "stop"}, 40010001, "stop orders require a stop price"),
        ({"type": "stop_limit", "stop_price": 5}, 40010001, "stop limit orders require both stop and limit price"),
        ({"limit_price": "5"}, 40010001, "market orders require no stop or limit price"),
        (
            {"type": "limit", "limit_price": "290.123"},
            42210000,
            "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        (
            {"type": "limit", "limit_price": 0.12345},
            42210000,
            "invalid limit_price 0.12345. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        (
            {"type": "stop", "stop_price": 1.001},
            42210000,
            "invalid stop_price 1.001. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        ({"qty": "1.5", "time_in_force": "gtc"}, 42210000, "fractional orders must be DAY orders"),
        ({"qty": None, "notional": 5, "time_in_force": "opg"}, 42210000, "fractional orders must be DAY orders"),
        ({"extended_hours": True}, 42210000, "extended hours order must be DAY or GTC limit orders"),
        (
            {"position_intent": "sell_to_close"},
            42210000,
            "position intent mismatch, inferred: buy_to_open, specified: sell_to_close",
        ),
    ],
)
def test_order_when_a_field_is_wrong_then_the_vendors_complaint(
    broker: Client, changes: dict[str, Any], code: int, message: str
) -> None:
    assert broker.refused(_post(broker, **changes)) == (422, {"code": code, "message": message})


@pytest.mark.parametrize("price", ["290.12", "0.1234", "1"])
def test_limit_price_when_on_the_tick_then_taken(broker: Client, price: str) -> None:
    assert _post(broker, type="limit", limit_price=price, qty="20")()["limit_price"] == price


def test_fractional_order_when_not_simple_or_asset_whole_only_or_short_then_refused(start: Start) -> None:
    broker = start(shorting=True)
    broker.know("WHOLE", fractionable=False)
    broker.know("HARD", shortable=False)
    bracket: dict[str, Any] = {"order_class": OrderClass.OTO, "take_profit": TakeProfitRequest(limit_price=200)}
    assert broker.refused(lambda: broker.market("buy", qty=1.5, **bracket))[1] == {
        "code": 42210000,
        "message": "fractional orders must be simple orders",
    }
    assert broker.refused(lambda: broker.market("buy", "WHOLE", qty=1.5)) == (
        403,
        {"code": 40310000, "message": 'asset "WHOLE" is not fractionable'},
    )
    assert broker.refused(lambda: broker.market("sell", qty=1.5)) == (
        422,
        {"code": 42210000, "message": "fractional orders cannot be sold short"},
    )
    assert broker.refused(lambda: broker.market("sell", "HARD")) == (
        422,
        {"code": 42210000, "message": 'asset "HARD" cannot be sold short'},
    )


def test_extended_hours_when_a_day_or_gtc_limit_then_taken(broker: Client) -> None:
    assert broker.limit("buy", 50, extended_hours=True).extended_hours is True
    assert broker.limit("buy", 50, extended_hours=True, time_in_force=TimeInForce.GTC).extended_hours is True


def test_opening_auction_order_when_the_session_is_open_then_refused(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    status, body = broker.refused(lambda: broker.market("buy", time_in_force=TimeInForce.OPG))
    assert (status, body["message"]) == (403, "opg orders must be submitted after 7:00pm and before 9:28am")


@pytest.mark.parametrize(
    ("key", "secret"), [("PKOTHER", SECRET), (KEY, "other"), (KEY[:-1], SECRET), ("schlüssel", SECRET)]
)
def test_request_when_a_key_is_wrong_then_401(broker: Client, key: str, secret: str) -> None:
    headers = {"APCA-API-KEY-ID": key.encode(), "APCA-API-SECRET-KEY": secret.encode()}
    response = requests.get(f"{broker.address}/v2/account", headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (401, {"message": "unauthorized."})


def test_sdk_when_the_key_is_wrong_then_raises_with_status_401(broker: Client) -> None:
    stranger = TradingClient("PKOTHER", SECRET, url_override=broker.address)
    assert broker.refused(stranger.get_account) == (401, {"message": "unauthorized."})
    assert requests.get(f"{broker.address}/v2/account", timeout=10).status_code == 401


def test_control_when_its_key_is_wrong_then_looks_like_nothing_is_there(broker: Client) -> None:
    refused = broker.control("GET", "audit", key="guess")
    absent = broker.sdk._session.get(
        f"{broker.address}/v2/nothing", headers=broker.sdk._get_default_headers(), hooks={"response": []}
    )
    assert (refused.status_code, refused.json()) == (404, absent.json())
    assert absent.status_code == 404
    with_account_keys = requests.get(
        f"{broker.address}/control/audit", headers=broker.sdk._get_auth_headers(), timeout=10
    )
    assert with_account_keys.status_code == 404


def test_health_when_asked_without_keys_then_answers(broker: Client) -> None:
    assert requests.get(f"{broker.address}/healthz", timeout=10).json() == {"status": "ok"}


def test_rate_limit_when_used_up_then_429_with_the_vendors_headers(start: Start) -> None:
    broker = start(rate_limit=3)
    answers = [
        requests.get(f"{broker.address}/v2/account", headers=broker.sdk._get_auth_headers(), timeout=10)
        for _ in range(4)
    ]
    remaining = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    if remaining != ["2", "1", "0", "0"]:
        pytest.skip("a minute ended during the requests")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json() == {"code": 42910000, "message": "rate limit exceeded"}
    assert answers[3].headers["X-RateLimit-Limit"] == "3"
    assert int(answers[3].headers["X-RateLimit-Reset"]) % 60 == 0


def test_throttle_when_a_minute_ends_then_counts_anew() -> None:
    from cli.paper_broker.throttle import Throttle

    moment = [120.0]
    throttle = Throttle(2, clock=lambda: moment[0])
    assert [throttle.admit() for _ in range(3)] == [True, True, False]
    moment[0] = 179.9
    assert throttle.admit() is False
    moment[0] = 180.0
    assert throttle.admit() is True
    assert dict(throttle.headers())[b"x-ratelimit-reset"] == b"240"


def test_rate_limit_when_not_configured_then_follows_the_clock(broker: Client, tmp_path: Any) -> None:
    from tests.paper_broker.harness import settings_for

    assert settings_for(tmp_path).requests_per_minute() == 0
    assert settings_for(tmp_path, clock="wall").requests_per_minute() == 200
    assert settings_for(tmp_path, clock="wall", rate_limit=0).requests_per_minute() == 0
    response = requests.get(f"{broker.address}/v2/account", headers=broker.sdk._get_auth_headers(), timeout=10)
    assert "X-RateLimit-Limit" not in response.headers


def test_body_when_not_json_then_400(broker: Client) -> None:
    response = requests.post(
        f"{broker.address}/v2/orders", data=b"{", headers=broker.sdk._get_auth_headers(), timeout=10
    )
    assert (response.status_code, response.json()["message"]) == (400, "request body format is invalid")


@pytest.mark.parametrize(
    "query",
    ["status=none", "limit=0", "limit=501", "limit=x", "direction=up", "after=yesterday", "after_order_id=none"],
)
def test_order_list_when_a_filter_is_wrong_then_422(broker: Client, query: str) -> None:
    status, body = broker.refused(lambda: broker.sdk.get(f"/orders?{query}"))
    assert (status, body["code"]) == (422, 40010001)


def test_settings_when_shown_then_hide_every_key(tmp_path: Any) -> None:
    from tests.paper_broker.harness import CONTROL, settings_for

    shown = repr(settings_for(tmp_path, opening_cash=Decimal(5)))
    assert not any(secret in shown for secret in (KEY, SECRET, CONTROL))
