"""Errors of Temporal, of the database and of the network, told as errors of ours: one code, one next step."""

from __future__ import annotations

import asyncpg
from sqlalchemy import exc
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import ConfigurationError, Conflict, InvalidInput, NotFound, StonksError, VendorUnavailable

_AWAY = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED})
_BAD_TOKEN = frozenset({RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.UNKNOWN, RPCStatusCode.INTERNAL})
_CONNECTION_AWAY = (OSError, exc.TimeoutError)
"""A refused or timed-out connection, or none free in the pool; nothing else here opens sockets or files."""
_SCHEMA = "42P01"
"""SQLSTATE of a table that does not exist."""
_REFUSES = ("28", "3D000")
"""SQLSTATE classes and codes: wrong user or password, no such database."""
_AWAY_STATES = ("08", "53300", "57P")
"""SQLSTATE: connection lost, too many connections, starting up or shutting down."""
_READ_ONLY = "25006"
"""SQLSTATE of a change in a transaction that only reads, as those of commands are."""
_NO_TEXT = frozenset({"22021", "22P05"})
"""SQLSTATE of text that the database cannot hold, in a column or in JSON: the null character above all."""
_NO_VALUE = frozenset({"22000", "22008"})
"""SQLSTATE of a value that the driver cannot send, and of an instant that the database cannot hold."""


def as_stonks_error(error: BaseException) -> StonksError | None:
    """Translate what can be expected to happen; None for what cannot, which is a bug and is shown as one."""
    if isinstance(error, StonksError):
        return error
    if isinstance(error, WorkflowUpdateFailedError):
        return refused(error)
    if isinstance(error, WorkflowUpdateRPCTimeoutOrCancelledError):
        return temporal_away()
    if isinstance(error, RPCError):
        return _rpc(error)
    if isinstance(error, _CONNECTION_AWAY):
        return _database_away()
    if isinstance(error, exc.DBAPIError):
        return _database(error)
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return _driver(error)
    return None


def refused(error: WorkflowUpdateFailedError) -> Conflict:
    """A workflow said no to an update. Its message starts with the code: `CODE: what was found`."""
    message = refusal(error)
    code, _, rest = message.partition(": ")
    if rest and code.isascii() and code.replace("_", "").isupper():
        while rest.startswith(f"{code}: "):  # an activity's refusal says it once for itself and once for its type
            rest = rest.removeprefix(f"{code}: ")
        return Conflict(code, rest)
    return Conflict("COMMAND_REFUSED", message)


def refusal(error: WorkflowUpdateFailedError) -> str:
    """What the workflow said, without the type of the error that it said it with."""
    return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)


def of_page(error: RPCError, token: bytes) -> Exception:
    """What to raise where a page of a list could not be read: a token that Temporal cannot read is the caller's."""
    if token and error.status in _BAD_TOKEN:
        return InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
    return error


def temporal_away() -> VendorUnavailable:
    return VendorUnavailable("TEMPORAL_UNAVAILABLE", "Is it running? `stonks doctor` tells")


def _database(error: exc.DBAPIError) -> StonksError | None:
    # A failed statement carries the state itself, a failed connection in the driver's own error behind it.
    causes = (error.orig, getattr(error.orig, "__cause__", None))
    state = next((str(found) for cause in causes if (found := getattr(cause, "sqlstate", None))), "")
    if (known := _of_state(state)) is not None:
        return known
    return _database_away() if error.connection_invalidated or isinstance(error, exc.InterfaceError) else None


def _driver(
    error: asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError,
) -> StonksError | None:
    """Of a statement that was given to the driver itself."""
    if isinstance(error, asyncpg.PostgresError):
        return _of_state(str(error.sqlstate))
    if isinstance(error, ValueError):  # a value that it cannot send
        return _out_of_range()
    return _database_away()


def _of_state(state: str) -> StonksError | None:
    if state.startswith(_REFUSES):
        return ConfigurationError("DATABASE_REFUSES", "Check STONKS_DB_USER, STONKS_DB_PASSWORD and STONKS_DB_NAME")
    if state == _SCHEMA:
        return ConfigurationError("SCHEMA_MISSING", "Run `stonks db upgrade`")
    if state == _READ_ONLY:
        return StonksError("DATABASE_READ_ONLY", "Commands only read: acting goes through the API")
    if state in _NO_TEXT:
        return InvalidInput("TEXT_INVALID", "Leave null characters out: the database keeps text without them")
    if state in _NO_VALUE:
        return _out_of_range()
    return _database_away() if state.startswith(_AWAY_STATES) else None


def _out_of_range() -> InvalidInput:
    return InvalidInput("VALUE_OUT_OF_RANGE", "Give instants of the years 1 to 9999, in UTC as well")


def _database_away() -> VendorUnavailable:
    return VendorUnavailable("DATABASE_UNAVAILABLE", "Is it running? `stonks doctor` tells")


def _rpc(error: RPCError) -> StonksError:
    if error.status in _AWAY:
        return temporal_away()
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotFound("WORKFLOW_NOT_FOUND", "It was never started, has ended, or its retention is over")
    return StonksError("TEMPORAL_ERROR", "See Temporal's log", status=error.status.name, reply=error.message[:300])
