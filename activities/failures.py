"""What is retryable: decided here alone, for every activity, by the type of the error.

Input that is wrong stays wrong, so it fails at once and becomes a dead letter. Everything else is tried again under the
policy of its stage: a vendor that throttles says when, a vendor or a store that is away comes back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.errors import (
    BudgetExhausted,
    ConfigurationError,
    Conflict,
    InvalidInput,
    ModelOutputInvalid,
    NotFound,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)

FINAL = (InvalidInput, NotFound, Conflict, ConfigurationError, VendorRejected, ModelOutputInvalid, BudgetExhausted)

log = structlog.get_logger(__name__)


def as_application_error(error: StonksError) -> ApplicationError:
    """Translate an error of ours: its code becomes the type by which the UI groups failures."""
    delay = timedelta(seconds=error.retry_after_seconds) if isinstance(error, VendorThrottled) else None
    passing = isinstance(error, VendorThrottled | VendorUnavailable)
    return ApplicationError(
        str(error),
        type=error.code,
        non_retryable=isinstance(error, FINAL),
        next_retry_delay=delay,
        category=ApplicationErrorCategory.BENIGN if passing else ApplicationErrorCategory.UNSPECIFIED,
    )


class FailureInterceptor(Interceptor):
    """Put the translation, and one log line a failure, around every activity."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Translate(next)


class _Translate(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except StonksError as error:
            self._log(error.code, str(error))
            raise as_application_error(error) from error
        except ValidationError as error:
            self._log("INVALID_DATA", str(error))
            raise ApplicationError(f"INVALID_DATA: {error}", type="INVALID_DATA", non_retryable=True) from error

    def _log(self, code: str, message: str) -> None:
        info = activity.info()
        log.warning(
            "activity_failed",
            activity=info.activity_type,
            workflow_id=info.workflow_id,
            attempt=info.attempt,
            code=code,
            error=message,
        )
