"""A simulation in a process of its own: it keeps a processor busy for minutes, which no worker's loop can spare."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple, TypeVar, cast

from temporalio import activity

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.errors import InvalidInput, StonksError
from domain.simulation import Simulation

BEAT_SECONDS = 10.0
YOUNG_OBJECTS = 100_000
"""Objects made between two looks for garbage in cycles."""

T = TypeVar("T")
_Message = tuple[str, object]
Progress = Callable[[int], None]


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
    on_progress: Progress,
) -> BacktestState:
    """Play sessions up to a number, telling each; canceling it ends the process.

    Raises:
        InvalidInput: what the simulation refused.
        RuntimeError: the process died, or failed in a way that nobody foresaw.
    """
    return await in_process(partial(_play, data, request, state, until, code_version), on_progress=on_progress)


async def in_process(task: Callable[[Progress], T], *, on_progress: Progress) -> T:
    """Do what can be pickled in a process of its own, with what it tells on the way; see `simulate`."""
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sending, task), name="backtest", daemon=True)
    await asyncio.to_thread(process.start)
    sending.close()
    try:
        while True:
            kind, value = await asyncio.to_thread(_received, receiving)
            if kind == "progress" and isinstance(value, int):
                on_progress(value)
            elif kind == "finished":
                return cast(T, value)
            elif isinstance(value, _Refused):
                raise InvalidInput(value.code, value.hint, **value.fields)
            else:
                raise RuntimeError(f"the simulation failed: {value}")
    finally:
        if process.is_alive():
            process.kill()
        await asyncio.to_thread(process.join)
        receiving.close()


@asynccontextmanager
async def alive() -> AsyncIterator[None]:
    """Heartbeat while something is read, played or drawn."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_SECONDS)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Look for garbage in cycles seldom: a simulation makes millions of objects, and hardly any cycle."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _received(receiving: Connection) -> _Message:
    try:
        message: _Message = receiving.recv()
    except (EOFError, OSError):
        return "failed", "its process ended without an answer"
    return message


def _play(
    data: BacktestData,
    request: BacktestRequest,
    state: BacktestState | None,
    until: int,
    code_version: str,
    progress: Progress,
) -> BacktestState:
    return Simulation(data, request, code_version=code_version, state=state).run(until, progress=progress)


def _run(sending: Connection, task: Callable[[Progress], object]) -> None:
    gc.freeze()  # what was handed over lives as long as the process
    try:
        with rarely_collected():
            found = task(lambda done: sending.send(("progress", done)))
    except StonksError as error:
        sending.send(
            ("refused", _Refused(error.code, error.hint, {name: str(each) for name, each in error.fields.items()}))
        )
    except Exception as error:
        sending.send(("failed", f"{type(error).__name__}: {error}"))
        raise
    else:
        sending.send(("finished", found))
