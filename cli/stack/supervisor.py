"""The supervisor of the embedded stack: starts real servers and this project's processes, and keeps them running."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import structlog

from cli.stack import credentials, ports
from cli.stack.application import Api, Broker, Worker, api_address, metrics_address
from cli.stack.environment import (
    MODEL_VARIABLES,
    backup_variables,
    embedded_variables,
    external_parts,
    inherited_variables,
    integer,
    metrics_wanted,
    without_secrets,
)
from cli.stack.names import APPLICATION, LOOPBACK, METRICS_PORTS, MODES, SERVICES, STOP_ORDER, PartName
from cli.stack.objects import PORTS as OBJECTS_PORTS
from cli.stack.objects import Objects
from cli.stack.parts import Context, Part
from cli.stack.postgres import Postgres
from cli.stack.process import ProcessRecord, end_leftover, require_psutil
from cli.stack.runner import MAX_DEATHS, Phase, Runner
from cli.stack.state import RunLock, StackState, StateDirectory, read_state, write_metrics_targets, write_state
from cli.stack.temporal import Temporal
from domain.errors import ConfigurationError, StonksError

_PARTS: Mapping[PartName, type[Part]] = {
    PartName.POSTGRES: Postgres,
    PartName.TEMPORAL: Temporal,
    PartName.OBJECTS: Objects,
    PartName.BROKER: Broker,
    PartName.WORKER: Worker,
    PartName.API: Api,
}

_PORT_NAMES: Mapping[PartName, tuple[str, ...]] = {
    PartName.POSTGRES: ("postgres",),
    PartName.TEMPORAL: ("temporal", "temporal_ui", "temporal_metrics", "temporal_http"),
    PartName.OBJECTS: OBJECTS_PORTS,
    PartName.BROKER: ("broker",),
    PartName.WORKER: ("worker", METRICS_PORTS[PartName.WORKER]),
    PartName.API: ("api", METRICS_PORTS[PartName.API]),
}

# A part that dies twice before it was ever ready is misconfigured: waiting for more deaths only hides its message.
_MAX_DEATHS_AT_START = 2

_TICK_SECONDS = 0.02
_WATCH_SECONDS = 0.2

_log: Any = structlog.get_logger(__name__)

Progress = Callable[[PartName, str], None]


class StackInterrupted(StonksError):
    """Someone asked the stack to stop before it had started."""


@dataclass(frozen=True, slots=True)
class StackReport:
    """How a start went: seconds from spawn to the first real operation by part, and where each part answers."""

    seconds: Mapping[PartName, float]
    total_seconds: float
    addresses: Mapping[PartName, str]
    external: frozenset[PartName]


class Stack:
    """The parts of one state directory.

        with Stack(Path(".stonks"), inherited=os.environ) as stack, stop_on_signals(stack):
            stack.start(before_application=migrate)
            stack.watch()

    Belongs to the main thread, from which every child must be spawned. Leaving the `with` block stops all parts.

    Args:
        mode: replay, paper or live. Live never runs the paper broker: without STONKS_BROKER_URL the application
            talks to the vendor.
        inherited: the calling environment. A part whose address it names is checked, never spawned.
        parts: what to run; all by default.
        virtual_clock: the paper broker's time stands still until it is told to move.

    Raises:
        ConfigurationError: an unknown mode, or the paper broker asked for in live mode.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        mode: str = "paper",
        inherited: Mapping[str, str],
        parts: Iterable[PartName] | None = None,
        virtual_clock: bool = False,
    ) -> None:
        if mode not in MODES:
            raise ConfigurationError("MODE_UNKNOWN", f"Use one of: {', '.join(MODES)}", mode=mode)
        self.directory = StateDirectory(state_dir)
        self.mode = mode
        self._inherited = dict(inherited)
        self._external = external_parts(inherited)
        self._metrics = metrics_wanted(inherited)
        self._wanted = frozenset(PartName if parts is None else (PartName(part) for part in parts))
        if mode == "live" and PartName.BROKER not in self._external:
            if parts is not None and PartName.BROKER in self._wanted:
                raise ConfigurationError(
                    "PAPER_BROKER_IN_LIVE_MODE", "Leave the broker out, or use the mode paper", mode=mode
                )
            self._wanted -= {PartName.BROKER}
        self._virtual_clock = virtual_clock
        self._lock = RunLock(self.directory)
        self._environment: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._claims = ports.Claims()
        self._runners: dict[PartName, Runner] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._progress: Progress | None = None
        self._started_at: datetime | None = None
        self._ready = False
        self._stop_asked = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self,
        progress: Progress | None = None,
        before_application: Callable[[Mapping[str, str]], None] | None = None,
    ) -> StackReport:
        """Bring every part up and return once each has done a real operation; on failure stop what was started.

        Args:
            progress: told what happens to which part.
            before_application: called with the environment once the services work and before worker and API start.

        Raises:
            Conflict: another supervisor holds the state directory, or a configured port is taken.
            ConfigurationError: a part cannot work; says which, why and where its log is.
            StackInterrupted: `request_stop` was called meanwhile.
        """
        begun = time.monotonic()
        self.directory.create()
        self._lock.acquire()
        self._progress = progress
        try:
            self._set_up()
            self._start_group(SERVICES)
            if before_application is not None:
                before_application(self.environment())
            self._start_group(APPLICATION)
        except BaseException:
            self.stop()
            raise
        for runner in self._runners.values():
            runner.max_deaths = MAX_DEATHS
        self._ready = True
        self._save()
        write_metrics_targets(self.directory, self._metrics_ports())
        return StackReport(
            seconds={name: runner.seconds for name, runner in self._runners.items()},
            total_seconds=round(time.monotonic() - begun, 2),
            addresses=self._addresses(),
            external=self._external,
        )

    def _set_up(self) -> None:
        require_psutil()  # stopping needs it: better to miss it before anything runs
        previous = read_state(self.directory.root)
        if previous is not None:
            for name in end_leftovers(self.directory, previous):
                _log.warning("leftover_ended", part=name.value)
        self.directory.rotate_logs()
        kept = credentials.load_or_create(self.directory.credentials)
        embedded = self._wanted - self._external
        api_host = self._inherited.get("STONKS_API_HOST") or LOOPBACK
        fixed = (
            {"api": (api_host, integer(self._inherited, "STONKS_API_PORT", 0))}
            if self._inherited.get("STONKS_API_PORT")
            else {}
        )
        remembered = previous.ports if previous else {}
        needed = [name for part in PartName if part in embedded for name in _PORT_NAMES[part]]
        if not self._metrics:
            needed = [name for name in needed if name not in METRICS_PORTS.values()]
        self._ports = ports.choose(needed, remembered=remembered, fixed=fixed, claims=self._claims)
        self._environment = self._build_environment(embedded, kept, api_host)
        context = Context(
            directory=self.directory,
            ports=self._ports,
            credentials=kept,
            environment=self._environment,
            inherited=self._inherited,
            external=self._external,
        )
        self._ports = {**remembered, **self._ports}
        self._pool = ThreadPoolExecutor(max_workers=2 * len(PartName), thread_name_prefix="probe")
        made = {name: _PARTS[name](context) for name in PartName if name in self._wanted}
        for part in made.values():
            if not part.external:
                part.check_installed()
        self._runners = {name: Runner(part, context, self._pool, self._tell) for name, part in made.items()}
        for runner in self._runners.values():
            runner.max_deaths = _MAX_DEATHS_AT_START
        self._started_at = datetime.now(UTC)
        self._save()

    def _build_environment(
        self, embedded: frozenset[PartName], kept: credentials.Credentials, api_host: str
    ) -> dict[str, str]:
        values = {"STONKS_STATE_DIR": str(self.directory.root), "STONKS_MODE": self.mode}
        values |= embedded_variables(
            embedded,
            directory=self.directory,
            ports=self._ports,
            credentials=kept,
            virtual_clock=self._virtual_clock,
            api_host=api_host,
        )
        if chosen := self._chosen_api_key():
            values.pop("STONKS_API_KEY", None)
            values |= chosen
        elsewhere = set(self._external)
        if self.mode == "live":
            elsewhere.add(PartName.BROKER)
        models = {name: self._inherited[name] for name in MODEL_VARIABLES if self._inherited.get(name)}
        backups = backup_variables(self.directory, self._inherited)
        return values | models | backups | inherited_variables(elsewhere, self._inherited)

    def _chosen_api_key(self) -> dict[str, str]:
        """Return the bootstrap key that the operator set instead of ours, in whichever form."""
        names = ("STONKS_API_KEY", "STONKS_API_KEY_FILE")
        return {name: self._inherited[name] for name in names if self._inherited.get(name)}

    def _start_group(self, group: Iterable[PartName]) -> None:
        runners = [self._runners[name] for name in group if name in self._runners]
        for runner in runners:
            self._require_going_on()
            runner.begin()
            self._save()
        while any(runner.phase is not Phase.READY for runner in runners):
            self._require_going_on()
            self._step_all()
            time.sleep(_TICK_SECONDS)
        self._require_going_on()

    def _require_going_on(self) -> None:
        if self._stop_asked.is_set():
            raise StackInterrupted("STACK_INTERRUPTED", "The stack was asked to stop while it was starting")

    def _step_all(self) -> None:
        # Not any(): every part gets its turn.
        if [runner for runner in self._runners.values() if runner.step()]:
            self._save()

    def environment(self) -> dict[str, str]:
        """Return the environment contract, secrets included: what the application's processes and tests need."""
        return dict(self._environment)

    def watch_once(self) -> None:
        """Notice parts that died and start them again, each time after a longer pause.

        Raises:
            ConfigurationError: a part died five times within a minute; names its log.
        """
        self._step_all()

    def watch(self, stop: threading.Event | None = None) -> None:
        """Keep the parts running until the event is set or `request_stop` is called."""
        while not self._stop_asked.is_set() and not (stop is not None and stop.is_set()):
            self.watch_once()
            (stop or self._stop_asked).wait(_WATCH_SECONDS)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the stack to stop."""
        return self._stop_asked.is_set()

    def request_stop(self) -> None:
        """Let `start` or `watch` return soon. May be called from a signal handler or another thread."""
        self._stop_asked.set()

    def kill(self, part: PartName) -> None:
        """End a part and all it spawned with SIGKILL. It stays down until `watch_once` or `restart`."""
        self._runner(part).kill()

    def restart(self, part: PartName) -> None:
        """End a part with SIGKILL if it runs, start it again and wait until it works."""
        runner = self._runner(part)
        runner.kill()
        runner.begin()
        self._save()
        while runner.phase is not Phase.READY:
            self._step_all()
            time.sleep(_TICK_SECONDS)

    def pid(self, part: PartName) -> int | None:
        """Return the process of a part, or None where it is down or external."""
        runner = self._runners.get(part)
        return runner.pid if runner else None

    def stop(self) -> None:
        """Stop all parts, the application first; does nothing where nothing runs."""
        for group in STOP_ORDER:
            runners = [self._runners[name] for name in group if name in self._runners]
            waits = [(runner, runner.ask_to_stop()) for runner in runners]
            for runner, deadline in waits:
                runner.await_stop(deadline)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
            # The lock is ours, so the state is too; the ports in it serve the next start.
            write_state(self.directory, StackState(mode=self.mode, ports=self._ports))
            write_metrics_targets(self.directory, {})
        self._runners = {}
        self._ready = False
        self._stop_asked.clear()
        self._claims.release()
        self._lock.release()

    def _runner(self, part: PartName) -> Runner:
        runner = self._runners.get(part)
        if runner is None or runner.part.external:
            raise ConfigurationError(
                "PART_NOT_RUN_HERE", "Only parts that this stack spawned can be acted on", part=part
            )
        return runner

    def _addresses(self) -> dict[PartName, str]:
        return {name: runner.part.address for name, runner in self._runners.items()}

    def _urls(self) -> dict[str, str]:
        urls: dict[str, str] = {}
        if PartName.API in self._runners:
            api = api_address(self._environment)
            urls["api_docs"] = f"{api}/docs"
        if ui := self._environment.get("STONKS_TEMPORAL_UI_URL"):
            urls["temporal"] = ui
        urls |= {METRICS_PORTS[part]: metrics_address(port) for part, port in self._metrics_ports().items()}
        return urls

    def _metrics_ports(self) -> dict[PartName, int]:
        """Where the parts that run here serve metrics."""
        if not self._metrics:
            return {}
        return {part: self._ports[name] for part, name in METRICS_PORTS.items() if part in self._runners}

    def _tell(self, part: PartName, what: str) -> None:
        if self._progress is not None:
            self._progress(part, what)

    def _save(self) -> None:
        write_state(
            self.directory,
            StackState(
                mode=self.mode,
                supervisor=ProcessRecord.of(os.getpid()),
                started_at=self._started_at,
                ready=self._ready,
                ports=self._ports,
                processes={name: runner.record for name, runner in self._runners.items() if runner.record},
                addresses=self._addresses(),
                urls=self._urls(),
                external=tuple(part for part in PartName if part in self._external),
                environment=without_secrets(self._environment),
                own_api_key=not self._chosen_api_key(),
            ),
        )


def end_leftovers(directory: StateDirectory, state: StackState) -> list[PartName]:
    """End the processes that a dead supervisor left behind; returns the parts that were still there."""
    ended: list[PartName] = []
    for group in STOP_ORDER:
        for name in group:
            record = state.processes.get(name)
            # Postgres gets the time to write its checkpoint: the kernel has sent it the same signal already.
            polite = signal.SIGINT if name is PartName.POSTGRES else signal.SIGKILL
            if record is not None and end_leftover(record, directory.root, polite, seconds=5.0):
                ended.append(name)
    return ended


@contextlib.contextmanager
def stop_on_signals(stack: Stack) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the stack in good order; a second Ctrl-C interrupts at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stack.request_stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
