"""What the broker has seen of the market: bars, single prices, corporate actions, and what the account was worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from cli.paper_broker.amounts import divide
from cli.paper_broker.book import derived_id
from cli.paper_broker.exchange import NEW_YORK
from cli.paper_broker.ledger import Ledger, instant, stamp
from cli.paper_broker.matching import Range

ROUND_LOT = 100
"""Shown as the size of a price of which no size is known."""
_KEPT = timedelta(days=8)
"""How long single prices are kept on the wall clock."""


class Span(StrEnum):
    DAY = "day"
    MINUTE = "minute"


@dataclass(frozen=True, slots=True)
class StoredBar:
    """One symbol's bar, prices in millionths of a dollar. `start` is New York's midnight for a day, else the minute."""

    symbol: str
    span: Span
    start: datetime
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int
    vwap: int
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """A price seen once; `size` in shares."""

    sequence: int
    symbol: str
    at: datetime
    price: int
    size: int


@dataclass(frozen=True, slots=True)
class StoredAction:
    """A cash dividend in millionths of a dollar a share, or a split as new shares over old."""

    id: str
    symbol: str
    ex_date: date
    dividend: int | None
    ratio: Fraction | None


@dataclass(frozen=True, slots=True)
class Mark:
    at: datetime
    session: date
    equity: int


def midnight(day: date) -> datetime:
    """Where a day's bar starts: midnight in New York, in UTC."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def typical(bar: Range) -> int:
    """Stands in for a volume-weighted average where none is known: the mean of high, low and close."""
    return divide(bar.high + bar.low + bar.close, 3)


