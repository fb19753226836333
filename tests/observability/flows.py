"""Workflows that give up, in a module that the sandbox can import."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.errors import InvalidInput
    from domain.ingestion import DocumentRequest


@activity.defn(name="parse")
async def parse_nothing(request: DocumentRequest) -> None:
    """Refuse for good."""
    raise InvalidInput("TEXT_EMPTY", doc_id=request.doc_id)


@workflow.defn(name="ProcessDocument")
class GivesUp:
    """As a document's workflow ends that cannot be read."""

    @workflow.run
    async def run(self, request: DocumentRequest) -> None:
        await workflow.execute_activity(
            parse_nothing,
            request,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )


@workflow.defn(name="TryAgent")
class NobodyWaitsFor:
    """Its failure is no dead letter."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("no", type="NO")
