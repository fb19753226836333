"""What was ordered on a day beside what the engine orders when it is played again, and what each was worth.

Both begin with the same account and are valued at the same closes, so an order's part of the day is exact: what it
bought is worth more or less at the close than was paid, what it sold would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from domain.backtest import OrderEnd, OrderEntry
from domain.decisions import Side, TradingState
from domain.drift import Gap, GapKind, LiveDay, LiveOrder, PlayedDay, Subject
from domain.drift_decisions import NOTHING, DayDecisions
from domain.portfolio import OrderStatus, product

ZERO, CENT = Decimal(0), Decimal("0.01")
BASIS_POINTS = 10_000


def order_gaps(live: LiveDay, played: PlayedDay, decisions: DayDecisions) -> list[Gap]:
    """Pair what was ordered with what the engine orders, by company and side; the first of a company's comes first."""
    wanted = {(order.symbol, order.side): order for order in (*played.state.orders, *played.state.working)}
    had: dict[tuple[str, Side], list[LiveOrder]] = {}
    for each in sorted(live.orders, key=lambda one: (one.as_of, one.intent_id)):
        had.setdefault((each.symbol, each.side), []).append(each)
    gaps = []
    for key in sorted(wanted.keys() | had.keys()):
        pair = _Pair(live, played, decisions, wanted.get(key), had.get(key, []))
        gaps += pair.gaps()
    return gaps


class _Pair:
    """One company's orders of one side: at the most one played, with the live ones that answer to it."""

    def __init__(
        self,
        live: LiveDay,
        played: PlayedDay,
        decisions: DayDecisions,
        other: OrderEntry | None,
        had: Sequence[LiveOrder],
    ) -> None:
        self._live, self._played, self._decisions = live, played, decisions
        self._other = other
        self._had = had
        on_time = [each for each in had if live.decided_at <= each.as_of < live.session.opens_at]
        self._one = next(iter(on_time or had), None)
        """The live order that the played one is laid beside: one of the morning where there is any."""

    def gaps(self) -> list[Gap]:
        """The pair's, and one for each other live order; what was under way from earlier and did nothing, is none."""
        found = [self._gap(self._one, self._other, *self._label())] if self._other or self._acts(self._one) else []
        rest = [each for each in self._had if each is not self._one and self._acts(each)]
        return found + [self._gap(each, None, GapKind.TIMING, _instant(each, self._live)) for each in rest]

    def _acts(self, one: LiveOrder | None) -> bool:
        return one is not None and (one.as_of >= self._live.decided_at or bool(one.fills))

    def _label(self) -> tuple[GapKind, str]:
        if self._one is None:
            return self._missing()
        if (question := self._one.approval) is not None and question.withheld and not _denied(self._other):
            by = f" by {question.decided_by}" if question.decided_by else ""
            return GapKind.APPROVAL, f"{question.status}{by}{f': {question.reason}' if question.reason else ''}"
        if not self._on_time(self._one):
            return GapKind.TIMING, _instant(self._one, self._live)
        if self._other is None:
            return self._unwanted(self._one)
        return self._both(self._one, self._other)

    def _both(self, one: LiveOrder, other: OrderEntry) -> tuple[GapKind, str]:
        inputs = self._decisions.differs_in(one.symbol)
        if one.denied or _denied(other):
            if one.denied and _denied(other):
                return GapKind.NONE, ""
            if not inputs and self._live.trading_state is not TradingState.ACTIVE:
                return GapKind.TIMING, self._paused
            return GapKind.DATA, inputs or f"risk looked at another account: {one.reason or other.reason}"
        if one.quantity != other.quantity or (one.allowed is not None and one.allowed != other.allowed):
            return GapKind.DATA, inputs or "sized in another account, or beside other orders"
        opens_at = self._live.session.opens_at
        if one.submitted_at is not None and one.submitted_at > opens_at:
            return _sent_late(one, opens_at, one.submitted_at)
        if _same_fills(one, other):
            return GapKind.NONE, ""
        reason = f", {one.reason}" if one.reason else ""
        return GapKind.FILL, "" if one.fills else f"{one.status}{reason}"

    def _missing(self) -> tuple[GapKind, str]:
        """Say why nothing was ordered of what the engine orders."""
        other = self._other
        assert other is not None
        if inputs := self._decisions.differs_in(other.symbol):
            return GapKind.DATA, inputs
        if self._live.trading_state is not TradingState.ACTIVE:
            return GapKind.TIMING, self._paused
        if changes := self._decisions.changes(other.symbol):
            return GapKind.TIMING, f"decided otherwise at {changes[0].as_of:%H:%M:%S} UTC"
        if not self._decisions.was_decided:
            return GapKind.TIMING, "nothing was decided before the open"
        planned = any(self._on_time(each) for each in self._live.orders)
        if planned:
            return GapKind.DATA, "sized in another account, or beside other orders"
        return GapKind.TIMING, "nothing was ordered before the open"

    def _unwanted(self, one: LiveOrder) -> tuple[GapKind, str]:
        """Say why something was ordered that the engine does not order."""
        if inputs := self._decisions.differs_in(one.symbol):
            return GapKind.DATA, inputs
        decided = self._decisions.at_pass.get(one.symbol)
        if decided is None or decided.recommendation_id != one.recommendation_id:
            return GapKind.TIMING, "by a recommendation of another instant than the pass before the open"
        return GapKind.DATA, "sized in another account, or beside other orders"

    @property
    def _paused(self) -> str:
        reason = f": {self._live.state_reason}" if self._live.state_reason else ""
        return f"trading was {self._live.trading_state}{reason}"

    def _on_time(self, one: LiveOrder) -> bool:
        return self._live.decided_at <= one.as_of < self._live.session.opens_at

    def _gap(self, one: LiveOrder | None, other: OrderEntry | None, kind: GapKind, detail: str) -> Gap:
        named = one or other
        assert named is not None
        close = self._played.closes.get(named.symbol)
        dollars = _worth_live(one, close) - _worth_played(other, close)
        return Gap(
            kind=kind,
            symbol=named.symbol,
            what=Subject.ORDER,
            live=_ordered(one),
            played=_planned(other),
            dollars=dollars,
            basis_points=_slippage(one, other),
            detail=detail,
        )


