"""One part through its life: spawned, probed until it works, noticed when it dies, ended."""

from __future__ import annotations

import enum
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import structlog

from cli.stack.names import PartName
from cli.stack.parts import Context, Part
from cli.stack.ports import is_answering
from cli.stack.process import ProcessRecord, kill_tree, spawn, tail
from domain.errors import ConfigurationError, StonksError

MAX_DEATHS = 5
DEATH_WINDOW_SECONDS = 60.0

_START_LIMIT_SECONDS = 60.0
_EXTERNAL_LIMIT_SECONDS = 15.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.03, 0.25
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.25, 5.0

_log: Any = structlog.get_logger(__name__)

Notice = Callable[[PartName, str], None]


class Phase(enum.Enum):
    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    DOWN = "down"
    """Died; waits for its next try."""


class Runner:
    """Runs one part. Every method belongs to the main thread; only probes run elsewhere."""

    def __init__(self, part: Part, context: Context, pool: ThreadPoolExecutor, notice: Notice) -> None:
        self.part = part
        self.phase = Phase.STOPPED
        self.record: ProcessRecord | None = None
        self.seconds = 0.0
        """How long it took from the first spawn to the first success."""
        self.max_deaths = MAX_DEATHS
        self._context = context
        self._log = context.directory.log(part.name)
        self._pool = pool
        self._notice = notice
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths: deque[float] = deque()
        self._begun = 0.0
        self._respawn_at = 0.0
        self._probe: Future[None] | None = None
        self._next_probe = 0.0
        self._pause = _FIRST_PAUSE_SECONDS
        self._answering_since: float | None = None
        self._patience = part.stall_seconds or 0.0
        self._problem = ""

    @property
    def name(self) -> PartName:
        return self.part.name

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    def begin(self) -> None:
        """Spawn the part, or begin to check it where it runs elsewhere."""
        self._begun = time.monotonic()
        self._patience = self.part.stall_seconds or 0.0
        if self.part.external:
            self._enter_starting()
            self._notice(self.name, f"checking {self.part.address}")
        else:
            self._spawn()
            self._notice(self.name, "starting")

    def _spawn(self) -> None:
        self.part.prepare()
        self._process = spawn(self.part.command(), self._log)
        self.record = ProcessRecord.of(self._process.pid)
        self._enter_starting()

    def _enter_starting(self) -> None:
        self.phase = Phase.STARTING
        self._probe = None
        self._next_probe = 0.0
        self._pause = _FIRST_PAUSE_SECONDS
        self._answering_since = None

    def step(self) -> bool:
        """Notice what has changed and act on it.

        Returns:
            Whether the part's process or phase changed.

        Raises:
            StonksError: the part cannot work, or keeps dying.
        """
        now = time.monotonic()
        if self.phase in {Phase.STARTING, Phase.READY} and not self.part.external and self.pid is None:
            self._died(now)
            return True
        if self.phase is Phase.DOWN and now >= self._respawn_at:
            self._begun = now
            self._spawn()
            _log.info("part_respawned", part=self.name.value, pid=self.pid, deaths=len(self._deaths))
            self._notice(self.name, "started again")
            return True
        return self.phase is Phase.STARTING and self._advance(now)

    def _advance(self, now: float) -> bool:
        if self._probe is not None and self._probe.done():
            finished, self._probe = self._probe, None
            error = finished.exception()
            if error is None:
                self._became_ready(now)
                return True
            if isinstance(error, StonksError):
                raise error
            self._problem = str(error) or type(error).__name__
            self._next_probe = now + self._pause
            self._pause = min(self._pause * 1.5, _LONGEST_PAUSE_SECONDS)
        if self._probe is None and now >= self._next_probe:
            self._probe = self._pool.submit(self.part.probe)
        if self._has_stalled(now):
            self._respawn_stalled()
            return True
        limit = _EXTERNAL_LIMIT_SECONDS if self.part.external else _START_LIMIT_SECONDS
        if now - self._begun > limit:
            raise self._never_ready(limit)
        return False

    def _became_ready(self, now: float) -> None:
        self.phase = Phase.READY
        self.seconds = round(now - self._begun, 2)
        _log.info("part_ready", part=self.name.value, pid=self.pid, seconds=self.seconds)
        self._notice(self.name, f"ready after {self.seconds:.1f} s")

    def _has_stalled(self, now: float) -> bool:
        if not self._patience or self.part.external:
            return False
        if self._answering_since is None:
            if is_answering(self._context.ports[self.name]):
                self._answering_since = now
            return False
        return now - self._answering_since > self._patience

    def _respawn_stalled(self) -> None:
        _log.warning("part_stalled", part=self.name.value, patience_seconds=self._patience, problem=self._problem)
        self._notice(self.name, "listens but does not work: starting it again")
        # A slow machine must not be taken for a stall for ever.
        self._patience *= 1.5
        self.kill()
        self._spawn()

    def _died(self, now: float) -> None:
        code = self._process.returncode if self._process else None
        cause = _cause(code)
        if self._process is not None:
            kill_tree(self._process)  # what is left of its group
        self.phase = Phase.DOWN
        self._probe = None
        self._deaths.append(now)
        while self._deaths and now - self._deaths[0] > DEATH_WINDOW_SECONDS:
            self._deaths.popleft()
        deaths = len(self._deaths)
        _log.warning("part_died", part=self.name.value, cause=cause, deaths=deaths, log=str(self._log))
        if deaths >= self.max_deaths:
            raise ConfigurationError(
                "PART_KEEPS_DYING",
                f"Read the log. Its last words: {tail(self._log)}",
                part=self.name.value,
                deaths=deaths,
                window_seconds=int(DEATH_WINDOW_SECONDS),
                cause=cause,
                log=self._log,
            )
        self._respawn_at = now + min(_FIRST_BACKOFF_SECONDS * 2 ** (deaths - 1), _LONGEST_BACKOFF_SECONDS)
        self._notice(self.name, f"died ({cause})")

    def _never_ready(self, limit: float) -> ConfigurationError:
        if self.part.external:
            return ConfigurationError(
                "EXTERNAL_PART_UNREACHABLE",
                "Start that server, correct the address, or unset the variable to run the part here",
                part=self.name.value,
                address=self.part.address,
                waited_seconds=int(limit),
                problem=self._problem or "no answer",
            )
        return ConfigurationError(
            "PART_NOT_READY",
            f"Read the log. Its last words: {tail(self._log)}",
            part=self.name.value,
            waited_seconds=int(limit),
            problem=self._problem or "no answer",
            log=self._log,
        )

    def kill(self) -> None:
        """End the process group with SIGKILL and wait until it is gone."""
        if self._process is not None:
            kill_tree(self._process)

    def ask_to_stop(self) -> float:
        """Send the part its stop signal; returns the time (monotonic) at which patience ends."""
        self.phase = Phase.STOPPED
        self._probe = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.part.stop_signal)
        return time.monotonic() + self.part.grace_seconds

    def await_stop(self, deadline: float) -> None:
        """Wait for the part to end; kill what is still there at the deadline."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("part_killed", part=self.name.value, grace_seconds=self.part.grace_seconds)
        kill_tree(self._process)
        self._process = None
        self.record = None
        self.part.clean_up()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"
