"""The book's rows in the vendor's JSON: money and quantities are strings, times are UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cli.paper_broker.amounts import SHARE, divide, dollars, ratio_text, shares, value_of
from cli.paper_broker.ledger import Ledger, stamp
from cli.paper_broker.records import Activity, Asset, Order, OrderType, Position
from cli.paper_broker.valuation import Standing

CLASS = "us_equity"
_SUB_TYPES = {"DIV": "CDIV", "FEE": "COM"}


def _time(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _price(amount: int | None) -> str | None:
    return None if amount is None else dollars(amount)


def order(order: Order, asset: Asset, legs: Sequence[Order] = ()) -> dict[str, Any]:
    """The vendor's order, with the legs that are given, take profit first.

    `expires_at` is left out while the session the order waits for is unknown.
    """
    take_profit_first = sorted(legs, key=lambda leg: (leg.type is not OrderType.LIMIT, leg.sequence))
    return _order(order, asset) | {"legs": [_order(leg, asset) for leg in take_profit_first] or None}


def trade_update(
    ledger: Ledger,
    event: str,
    order: Order,
    *,
    at: datetime,
    execution_id: str | None,
    quantity: int,
    price: int | None,
) -> dict[str, Any]:
    """What the stream sends of a change; an execution tells its quantity, its price and the position after it."""
    asset = ledger.asset(order.symbol)
    assert asset is not None
    data: dict[str, Any] = {"event": event, "timestamp": stamp(at), "order": _order(order, asset)}
    if execution_id is not None:
        position = ledger.position(order.symbol)
        data |= {
            "execution_id": execution_id,
            "price": _price(price),
            "qty": shares(quantity),
            "position_qty": shares(position.quantity if position else 0),
        }
    return {"stream": "trade_updates", "data": data}


def _order(order: Order, asset: Asset) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": stamp(order.created_at),
        "updated_at": stamp(order.updated_at),
        "submitted_at": stamp(order.submitted_at),
        "filled_at": _time(order.filled_at),
        "expired_at": _time(order.expired_at),
        "canceled_at": _time(order.canceled_at),
        "failed_at": _time(order.failed_at),
        "replaced_at": _time(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset.id,
        "symbol": order.symbol,
        "asset_class": CLASS,
        "notional": _price(order.notional),
        "qty": None if order.quantity is None else shares(order.quantity),
        "filled_qty": shares(order.filled_quantity),
        "filled_avg_price": _price(order.average_price()),
        "order_class": order.order_class,
        "order_type": order.type.value,
        "type": order.type.value,
        "side": order.side.value,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force.value,
        "limit_price": _price(order.limit_price),
        "stop_price": _price(order.stop_price),
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": None,
        "trail_percent": _price(order.trail_percent),
        "trail_price": _price(order.trail_price),
        "hwm": _price(order.hwm),
        "ratio_qty": None,
        "subtag": None,
        "source": None,
    }
    if order.expires_at is not None:
        shown["expires_at"] = stamp(order.expires_at)
    return shown


def account(worth: Standing, *, shorting: bool) -> dict[str, Any]:
    """The vendor's account, a cash account: its multiplier is 1 and nothing can be bought on margin."""
    held = worth.account
    power = dollars(worth.buying_power)
    return {
        "id": held.id,
        "account_number": held.number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": dollars(held.cash),
        "equity": dollars(worth.equity),
        "last_equity": dollars(held.last_equity),
        "portfolio_value": dollars(worth.equity),
        "long_market_value": dollars(worth.long_value),
        "short_market_value": dollars(worth.short_value),
        "buying_power": power,
        "regt_buying_power": power,
        "non_marginable_buying_power": power,
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "multiplier": "1",
        "initial_margin": dollars(worth.initial_margin),
        "maintenance_margin": dollars(worth.maintenance_margin),
        "last_maintenance_margin": "0",
        "sma": "0",
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "intraday_adjustments": "0",
        "balance_asof": held.balance_as_of or held.created_at.date().isoformat(),
        "created_at": stamp(held.created_at),
        "shorting_enabled": shorting,
        "trade_suspended_by_user": held.suspended,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
    }


