"""Factor files of the Lean engine: a second vendor's splits and dividends.

A row holds the factors for closes up to its day (price factor x split factor) and that day's raw close; the next row's
factors hold from the session after, which is the ex-date of whatever changed.
"""

from __future__ import annotations

import csv
import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from domain.market import CorporateAction
from tests.conftest import shared_data


class Factors(NamedTuple):
    day: date
    price: Decimal
    split: Decimal
    close: Decimal


def lean_factors(symbol: str) -> list[Factors]:
    with shared_data(f"prices/lean_factor_files/{symbol.lower()}.csv").open(newline="") as file:
        return [
            Factors(datetime.strptime(day, "%Y%m%d").date(), Decimal(price), Decimal(split), Decimal(close))  # noqa: DTZ007
            for day, price, split, close in csv.reader(file)
        ]


def lean_actions(symbol: str, sessions: Sequence[date]) -> Iterator[CorporateAction]:
    """The actions whose ex-date is one of the sessions but the first; dividends to a hundredth of a cent."""
    for row, after in itertools.pairwise(lean_factors(symbol)):
        place = bisect_right(sessions, row.day)
        if 0 < place < len(sessions):
            yield CorporateAction(
                symbol=symbol,
                ex_date=sessions[place],
                cash_dividend=round(row.close * (1 - row.price / after.price), 4),
                split_ratio=round(after.split / row.split, 6),
            )
