"""Bars and corporate actions of many symbols as arrays: raw prices (T, N), and what adjusts them.

Rows are sessions, oldest first; columns are symbols, in alphabetical order. What is adjusted is adjusted as of a row,
and later rows do not enter; `delisted_after` alone knows the future, and is for whoever closes positions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from domain.adjustment import Split, adjusted_close, adjusted_volume, split_factor
from domain.errors import InvalidInput
from domain.market import Bar, CorporateAction

Floats = NDArray[np.float64]

LARGEST_PRICE = 1e9
"""Dollars. Below it a price with six decimals has at most 15 digits, so that its float says which decimal it was."""
LARGEST_VOLUME = 2**53
"""Shares. Below it a float holds every whole number."""


@dataclass(frozen=True, eq=False)
class PricePanel:
    """Raw bars, (T, N), C-contiguous and read-only. A session without a bar has NaN for prices and 0 for volume."""

    sessions: tuple[date, ...]
    """(T,) strictly ascending."""
    symbols: tuple[str, ...]
    """(N,) strictly ascending."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    """Dollars per share, as traded that day."""
    volume: Floats
    """Shares, as traded that day."""
    traded: NDArray[np.bool_]
    """Whether the symbol has a bar."""
    split_ratio: Floats
    """New shares per old share, taking effect before that session's open; 1 where there is no split."""
    dividend: Floats
    """Cash in dollars per share held the night before, on the ex-date; 0 where there is none."""
    delisted_after: NDArray[np.int64]
    """(N,) row of the last bar where a symbol's bars end before the panel does, else -1."""
    splits: tuple[tuple[Split, ...], ...]
    """(N,) the same splits as exact decimals, by ex-date."""

    def column(self, symbol: str) -> int:
        """Find a symbol's column.

        Raises:
            InvalidInput: the panel does not have it.
        """
        if symbol not in self.symbols:
            raise InvalidInput("SYMBOL_NOT_IN_PANEL", symbol=symbol, symbols=len(self.symbols))
        return self.symbols.index(symbol)

    def row(self, session: date) -> int:
        """Find a session's row.

        Raises:
            InvalidInput: the panel does not have it.
        """
        if session not in self.sessions:
            raise InvalidInput(
                "SESSION_NOT_IN_PANEL",
                session=session,
                allowed=f"sessions of {self.sessions[0]} to {self.sessions[-1]}",
            )
        return self.sessions.index(session)


# -- building --------------------------------------------------------------------------------------------------------


def from_bars(bars: Iterable[Bar], actions: Iterable[CorporateAction], sessions: Sequence[date]) -> PricePanel:
    """Lay bars and corporate actions out over the sessions of the exchange, whatever their order.

    Actions of one symbol and day are joined. Actions before the first or after the last session, and of symbols without
    a bar, change nothing here and are left out.

    Raises:
        InvalidInput: sessions are missing or not strictly ascending; there is no bar; a bar or an action lies on no
            session; a symbol has two bars for one session; a price or a volume is too large to be exact as a float.
    """
    days = _checked_sessions(sessions)
    rows = {day: index for index, day in enumerate(days)}
    cells = _cells(bars, rows)
    if not cells:
        raise InvalidInput("NO_BARS", "A panel needs at least one bar.", first=days[0], last=days[-1])
    symbols = tuple(sorted({symbol for symbol, _ in cells}))
    columns = {symbol: index for index, symbol in enumerate(symbols)}
    shape = (len(days), len(symbols))
    at_bars = [row for _, row in cells], [columns[symbol] for symbol, _ in cells]
    traded = np.zeros(shape, dtype=np.bool_)
    traded[at_bars] = True
    joined = _joined(action for action in actions if action.symbol in columns and days[0] <= action.ex_date <= days[-1])
    split_ratio, dividend = np.ones(shape), np.zeros(shape)
    splits: dict[str, list[Split]] = {symbol: [] for symbol in symbols}
    for action in joined:
        at = _row(rows, "ACTION_ON_NO_SESSION", action.symbol, action.ex_date), columns[action.symbol]
        split_ratio[at], dividend[at] = action.split_ratio, action.cash_dividend
        if action.split_ratio != 1:
            splits[action.symbol].append((action.ex_date, action.split_ratio))
    last = len(days) - 1 - np.argmax(traded[::-1], axis=0)
    panel = PricePanel(
        sessions=days,
        symbols=symbols,
        open=_laid_out(shape, at_bars, (float(bar.open) for bar in cells.values()), np.nan),
        high=_laid_out(shape, at_bars, (float(bar.high) for bar in cells.values()), np.nan),
        low=_laid_out(shape, at_bars, (float(bar.low) for bar in cells.values()), np.nan),
        close=_laid_out(shape, at_bars, (float(bar.close) for bar in cells.values()), np.nan),
        volume=_laid_out(shape, at_bars, (float(bar.volume) for bar in cells.values()), 0.0),
        traded=traded,
        split_ratio=split_ratio,
        dividend=dividend,
        delisted_after=np.where(last < len(days) - 1, last, -1).astype(np.int64),
        splits=tuple(tuple(splits[symbol]) for symbol in symbols),
    )
    for value in vars(panel).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return panel


