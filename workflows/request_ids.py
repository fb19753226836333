"""The id of a request travels with what it causes, so that a worker's log line can be found by it.

    a request's log context -> header of a start, a signal or an update -> the workflow -> header of its activities
                            -> the activity's log context -> header of what that starts or signals in turn

Headers are no part of what a replay compares. A workflow that lives long takes the id of each message for what its
handler does, and none of the one that happened to start it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import structlog
from temporalio import client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

HEADER = "stonks-request-id"
KEY = "request_id"
"""In log lines."""
ENTITIES = frozenset({"Notify", "ReconcileSchedules", "ResearchSymbol", "ResearchUniverse", "TradingEngine"})

_carried: ContextVar[str] = ContextVar("stonks_carried_request_id", default="")
"""Of a workflow's run, or of one of its handlers."""

Headers = Mapping[str, Payload]


class RequestIdsOfClient(client.Interceptor):
    """Send the id in the caller's log context along with starts, signals and updates."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        return _Sender(next)


class _Sender(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        input.headers = _with(input.headers, _in_log_context())
        return await super().start_workflow(input)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        input.headers = _with(input.headers, _in_log_context())
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: client.StartWorkflowUpdateInput) -> client.WorkflowUpdateHandle[Any]:
        input.headers = _with(input.headers, _in_log_context())
        return await super().start_workflow_update(input)


class RequestIdsOfWorker(worker.Interceptor):
    """Carry the id through workflows into the log lines of their activities."""

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _InActivity(next)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        return _InWorkflow


class _InActivity(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        found = _of(input.headers)
        if not found:
            return await super().execute_activity(input)
        with structlog.contextvars.bound_contextvars(**{KEY: found}):
            return await super().execute_activity(input)


class _InWorkflow(worker.WorkflowInboundInterceptor):
    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_OutOfWorkflow(outbound))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        if workflow.info().workflow_type not in ENTITIES:
            _carried.set(_of(input.headers))
        return await super().execute_workflow(input)

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        _carried.set(_of(input.headers))
        await super().handle_signal(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        _carried.set(_of(input.headers))
        return await super().handle_update_handler(input)


class _OutOfWorkflow(worker.WorkflowOutboundInterceptor):
    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = _with(input.headers, _carried.get())
        return super().start_activity(input)

    async def start_child_workflow(
        self, input: worker.StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        input.headers = _with(input.headers, _carried.get())
        return await super().start_child_workflow(input)


def _in_log_context() -> str:
    return str(structlog.contextvars.get_contextvars().get(KEY, ""))


def _with(headers: Headers, request_id: str) -> Headers:
    if not request_id:
        return headers
    return {**headers, HEADER: PayloadConverter.default.to_payload(request_id)}


def _of(headers: Headers) -> str:
    payload = headers.get(HEADER)
    return str(PayloadConverter.default.from_payload(payload, str)) if payload is not None else ""
