"""The reserve pool: part of each new high of realised profit is put aside, and only an operator takes it out again.

Amounts are dollars, exact. Source: quantitative specification, section 3.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.errors import InvalidInput
from domain.model import Model, Utc
from domain.portfolio import MICRO, product
from domain.rules_config import ReserveRules

_EXACT = Context(prec=60)

Dollars = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class ReserveState(Model):
    """The pool, and the highest realised net profit that it has taken its share of."""

    balance: Dollars = Decimal(0)
    high: Dollars = Decimal(0)
    """A loss since the beginning is no high: the pool takes nothing before it has been earned back."""


class ReserveMoveKind(StrEnum):
    SKIM = "skim"
    RELEASE = "release"


class ReserveMove(Model):
    """One change of the pool, as recorded."""

    kind: ReserveMoveKind
    amount: Annotated[Decimal, Field(gt=0)]
    balance: Dollars
    """After the move."""
    reason: str
    operator: str = ""
    as_of: Utc


class Buckets(Model):
    """What the cash is for. The buckets sum to it exactly."""

    reserve: Dollars
    floor: Dollars
    """What the cash floor needs beyond the reserve."""
    reservations: Dollars
    """Held back for orders that may still fill."""
    deployable: Decimal
    """The rest; negative when the other buckets are not covered, and then nothing may be opened."""

    @property
    def total(self) -> Decimal:
        return _sum(self.reserve, self.floor, self.reservations, self.deployable)


def skim(
    state: ReserveState, realized_net_profit: Decimal, rules: ReserveRules, *, as_of: Utc
) -> tuple[ReserveState, ReserveMove | None]:
    """Put aside the share of what realised net profit exceeds its former high by, rounded up to the micro-dollar.

    Args:
        realized_net_profit: since the beginning, after fees; not what is only on paper, and no deposits.
    """
    _require_finite("realized_net_profit", realized_net_profit)
    if realized_net_profit <= state.high:
        return state, None
    gain = _sum(realized_net_profit, -state.high)
    amount = product(rules.skim_share, gain).quantize(MICRO, rounding=ROUND_CEILING, context=_EXACT)
    after = ReserveState(balance=_sum(state.balance, amount), high=realized_net_profit)
    if amount == 0:
        return after, None
    reason = f"NEW_PROFIT_HIGH: profit={realized_net_profit}, high={state.high}, share={rules.skim_share}"
    move = ReserveMove(kind=ReserveMoveKind.SKIM, amount=amount, balance=after.balance, reason=reason, as_of=as_of)
    return after, move


def release(
    state: ReserveState, amount: Decimal, *, operator: str, reason: str, as_of: Utc
) -> tuple[ReserveState, ReserveMove]:
    """Let an operator take money out of the pool. The high stays: the same profit is not skimmed twice.

    Raises:
        InvalidInput: nobody is named, or the amount is not positive or above the balance.
    """
    if not operator.strip():
        raise InvalidInput("OPERATOR_MISSING", "Only a named operator releases the reserve.")
    _require_finite("amount", amount)
    if not 0 < amount <= state.balance:
        raise InvalidInput("RESERVE_RELEASE_INVALID", amount=amount, allowed=f"above 0, at most {state.balance}")
    after = state.model_copy(update={"balance": _sum(state.balance, -amount)})
    move = ReserveMove(
        kind=ReserveMoveKind.RELEASE,
        amount=amount,
        balance=after.balance,
        reason=reason,
        operator=operator,
        as_of=as_of,
    )
    return after, move


def buckets(cash: Decimal, *, equity: Decimal, reserve: Decimal, cash_floor: Decimal, reservations: Decimal) -> Buckets:
    """Divide the cash: deployable = cash - max(reserve, floor x equity) - open reservations.

    Args:
        cash_floor: share of equity, in [0, 1]; without positive equity the floor is 0.
        reservations: notional of open purchases.

    Raises:
        InvalidInput: an amount is not finite, or one that cannot be negative is.
    """
    for name, amount in (("cash", cash), ("equity", equity)):
        _require_finite(name, amount)
    for name, amount in (("reserve", reserve), ("cash_floor", cash_floor), ("reservations", reservations)):
        _require_finite(name, amount)
        if amount < 0:
            raise InvalidInput("AMOUNT_NEGATIVE", field=name, found=amount)
    floor = product(cash_floor, max(Decimal(0), equity))
    beyond = max(Decimal(0), _sum(floor, -reserve))
    return Buckets(
        reserve=reserve,
        floor=beyond,
        reservations=reservations,
        deployable=_sum(cash, -reserve, -beyond, -reservations),
    )


def _require_finite(name: str, amount: Decimal) -> None:
    if not amount.is_finite():
        raise InvalidInput("AMOUNT_NOT_FINITE", field=name, found=amount)


def _sum(*amounts: Decimal) -> Decimal:
    """Add exactly, without the default context's rounding to 28 digits."""
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total
