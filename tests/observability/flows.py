"""Workflows that give up, in a module that the sandbox can import."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    import structlog

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


SEEN: dict[str, list[str]] = {}
"""By the name that a step was given: the request ids in its log context, one an attempt."""


@activity.defn
async def note(name: str) -> None:
    """Note what a log line would say of the request."""
    SEEN.setdefault(name, []).append(str(structlog.contextvars.get_contextvars().get("request_id", "")))


async def _note(name: str) -> None:
    await workflow.execute_activity(note, name, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class Child:
    @workflow.run
    async def run(self, name: str) -> None:
        await _note(f"{name}/child")


class _Asked:
    """Works for whoever started it, and for whoever asks it something meanwhile."""

    def __init__(self) -> None:
        self._signals = 0

    async def _work(self, name: str) -> None:
        await _note(f"{name}/start")
        await workflow.execute_child_workflow(Child.run, name, id=f"{name}/child")
        await workflow.wait_condition(lambda: self._signals > 0)
        await _note(f"{name}/end")
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _told(self, name: str) -> None:
        await _note(f"{name}/signal")
        self._signals += 1


@workflow.defn
class Job(_Asked):
    @workflow.run
    async def run(self, name: str) -> None:
        await self._work(name)

    @workflow.update
    async def ask(self, name: str) -> None:
        await _note(f"{name}/update")

    @workflow.signal
    async def tell(self, name: str) -> None:
        await self._told(name)


@workflow.defn(name="TradingEngine")
class Entity(_Asked):
    """Named as one that lives long."""

    @workflow.run
    async def run(self, name: str) -> None:
        await self._work(name)

    @workflow.update
    async def ask(self, name: str) -> None:
        await _note(f"{name}/update")

    @workflow.signal
    async def tell(self, name: str) -> None:
        await self._told(name)
