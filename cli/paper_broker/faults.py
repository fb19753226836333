"""Faults on demand: what the next order requests are to suffer."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domain.model import Model

ORDERS_PATH = "/v2/orders"
STREAM_PATH = "/stream"


class FaultKind(StrEnum):
    ERROR_504_AFTER_COMMIT = "error_504_after_commit"
    """The order is in the book, the answer is a gateway's HTML page."""
    HANG = "hang"
    """The order is in the book, no answer ever comes."""
    HANG_BEFORE_COMMIT = "hang_before_commit"
    """The request lies about for some seconds; then the order is in the book, whether or not somebody still waits."""
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
    FILL_BEFORE_REPLACE = "fill_before_replace"
    """The order fills before its replacement reaches the venue: the replacement is answered, then rejected."""
    SILENT_STREAM = "silent_stream"
    """The stream stays connected, answers, and sends none of the next `count` updates."""


class FaultMessage(Model):
    """The next `count` requests to `path` suffer the fault.

    A path may end in `*`. Without a method the orders path means POST, and any other path every method.
    """

    kind: FaultKind
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    path: Annotated[str, Field(pattern=r"^/(v\d|stream)")] = ORDERS_PATH
    method: Literal["", "GET", "POST", "PUT", "PATCH", "DELETE"] = ""
    seconds: Annotated[float, Field(ge=0, le=600)] = 5.0
    """How long a request lies about, where the fault is that."""

    @model_validator(mode="after")
    def _aimed(self) -> Self:
        if (self.kind is FaultKind.SILENT_STREAM) != (self.path == STREAM_PATH):
            raise ValueError(f"{self.kind}: the path {STREAM_PATH} is for {FaultKind.SILENT_STREAM}, and it alone")
        return self

    def strikes(self, method: str, path: str) -> bool:
        wanted = self.method or ("POST" if self.path == ORDERS_PATH else "")
        if wanted and method != wanted:
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


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

    def take(self, method: str, path: str) -> FaultMessage | None:
        """Use up one fault that matches the request, if there is one."""
        for index, fault in enumerate(self._waiting):
            if not fault.strikes(method, path):
                continue
            if fault.count == 1:
                del self._waiting[index]
            else:
                self._waiting[index] = fault.model_copy(update={"count": fault.count - 1})
            return fault
        return None
