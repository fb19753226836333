"""Simulations in processes of their own: they keep a processor busy for minutes, which no worker's loop can spare."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple, Self, TypeVar, cast

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.errors import InvalidInput, StonksError
from domain.panel import Layouts
from domain.simulation import Simulation

YOUNG_OBJECTS = 100_000
"""Objects made between two looks for garbage in cycles."""
REST_SECONDS = 60.0
"""So long the data of a backtest wait for its next step, in the worker and in the process that plays."""

RUNS_STANDING = 4
"""Runs that a process can go on with: the trials of a sweep take turns (`workflows.sweep_backtests`)."""

T = TypeVar("T")
_Message = tuple[str, object]
_Asked = tuple[BacktestRequest, BacktestState | None, int, str]
_CONTEXT = get_context("spawn")
Progress = Callable[[int], None]


class _Refused(NamedTuple):
    """An error of ours, on its way between processes."""

    code: str
    hint: str
    fields: dict[str, str]


class Players:
    """Processes that play backtests, each with the data that were handed to it.

    One of them rests between the steps of a run, and is asked again by the next, or by the next trial with the same
    data: what it laid out and foresaw is there already. It ends when nobody asks for a while, or for other data.
    """

    def __init__(self, *, rest_seconds: float = REST_SECONDS) -> None:
        self._rest_seconds = rest_seconds
        self._resting: _Player | None = None
        self._tires: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def play(
        self,
        name: str,
        data: BacktestData,
        request: BacktestRequest,
        state: BacktestState | None,
        *,
        until: int,
        code_version: str,
        on_progress: Progress,
    ) -> BacktestState:
        """Play sessions up to a number, telling each; canceling it ends the process.

        Args:
            name: of the data; the same under the same name.

        Raises:
            InvalidInput: what the simulation refused.
            RuntimeError: the process died, or failed in a way that nobody foresaw.
        """
        player = await self._rested(name) or await _Player.begin(name, data)
        try:
            found = await player.play((request, state, until, code_version), on_progress)
        except BaseException:
            await player.end()
            raise
        while self._resting is not None:  # of those that played at once, the last one rests
            await self.close()
        self._resting = player
        self._tires = asyncio.get_running_loop().call_later(self._rest_seconds, self._tire)
        return found

    async def close(self) -> None:
        """End the process that rests."""
        self._tire()
        await asyncio.gather(*self._ending)

    async def _rested(self, name: str) -> _Player | None:
        player = self._resting
        if player is None or player.name != name or not player.is_alive:
            await self.close()
            return None
        self._wake()
        return player

    def _wake(self) -> None:
        if self._tires is not None:
            self._tires.cancel()
        self._resting = self._tires = None

    def _tire(self) -> None:
        player = self._resting
        self._wake()
        if player is not None:
            ending = asyncio.create_task(player.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)


class _Player:
    """A process with its data. It ends with whoever began it: nobody is left to ask."""

    def __init__(self, name: str, process: SpawnProcess, connection: Connection) -> None:
        self.name = name
        self._process, self._connection = process, connection

    @classmethod
    async def begin(cls, name: str, data: BacktestData) -> Self:
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=_serve, args=(theirs, data), name="backtest", daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        return cls(name, process, ours)

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    async def play(self, asked: _Asked, on_progress: Progress) -> BacktestState:
        try:
            await asyncio.to_thread(self._connection.send, asked)
        except OSError as error:
            raise RuntimeError("the simulation failed: its process ended before it was asked") from error
        return cast(BacktestState, await _answer_of(self._connection, on_progress))

    async def end(self) -> None:
        await _end(self._process, self._connection)


async def in_process(task: Callable[[Progress], T], *, on_progress: Progress) -> T:
    """Do what can be pickled in a process of its own, with what it tells on the way; canceling it ends the process.

    Raises:
        InvalidInput: what the task refused.
        RuntimeError: the process died, or failed in a way that nobody foresaw.
    """
    receiving, sending = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(sending, task), name="backtest", daemon=True)
    await asyncio.to_thread(process.start)
    sending.close()
    try:
        return cast(T, await _answer_of(receiving, on_progress))
    finally:
        await _end(process, receiving)


async def _answer_of(connection: Connection, on_progress: Progress) -> object:
    while True:
        kind, value = await asyncio.to_thread(_received, connection)
        if kind == "progress" and isinstance(value, int):
            on_progress(value)
        elif kind == "finished":
            return value
        elif isinstance(value, _Refused):
            raise InvalidInput(value.code, value.hint, **value.fields)
        else:
            raise RuntimeError(f"the simulation failed: {value}")


async def _end(process: SpawnProcess, connection: Connection) -> None:
    if process.is_alive():
        process.kill()
    await asyncio.to_thread(process.join)
    connection.close()


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


class Stage:
    """Plays what is asked with the same data; a run that is asked for its next step goes on where it stands."""

    def __init__(self, data: BacktestData) -> None:
        self._data, self._layouts = data, Layouts(data)
        self._standing: list[tuple[BacktestRequest, str, BacktestState, Simulation]] = []
        """The last runs that were played, the newest last."""

    def play(
        self,
        request: BacktestRequest,
        state: BacktestState | None,
        until: int,
        code_version: str,
        progress: Progress,
    ) -> BacktestState:
        simulation = self._taken(request, code_version, state) or Simulation(
            self._data, request, code_version=code_version, state=state, layouts=self._layouts
        )
        found = simulation.run(until, progress=progress)
        self._standing = [*self._standing[1 - RUNS_STANDING :], (request, code_version, found, simulation)]
        return found

    def _taken(self, request: BacktestRequest, code_version: str, state: BacktestState | None) -> Simulation | None:
        for place, (*stands, simulation) in enumerate(self._standing):
            if stands == [request, code_version, state]:
                del self._standing[place]
                return simulation
        return None


def _serve(connection: Connection, data: BacktestData) -> None:
    """Play whatever is asked, until nobody is there to ask."""
    _settle()
    stage = Stage(data)
    while True:
        try:
            asked: _Asked = connection.recv()
        except EOFError:
            return
        _answer(connection, partial(stage.play, *asked))


def _run(sending: Connection, task: Callable[[Progress], object]) -> None:
    _settle()
    _answer(sending, task)


def _settle() -> None:
    gc.freeze()  # what was handed over lives as long as the process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at a terminal it is for whoever began the process


def _answer(connection: Connection, task: Callable[[Progress], object]) -> None:
    try:
        with rarely_collected():
            found = task(lambda done: connection.send(("progress", done)))
    except StonksError as error:
        fields = {name: str(each) for name, each in error.fields.items()}
        connection.send(("refused", _Refused(error.code, error.hint, fields)))
    except Exception as error:
        connection.send(("failed", f"{type(error).__name__}: {error}"))
        raise
    else:
        connection.send(("finished", found))