def _cells(bars: Iterable[Bar], rows: dict[date, int]) -> dict[tuple[str, int], Bar]:
    cells: dict[tuple[str, int], Bar] = {}
    for bar in bars:
        cell = bar.symbol, _row(rows, "BAR_ON_NO_SESSION", bar.symbol, bar.session)
        if cell in cells:
            raise InvalidInput("DUPLICATE_BAR", "Keep one of them.", symbol=bar.symbol, session=bar.session)
        _require_exact(bar)
        cells[cell] = bar
    return cells


def _laid_out(
    shape: tuple[int, int], at: tuple[list[int], list[int]], values: Iterable[float], absent: float
) -> Floats:
    array = np.full(shape, absent)
    array[at] = np.fromiter(values, dtype=np.float64, count=len(at[0]))
    return array


def _checked_sessions(sessions: Sequence[date]) -> tuple[date, ...]:
    days = tuple(sessions)
    if not days:
        raise InvalidInput("NO_SESSIONS", "A panel needs at least one session.")
    for before, after in itertools.pairwise(days):
        if after <= before:
            raise InvalidInput(
                "SESSIONS_NOT_ASCENDING", "Sort the sessions and keep each once.", before=before, found=after
            )
    return days


def _row(rows: dict[date, int], code: str, symbol: str, day: date) -> int:
    row = rows.get(day)
    if row is None:
        raise InvalidInput(
            code, "Correct the day, or add it to the sessions if the exchange was open.", symbol=symbol, session=day
        )
    return row


def _require_exact(bar: Bar) -> None:
    if bar.high >= LARGEST_PRICE:
        raise InvalidInput(
            "PRICE_TOO_LARGE",
            symbol=bar.symbol,
            session=bar.session,
            found=bar.high,
            allowed=f"below {LARGEST_PRICE:.0f} dollars",
        )
    if bar.volume >= LARGEST_VOLUME:
        raise InvalidInput(
            "VOLUME_TOO_LARGE",
            symbol=bar.symbol,
            session=bar.session,
            found=bar.volume,
            allowed=f"below {LARGEST_VOLUME} shares",
        )


def _joined(actions: Iterable[CorporateAction]) -> list[CorporateAction]:
    joined: dict[tuple[date, str], CorporateAction] = {}
    for action in actions:
        key = (action.ex_date, action.symbol)
        joined[key] = joined[key].with_also(action) if key in joined else action
    return [joined[key] for key in sorted(joined)]


# -- splits ----------------------------------------------------------------------------------------------------------


def adjusted_closes(panel: PricePanel, as_of_index: int) -> Floats:
    """Closes up to and including a row, (as_of_index + 1, N), in dollars per share of that row's session.

    Bit for bit what a decision on that day is shown; NaN where there is no bar.

    Raises:
        InvalidInput: the panel has no such row.
    """
    closes = panel.close[: _checked_row(panel, as_of_index) + 1].copy()
    for row, column, factor in _split_cells(panel, as_of_index):
        closes[row, column] = adjusted_close(Decimal(repr(float(closes[row, column]))), factor)
    return closes


def adjusted_volumes(panel: PricePanel, as_of_index: int) -> Floats:
    """Volumes up to and including a row, (as_of_index + 1, N), in shares of that row's session.

    Raises:
        InvalidInput: the panel has no such row.
    """
    volumes = panel.volume[: _checked_row(panel, as_of_index) + 1].copy()
    for row, column, factor in _split_cells(panel, as_of_index):
        volumes[row, column] = adjusted_volume(int(volumes[row, column]), factor)
    return volumes


def split_factors(panel: PricePanel, as_of_index: int) -> Floats:
    """Shares on the row `as_of_index` per share on each row up to it, (as_of_index + 1, N): cumulative split ratios.

    Raises:
        InvalidInput: the panel has no such row.
    """
    today = panel.sessions[_checked_row(panel, as_of_index)]
    factors = np.ones((as_of_index + 1, len(panel.symbols)))
    for column, splits in enumerate(panel.splits):
        if splits:
            factors[:, column] = [float(split_factor(day, splits, today)) for day in panel.sessions[: as_of_index + 1]]
    return factors


