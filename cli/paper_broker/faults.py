"""Faults on demand: what the next order requests are to suffer."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.model import Model

ORDERS_PATH = "/v2/orders"


class FaultKind(StrEnum):
    ERROR_504_AFTER_COMMIT = "error_504_after_commit"
    """The order is in the book, the answer is a gateway's HTML page."""
    HANG = "hang"
    """The order is in the book, no answer ever comes."""
    STORM_429 = "storm_429"
    """The request is turned away before it is read."""
    RESET_BEFORE_COMMIT = "reset_before_commit"
    """The connection is reset and nothing was done."""
    RESET_AFTER_COMMIT = "reset_after_commit"
    """The connection is reset after the order is in the book."""
    REJECT_AFTER_200 = "reject_after_200"
    """The order is answered as received and rejected right after."""
    PARTIAL_FILL = "partial_fill"
    """Half of the order fills when it can, the rest at the next price."""


class FaultMessage(Model):
    """The next `count` requests to `path` suffer the fault: POST for the orders path, any method for another one."""

    kind: FaultKind
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    path: Annotated[str, Field(pattern=r"^/v")] = ORDERS_PATH


class FaultBoard:
    """Faults waiting for their requests, first come first served. Forgotten when the process ends.

    Used from the event loop alone.
    """

    def __init__(self) -> None:
        self._waiting: deque[FaultMessage] = deque()

    def add(self, message: FaultMessage) -> None:
        self._waiting.append(message)

    def clear(self) -> None:
        self._waiting.clear()

    def waiting(self) -> list[FaultMessage]:
        return list(self._waiting)

    def take(self, method: str, path: str) -> FaultKind | None:
        """Use up one fault that matches the request, if there is one."""
        for index, fault in enumerate(self._waiting):
            if path != fault.path or (fault.path == ORDERS_PATH and method != "POST"):
                continue
            if fault.count == 1:
                del self._waiting[index]
            else:
                self._waiting[index] = fault.model_copy(update={"count": fault.count - 1})
            return fault.kind
        return None
