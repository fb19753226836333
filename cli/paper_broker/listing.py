"""Reading the vendor's list parameters and running them on the book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cli.paper_broker.exchange import FIRST_DAY
from cli.paper_broker.ledger import Ledger, stamp
from cli.paper_broker.lifecycle import FINAL
from cli.paper_broker.records import Activity, Asset, Order
from cli.paper_broker.refusals import invalid

MAX_ORDERS = 500
MAX_ACTIVITIES = 100
_ENDED = ", ".join(f"'{status}'" for status in sorted(FINAL))
_STATUS = {"open": f"status NOT IN ({_ENDED})", "closed": f"status IN ({_ENDED})", "all": "1"}
_EQUITIES = {"us_equity", "all"}
_CATEGORIES = {"trade_activity": "kind = 'FILL'", "non_trade_activity": "kind <> 'FILL'"}
_FAR = date(2100, 1, 1)

Parameters = Mapping[str, str]


def names_in(parameters: Parameters, name: str) -> tuple[str, ...]:
    """The names of a comma-separated parameter, in upper case."""
    return tuple(part.strip().upper() for part in parameters.get(name, "").split(",") if part.strip())


def is_true(parameters: Parameters, name: str) -> bool:
    return parameters.get(name, "").lower() in ("true", "1", "t")


def _choice(parameters: Parameters, name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = parameters.get(name) or default
    if value not in allowed:
        raise invalid(f"invalid {name}: {value}")
    return value


def _count(parameters: Parameters, name: str, default: int, maximum: int) -> int:
    text = parameters.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= maximum:
        raise invalid(f"{name} must be between 1 and {maximum}")
    return int(text)


def _instant(parameters: Parameters, name: str) -> str | None:
    text = parameters.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise invalid(f"invalid {name}: {text}") from None
    return stamp(at if at.tzinfo else at.replace(tzinfo=UTC))


def _day(parameters: Parameters, name: str, default: date) -> date:
    text = parameters.get(name)
    if not text:
        return default
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise invalid(f"invalid {name}: {text}") from None


@dataclass(frozen=True)
class _Conditions:
    """Parts of a WHERE clause with their values; the parts are this module's own texts, never a client's."""

    parts: list[str]
    values: list[Any]

    def add(self, part: str, *values: Any) -> None:
        self.parts.append(part)
        self.values.extend(values)

    @property
    def clause(self) -> str:
        return " AND ".join(self.parts) or "1"


@dataclass(frozen=True)
class OrderQuery:
    """Which orders to list. Bounds in time and by order id are exclusive."""

    status: str
    limit: int
    newest: bool
    after: str | None
    until: str | None
    symbols: tuple[str, ...]
    side: str
    after_order: str
    before_order: str
    equities: bool
    nested: bool

    @classmethod
    def read(cls, parameters: Parameters) -> OrderQuery:
        symbols = names_in(parameters, "symbols")
        classes = {name.lower() for name in names_in(parameters, "asset_class")}
        return cls(
            status=_choice(parameters, "status", "open", tuple(_STATUS)),
            limit=_count(parameters, "limit", 50, MAX_ORDERS),
            newest=_choice(parameters, "direction", "desc", ("asc", "desc")) == "desc",
            after=_instant(parameters, "after"),
            until=_instant(parameters, "until"),
            symbols=symbols,
            side=_choice(parameters, "side", "", ("", "buy", "sell")),
            after_order=parameters.get("after_order_id", ""),
            before_order=parameters.get("before_order_id", ""),
            equities=not classes or bool(classes & _EQUITIES),
            nested=is_true(parameters, "nested"),
        )

    def run(self, ledger: Ledger) -> list[Order]:
        """List orders. Nested, legs are listed with their parents alone, which come in if any of their legs fits."""
        if not self.equities:
            return []
        conditions = _Conditions([_STATUS[self.status]], [])
        if self.after:
            conditions.add("submitted_at > ?", self.after)
        if self.until:
            conditions.add("submitted_at < ?", self.until)
        if self.side:
            conditions.add("side = ?", self.side)
        if self.symbols:
            conditions.add(f"symbol IN ({', '.join('?' for _ in self.symbols)})", *self.symbols)
        for order_id, comparison in ((self.after_order, ">"), (self.before_order, "<")):
            if order_id:
                anchor = ledger.order(order_id)
                if anchor is None:
                    raise invalid(f"order not found for {order_id}")
                conditions.add(f"sequence {comparison} ?", anchor.sequence)
        clause, values = conditions.clause, conditions.values
        if self.nested:
            clause = f"parent_id IS NULL AND (({clause}) OR id IN (SELECT parent_id FROM orders WHERE {clause}))"  # noqa: S608
            values = values * 2
        return ledger.list_orders(clause, values, newest=self.newest, limit=self.limit)


@dataclass(frozen=True)
class ActivityQuery:
    """Which activities to list; a page begins after the activity named by its token."""

    kinds: tuple[str, ...]
    size: int
    newest: bool
    token: str
    after: str | None
    until: str | None
    day: str
    category: str

    @classmethod
    def read(cls, parameters: Parameters, kinds: str) -> ActivityQuery:
        return cls(
            kinds=names_in({"kinds": kinds}, "kinds"),
            size=_count(parameters, "page_size", MAX_ACTIVITIES, MAX_ACTIVITIES),
            newest=_choice(parameters, "direction", "desc", ("asc", "desc")) == "desc",
            token=parameters.get("page_token", ""),
            after=_instant(parameters, "after"),
            until=_instant(parameters, "until"),
            day=parameters.get("date", "")[:10],
            category=_choice(parameters, "category", "", ("", *_CATEGORIES)),
        )

    def run(self, ledger: Ledger) -> list[Activity]:
        conditions = _Conditions([], [])
        if self.kinds:
            conditions.add(f"kind IN ({', '.join('?' for _ in self.kinds)})", *self.kinds)
        if self.category:
            conditions.add(_CATEGORIES[self.category])
        if self.after:
            conditions.add("at > ?", self.after)
        if self.until:
            conditions.add("at < ?", self.until)
        if self.day:
            conditions.add("session = ?", self.day)
        if self.token:
            sequence = ledger.activity_sequence(self.token.rpartition("::")[2])
            if sequence is None:
                raise invalid(f"invalid page_token: {self.token}")
            conditions.add("sequence < ?" if self.newest else "sequence > ?", sequence)
        return ledger.list_activities(conditions.clause, conditions.values, newest=self.newest, limit=self.size)


@dataclass(frozen=True)
class AssetQuery:
    status: str
    asset_class: str
    exchange: str

    @classmethod
    def read(cls, parameters: Parameters) -> AssetQuery:
        return cls(parameters.get("status", ""), parameters.get("asset_class", ""), parameters.get("exchange", ""))

    def accepts(self, asset: Asset) -> bool:
        """Every asset of the book is an active equity."""
        fits = self.status in ("", "active", "all") and (not self.asset_class or self.asset_class in _EQUITIES)
        return fits and self.exchange in ("", asset.exchange)


@dataclass(frozen=True)
class CalendarQuery:
    start: date
    end: date

    @classmethod
    def read(cls, parameters: Parameters) -> CalendarQuery:
        return cls(_day(parameters, "start", FIRST_DAY), _day(parameters, "end", _FAR))
