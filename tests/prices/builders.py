"""Bars, actions and small random markets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st

from domain.market import Bar, CorporateAction
from domain.price_panel import PricePanel, from_bars

PROPERTY = settings(deadline=None, max_examples=60, derandomize=True)

MONDAY = date(2024, 1, 1)


def weekdays(count: int, start: date = MONDAY) -> list[date]:
    return [start + timedelta(days=index // 5 * 7 + index % 5) for index in range(count)]


def bar(
    symbol: str, session: date, close: str | Decimal, opened: str | Decimal | None = None, volume: int = 1000
) -> Bar:
    """A bar that opens where it closes, unless told otherwise, and trades nowhere else."""
    last = Decimal(close)
    first = last if opened is None else Decimal(opened)
    return Bar(
        symbol=symbol,
        session=session,
        open=first,
        high=max(first, last),
        low=min(first, last),
        close=last,
        volume=volume,
    )


def bars(symbol: str, sessions: Sequence[date], *closes: str) -> list[Bar]:
    return [bar(symbol, session, close) for session, close in zip(sessions, closes, strict=True)]


def action(symbol: str, ex_date: date, *, dividend: str = "0", split: str = "1") -> CorporateAction:
    return CorporateAction(symbol=symbol, ex_date=ex_date, cash_dividend=Decimal(dividend), split_ratio=Decimal(split))


class Market(NamedTuple):
    sessions: list[date]
    bars: list[Bar]
    actions: list[CorporateAction]

    @property
    def panel(self) -> PricePanel:
        return from_bars(self.bars, self.actions, self.sessions)


prices = st.integers(1_000_000, 999_999_999).map(lambda micros: Decimal(micros) / 1_000_000)
ratios = st.sampled_from(["2", "3", "7", "7.00000700001", "1.5", "1.49999925", "0.1", "0.05", "0.333333333333"])


@st.composite
def markets(draw: st.DrawFn, gaps: bool = True) -> Market:
    """A few symbols with bars on some sessions, splits, and dividends that are small beside any price."""
    sessions = weekdays(draw(st.integers(1, 12)))
    listed: list[Bar] = []
    actions: list[CorporateAction] = []
    for symbol in ("AAA", "BBB", "CCC")[: draw(st.integers(1, 3))]:
        size = len(sessions)
        traded = draw(st.lists(st.booleans(), min_size=size, max_size=size)) if gaps else [True] * size
        traded[draw(st.integers(0, size - 1))] = True
        for session, has_bar in zip(sessions, traded, strict=True):
            if has_bar:
                close, opened = draw(prices), draw(prices)
                listed.append(bar(symbol, session, close, opened, draw(st.integers(0, 10**12))))
        for session in draw(st.lists(st.sampled_from(sessions), unique=True, max_size=4)):
            dividend = draw(st.sampled_from(["0", "0", "0.0025", "0.001667"]))
            split = draw(st.one_of(st.just("1"), ratios))
            actions.append(action(symbol, session, dividend=dividend, split=split))
    return Market(sessions, listed, actions)
