"""Differences with the broker that people have accepted, or that wait for a second person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.acceptance import AcceptanceStatus, same_difference
from domain.errors import NotFound
from domain.reconciliation import Difference
from store.tables.broker import DifferenceAcceptance, ReconciliationDifference

IN_FORCE = (AcceptanceStatus.PENDING.value, AcceptanceStatus.ACCEPTED.value)


async def require_difference(session: AsyncSession, difference_id: str) -> ReconciliationDifference:
    """The difference, locked."""
    row = await session.get(ReconciliationDifference, difference_id, with_for_update=True)
    if row is None:
        raise NotFound("DIFFERENCE_NOT_FOUND", "`stonks reconcile` shows what is open", difference_id=difference_id)
    return row


async def of_difference(session: AsyncSession, fingerprint: str) -> DifferenceAcceptance | None:
    """What stands of an acceptance of a difference, locked."""
    rows = await session.exec(
        select(DifferenceAcceptance)
        .where(DifferenceAcceptance.fingerprint == fingerprint, col(DifferenceAcceptance.status).in_(IN_FORCE))
        .order_by(col(DifferenceAcceptance.proposed_at).desc())
        .limit(1)
        .with_for_update()
    )
    return rows.first()


async def declined(
    session: AsyncSession, fingerprint: str, *, decided_by: str, decided_at: datetime
) -> DifferenceAcceptance | None:
    """What one person declined at an instant: a step that is repeated finds it."""
    rows = await session.exec(
        select(DifferenceAcceptance).where(
            DifferenceAcceptance.fingerprint == fingerprint,
            DifferenceAcceptance.status == AcceptanceStatus.DECLINED.value,
            DifferenceAcceptance.decided_by == decided_by,
            col(DifferenceAcceptance.decided_at) == decided_at,
        )
    )
    return rows.first()


async def accepted_fingerprints(session: AsyncSession) -> frozenset[str]:
    """What is no alarm as long as it stays as it is."""
    rows = await session.exec(
        select(DifferenceAcceptance.fingerprint).where(DifferenceAcceptance.status == AcceptanceStatus.ACCEPTED.value)
    )
    return frozenset(rows.all())


async def standing(session: AsyncSession) -> dict[str, DifferenceAcceptance]:
    """Acceptances that wait or are in force, by difference."""
    rows = await session.exec(
        select(DifferenceAcceptance)
        .where(col(DifferenceAcceptance.status).in_(IN_FORCE))
        .order_by(col(DifferenceAcceptance.proposed_at))
    )
    return {row.difference_id: row for row in rows}


async def void_changed(session: AsyncSession, found: Sequence[Difference], *, at: datetime) -> None:
    """End the acceptances of differences that are not there any more: what comes again is judged again."""
    rows = await session.exec(
        select(DifferenceAcceptance).where(col(DifferenceAcceptance.status).in_(IN_FORCE)).with_for_update()
    )
    for row in rows:
        if not same_difference(found, row.fingerprint):
            row.status = AcceptanceStatus.VOIDED.value
            row.decided_at = row.decided_at or at
            session.add(row)
