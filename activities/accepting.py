"""People accept or decline a difference with the broker: what is booked, its audit entry and its event at once."""

from __future__ import annotations

from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from domain.acceptance import (
    BOOKED,
    AcceptanceReport,
    AcceptanceStatus,
    AcceptDifferenceStep,
    DeclineDifferenceStep,
    DifferenceStep,
    require_acceptable,
    same_difference,
    share_adjustment,
)
from domain.actors import is_named
from domain.cash import CashEntry, CashKind
from domain.errors import Conflict
from domain.ids import digest
from domain.portfolio import plain
from domain.reconciliation import Difference, DifferenceKind, Treatment
from domain.voting import person_of
from store import acceptances, accounting, audit, config, outbox, portfolio, reconciliations
from store.database import Database
from store.tables.accounting import PositionAdjustment
from store.tables.broker import BrokerActivityRow, DifferenceAcceptance, ReconciliationDifference


class AcceptanceActivities:
    """Idempotent: a difference has one acceptance, and what is booked is keyed by it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def accept_difference(self, step: AcceptDifferenceStep) -> AcceptanceReport:
        """Lay an acceptance before a second person, or, as the second person, put it in force and book it.

        Raises:
            NotFound: no such comparison or difference.
            Conflict: it is settled, has changed, cannot be accepted, or nobody signed.
        """
        command = step.command
        _require_signed(step)
        async with reconciliations.one_at_a_time(self._database), self._database.transaction() as session:
            difference = await acceptances.require_difference(session, command.difference_id)
            known = await acceptances.of_difference(session, difference.fingerprint)
            if known is not None and (
                known.status == AcceptanceStatus.ACCEPTED or person_of(known.proposed_by) == person_of(command.actor)
            ):
                return _report(known)
            await _require_standing(session, step, difference)
            row = known or await self._propose(session, step, difference)
            solo = (await config.configured(session)).approval.solo
            if known is None and not solo:
                return _report(row)
            row.status, row.decided_by = AcceptanceStatus.ACCEPTED.value, command.actor
            row.decided_at, row.decision_reason = step.as_of, command.reason
            row.booked = await _book(session, row, difference, step)
            session.add(row)
            difference.treatment, difference.blocking = Treatment.ACCEPTED.value, False
            if DifferenceKind(difference.kind) in BOOKED:
                difference.resolved_at = step.as_of
            session.add(difference)
            await _note(session, step, row, difference, "accepted", {"solo": known is None})
            return _report(row)

    @activity.defn
    async def decline_difference(self, step: DeclineDifferenceStep) -> AcceptanceReport:
        """End an acceptance that waits for a second person. Nothing is booked, and the alarm stays.

        Whoever accepted it first may take that back.

        Raises:
            NotFound: no such comparison or difference.
            Conflict: nothing waits, the difference has changed, or nobody signed.
        """
        command = step.command
        _require_signed(step)
        async with reconciliations.one_at_a_time(self._database), self._database.transaction() as session:
            difference = await acceptances.require_difference(session, command.difference_id)
            done = await acceptances.declined(
                session, difference.fingerprint, decided_by=command.actor, decided_at=step.as_of
            )
            if done is not None:
                return _report(done)
            await _require_standing(session, step, difference)
            row = await acceptances.of_difference(session, difference.fingerprint)
            if row is None:
                raise Conflict(
                    "ACCEPTANCE_NOT_PENDING",
                    "Nobody has accepted it: `stonks reconcile` shows what waits",
                    difference_id=difference.difference_id,
                )
            row.status, row.decided_by = AcceptanceStatus.DECLINED.value, command.actor
            row.decided_at, row.decision_reason = step.as_of, command.reason
            session.add(row)
            await _note(session, step, row, difference, "acceptance_declined", {})
            return _report(row)

    async def _propose(
        self, session: AsyncSession, step: AcceptDifferenceStep, difference: ReconciliationDifference
    ) -> DifferenceAcceptance:
        command = step.command
        row = DifferenceAcceptance(
            acceptance_id=digest("acceptance", difference.difference_id, command.actor, step.key, length=16),
            difference_id=difference.difference_id,
            fingerprint=difference.fingerprint,
            reason=command.reason,
            proposed_by=command.actor,
            proposed_at=step.as_of,
        )
        session.add(row)
        await session.flush()
        await _note(session, step, row, difference, "acceptance_proposed", {})
        return row


def _require_signed(step: DifferenceStep) -> None:
    actor = step.command.actor
    if not is_named(actor):
        raise Conflict("ACTOR_UNKNOWN", "Decide with `stonks reconcile` or the API", actor=actor)


async def _require_standing(session: AsyncSession, step: DifferenceStep, difference: ReconciliationDifference) -> None:
    """Refuse what is no alarm, is over, or is not what the person looked at."""
    seen = await reconciliations.require(session, step.command.reconciliation_id)
    found = [Difference.model_validate(each) for each in seen.found]
    standing = difference.resolved_at is None and difference.treatment == Treatment.ALARMED
    if not standing or not same_difference(found, difference.fingerprint):
        raise Conflict(
            "DIFFERENCE_CHANGED",
            "It is settled, or another one now: `stonks reconcile` compares again and shows what is open",
            difference_id=difference.difference_id,
            reconciliation_id=seen.reconciliation_id,
            treatment=difference.treatment,
        )
    require_acceptable(DifferenceKind(difference.kind), symbol=difference.symbol)


async def _book(
    session: AsyncSession,
    row: DifferenceAcceptance,
    difference: ReconciliationDifference,
    step: AcceptDifferenceStep,
) -> str:
    """Make both sides equal where that can be booked; says what was booked."""
    kind = DifferenceKind(difference.kind)
    if kind is DifferenceKind.CASH_MISMATCH:
        return await _book_cash(session, row, difference, step)
    if kind is DifferenceKind.POSITION_MISMATCH:
        return await _book_shares(session, row, difference, step)
    return ""


async def _book_cash(
    session: AsyncSession,
    row: DifferenceAcceptance,
    difference: ReconciliationDifference,
    step: AcceptDifferenceStep,
) -> str:
    gap = Decimal(difference.broker) - Decimal(difference.ours)
    source = f"accepted/{row.acceptance_id}"
    entry = CashEntry(
        kind=CashKind.ADJUSTMENT,
        source_id=source,
        amount=gap,
        occurred_at=step.as_of,
        note=f"accepted difference: {row.reason}",
    )
    await accounting.record(session, [entry], recorded_at=step.as_of)
    session.add(
        BrokerActivityRow(
            activity_id=source,
            kind="ACCEPTED",
            day=step.as_of.date(),
            quantity=Decimal(0),
            cash=gap,
            seen_at=step.as_of,
        )
    )
    return f"{_text(gap)} dollars in the cash ledger"


async def _book_shares(
    session: AsyncSession,
    row: DifferenceAcceptance,
    difference: ReconciliationDifference,
    step: AcceptDifferenceStep,
) -> str:
    symbol = difference.symbol
    holding = next((each for each in await portfolio.holdings(session) if each.symbol == symbol), None)
    change = share_adjustment(
        symbol=symbol,
        held=holding.quantity if holding is not None else Decimal(0),
        ours=Decimal(difference.ours),
        broker=Decimal(difference.broker),
    )
    said = []
    if holding is not None and change.gone:
        adjustment = PositionAdjustment(
            adjustment_id=f"accepted/{row.acceptance_id}",
            acceptance_id=row.acceptance_id,
            symbol=symbol,
            quantity=change.gone,
            price=holding.average_price,
            adjusted_at=step.as_of,
            actor=step.command.actor,
            reason=row.reason,
        )
        amount = await portfolio.take_out(session, adjustment, at=step.as_of)
        said.append(f"{_text(change.gone)} shares of {symbol} left the position, {_text(amount)} dollars of cost")
    if change.foreign:
        await reconciliations.move_foreign(
            session,
            symbol=symbol,
            by=change.foreign,
            reconciliation_id=step.command.reconciliation_id,
            at=step.as_of,
        )
        said.append(f"{_text(change.foreign)} shares of {symbol} are not the platform's")
    return "; ".join(said)


async def _note(
    session: AsyncSession,
    step: DifferenceStep,
    row: DifferenceAcceptance,
    difference: ReconciliationDifference,
    what: str,
    more: dict[str, object],
) -> None:
    command = step.command
    body = {
        "reason": command.reason,
        "acceptance_id": row.acceptance_id,
        "kind": difference.kind,
        "symbol": difference.symbol,
        "ours": difference.ours,
        "broker": difference.broker,
        "booked": row.booked,
        "proposed_by": row.proposed_by,
    } | more
    key = f"acceptance/{row.acceptance_id}/{what}"
    await audit.append(
        session,
        key=key,
        actor=command.actor,
        action=f"difference_{what}",
        subject=difference.difference_id,
        body=body,
        recorded_at=step.as_of,
    )
    await outbox.publish(
        session,
        event_id=key,
        event=f"difference_{what}",
        subject_id=difference.difference_id,
        body={**body, "actor": command.actor},
        occurred_at=step.as_of,
    )


def _report(row: DifferenceAcceptance) -> AcceptanceReport:
    return AcceptanceReport(
        acceptance_id=row.acceptance_id,
        difference_id=row.difference_id,
        status=AcceptanceStatus(row.status),
        booked=row.booked,
    )


def _text(amount: Decimal) -> str:
    return format(plain(amount), "f")