def _sent_late(one: LiveOrder, opens_at: datetime, sent_at: datetime) -> tuple[GapKind, str]:
    question = one.approval
    if question is not None and question.decided_at is not None and question.decided_at > opens_at:
        by = f" by {question.decided_by}" if question.decided_by else ""
        return GapKind.APPROVAL, f"approved{by} at {question.decided_at:%H:%M:%S} UTC, after the open"
    return GapKind.TIMING, f"sent at {sent_at:%H:%M:%S} UTC, after the open"


def _denied(other: OrderEntry | None) -> bool:
    return other is not None and other.end is OrderEnd.DENIED


def _instant(one: LiveOrder, live: LiveDay) -> str:
    if one.as_of < live.decided_at:
        return f"ordered earlier, at {one.as_of:%Y-%m-%d %H:%M:%S} UTC"
    return f"ordered at {one.as_of:%H:%M:%S} UTC, after the open"


def _same_fills(one: LiveOrder, other: OrderEntry) -> bool:
    """Equal shares for equal dollars, to the cent; in how many parts does not matter."""
    shares, dollars = _total(one)
    wanted, paid = _total(other)
    return shares == wanted and abs(dollars - paid) < CENT


def _total(order: LiveOrder | OrderEntry | None) -> tuple[Decimal, Decimal]:
    """Shares and dollars, without fees."""
    fills = order.fills if order is not None else ()
    return sum((fill.quantity for fill in fills), ZERO), sum((product(f.quantity, f.price) for f in fills), ZERO)


def _worth_live(one: LiveOrder | None, close: Decimal | None) -> Decimal:
    return _worth(one.side, *_total(one), sum((fill.fee for fill in one.fills), ZERO), close) if one else ZERO


def _worth_played(other: OrderEntry | None, close: Decimal | None) -> Decimal:
    return _worth(other.side, *_total(other), sum((fill.fee for fill in other.fills), ZERO), close) if other else ZERO


def _worth(side: Side, shares: Decimal, dollars: Decimal, fees: Decimal, close: Decimal | None) -> Decimal:
    """What an order added to the account by the close; where no close is known, its fees."""
    if close is None:
        return -fees
    gained = product(shares, close) - dollars
    return (gained if side is Side.BUY else -gained) - fees


def _slippage(one: LiveOrder | None, other: OrderEntry | None) -> float | None:
    """How much worse the live price was than the played one, in basis points of it."""
    shares, dollars = _total(one)
    wanted, paid = _total(other)
    if one is None or not shares or not wanted or not paid:
        return None
    worse = (dollars / shares) / (paid / wanted) - 1
    return float(worse if one.side is Side.BUY else -worse) * BASIS_POINTS


def _ordered(one: LiveOrder | None) -> str:
    if one is None:
        return NOTHING
    state = one.status if one.status != OrderStatus.FILLED.value else ""
    return _order(one.side, one.quantity if one.allowed is None else one.allowed, one, state)


def _planned(other: OrderEntry | None) -> str:
    if other is None:
        return NOTHING
    state = other.end.value if other.end is not None and other.end is not OrderEnd.FILLED else ""
    return _order(other.side, other.allowed, other, state)


def _order(side: Side, quantity: Decimal, order: LiveOrder | OrderEntry, state: str) -> str:
    shares, dollars = _total(order)
    filled = f", {shares.normalize():f} at {dollars / shares:.4f}" if shares else ", not filled"
    return f"{side} {quantity.normalize():f}{filled}{f' ({state})' if state else ''}"
