"""The vendor's answers as domain values. Its JSON stops here; amounts are read as decimals from text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from domain.broker import (
    BrokerAccount,
    BrokerActivity,
    BrokerAsset,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    EquityPoint,
    MarketClock,
    MarketDay,
    OrderClass,
    OrderType,
    Snapshot,
    TimeInForce,
)
from domain.decisions import Side
from domain.errors import VendorUnavailable
from domain.portfolio import OrderStatus

NEW_YORK = ZoneInfo("America/New_York")
ZERO = Decimal(0)
FILL = "FILL"
REPLACED = "replaced"

STATUS = {
    "new": OrderStatus.ACCEPTED,
    "accepted": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED,
    "held": OrderStatus.ACCEPTED,
    "calculated": OrderStatus.ACCEPTED,
    "stopped": OrderStatus.ACCEPTED,
    "suspended": OrderStatus.ACCEPTED,
    "pending_cancel": OrderStatus.ACCEPTED,
    "pending_replace": OrderStatus.ACCEPTED,
    "pending_review": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "replaced": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "done_for_day": OrderStatus.ACCEPTED,
    "rejected": OrderStatus.REJECTED,
}
"""`replaced` ends this order; `replaced_by` says which one goes on, and nothing before: a fill may still be faster."""

MOVES_SHARES = frozenset({"SPLIT", "SPIN", "JNLS", "ACATS", "MA", "NC", "REORG", "FOPT", "OPASN", "OPEXC"})
"""Activities whose quantity changes a position; in others (a dividend) it only says what they were counted on."""

Fields = Mapping[str, Any]


def order(entry: Any) -> BrokerOrder:
    fields = _fields(entry)
    filled = _amount(fields, "filled_qty") or ZERO
    status = STATUS.get(fields["status"], OrderStatus.ACCEPTED)
    if status is OrderStatus.ACCEPTED and filled > 0:  # it stays partly filled while called pending_cancel or the like
        status = OrderStatus.PARTIALLY_FILLED
    average = _amount(fields, "filled_avg_price")
    return BrokerOrder(
        broker_order_id=str(fields["id"]),
        client_order_id=str(fields["client_order_id"]),
        symbol=fields.get("symbol") or "",
        side=Side(fields.get("side") or ""),
        quantity=_amount(fields, "qty") or ZERO,
        notional=_amount(fields, "notional"),
        status=status,
        filled_quantity=filled,
        filled_average_price=average if filled else None,
        submitted_at=_instant(fields["submitted_at"]),
        reason="rejected by the broker after it was accepted" if status is OrderStatus.REJECTED else "",
        type=OrderType(fields.get("type") or fields.get("order_type") or "market"),
        time_in_force=TimeInForce(fields["time_in_force"]),
        limit_price=_amount(fields, "limit_price"),
        stop_price=_amount(fields, "stop_price"),
        order_class=OrderClass(fields.get("order_class") or "simple"),
        replaces=str(fields.get("replaces") or ""),
        replaced_by=str(fields.get("replaced_by") or "") if fields["status"] == REPLACED else "",
        legs=tuple(order(leg) for leg in fields.get("legs") or ()),
    )


@dataclass(frozen=True)
class OrderPage:
    """A page of the order list; what the platform cannot know, an options spread, is only counted."""

    orders: list[BrokerOrder]
    length: int
    last_at: datetime | None


def order_page(answer: Any) -> OrderPage:
    entries = [_fields(entry) for entry in _rows(answer)]
    return OrderPage(
        orders=[order(entry) for entry in entries if _single(entry)],
        length=len(entries),
        last_at=_instant(entries[-1]["submitted_at"]) if entries else None,
    )


def _single(entry: Any) -> bool:
    """Whether an entry has a symbol and a side of its own."""
    fields = _fields(entry)
    return bool(fields.get("symbol")) and fields.get("side") in ("buy", "sell") and fields.get("order_class") != "mleg"


def fill(entry: Any) -> BrokerFill:
    fields = _fields(entry)
    return BrokerFill(
        execution_id=str(fields["id"]),
        broker_order_id=str(fields["order_id"]),
        symbol=fields["symbol"],
        side=Side.BUY if fields["side"] == "buy" else Side.SELL,
        quantity=abs(_required(fields, "qty")),
        price=_required(fields, "price"),
        filled_at=_instant(fields["transaction_time"]),
    )


def activity(entry: Any) -> BrokerActivity:
    fields = _fields(entry)
    kind = str(fields["activity_type"])
    return BrokerActivity(
        activity_id=str(fields["id"]),
        kind=kind,
        day=date.fromisoformat(str(fields["date"])[:10]),
        symbol=fields.get("symbol") or "",
        quantity=(_amount(fields, "qty") or ZERO) if kind in MOVES_SHARES else ZERO,
        net_amount=_amount(fields, "net_amount") or ZERO,
        per_share=_amount(fields, "per_share_amount"),
        canceled=fields.get("status") == "canceled",
    )


@dataclass(frozen=True)
class ActivityPage:
    fills: list[BrokerFill]
    others: list[BrokerActivity]
    length: int
    last_id: str


def activity_page(answer: Any) -> ActivityPage:
    entries = [_fields(entry) for entry in _rows(answer)]
    return ActivityPage(
        fills=[fill(entry) for entry in entries if entry["activity_type"] == FILL],
        others=[activity(entry) for entry in entries if entry["activity_type"] != FILL],
        length=len(entries),
        last_id=str(entries[-1]["id"]) if entries else "",
    )


def positions(answer: Any) -> list[BrokerPosition]:
    return [position(entry) for entry in _rows(answer)]


def position(entry: Any) -> BrokerPosition:
    fields = _fields(entry)
    quantity = _required(fields, "qty")
    return BrokerPosition(
        symbol=fields["symbol"],
        quantity=-abs(quantity) if fields.get("side") == "short" else quantity,
        average_price=_required(fields, "avg_entry_price"),
        current_price=_amount(fields, "current_price"),
        available=_amount(fields, "qty_available"),
    )


def account(entry: Any) -> BrokerAccount:
    fields = _fields(entry)
    return BrokerAccount(
        cash=_required(fields, "cash"),
        equity=_required(fields, "equity"),
        buying_power=_required(fields, "buying_power"),
        status=str(fields.get("status") or ""),
        trading_blocked=bool(fields.get("trading_blocked")),
        account_blocked=bool(fields.get("account_blocked")),
        suspended_by_user=bool(fields.get("trade_suspended_by_user")),
        shorting_enabled=bool(fields.get("shorting_enabled")),
        last_equity=_amount(fields, "last_equity"),
        accrued_fees=_amount(fields, "accrued_fees") or ZERO,
    )


def asset(entry: Any) -> BrokerAsset:
    fields = _fields(entry)
    return BrokerAsset(
        symbol=fields["symbol"],
        active=fields.get("status") == "active",
        tradable=bool(fields.get("tradable")),
        fractionable=bool(fields.get("fractionable")),
        shortable=bool(fields.get("shortable")),
    )


def clock(entry: Any) -> MarketClock:
    fields = _fields(entry)
    return MarketClock(
        at=_instant(fields["timestamp"]),
        is_open=bool(fields["is_open"]),
        next_open=_instant(fields["next_open"]),
        next_close=_instant(fields["next_close"]),
    )


def day(entry: Any) -> MarketDay:
    """A day of the calendar; its times of day are naive New York time."""
    fields = _fields(entry)
    on = date.fromisoformat(fields["date"])
    return MarketDay(day=on, opens_at=_time_of_day(on, fields["open"]), closes_at=_time_of_day(on, fields["close"]))


def days(answer: Any) -> list[MarketDay]:
    return [day(entry) for entry in _rows(answer)]


def history(entry: Any) -> list[EquityPoint]:
    """The account over time; instants without a value are left out."""
    fields = _fields(entry)
    rows = zip(fields.get("timestamp") or (), fields.get("equity") or (), fields.get("profit_loss") or (), strict=True)
    return [
        EquityPoint(
            at=datetime.fromtimestamp(int(at), UTC), equity=Decimal(equity), profit_loss=Decimal(profit_loss or 0)
        )
        for at, equity, profit_loss in rows
        if equity is not None
    ]


def snapshot(symbol: str, entry: Any) -> Snapshot:
    fields = _fields(entry)
    trade, quote = fields.get("latestTrade") or {}, fields.get("latestQuote") or {}
    today, before = fields.get("dailyBar") or {}, fields.get("prevDailyBar") or {}
    return Snapshot(
        symbol=symbol,
        last=_amount(trade, "p"),
        last_at=_instant(trade["t"]) if trade.get("t") else None,
        bid=_amount(quote, "bp") or None,
        ask=_amount(quote, "ap") or None,
        close=_amount(today, "c"),
        previous_close=_amount(before, "c"),
    )


def snapshots(answer: Any) -> dict[str, Snapshot]:
    return {symbol: snapshot(symbol, entry) for symbol, entry in _fields(answer).items() if entry}


def nothing(_: Any) -> None:
    """An answer without a body that anybody needs."""


def _rows(answer: Any) -> list[Any]:
    """A list answer. Anything else, above all no body at all, is not an empty list."""
    if not isinstance(answer, list):
        raise _misshapen("a list")
    return answer


def _fields(entry: Any) -> Fields:
    if not isinstance(entry, Mapping):
        raise _misshapen("an object")
    return entry


def _amount(fields: Fields, name: str) -> Decimal | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise _misshapen(f"a number in {name}") from None


def _required(fields: Fields, name: str) -> Decimal:
    value = _amount(fields, name)
    if value is None:
        raise _misshapen(f"a number in {name}")
    return value


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _time_of_day(on: date, text: str) -> datetime:
    hours, minutes = text.replace(":", "")[:2], text.replace(":", "")[2:4]
    return datetime(on.year, on.month, on.day, int(hours), int(minutes), tzinfo=NEW_YORK).astimezone(UTC)


def _misshapen(expected: str) -> VendorUnavailable:
    return VendorUnavailable("BROKER_ANSWER_UNREADABLE", "The outcome is unknown; asked again", expected=expected)
