"""The adapter against the running paper broker: what it sends, what it reads, and how it names refusals."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from activities.adapters.alpaca import AlpacaBroker, AlpacaSettings
from activities.adapters.alpaca import answers as read
from activities.adapters.alpaca.requests import order_body
from activities.adapters.alpaca.session import call
from activities.adapters.alpaca.stream import stream_url
from domain.broker import OrderChange, OrderClass, OrderTicket, OrderType, StopLoss, TimeInForce
from domain.decisions import Side
from domain.errors import ConfigurationError, InvalidInput, VendorRejected, VendorUnavailable
from domain.portfolio import OrderStatus
from tests.conftest import shared_data
from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import KEY, SECRET, Client, bar

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def _adapter(address: str, *, key: str = KEY) -> AlpacaBroker:
    return AlpacaBroker(AlpacaSettings(key_id=SecretStr(key), secret_key=SecretStr(SECRET), url=address))


def _ticket(name: str = "so-paper-1", **changes: Any) -> OrderTicket:
    values: dict[str, Any] = {"client_order_id": name, "symbol": "AAPL", "side": Side.BUY, "quantity": Decimal(1)}
    return OrderTicket(**{**values, **changes})


async def test_order_when_its_quantity_has_nine_places_then_the_broker_gets_exactly_that(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    exact = Decimal("1.123456789")
    placed = await _adapter(broker.address).place(_ticket(quantity=exact))
    assert placed.quantity == exact


@pytest.mark.parametrize("amount", ["0.1", "0.3", "1.000000001", "123456789.987654321", "1E+3", "7.500"])
def test_order_body_when_amounts_are_decimals_then_they_travel_as_their_own_digits(amount: str) -> None:
    body = order_body(_ticket(quantity=Decimal(amount)))
    assert isinstance(body["qty"], str)
    assert Decimal(body["qty"]) == Decimal(amount)
    assert "E" not in body["qty"]


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        (OrderType.LIMIT, {"limit_price": Decimal("90.5")}),
        (OrderType.STOP, {"stop_price": Decimal("110.25")}),
        (OrderType.STOP_LIMIT, {"stop_price": Decimal("110.25"), "limit_price": Decimal("111")}),
    ],
)
async def test_order_when_of_a_type_with_prices_then_it_rests_with_them(
    broker: Client, kind: OrderType, prices: dict[str, Decimal]
) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    placed = await adapter.place(_ticket(type=kind, time_in_force=TimeInForce.GTC, **prices))
    found = await adapter.find("so-paper-1")
    assert found is not None
    assert (found.broker_order_id, found.type, found.time_in_force) == (placed.broker_order_id, kind, TimeInForce.GTC)
    assert {name: getattr(found, name) for name in prices} == prices
    assert not found.status.final


async def test_order_when_sent_twice_under_one_id_then_the_first_is_adopted(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    first = await adapter.place(_ticket())
    again = await adapter.place(_ticket())
    assert again.broker_order_id == first.broker_order_id
    assert len(await adapter.orders(open_only=False, after=LONG_AGO)) == 1


async def test_order_when_by_amount_then_dollars_are_sent(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    placed = await _adapter(broker.address).place(_ticket(quantity=None, notional=Decimal("50.25")))
    assert placed.notional == Decimal("50.25")


async def test_lookup_when_the_id_is_unknown_then_none_and_when_the_keys_are_wrong_then_an_error(
    broker: Client,
) -> None:
    assert await _adapter(broker.address).find("so-paper-nothing") is None
    with pytest.raises(ConfigurationError):
        await _adapter(broker.address, key="PKWRONG").find("so-paper-nothing")


async def test_refusals_when_the_broker_says_no_then_each_has_its_name(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    with pytest.raises(VendorRejected) as too_much:
        await adapter.place(_ticket("so-paper-2", quantity=Decimal(9_999_999)))
    assert too_much.value.code == "BUYING_POWER_INSUFFICIENT"
    assert "buying_power" in too_much.value.fields
    await adapter.place(_ticket("so-paper-3", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc"))
    await adapter.place(_ticket("so-paper-4", quantity=Decimal(2)))
    with pytest.raises(VendorRejected) as crossing:
        await adapter.place(_ticket("so-paper-5", side=Side.SELL))
    assert crossing.value.code == "WASH_TRADE"
    with pytest.raises(VendorRejected) as small:
        await adapter.place(_ticket("so-paper-6", quantity=Decimal("0.001")))
    assert small.value.code == "ORDER_TOO_SMALL"
    with pytest.raises(VendorRejected) as unknown:
        await adapter.place(_ticket("so-paper-7", symbol="NOPE"))
    assert unknown.value.code == "ASSET_NOT_FOUND"


async def test_cancel_when_the_order_is_filled_then_it_is_left_and_when_open_then_canceled(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    filled = await adapter.place(_ticket("so-paper-8"))
    await adapter.cancel(filled.broker_order_id)
    resting = await adapter.place(_ticket("so-paper-9", type=OrderType.LIMIT, limit_price=Decimal(50)))
    await adapter.cancel(resting.broker_order_id)
    await adapter.cancel(resting.broker_order_id)
    assert (await adapter.get(filled.broker_order_id)).status is OrderStatus.FILLED
    assert (await adapter.get(resting.broker_order_id)).status is OrderStatus.CANCELED


async def test_account_and_positions_when_something_was_bought_then_both_sides_agree(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    await adapter.place(_ticket(quantity=Decimal("2.5")))
    account, positions = await adapter.account(), await adapter.positions()
    assert account.may_trade
    assert account.cash == Decimal(100_000) - Decimal(250)
    assert [(each.symbol, each.quantity, each.current_price) for each in positions] == [
        ("AAPL", Decimal("2.5"), Decimal(100))
    ]
    fills, others = await adapter.activities(since=LONG_AGO)
    assert sum(fill.quantity for fill in fills) == Decimal("2.5")
    assert others == []


async def test_activities_when_there_are_more_than_a_page_then_every_one_comes_once(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    for number in range(103):
        broker.market("buy", client_order_id=f"so-paper-{number}")
    fills, _ = await adapter.activities(since=LONG_AGO)
    assert len({fill.execution_id for fill in fills}) == len(fills) == 103
    assert len(await adapter.orders(open_only=False, after=LONG_AGO)) == 103


async def test_market_facts_when_asked_for_then_they_are_utc_and_exact(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    days = await adapter.calendar(date(2024, 3, 4), date(2024, 3, 11))
    assert [day.opens_at.hour for day in days] == [14, 14, 14, 14, 14, 13]  # summer time begins on the tenth
    assert all(day.opens_at.tzinfo is UTC for day in days)
    assert (await adapter.clock()).is_open
    asset = await adapter.asset("AAPL")
    assert asset is not None
    assert asset.active
    assert asset.tradable
    assert await adapter.asset("NOPE") is None


def test_adapter_when_looked_at_then_it_cannot_close_positions_or_cancel_everything() -> None:
    """Both carry no client order id: they could not be repeated safely."""
    assert not {"close_position", "close_all_positions", "cancel_orders"} & set(dir(AlpacaBroker))


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": None},
        {"notional": Decimal(5)},
        {"quantity": Decimal(0)},
        {"quantity": Decimal("0.0000000001")},
        {"quantity": None, "notional": Decimal("1.001")},
        {"limit_price": Decimal(5)},
        {"type": OrderType.LIMIT},
        {"type": OrderType.LIMIT, "limit_price": Decimal("5.001")},
        {"type": OrderType.LIMIT, "limit_price": Decimal("0.50001")},
        {"type": OrderType.TRAILING_STOP},
        {"type": OrderType.TRAILING_STOP, "trail_price": Decimal(1), "trail_percent": Decimal(1)},
        {"quantity": Decimal("1.5"), "time_in_force": TimeInForce.GTC},
        {"type": OrderType.STOP, "stop_price": Decimal(5), "time_in_force": TimeInForce.OPG},
        {"extended_hours": True},
        {"take_profit": Decimal(9)},
        {"order_class": OrderClass.BRACKET, "take_profit": Decimal(9)},
        {"client_order_id": ""},
        {"client_order_id": "x" * 129},
    ],
)
def test_ticket_when_its_terms_contradict_each_other_then_refused_before_it_is_sent(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        _ticket(**changes)
    assert refused.value.code == "ORDER_TERMS_INVALID"
    assert refused.value.fields["field"] in OrderTicket.model_fields


def test_bracket_body_when_made_then_both_exits_are_in_it() -> None:
    ticket = _ticket(
        order_class=OrderClass.BRACKET,
        take_profit=Decimal("120"),
        stop_loss=StopLoss(stop_price=Decimal("90"), limit_price=Decimal("89.5")),
    )
    body = order_body(ticket)
    assert body["order_class"] == "bracket"
    assert body["take_profit"] == {"limit_price": "120"}
    assert body["stop_loss"] == {"stop_price": "90", "limit_price": "89.5"}


# -- a host that answers badly ----------------------------------------------------------------------------------------


class _Script(BaseHTTPRequestHandler):
    answers: ClassVar[list[tuple[int, str]]] = []
    requests: ClassVar[list[str]] = []
    bodies: ClassVar[list[bytes]] = []

    def _reply(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        type(self).bodies.append(self.rfile.read(length))
        type(self).requests.append(f"{self.command} {self.path}")
        status, text = type(self).answers.pop(0)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _reply

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def host() -> Iterator[tuple[AlpacaBroker, type[_Script]]]:
    script = type("Script", (_Script,), {"answers": [], "requests": [], "bodies": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), script)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield _adapter(f"http://127.0.0.1:{server.server_port}"), script
    server.shutdown()
    server.server_close()


async def test_order_when_sent_then_its_quantity_is_text_on_the_wire(host: tuple[AlpacaBroker, type[_Script]]) -> None:
    adapter, script = host
    script.answers[:] = [(500, "")]
    with pytest.raises(VendorUnavailable):
        await adapter.place(_ticket(quantity=Decimal("0.1000000010")))
    assert b'"qty": "0.100000001"' in script.bodies[0]


@pytest.mark.parametrize("status", [429, 504])
async def test_order_when_the_answer_is_one_the_sdk_would_repeat_then_it_is_sent_once(
    host: tuple[AlpacaBroker, type[_Script]], status: int
) -> None:
    adapter, script = host
    script.answers[:] = [(status, '{"code": 42910000, "message": "rate limit exceeded"}')]
    with pytest.raises(Exception, match="BROKER_"):
        await adapter.place(_ticket())
    assert script.requests == ["POST /v2/orders"]


@pytest.mark.parametrize("text", ["", "null", "[]", "<html></html>", '{"id": "x"}', '{"id": "x", "status": "new"}'])
async def test_order_when_a_success_cannot_be_read_then_the_outcome_is_unknown(
    host: tuple[AlpacaBroker, type[_Script]], text: str
) -> None:
    adapter, script = host
    script.answers[:] = [(200, text)]
    with pytest.raises(VendorUnavailable):
        await adapter.place(_ticket())


@pytest.mark.parametrize("text", ["", "null", "{}", "<html></html>"])
async def test_list_when_it_cannot_be_read_then_it_is_not_taken_for_an_empty_one(
    host: tuple[AlpacaBroker, type[_Script]], text: str
) -> None:
    adapter, script = host
    script.answers[:] = [(200, text)]
    with pytest.raises(VendorUnavailable):
        await adapter.positions()


async def test_duplicate_when_the_order_is_not_listed_yet_then_nobody_knows(
    host: tuple[AlpacaBroker, type[_Script]],
) -> None:
    adapter, script = host
    script.answers[:] = [
        (422, '{"code": 40010001, "message": "client_order_id must be unique"}'),
        (404, '{"code": 40410000, "message": "order not found"}'),
    ]
    with pytest.raises(VendorUnavailable) as unknown:
        await adapter.place(_ticket())
    assert unknown.value.code == "BROKER_ORDER_NOT_LISTED_YET"


async def test_error_when_raised_then_it_never_shows_the_keys(host: tuple[AlpacaBroker, type[_Script]]) -> None:
    adapter, script = host
    script.answers[:] = [(500, "boom")]
    with pytest.raises(VendorUnavailable) as failed:
        await adapter.account()
    assert SECRET not in repr(failed.value) + str(failed.value) + repr(failed.value.__cause__)


async def test_call_when_canceled_then_it_waits_for_the_request_that_is_under_way() -> None:
    ended = threading.Event()
    begun = threading.Event()

    def slow() -> str:
        begun.set()
        ended.wait(5)
        return "sent"

    task = asyncio.create_task(call(slow, str))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=0.2)
    assert not done
    ended.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("url", "paper", "expected"),
    [
        ("", True, "wss://paper-api.alpaca.markets/stream"),
        ("", False, "wss://api.alpaca.markets/stream"),
        ("http://127.0.0.1:81", True, "ws://127.0.0.1:81/stream"),
        ("https://broker.test/b1", True, "wss://broker.test/b1/stream"),
    ],
)
def test_stream_address_when_a_host_is_given_then_it_is_beside_it(url: str, paper: bool, expected: str) -> None:
    settings = AlpacaSettings(key_id=SecretStr(KEY), secret_key=SecretStr(SECRET), paper=paper, url=url)
    assert stream_url(settings) == expected


# -- recorded answers of the vendor -----------------------------------------------------------------------------------


def _recorded(name: str) -> Any:
    text = shared_data(f"api/alpaca/recorded_haannbboo/{name}.json").read_text(encoding="utf-8")
    return json.loads(text, parse_float=Decimal)


def test_recorded_answers_when_read_then_every_figure_is_the_vendors() -> None:
    account = read.account(_recorded("account"))
    assert (account.cash, account.equity) == (Decimal("99694.41"), Decimal("99999.63"))
    assert account.may_trade
    page = read.order_page(_recorded("orders"))
    assert (page.orders[0].status, page.orders[0].filled_average_price) == (OrderStatus.FILLED, Decimal("305.59"))
    position = read.positions(_recorded("positions"))[0]
    assert (position.quantity, position.current_price) == (Decimal(1), Decimal("305.22"))
    fill = read.activity_page(_recorded("activities")).fills[0]
    assert (fill.quantity, fill.price) == (Decimal(10), Decimal("187.25"))


async def test_replace_when_the_order_is_open_then_a_new_order_takes_its_place(start: Start) -> None:
    broker = start()
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    first = await adapter.place(_ticket(type=OrderType.LIMIT, limit_price=Decimal(50)))
    new = await adapter.replace(
        first.broker_order_id, OrderChange(client_order_id="so-paper-1-r1", limit_price=Decimal("51.5"))
    )
    assert (new.replaces, new.client_order_id) == (first.broker_order_id, "so-paper-1-r1")
    old = await adapter.find("so-paper-1")
    assert old is not None
    assert old.replaced_by == new.broker_order_id
    again = await adapter.replace(
        first.broker_order_id, OrderChange(client_order_id="so-paper-1-r1", limit_price=Decimal("51.5"))
    )
    assert again.broker_order_id == new.broker_order_id


async def test_bracket_when_its_entry_fills_then_both_exits_come_back_as_legs(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    placed = await adapter.place(
        _ticket(
            time_in_force=TimeInForce.GTC,
            order_class=OrderClass.BRACKET,
            take_profit=Decimal(120),
            stop_loss=StopLoss(stop_price=Decimal(90)),
        )
    )
    found = await adapter.get(placed.broker_order_id)
    assert (found.order_class, found.status) == (OrderClass.BRACKET, OrderStatus.FILLED)
    assert {(leg.type, leg.limit_price, leg.stop_price) for leg in found.legs} == {
        (OrderType.LIMIT, Decimal(120), None),
        (OrderType.STOP, None, Decimal(90)),
    }
    listed = await adapter.orders(open_only=False, after=LONG_AGO)
    assert [len(order.legs) for order in listed] == [2]


@pytest.mark.parametrize("trail", [{"trail_price": Decimal("2.5")}, {"trail_percent": Decimal(3)}])
async def test_trailing_stop_when_sent_then_it_rests(broker: Client, trail: dict[str, Decimal]) -> None:
    broker.opened(bar("AAPL", "100"))
    adapter = _adapter(broker.address)
    await adapter.place(_ticket("so-paper-1"))
    placed = await adapter.place(_ticket("so-paper-2", side=Side.SELL, type=OrderType.TRAILING_STOP, **trail))
    assert placed.type is OrderType.TRAILING_STOP
    assert not placed.status.final


async def test_snapshots_and_history_when_asked_for_then_they_are_exact_decimals(broker: Client) -> None:
    broker.opened(bar("AAPL", "100.25"))
    adapter = _adapter(broker.address)
    await adapter.place(_ticket())
    broker.closed(bar("AAPL", "101.1"))
    seen = await adapter.snapshots(["AAPL"])
    assert seen["AAPL"].last == Decimal("101.1")
    history = await adapter.equity_history(period="1D", timeframe="1D")
    assert all(isinstance(point.equity, Decimal) for point in history)