def configurations(ledger: Ledger) -> dict[str, Any]:
    """The vendor's account configurations, without the pattern-day-trader fields, which are gone since July 2026."""
    return asdict(ledger.configurations()) | {"suspend_trade": ledger.account().suspended}


def position(ledger: Ledger, position: Position) -> dict[str, Any]:
    """The vendor's position, valued at the latest price; intraday figures start from the last close."""
    asset = ledger.asset(position.symbol)
    assert asset is not None
    price = ledger.price(position.symbol)
    average = divide(position.cost * SHARE, position.quantity)
    last = average if price is None else price.last
    previous = last if price is None or price.previous_close is None else price.previous_close
    worth = value_of(last, position.quantity)
    held = sum(order.held() for order in ledger.open_orders(position.symbol))
    available = max(abs(position.quantity) - held, 0)
    profit, day_profit = worth - position.cost, worth - position.day_cost
    return {
        "asset_id": asset.id,
        "symbol": position.symbol,
        "exchange": asset.exchange,
        "asset_class": CLASS,
        "asset_marginable": True,
        "avg_entry_price": dollars(average),
        "qty": shares(position.quantity),
        "qty_available": shares(available if position.quantity > 0 else -available),
        "side": "long" if position.quantity > 0 else "short",
        "market_value": dollars(worth),
        "cost_basis": dollars(position.cost),
        "unrealized_pl": dollars(profit),
        "unrealized_plpc": ratio_text(profit, abs(position.cost)),
        "unrealized_intraday_pl": dollars(day_profit),
        "unrealized_intraday_plpc": ratio_text(day_profit, abs(position.day_cost)),
        "current_price": dollars(last),
        "lastday_price": dollars(previous),
        "change_today": ratio_text(last - previous, previous),
    }


def asset(asset: Asset) -> dict[str, Any]:
    return {
        "id": asset.id,
        "class": CLASS,
        "exchange": asset.exchange,
        "symbol": asset.symbol,
        "name": asset.name,
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": asset.shortable,
        "easy_to_borrow": asset.shortable,
        "borrow_status": "easy_to_borrow" if asset.shortable else "hard_to_borrow",
        "fractionable": asset.fractionable,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "100",
        "attributes": [],
    }


def activity_id(activity: Activity) -> str:
    """An activity's id as clients know it: its time to the millisecond, and its own id."""
    return f"{activity.at:%Y%m%d%H%M%S}{activity.at.microsecond // 1000:03d}::{activity.id}"


def activity(ledger: Ledger, activity: Activity) -> dict[str, Any]:
    """A fill, or any other change of cash or position in the vendor's other shape."""
    head = {"id": activity_id(activity), "activity_type": activity.kind, "symbol": activity.symbol}
    if activity.kind == "FILL":
        return head | {
            "transaction_time": stamp(activity.at),
            "type": "partial_fill" if activity.leaves else "fill",
            "price": _price(activity.price),
            "qty": shares(abs(activity.quantity)),
            "side": "buy" if activity.quantity > 0 else "sell",
            "leaves_qty": shares(activity.leaves or 0),
            "cum_qty": shares(activity.cumulative or 0),
            "order_id": activity.order_id,
            "order_status": activity.order_status,
        }
    other = head | {
        "date": activity.session,
        "created_at": stamp(activity.at),
        "net_amount": dollars(activity.cash),
        "currency": "USD",
        "status": "executed",
    }
    if activity.kind in _SUB_TYPES:
        other["activity_sub_type"] = _SUB_TYPES[activity.kind]
    if activity.kind == "DIV" and activity.price:
        eligible = divide(activity.cash * SHARE, activity.price)
        return other | {"per_share_amount": dollars(activity.price), "qty": shares(eligible)}
    return other | {"qty": shares(activity.quantity)}
