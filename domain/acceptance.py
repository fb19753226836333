"""Accepting a difference with the broker: a person says that it stays, and what the book makes of it.

A difference in shares or in cash is booked as an adjustment of its own kind, so that both sides agree. Of the others
nothing can be booked: they stop being an alarm for as long as they stay as they are. Whatever changes is an alarm anew.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.errors import Conflict
from domain.model import Model
from domain.reconciliation import Difference, DifferenceKind, Reconciled, Treatment
from domain.trading import Command
from domain.trading_commands import CommandStep

ZERO = Decimal(0)
BOOKED = frozenset({DifferenceKind.POSITION_MISMATCH, DifferenceKind.CASH_MISMATCH})
ACKNOWLEDGED = frozenset(
    {
        DifferenceKind.UNPROVEN_FILL,
        DifferenceKind.UNKNOWN_ORDER,
        DifferenceKind.TERMS_MISMATCH,
        DifferenceKind.STATUS_MISMATCH,
        DifferenceKind.MISSING_ORDER,
        DifferenceKind.MISSING_FILL,
    }
)


class AcceptanceStatus(StrEnum):
    PENDING = "pending"
    """Another person must accept it too."""
    ACCEPTED = "accepted"
    DECLINED = "declined"
    """A person said no, or took the own word back: the difference is an alarm as before."""
    VOIDED = "voided"
    """The difference changed or went away."""


class DifferenceCommand(Command):
    """About a difference as a comparison showed it."""

    reconciliation_id: Annotated[str, Field(min_length=1, max_length=200)]
    difference_id: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class AcceptDifference(DifferenceCommand):
    pass


class DeclineDifference(DifferenceCommand):
    """Decline what somebody has accepted and nobody else has yet."""


class DifferenceStep(CommandStep):
    command: DifferenceCommand


class AcceptDifferenceStep(DifferenceStep):
    command: AcceptDifference


class DeclineDifferenceStep(DifferenceStep):
    command: DeclineDifference


class AcceptanceReport(Model):
    """What came of it; `booked` says what the book took over, in words."""

    acceptance_id: str
    difference_id: str
    status: AcceptanceStatus
    booked: str = ""


class ShareAdjustment(Model):
    """What the book does about shares: some of ours are gone, and what is left of the gap is not the platform's."""

    symbol: str
    gone: Decimal
    """Shares that leave our position."""
    foreign: Decimal
    """Change of the shares that are not ours."""


def require_acceptable(kind: DifferenceKind, *, symbol: str) -> None:
    """Refuse what has another remedy.

    Raises:
        Conflict: naming it.
    """
    if kind in BOOKED or kind in ACKNOWLEDGED:
        return
    raise Conflict(
        "DIFFERENCE_NOT_ACCEPTABLE",
        "A source of splits and dividends puts it into the book, and the next comparison takes it over",
        kind=kind.value,
        symbol=symbol,
        allowed=", ".join(sorted(each.value for each in BOOKED | ACKNOWLEDGED)),
    )


def share_adjustment(*, symbol: str, held: Decimal, ours: Decimal, broker: Decimal) -> ShareAdjustment:
    """Make both sides equal: shares that the broker lacks leave our position, shares beyond are not the platform's.

    Args:
        held: what our position is now; never more than that leaves it.
        ours, broker: what each side said when they were compared, without the shares known as not ours.
    """
    gap = broker - ours
    gone = min(-gap, max(held, ZERO)) if gap < 0 else ZERO
    return ShareAdjustment(symbol=symbol, gone=gone, foreign=gap + gone)


def with_accepted(result: Reconciled, accepted: Collection[str]) -> Reconciled:
    """Let the differences that a person has accepted, by their fingerprints, be no alarm."""
    differences = tuple(
        each.model_copy(update={"treatment": Treatment.ACCEPTED, "blocking": False})
        if each.treatment is Treatment.ALARMED and each.fingerprint in accepted
        else each
        for each in result.differences
    )
    return result.model_copy(update={"differences": differences})


def same_difference(found: Collection[Difference], fingerprint: str) -> bool:
    return any(each.fingerprint == fingerprint for each in found)
