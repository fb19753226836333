"""Commands to the engine besides pause, resume and halt: settings, breakers, the reserve, orders by hand, reset.

Each is an update, so that whoever gave it learns what came of it; it is given only where the engine answers, so that
none waits in the server for a worker and takes effect when nobody expects it.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError

from api import failures
from api.operations.trading import REPLAY, require_answer
from domain.acceptance import AcceptanceReport, AcceptDifference, DeclineDifference
from domain.approvals import plain
from domain.errors import VendorUnavailable
from domain.ids import digest
from domain.model import Model
from domain.trading_commands import (
    ConfigReport,
    Configure,
    DoneReport,
    EngineDebug,
    OverrideOrder,
    OverrideReport,
    ReleaseReserve,
    ResetBreaker,
    ResetEngine,
    ReviewConfig,
)
from workflows import names
from workflows.client import TemporalFlows
from workflows.trading_engine import TradingEngine

R = TypeVar("R", bound=Model)

FINISH_SECONDS = 20.0


async def configure(client: Client, command: Configure, *, mode: str) -> ConfigReport:
    """Change settings; what loosens something waits for a second person."""
    return await _give(client, TradingEngine.configure, command, ConfigReport, mode=mode)


async def review_config(client: Client, command: ReviewConfig, *, mode: str) -> ConfigReport:
    return await _give(client, TradingEngine.review_config, command, ConfigReport, mode=mode)


async def reset_breaker(client: Client, command: ResetBreaker, *, mode: str) -> DoneReport:
    return await _give(client, TradingEngine.reset_breaker, command, DoneReport, mode=mode)


async def release_reserve(client: Client, command: ReleaseReserve, *, mode: str) -> DoneReport:
    return await _give(client, TradingEngine.release_reserve, command, DoneReport, mode=mode)


async def override(client: Client, command: OverrideOrder, *, mode: str) -> OverrideReport:
    """Place an order by hand. Asking again with the same key is the same order.

    Raises:
        Conflict: the key is another order's.
    """
    order = digest("override", command.key, command.symbol, command.side.value, plain(command.quantity))
    return await _give(client, TradingEngine.override_order, command, OverrideReport, mode=mode, id=order)


async def reset(client: Client, command: ResetEngine, *, mode: str) -> DoneReport:
    return await _give(client, TradingEngine.reset, command, DoneReport, mode=mode)


async def accept_difference(client: Client, command: AcceptDifference, *, mode: str) -> AcceptanceReport:
    """Accept a difference with the broker; another person must too, unless one runs the house alone."""
    return await _give(client, TradingEngine.accept_difference, command, AcceptanceReport, mode=mode)


async def decline_difference(client: Client, command: DeclineDifference, *, mode: str) -> AcceptanceReport:
    """End an acceptance that waits for a second person."""
    return await _give(client, TradingEngine.decline_difference, command, AcceptanceReport, mode=mode)


async def debug_state(client: Client) -> EngineDebug:
    """What the engine remembers.

    Raises:
        VendorUnavailable: it does not answer.
    """
    try:
        async with asyncio.timeout(FINISH_SECONDS):
            return await client.get_workflow_handle(names.TRADING_ENGINE).query(
                TradingEngine.debug_state, reject_condition=QueryRejectCondition.NOT_OPEN
            )
    except WorkflowQueryRejectedError as error:
        raise VendorUnavailable("ENGINE_NOT_ANSWERING", "It has ended: the next command starts another") from error
    except (RPCError, TimeoutError) as error:
        raise _away() from error


async def _give(
    client: Client, handler: Any, command: Model, result: type[R], *, mode: str, id: str | None = None
) -> R:
    flows = TemporalFlows(client, driven=mode == REPLAY)
    await require_answer(client, flows)
    handle = client.get_workflow_handle(names.TRADING_ENGINE)
    try:
        async with asyncio.timeout(FINISH_SECONDS):
            done: R = await handle.execute_update(handler, command, result_type=result, id=id)
            return done
    except WorkflowUpdateFailedError as error:
        raise failures.refused(error) from error
    except (RPCError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise _away() from error


def _away() -> VendorUnavailable:
    return VendorUnavailable(
        "ENGINE_NOT_ANSWERING",
        "It was asked and did not finish: look whether it took effect before you ask again",
        waited_seconds=int(FINISH_SECONDS),
    )