class Tape:
    """The market-data rows of the book. Lives as long as its transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def put_bars(self, bars: Iterable[StoredBar]) -> None:
        """Write bars; one with the same symbol, span and start takes the place of an earlier one."""
        self._ledger.write_many(
            "INSERT OR REPLACE INTO bars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    bar.symbol,
                    bar.span,
                    stamp(bar.start),
                    bar.open,
                    bar.high,
                    bar.low,
                    bar.close,
                    bar.volume,
                    bar.trades,
                    bar.vwap,
                    stamp(bar.known_at),
                )
                for bar in bars
            ],
        )

    def see_session(self, ranges: Iterable[tuple[str, Range, int]], *, day: date, at: datetime) -> None:
        """Keep a session's bars, with their volumes, as of an instant, and each close as a price seen then."""
        rows = [
            StoredBar(
                symbol=symbol,
                span=Span.DAY,
                start=midnight(day),
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=volume,
                trades=0,
                vwap=typical(bar),
                known_at=at,
            )
            for symbol, bar, volume in ranges
        ]
        self.put_bars(rows)
        self._add_ticks((row.symbol, at, row.close, ROUND_LOT) for row in rows)

    def see_price(self, symbol: str, price: int, at: datetime, *, in_session: bool) -> None:
        """Keep one price as a tick, and let the bar of its minute grow by it; in a session that of its day too."""
        self._add_ticks([(symbol, at, price, ROUND_LOT)])
        spans = [(Span.MINUTE, at.replace(second=0, microsecond=0))]
        if in_session:
            spans.append((Span.DAY, midnight(at.astimezone(NEW_YORK).date())))
        for span, start in spans:
            found = self._bars("symbol = ? AND span = ? AND start = ?", (symbol, span, stamp(start)))
            self.put_bars([_grown(found[0] if found else None, symbol, span, start, price, at)])

    def forget_old_prices(self, now: datetime) -> None:
        self._ledger.execute("DELETE FROM ticks WHERE at < ?", (stamp(now - _KEPT),))

    def bars(self, symbol: str, span: Span, *, first: datetime, last: datetime, now: datetime) -> list[StoredBar]:
        """Bars that start in a period, both ends included, as far as they are known now; oldest first."""
        return self._bars(
            "symbol = ? AND span = ? AND start BETWEEN ? AND ? AND known_at <= ?",
            (symbol, span, stamp(first), stamp(last), stamp(now)),
        )

    def latest_bars(self, symbol: str, span: Span, *, now: datetime, count: int) -> list[StoredBar]:
        """The newest known bars, newest first."""
        return self._bars(
            "symbol = ? AND span = ? AND known_at <= ?",
            (symbol, span, stamp(now)),
            order=f"start DESC LIMIT {count}",
        )

    def ticks(self, symbol: str, *, first: datetime, last: datetime) -> list[Tick]:
        rows = self._ledger.execute(
            "SELECT * FROM ticks WHERE symbol = ? AND at BETWEEN ? AND ? ORDER BY at, sequence",
            (symbol, stamp(first), stamp(last)),
        )
        return [_tick(row) for row in rows]

    def latest_tick(self, symbol: str) -> Tick | None:
        """The newest price; of a book from before prices were kept, the one that orders fill at."""
        rows = self._ledger.execute(
            "SELECT * FROM ticks WHERE symbol = ? ORDER BY at DESC, sequence DESC LIMIT 1", (symbol,)
        )
        if rows:
            return _tick(rows[0])
        known = self._ledger.price(symbol)
        return None if known is None else Tick(0, symbol, known.at, known.last, ROUND_LOT)

    def put_action(
        self, symbol: str, ex_date: date, ordinal: int, *, dividend: int | None, ratio: Decimal | None
    ) -> None:
        """Keep a corporate action; the same one again changes nothing."""
        kind = "split" if dividend is None else "cash_dividend"
        self._ledger.execute(
            "INSERT OR IGNORE INTO corporate_actions VALUES (?, ?, ?, ?, ?, ?)",
            (
                derived_id("corporate action", kind, symbol, ex_date, ordinal),
                symbol,
                ex_date.isoformat(),
                kind,
                dividend,
                None if ratio is None else f"{ratio:f}",
            ),
        )

    def actions(self, *, first: date, last: date, symbols: Iterable[str] = ()) -> list[StoredAction]:
        """Corporate actions by ex-date, both ends included; no symbols means all."""
        wanted = list(symbols)
        condition = f" AND symbol IN ({', '.join('?' for _ in wanted)})" if wanted else ""
        rows = self._ledger.execute(
            f"SELECT * FROM corporate_actions WHERE ex_date BETWEEN ? AND ?{condition} ORDER BY ex_date, symbol, id",  # noqa: S608
            [first.isoformat(), last.isoformat(), *wanted],
        )
        return [_action(row) for row in rows]

    def action(self, action_id: str) -> StoredAction | None:
        rows = self._ledger.execute("SELECT * FROM corporate_actions WHERE id = ?", (action_id,))
        return _action(rows[0]) if rows else None

    def mark(self, equity: int, *, at: datetime, session: str) -> None:
        """Remember what the account is worth; one value a minute, the last."""
        if session:
            minute = stamp(at.replace(second=0, microsecond=0))
            self._ledger.execute("INSERT OR REPLACE INTO equity_marks VALUES (?, ?, ?)", (minute, session, equity))

    def marks(self) -> list[Mark]:
        rows = self._ledger.execute("SELECT * FROM equity_marks ORDER BY at")
        return [Mark(instant(row["at"]), date.fromisoformat(row["session"]), row["equity"]) for row in rows]

    def _bars(self, condition: str, parameters: Iterable[Any], order: str = "start") -> list[StoredBar]:
        rows = self._ledger.execute(
            f"SELECT * FROM bars WHERE {condition} ORDER BY {order}",  # noqa: S608
            tuple(parameters),
        )
        return [_bar(row) for row in rows]

    def _add_ticks(self, ticks: Iterable[tuple[str, datetime, int, int]]) -> None:
        self._ledger.write_many(
            "INSERT INTO ticks (symbol, at, price, size) VALUES (?, ?, ?, ?)",
            [(symbol, stamp(at), price, size) for symbol, at, price, size in ticks],
        )


def _grown(bar: StoredBar | None, symbol: str, span: Span, start: datetime, price: int, at: datetime) -> StoredBar:
    """A bar with one more price in it; every price counts alike in its average, for no sizes are known."""
    if bar is None:
        return StoredBar(symbol, span, start, price, price, price, price, ROUND_LOT, 1, price, at)
    trades = bar.trades + 1
    return StoredBar(
        symbol=symbol,
        span=span,
        start=start,
        open=bar.open,
        high=max(bar.high, price),
        low=min(bar.low, price),
        close=price,
        volume=bar.volume + ROUND_LOT,
        trades=trades,
        vwap=divide(bar.vwap * bar.trades + price, trades),
        known_at=bar.known_at,
    )


def _bar(row: Any) -> StoredBar:
    values = dict(row)
    values["span"] = Span(values["span"])
    values["start"] = instant(values["start"])
    values["known_at"] = instant(values["known_at"])
    return StoredBar(**values)


def _tick(row: Any) -> Tick:
    return Tick(row["sequence"], row["symbol"], instant(row["at"]), row["price"], row["size"])


def _action(row: Any) -> StoredAction:
    ratio = None if row["ratio"] is None else Fraction(row["ratio"])
    return StoredAction(row["id"], row["symbol"], date.fromisoformat(row["ex_date"]), row["dividend"], ratio)
