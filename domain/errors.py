"""Errors the platform raises on purpose, each with a stable code that appears in database, API, log and UI alike.

StonksError
├── InvalidInput      the caller's data is wrong: fix it and try again
│   └── SourceFormatError   a source cannot be read at all (a single bad row is a `Reject`, not an error)
├── NotFound          what was named does not exist
├── Conflict          the request contradicts the present state
├── ConfigurationError      the platform is set up wrongly: an operator must act
├── VendorError       a vendor answered with an error
│   ├── VendorRejected      final: the vendor understood and said no
│   ├── VendorThrottled     try again after `retry_after_seconds`
│   └── VendorUnavailable   the outcome is unknown or the vendor is away: try again, same key
├── ModelOutputInvalid      a model's answer does not satisfy the schema
└── BudgetExhausted   the day's budget does not allow it: not before tomorrow, or with a larger one
"""

from __future__ import annotations

from typing import Any


class StonksError(Exception):
    """An error with a stable code, the values found, and the next step.

    Args:
        code: stable upper-case identifier, for example `POSITION_LIMIT_EXCEEDED`.
        hint: what the reader can do about it.
        fields: the names and values involved; never a secret.
    """

    def __init__(self, code: str, /, hint: str = "", **fields: Any) -> None:
        self.code = code
        self.hint = hint
        self.fields = fields
        super().__init__(self._message())

    def _message(self) -> str:
        details = ", ".join(f"{name}={value}" for name, value in self.fields.items())
        parts = [self.code + (f": {details}" if details else "")]
        if self.hint:
            parts.append(self.hint)
        return ". ".join(parts)


class InvalidInput(StonksError):
    """The caller's data is wrong."""


class SourceFormatError(InvalidInput):
    """A source as a whole cannot be read: a missing column, not a CSV file, no such file."""


class NotFound(StonksError):
    """What was named does not exist."""


class Conflict(StonksError):
    """The request contradicts the present state."""


class ConfigurationError(StonksError):
    """The platform is set up wrongly; an operator must act."""


class VendorError(StonksError):
    """A vendor answered with an error."""


class VendorRejected(VendorError):
    """Final: the vendor understood the request and said no."""


class VendorThrottled(VendorError):
    """The vendor asks to slow down."""

    def __init__(self, code: str, /, hint: str = "", *, retry_after_seconds: float, **fields: Any) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(code, hint, retry_after_seconds=retry_after_seconds, **fields)


class VendorUnavailable(VendorError):
    """The outcome is unknown or the vendor is away; repeat with the same key."""


class ModelOutputInvalid(StonksError):
    """A model's answer does not satisfy the schema."""


class BudgetExhausted(StonksError):
    """The day's budget does not allow another call of a model."""