def split_epochs(panel: PricePanel) -> tuple[tuple[int, int], ...]:
    """First and last rows of the stretches in which no split takes effect after the first row.

    As of every row of a stretch, the adjusted closes up to it are the first rows of those as of the stretch's last row.
    """
    starts = [0, *(int(row) for row in np.flatnonzero((panel.split_ratio[1:] != 1).any(axis=1)) + 1)]
    ends = [*(start - 1 for start in starts[1:]), len(panel.sessions) - 1]
    return tuple(zip(starts, ends, strict=True))


def _split_cells(panel: PricePanel, as_of_index: int) -> Iterator[tuple[int, int, Decimal]]:
    """Bars that a split lies after, with the factor. Only those need decimals: dividing by 1 changes nothing."""
    today = panel.sessions[as_of_index]
    for column, splits in enumerate(panel.splits):
        in_force = [split for split in splits if split[0] <= today]
        if in_force:
            before = panel.sessions.index(in_force[-1][0])
            for row in np.flatnonzero(panel.traded[:before, column]).tolist():
                yield row, column, split_factor(panel.sessions[row], in_force, today)


def _checked_row(panel: PricePanel, index: int) -> int:
    if not 0 <= index < len(panel.sessions):
        raise InvalidInput("ROW_NOT_IN_PANEL", row=index, allowed=f"0 to {len(panel.sessions) - 1}")
    return index


# -- splits and dividends --------------------------------------------------------------------------------------------


def total_return_closes(panel: PricePanel, as_of_index: int) -> Floats:
    """Closes up to and including a row, (as_of_index + 1, N), adjusted for splits and dividends by the ratio method.

    On an ex-date every earlier close is multiplied by 1 - D / close before: as if the dividend were reinvested at the
    close before less the dividend. The last row is raw. `holding_returns` differs from it on ex-dates, by about
    D / close before times that day's return.

    Raises:
        InvalidInput: the panel has no such row, or a dividend is not below the close before it.
    """
    last = _checked_row(panel, as_of_index)
    steps = _back_adjustments(panel, last)
    closes = panel.close[: last + 1].copy()
    factor = np.ones(len(panel.symbols))
    for row in range(last, 0, -1):
        factor = factor * steps[row]
        closes[row - 1] *= factor
    return closes


def holding_returns(panel: PricePanel) -> Floats:
    """Return of holding each symbol from its bar before to this one, (T, N), as a fraction; NaN where there is none.

    (close x split ratio + dividend in cash) / close before - 1: what a position in the portfolio does, for dividends
    stay in cash there until they are invested. Splits and dividends of sessions without a bar count towards the next.
    """
    returns = np.full(panel.close.shape, np.nan)
    width = len(panel.symbols)
    before, shares, cash = np.full(width, np.nan), np.ones(width), np.zeros(width)
    for row, traded in enumerate(panel.traded):
        cash = cash + shares * panel.dividend[row]
        shares = shares * panel.split_ratio[row]
        returns[row] = (shares * panel.close[row] + cash) / before - 1
        before = np.where(traded, panel.close[row], before)
        shares, cash = np.where(traded, 1.0, shares), np.where(traded, 0.0, cash)
    return returns


def _back_adjustments(panel: PricePanel, last: int) -> Floats:
    """What closes before each row are multiplied by, (last + 1, N)."""
    steps = np.ones((last + 1, len(panel.symbols)))
    price = np.full(len(panel.symbols), np.nan)
    for row in range(last + 1):
        dividend, ratio = panel.dividend[row], panel.split_ratio[row]
        _require_below(panel, row, price)
        paid = np.where((dividend > 0) & ~np.isnan(price), dividend / price, 0.0)
        steps[row] = (1 - paid) / ratio
        price = np.where(panel.traded[row], panel.close[row], (price - dividend) / ratio)
    return steps


def _require_below(panel: PricePanel, row: int, price: Floats) -> None:
    wrong = (panel.dividend[row] > 0) & (panel.dividend[row] >= price)
    if wrong.any():
        column = int(np.argmax(wrong))
        raise InvalidInput(
            "DIVIDEND_EXCEEDS_PRICE",
            "Correct the corporate action: nothing pays out more than it is worth.",
            symbol=panel.symbols[column],
            session=panel.sessions[row],
            found=float(panel.dividend[row, column]),
            allowed=f"below {float(price[column])} dollars",
        )
