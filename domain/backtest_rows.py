"""Two runs of a backtest side by side: everything in them as rows, and the first row that differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from domain.backtest import BacktestState, OrderEnd, OrderEntry
from domain.decisions import DecisionRecord, Recommendation
from domain.documents import NEW_YORK
from domain.model import Model
from domain.protection import ProtectionState

NOTHING = "nothing"


class Kind(StrEnum):
    """What a row is about, in the order in which a session makes them."""

    ASSESSMENT = "assessment"
    """What was thought of a symbol, whether or not it changed anything."""
    DECISION = "decision"
    ACTION = "action"
    ORDER = "order"
    FILL = "fill"
    SALE = "protective sale"
    """By a stop or a target, within the session."""
    STOP = "stop"
    MARK = "mark"
    OUTCOME = "order's end"
    TRADE = "trade"
    POSITION = "position"
    ACCOUNT = "account"
    LIST = "list"
    """The order of a list, where all of its entries are equal."""


_RANK = {kind: rank for rank, kind in enumerate(Kind)}
PLANNED = frozenset({Kind.ASSESSMENT, Kind.DECISION, Kind.ACTION, Kind.ORDER})
"""What a session makes before its open."""

Values = tuple[tuple[str, object], ...]


class Row(NamedTuple):
    """One thing of a run. Values are compared by their text, so that floats and Decimals are equal to the last digit.

    What depends on others comes last in the values: the first that differs should be a cause.
    """

    session: date
    kind: Kind
    symbol: str
    key: str
    """Tells apart what shares session, kind and symbol."""
    values: Values

    @property
    def place(self) -> tuple[date, int, str, str]:
        return self.session, _RANK[self.kind], self.symbol, self.key


class Difference(Model):
    """Where two runs first part."""

    session: date
    kind: Kind
    symbol: str
    field: str
    """Empty where only one of the runs has the thing at all."""
    expected: str
    found: str
    detail: str = ""

    def __str__(self) -> str:
        what = f"{self.kind} of {self.symbol}" if self.symbol else f"{self.kind}"
        field = f", {self.field}" if self.field else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.session}, {what}{field}: expected {self.expected}, found {self.found}{detail}"


def first_difference(expected: Iterable[Row], found: Iterable[Row], detail: str = "") -> Difference | None:
    """Find the earliest row that is not the same in both; within a session in the order of `Kind`, then by symbol."""
    left, right = _by_place(expected), _by_place(found)
    different = [place for place in left.keys() | right.keys() if _text(left, place) != _text(right, place)]
    if not different:
        return None
    place = min(different)
    one, other = left.get(place), right.get(place)
    row = one or other
    assert row is not None
    field, values = _first_value(one, other)
    return Difference(
        session=row.session,
        kind=row.kind,
        symbol=row.symbol,
        field=field,
        expected=values[0],
        found=values[1],
        detail=detail,
    )


def assessment_row(recommendation: Recommendation, record: DecisionRecord) -> Row:
    """Shorten what was thought of a symbol; what was read comes before what was made of it."""
    assessment = recommendation.assessment
    heard = [(item.available_at, item.evidence_id) for item in record.evidence]
    around = [(term.available_at, term.evidence_id) for term in record.terms]
    return Row(
        session=record.as_of.astimezone(NEW_YORK).date(),
        kind=Kind.ASSESSMENT,
        symbol=record.symbol,
        key=record.as_of.isoformat(),
        values=(
            ("newest_evidence", _newest(heard)),
            ("evidence", len(record.evidence)),
            ("newest_of_other_layers", _newest(around)),
            ("last_bar", record.market.sessions[-1] if record.market.sessions else NOTHING),
            ("bars", len(record.market.sessions)),
            ("last_close", assessment.last_close),
            ("daily_volatility", assessment.daily_volatility),
            ("average_dollar_volume", assessment.average_dollar_volume),
            ("position", record.position.quantity),
            ("company", assessment.company),
            ("macro", assessment.macro),
            ("competitive", assessment.competitive),
            ("confirmation", assessment.confirmation),
            ("score", assessment.score),
            ("conviction", assessment.conviction),
            ("edge_bp", recommendation.edge_bp),
            ("cost_bp", recommendation.cost_bp),
            ("action", recommendation.action.value),
            ("reasons", recommendation.reasons),
            ("record_hash", recommendation.record_hash),
        ),
    )


def rows_of(state: BacktestState) -> Iterator[Row]:
    """Everything that a run has found and carries."""
    last = state.marks[-1].session if state.marks else date.min
    for decision in state.decisions:
        values = _values(decision, last=("thesis", "recommendation_id"))
        yield Row(_day(decision.as_of), Kind.DECISION, decision.symbol, decision.as_of.isoformat(), values)
    for symbol, action in state.actions.items():
        yield Row(last, Kind.ACTION, symbol, "", (("action", action.value),))
    for order in (*state.orders, *state.working):
        yield from _rows_of_order(order)
    for mark in state.marks:
        yield Row(mark.session, Kind.MARK, "", "", _values(mark))
    nth: dict[str, int] = {}
    for trade in state.trades:
        nth[trade.symbol] = nth.get(trade.symbol, 0) + 1
        yield Row(trade.closed or last, Kind.TRADE, trade.symbol, f"{nth[trade.symbol]:06d}", _values(trade))
    for symbol, position in state.positions.items():
        own = _values(position, leave=("holding",), last=("trade",))
        yield Row(last, Kind.POSITION, symbol, "", (*_values(position.holding), *own))
    totals = ("cash", "peak_equity", "prior_close_equity", "sessions_done", "assessed")
    yield Row(last, Kind.ACCOUNT, "", "", tuple((name, getattr(state, name)) for name in totals))
    if state.protection is not None:
        yield from _rows_of_protection(state.protection, last)


def _rows_of_protection(state: ProtectionState, last: date) -> Iterator[Row]:
    for record in state.stop_events:
        yield Row(_day(record.as_of), Kind.STOP, record.symbol, record.event.kind, _values(record.event))
    for symbol, stop in state.stops.items():
        yield Row(last, Kind.STOP, symbol, "", _values(stop))
    for symbol, report in state.trims.items():
        yield Row(last, Kind.STOP, symbol, "trim", (("report", report),))
    yield Row(last, Kind.ACCOUNT, "", "protection", _values(state, leave=("stops", "stop_events", "trims")))


def _rows_of_order(order: OrderEntry) -> Iterator[Row]:
    key = f"{order.as_of.isoformat()} {order.side}"
    plan = _values(order, leave=("end", "filled", "fills"), last=("recommendation_id", "intent_id"))
    denied = (("denied", order.end is OrderEnd.DENIED),)
    at_once = bool(order.fills) and order.fills[0].at == order.as_of
    yield Row(_day(order.as_of), Kind.SALE if at_once else Kind.ORDER, order.symbol, key, (*denied, *plan))
    for fill in order.fills:
        yield Row(fill.session, Kind.FILL, order.symbol, key, _values(fill))
    ended = order.fills[-1].session if order.fills else _day(order.as_of)
    yield Row(ended, Kind.OUTCOME, order.symbol, key, (("end", order.end or "works"), ("filled", order.filled)))


def without(rows: Iterable[Row], fields: Mapping[Kind, frozenset[str]]) -> Iterator[Row]:
    """Leave out values by name."""
    for row in rows:
        left_out = fields.get(row.kind, frozenset())
        yield row._replace(values=tuple((name, value) for name, value in row.values if name not in left_out))


def _day(as_of: datetime) -> date:
    return as_of.astimezone(NEW_YORK).date()


def _values(model: Model, *, leave: tuple[str, ...] = (), last: tuple[str, ...] = ()) -> Values:
    first = [name for name in type(model).model_fields if name not in leave and name not in last]
    return tuple((name, getattr(model, name)) for name in (*first, *last))


def _newest(known: list[tuple[datetime, str]]) -> str:
    if not known:
        return NOTHING
    at, name = max(known)
    return f"{name} of {at.isoformat()}"


def _by_place(rows: Iterable[Row]) -> dict[tuple[date, int, str, str], Row]:
    return {row.place: row for row in rows}


def _text(rows: Mapping[tuple[date, int, str, str], Row], place: tuple[date, int, str, str]) -> str:
    row = rows.get(place)
    return repr(row.values) if row is not None else NOTHING


def _first_value(one: Row | None, other: Row | None) -> tuple[str, tuple[str, str]]:
    if one is None or other is None:
        return "", (_summary(one), _summary(other))
    for (name, left), (_, right) in zip(one.values, other.values, strict=True):
        if repr(left) != repr(right):
            return name, (str(left), str(right))
    raise AssertionError("the rows are equal")


def _summary(row: Row | None) -> str:
    """Say what a row is by its first values that say something."""
    if row is None:
        return NOTHING
    telling = [f"{name}={value}" for name, value in row.values if value not in ("", NOTHING, 0, None, False)]
    return ", ".join(telling[:4]) or "one"
