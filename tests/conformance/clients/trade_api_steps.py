"""The steps of the conformance run with alpaca-trade-api, in that client's own environment.

Reads from standard input where the broker is; prints one JSON line a step: its name, and what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import traceback
from decimal import Decimal
from uuid import uuid4

import requests
from alpaca_trade_api import REST, Stream, TimeFrame
from alpaca_trade_api.rest import APIError

PATIENCE_SECONDS = 15
DAYS = iter(f"2024-03-{day:02d}" for day in (4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 25, 26, 27, 28))


class Bench:
    """The client, the control API, and a market that is opened and closed day by day."""

    def __init__(self, told):
        self.told = told
        self.url = told["url"]
        self.api = REST(told["key"], told["secret"], self.url)
        self.day = ""

    def control(self, path, body):
        headers = {"X-Control-Key": self.told["control_key"]}
        answer = requests.post(f"{self.url}/control/{path}", json=body, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def audit(self):
        headers = {"X-Control-Key": self.told["control_key"]}
        return requests.get(f"{self.url}/control/audit", headers=headers, timeout=20).json()["violations"]

    def phase(self, phase, **bars):
        if phase == "open":
            self.day = next(DAYS)
        rows = [
            dict(zip(("symbol", "open", "high", "low", "close", "volume"), (symbol, *values, 1000), strict=True))
            for symbol, values in bars.items()
        ]
        message = {"session": self.day, "phase": phase, "bars": rows}
        message.update(opens_at=f"{self.day}T14:30:00Z", closes_at=f"{self.day}T20:00:00Z")
        return self.control("sessions", message)

    def open(self, price="100"):
        self.phase("open", AAPL=[price] * 4, MSFT=["50"] * 4)

    def close(self, high="100", low="100", close="100", opening="100"):
        self.phase("close", AAPL=[opening, high, low, close], MSFT=["50"] * 4)

    def flat(self):
        """Leave nothing behind for the next step."""
        self.api.cancel_all_orders()
        self.api.close_all_positions()

    def fault(self, kind, **fields):
        self.control("faults", {"kind": kind, **fields})

    def order(self, side="buy", symbol="AAPL", **fields):
        defaults = {"type": "market", "time_in_force": "day"}
        if "notional" not in fields:
            defaults["qty"] = 1
        return self.api.submit_order(symbol=symbol, side=side, **{**defaults, **fields})

    def limit(self, price, **fields):
        return self.order(type="limit", limit_price=price, **fields)

    def status(self, order):
        return self.api.get_order(order.id).status

    def refused(self, attempt):
        try:
            attempt()
        except APIError as error:
            return error
        raise AssertionError("the broker took it")


def bad_key(bench):
    stranger = REST("PKNOBODY", bench.told["secret"], bench.url)
    assert bench.refused(stranger.get_account).status_code == 401


def account_clock_calendar(bench):
    assert Decimal(bench.api.get_account().cash) == 100_000
    days = bench.api.get_calendar(start="2024-03-04", end="2024-03-04")
    clock = bench.api.get_clock()
    assert clock.next_open.date() == days[0].date.date()
    assert clock.is_open is False


def asset_and_404(bench):
    assert bench.api.get_asset("AAPL").tradable
    error = bench.refused(lambda: bench.api.get_asset("NOPE"))
    assert (error.status_code, error.code) == (404, 40410000)
    assert "AAPL" in {asset.symbol for asset in bench.api.list_assets(status="active")}


def bars_paging(bench):
    prices = {"open": "10", "high": "12", "low": "9", "close": "11", "timeframe": "1Min"}
    starts = [f"2024-02-01T15:{minute:02d}:00Z" for minute in range(30)]
    bench.control("bars", {"bars": [{"symbol": s, "start": at, **prices} for s in ("AAPL", "MSFT") for at in starts]})
    found = bench.api.get_bars(["AAPL", "MSFT"], TimeFrame.Minute, start="2024-02-01", end="2024-02-02", limit=45)
    assert len(found) == 45
    assert len(bench.api.get_bars("AAPL", TimeFrame.Minute, start="2024-02-01", end="2024-02-02").df) == 30
    first, token = [], None
    while True:
        page = bench.api.data_get(
            "/stocks/bars",
            {"symbols": "AAPL,MSFT", "timeframe": "1Min", "start": "2024-02-01", "limit": 7, "page_token": token},
            api_version="v2",
        )
        first += [bar for bars in page["bars"].values() for bar in bars]
        token = page["next_page_token"]
        if token is None:
            break
    assert len(first) == 60
    assert bench.api.get_news("AAPL") == []


def stream(bench):
    with Ears(bench) as ears:
        order = bench.limit("1")
        ears.wait(lambda: ears.events(order) == ["accepted"])
    bench.flat()


def far_limit(bench):
    bench.open()
    order = bench.limit("1")
    bench.close(high="120", low="80")
    assert bench.status(order) == "expired"


def by_client_id(bench):
    name = str(uuid4())
    order = bench.limit("1", client_order_id=name)
    assert bench.api.get_order_by_client_order_id(name).id == order.id
    bench.flat()


def duplicate(bench):
    bench.limit("1", client_order_id="twice")
    error = bench.refused(lambda: bench.limit("2", client_order_id="twice"))
    assert (error.status_code, error.code, str(error)) == (422, 40010001, "client_order_id must be unique")
    bench.flat()


def reuse_after_cancel(bench):
    """The broker of this run keeps ids forever, the second one only while their order is open."""
    other = REST(bench.told["key"], bench.told["secret"], bench.told["active_scope_url"])
    for api, taken in ((bench.api, False), (other, True)):
        name = str(uuid4())

        def submit(api=api, name=name):
            return api.submit_order("AAPL", 1, type="limit", limit_price="1", client_order_id=name)

        api.cancel_order(submit().id)
        if taken:
            assert submit().client_order_id == name
        else:
            assert bench.refused(submit).code == 40010001


def replace_chain(bench):
    bench.open()
    first = bench.limit("1")
    second = bench.api.replace_order(first.id, limit_price="2")
    third = bench.api.replace_order(second.id, qty="3")
    assert [bench.status(order) for order in (first, second, third)] == ["replaced", "replaced", "new"]
    assert (bench.api.get_order(first.id).replaced_by, third.replaces, third.qty) == (second.id, second.id, "3")
    bench.flat()
    bench.close()


def cancel(bench):
    bench.open()
    order = bench.limit("1")
    bench.api.cancel_order(order.id)
    bench.api.cancel_order(order.id)
    assert bench.status(order) == "canceled"
    filled = bench.order()
    assert bench.refused(lambda: bench.api.cancel_order(filled.id)).code == 42210000
    bench.flat()
    bench.close()


def partial_fill(bench):
    bench.open()
    with Ears(bench) as ears:
        bench.fault("partial_fill")
        order = bench.order(qty=7)
        bench.close(high="111", close="110")
        ears.wait(lambda: "fill" in ears.events(order))
    fills = [fill for fill in bench.api.get_activities("FILL") if fill.order_id == order.id]
    heard = [update for update in ears.heard if update["order"]["id"] == order.id and "execution_id" in update]
    assert sum(Decimal(fill.qty) for fill in fills) == sum(Decimal(update["qty"]) for update in heard) == 7
    assert {fill.id.partition("::")[2] for fill in fills} == {update["execution_id"] for update in heard}


def oversell(bench):
    bench.open("110")
    error = bench.refused(lambda: bench.order("sell", qty=8))
    assert (error.status_code, error.code) == (403, 40310000)
    assert "insufficient qty" in str(error)


def wash_trade(bench):
    bench.order("sell", type="limit", limit_price="130")
    error = bench.refused(lambda: bench.limit("131"))
    assert "wash trade" in str(error)
    bench.flat()
    bench.close(opening="110", high="110", low="100")


def notional_and_fractional(bench):
    bench.open("30")
    order = bench.api.get_order(bench.order(notional=100).id)
    assert (order.qty, order.filled_qty) == (None, "3.333333333")
    bench.order(qty="0.666666667")
    assert bench.api.get_position("AAPL").qty == "4"
    bench.flat()
    bench.close(opening="30", high="30", low="30", close="30")


def bracket(bench):
    bench.open()
    exits = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "90"}}
    entry = bench.order(qty=2, order_class="bracket", time_in_force="gtc", **exits)
    bench.close(high="112", low="95", close="111")
    legs = bench.api.get_order(entry.id, nested=True).legs
    assert [(leg.status, leg.filled_avg_price) for leg in legs] == [("filled", "110"), ("canceled", None)]


def closed_market(bench):
    waiting, low = bench.order(), bench.limit("50")
    assert (waiting.status, low.status) == ("accepted", "accepted")
    bench.open()
    bench.close()
    assert (bench.status(waiting), bench.status(low)) == ("filled", "expired")


def unclear_answers(bench):
    """This client repeats 429 and 504 by itself, orders included: it meets its own order."""
    bench.api._retry_wait = 0
    bench.fault("storm_429", count=2)
    bench.limit("1", client_order_id="stormed")
    bench.fault("error_504_after_commit")
    assert bench.refused(lambda: bench.limit("1", client_order_id="lost")).code == 40010001
    bench.fault("hang")
    threading.Thread(target=lambda: bench.limit("1", client_order_id="hung"), daemon=True).start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for name in ("stormed", "lost", "hung"):
        while True:
            try:
                assert bench.api.get_order_by_client_order_id(name).limit_price == "1"
                break
            except APIError:
                assert time.monotonic() < deadline, name
                time.sleep(0.05)
    bench.flat()


def close_and_audit(bench):
    bench.open()
    bench.order(symbol="MSFT", qty=3)
    bench.order(symbol="AAPL", qty=3)
    bench.api.close_position("AAPL", qty=2)
    bench.flat()
    assert bench.api.list_positions() == bench.api.list_orders() == []
    cash, token = Decimal(100_000), None
    while True:
        page = bench.api.get_activities(["FILL", "FEE", "DIV"], direction="asc", page_size=10, page_token=token)
        for fill in page:
            sign = -1 if fill.side == "buy" else 1
            cash += sign * round(Decimal(fill.qty) * Decimal(fill.price), 6)
        if not page:
            break
        token = page[-1].id
    account = bench.api.get_account()
    assert cash == Decimal(account.cash) == Decimal(account.equity)
    assert bench.api.get_portfolio_history(period="1M", timeframe="1D").equity[0] == 100_000
    assert bench.api.get_snapshot("AAPL").latest_trade.price == 100
    assert bench.audit() == []


STEPS = (
    bad_key,
    account_clock_calendar,
    asset_and_404,
    bars_paging,
    stream,
    far_limit,
    by_client_id,
    duplicate,
    reuse_after_cancel,
    replace_chain,
    cancel,
    partial_fill,
    oversell,
    wash_trade,
    notional_and_fractional,
    bracket,
    closed_market,
    unclear_answers,
    close_and_audit,
)


class Ears:
    """The client's own stream in a thread, and what it heard."""

    def __init__(self, bench):
        self.bench = bench
        self.heard = []
        self._stream = Stream(bench.told["key"], bench.told["secret"], bench.url)._trading_ws
        self._stream.subscribe_trade_updates(self._hear)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stream._run_forever()), daemon=True)

    async def _hear(self, update):
        self.heard.append(update._raw)

    def _knock(self):
        """Give the stream something to hear, and take it back."""
        order = self.bench.api.submit_order("TINY", 1, type="limit", limit_price="1")
        self.bench.api.cancel_order(order.id)
        return order

    def __enter__(self):
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.heard:
            assert time.monotonic() < deadline, "the stream is silent"
            self._knock()
            time.sleep(0.05)
        last = self._knock()
        self.wait(lambda: "canceled" in self.events(last))
        self.heard.clear()
        return self

    def __exit__(self, *_):
        self._stream.stop()
        self._knock()

    def events(self, order):
        return [update["event"] for update in self.heard if update["order"]["id"] == order.id]

    def wait(self, until):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, [update["event"] for update in self.heard]
            time.sleep(0.01)


def buy_until_the_end(told):
    """Buy until the broker dies; print every order it answered."""
    api = REST(told["key"], told["secret"], told["url"])
    for number in range(100_000):
        print(api.submit_order("AAPL", 3, client_order_id=f"so-{number}").client_order_id, flush=True)


def main():
    told = json.load(sys.stdin)
    if told.get("buy"):
        buy_until_the_end(told)
        return
    bench = Bench(told)
    for step in STEPS:
        problem = ""
        try:
            step(bench)
        except Exception:
            problem = traceback.format_exc()[-1500:]
        print(json.dumps({"step": step.__name__, "problem": problem}), flush=True)


if __name__ == "__main__":
    main()
