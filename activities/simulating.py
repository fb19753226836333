"""A simulation in a process of its own: it keeps a processor busy for minutes, which no worker's loop can spare."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.errors import InvalidInput, StonksError
from domain.simulation import Simulation

_Message = tuple[str, object]


class _Refused(NamedTuple):
    """An error of ours, on its way between processes."""

    code: str
    hint: str
    fields: dict[str, str]


async def simulate(
    data: BacktestData,
    request: BacktestRequest,
    state: BacktestState | None,
    *,
    until: int,
    code_version: str,
    on_progress: Callable[[int], None],
) -> BacktestState:
    """Play sessions up to a number, telling each; canceling it ends the process.

    Raises:
        InvalidInput: what the simulation refused.
        RuntimeError: the process died, or failed in a way that nobody foresaw.
    """
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(
        target=_play, args=(sending, data, request, state, until, code_version), name="backtest", daemon=True
    )
    await asyncio.to_thread(process.start)
    sending.close()
    try:
        while True:
            kind, value = await asyncio.to_thread(_received, receiving)
            if kind == "progress" and isinstance(value, int):
                on_progress(value)
            elif isinstance(value, BacktestState):
                return value
            elif isinstance(value, _Refused):
                raise InvalidInput(value.code, value.hint, **value.fields)
            else:
                raise RuntimeError(f"the simulation failed: {value}")
    finally:
        if process.is_alive():
            process.kill()
        await asyncio.to_thread(process.join)
        receiving.close()


def _received(receiving: Connection) -> _Message:
    try:
        message: _Message = receiving.recv()
    except (EOFError, OSError):
        return "failed", "its process ended without an answer"
    return message


def _play(
    sending: Connection,
    data: BacktestData,
    request: BacktestRequest,
    state: BacktestState | None,
    until: int,
    code_version: str,
) -> None:
    try:
        run = Simulation(data, request, code_version=code_version, state=state)
        found = run.run(until, progress=lambda done: sending.send(("progress", done)))
    except StonksError as error:
        sending.send(
            ("refused", _Refused(error.code, error.hint, {name: str(each) for name, each in error.fields.items()}))
        )
    except Exception as error:
        sending.send(("failed", f"{type(error).__name__}: {error}"))
        raise
    else:
        sending.send(("finished", found))
