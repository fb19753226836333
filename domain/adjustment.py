"""Split adjustment in Decimals: the one place where a raw close is turned into the shares of a later day.

Raw close / factor and raw volume x factor, where the factor is the product of the ratios of the splits between the bar
and the day from which it is looked at. The precision is fixed, so that every caller gets the same last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal

Split = tuple[date, Decimal]
"""The ex-date, before whose open it takes effect, and new shares per old share."""

_MICRO = Decimal("0.000001")
_CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN)


def split_factor(day: date, splits: Sequence[Split], today: date) -> Decimal:
    """Multiply the ratios of one symbol's splits with day < ex-date <= today: shares today per share on `day`.

    Args:
        splits: in the order of their ex-dates; the order decides how a very long product is rounded.
    """
    factor = Decimal(1)
    for ex_date, ratio in splits:
        if day < ex_date <= today:
            factor = _CONTEXT.multiply(factor, ratio)
    return factor


def adjusted(price: Decimal, factor: Decimal) -> Decimal:
    """Express a raw price in dollars per share of today, to the micro-dollar; as it is where nothing was split."""
    return price if factor == 1 else _CONTEXT.divide(price, factor).quantize(_MICRO)


def adjusted_close(close: Decimal, factor: Decimal) -> float:
    """Express a raw price in dollars per share of today, as the float nearest to the quotient in 28 digits."""
    return float(_CONTEXT.divide(close, factor))


def adjusted_volume(volume: int, factor: Decimal) -> float:
    """Express a raw volume in shares of today, as the float nearest to the product in 28 digits."""
    return float(_CONTEXT.multiply(Decimal(volume), factor))
