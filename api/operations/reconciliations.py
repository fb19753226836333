"""Book against broker: compare now, and read what earlier comparisons found."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from api.numbers import Money, Shares
from domain.acceptance import AcceptanceStatus
from domain.errors import NotFound, VendorUnavailable
from domain.reconciliation import Difference, DifferenceKind, ReconcileReport, Treatment
from store import acceptances, reconciliations
from store.database import Database
from store.tables.broker import ReconciliationRow
from workflows import names
from workflows.client import begin_broker_reconciliation
from workflows.reconcile_broker import ReconcileBroker

WAIT_SECONDS = 180.0


class ReconciliationBegun(BaseModel):
    reconciliation_id: str
    workflow_id: str


class ReconciliationView(BaseModel):
    """A comparison's headline. `clean`: book and broker agree, once what is proven has been taken over."""

    reconciliation_id: str
    trigger: str = Field(description="who asked: schedule, stream, start, engine, or a person")
    as_of: datetime
    finished_at: datetime
    clean: bool
    mismatches: int
    adopted: int
    left_alone: int
    cash: Money = Field(description="the broker's")
    equity: Money


class ForeignView(BaseModel):
    """Shares on the account that are not the platform's; never touched, not counted."""

    symbol: str
    quantity: Shares
    first_seen_at: datetime
    last_seen_at: datetime


class StandingDifference(BaseModel):
    """A difference that nobody and nothing has settled, with the id under which it is accepted."""

    difference_id: str
    kind: DifferenceKind
    treatment: Treatment
    subject: str
    symbol: str
    ours: str
    broker: str
    detail: str
    first_seen_at: datetime
    last_reconciliation: str
    acceptance: AcceptanceStatus | None = Field(description="pending: a second person must accept it too")
    accepted_by: str = Field(description="who accepted it first; empty: nobody")


class ReconciliationDetail(ReconciliationView):
    differences: list[Difference]
    standing: list[StandingDifference] = Field(description="what needs a person, or was accepted, as it is now")
    foreign_positions: list[ForeignView] = Field(description="as they are known now")


async def begin(client: Client, *, actor: str) -> ReconciliationBegun:
    """Start a comparison, without waiting for it."""
    handle = await begin_broker_reconciliation(client, trigger=actor, at=datetime.now(UTC))
    return ReconciliationBegun(reconciliation_id=names.reconciliation_of(handle.id), workflow_id=handle.id)


async def wait(client: Client, begun: ReconciliationBegun) -> ReconcileReport:
    """Wait for a comparison.

    Raises:
        VendorUnavailable: no worker answers, or the broker did not answer for long.
    """
    handle: WorkflowHandle[ReconcileBroker, ReconcileReport] = client.get_workflow_handle(
        begun.workflow_id, result_type=ReconcileReport
    )
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await handle.result()
    except TimeoutError:
        problem = "nobody answers: does a worker of the queue `trading` run?"
    except WorkflowFailureError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        problem = str(cause)
    raise VendorUnavailable("RECONCILIATION_NOT_FINISHED", problem, workflow=begun.workflow_id)


async def list_recent(
    database: Database, *, limit: int, before: tuple[datetime, str] | None = None
) -> list[ReconciliationView]:
    """Comparisons, the newest first."""
    async with database.transaction() as session:
        rows = await reconciliations.list_recent(session, limit=limit, before=before)
    return [ReconciliationView(**_headline(row)) for row in rows]


async def detail(database: Database, reconciliation_id: str) -> ReconciliationDetail:
    async with database.transaction() as session:
        row = await reconciliations.require(session, reconciliation_id)
        foreign = await reconciliations.foreign_positions(session)
        standing = await standing_differences(session)
    return ReconciliationDetail(
        **_headline(row),
        differences=[Difference.model_validate(each) for each in row.found],
        standing=standing,
        foreign_positions=[ForeignView(**each.model_dump(include=set(ForeignView.model_fields))) for each in foreign],
    )


async def standing_differences(session: AsyncSession) -> list[StandingDifference]:
    """What needs a person, and what is accepted as it is; the oldest first."""
    rows = await reconciliations.standing_differences(session, treatments=(Treatment.ALARMED, Treatment.ACCEPTED))
    known = await acceptances.standing(session)
    found = []
    for row in rows:
        acceptance = known.get(row.difference_id)
        found.append(
            StandingDifference(
                **row.model_dump(include=set(StandingDifference.model_fields)),
                acceptance=AcceptanceStatus(acceptance.status) if acceptance is not None else None,
                accepted_by=acceptance.proposed_by if acceptance is not None else "",
            )
        )
    return found


async def find_standing(database: Database, beginning: str) -> StandingDifference:
    """The difference that an id, or the unique beginning of one, names.

    Raises:
        NotFound: none or several do.
    """
    async with database.transaction() as session:
        found = [each for each in await standing_differences(session) if each.difference_id.startswith(beginning)]
    if len(found) != 1 or not beginning:
        raise NotFound(
            "DIFFERENCE_NOT_FOUND",
            "`stonks reconcile` shows what is open, with ids; the unique beginning of one is enough",
            difference_id=beginning,
            found=len(found),
        )
    return found[0]


def _headline(row: ReconciliationRow) -> dict[str, object]:
    return row.model_dump(include=set(ReconciliationView.model_fields))
