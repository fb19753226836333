"""Dead letters are counted where they arise: in the process in which a workflow gives up, and never by a replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    FailureError,
    TerminatedError,
    TimeoutError,
    is_cancelled_exception,
)
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from workflows.names import DEAD_LETTER_TYPES

_GAVE_UP = "stonks_gave_up"


class FailureCounter(Interceptor):
    """Tell `count` the type and the error's code of every workflow that becomes a dead letter.

    One that is ended from outside (terminated, or out of time as a whole) runs no code and is not told of.
    """

    def __init__(self, count: Callable[[str, str], None]) -> None:
        self._count = count

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        input.unsafe_extern_functions[_GAVE_UP] = self._count
        return _CountFailure


class _CountFailure(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        try:
            return await self.next.execute_workflow(input)
        except FailureError as error:
            name = workflow.info().workflow_type
            if name in DEAD_LETTER_TYPES and not is_cancelled_exception(error) and not workflow.unsafe.is_replaying():
                workflow.extern_functions()[_GAVE_UP](name, _reason(error))
            raise


def _reason(error: BaseException) -> str:
    """The error's code, which what failed wraps: an activity's failure has it as its cause."""
    while not isinstance(error, ApplicationError) and isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    if isinstance(error, TimeoutError):
        return "TIMED_OUT"
    if isinstance(error, TerminatedError):
        return "TERMINATED"
    return type(error).__name__
