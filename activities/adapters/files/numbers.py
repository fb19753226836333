"""Numbers read exactly: decimal text to `Decimal`, never through binary floating point."""

from __future__ import annotations

import re
from decimal import Decimal

from activities.adapters.files.rejects import Refused, shown
from domain.documents import RejectReason

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PLAIN_PRICE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
_INTEGER_DIGITS = 12
_DECIMALS = 6
_MAX_CHARACTERS = 64
_MAX_VOLUME = 2**63 - 1


def parse_number(text: str, column: str, *, integer_digits: int, decimals: int) -> Decimal:
    """Read a number of at most that many digits before and after the point; zeros at its end do not count.

    Raises:
        Refused: nothing stands there, or it is not such a number (not a number, infinity, too many digits).
    """
    text = text.strip()
    if not text:
        raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is a number", column)
    if len(text) > _MAX_CHARACTERS or not _NUMBER.fullmatch(text):
        detail = f"{shown(text)} found, allowed is a decimal number such as 86.29"
        raise Refused(RejectReason.INVALID_NUMBER, detail, column)
    number = Decimal(text)
    if number and number.adjusted() >= integer_digits:
        detail = f"{shown(text)} found, at most {integer_digits} digits before the point are allowed"
        raise Refused(RejectReason.INVALID_NUMBER, detail, column)
    if -_exponent(number) > decimals and -_exponent(number := _without_trailing_zeros(number)) > decimals:
        detail = f"{shown(text)} found, at most {decimals} decimals are allowed; round the column"
        raise Refused(RejectReason.INVALID_NUMBER, detail, column)
    return number


def parse_price(text: str, column: str) -> Decimal:
    """Read a price: above 0, to the micro-dollar.

    Raises:
        Refused: nothing stands there, or it is not such a price.
    """
    if _PLAIN_PRICE.fullmatch(text):
        price = Decimal(text)
    else:
        price = parse_number(text, column, integer_digits=_INTEGER_DIGITS, decimals=_DECIMALS)
    if price <= 0:
        raise Refused(RejectReason.NEGATIVE_PRICE, f"{shown(text)} found, allowed is a price above 0", column)
    return price


def parse_volume(text: str, column: str) -> int:
    """Read a whole number of shares, `44225700.0` included.

    Raises:
        Refused: nothing stands there, or it is negative, has a fraction or is no number.
    """
    if text.isdigit() and text.isascii() and len(text) < 19:
        return int(text)
    number = parse_number(text, column, integer_digits=19, decimals=_MAX_CHARACTERS)
    if number < 0 or number != number.to_integral_value() or number > _MAX_VOLUME:
        detail = f"{shown(text)} found, allowed is a whole number of shares from 0 to {_MAX_VOLUME}"
        raise Refused(RejectReason.INVALID_NUMBER, detail, column)
    return int(number)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def _without_trailing_zeros(number: Decimal) -> Decimal:
    sign, digits, _ = number.as_tuple()
    kept = list(digits)
    exponent = _exponent(number)
    while len(kept) > 1 and kept[-1] == 0 and exponent < 0:
        kept.pop()
        exponent += 1
    if kept == [0]:
        exponent = 0
    return Decimal((sign, tuple(kept), exponent))
