"""Child processes that never outlive their supervisor, and the safe ending of those it left behind."""

from __future__ import annotations

import contextlib
import ctypes
import enum
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from domain.errors import ConfigurationError

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000

# Loaded before any fork: between fork and exec a child must not import or allocate more than it has to.
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None

UNPRIVILEGED_ID = 65534
"""The user and group `nobody`."""


class Identity(enum.Enum):
    """Under which user a child runs."""

    SAME = "same"
    """The user of the supervisor."""

    NAMESPACE = "namespace"
    """Root seen as `nobody` inside a user namespace: satisfies servers that refuse root; files stay root's."""

    NOBODY = "nobody"
    """The real user `nobody`, for root where user namespaces are blocked."""


def require_psutil() -> Any:
    """Return the module psutil, which only machines that run the embedded stack have.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import psutil
    except ImportError as error:
        raise ConfigurationError(
            "PACKAGE_MISSING", "Install it with `pip install 'stonks-oracle[embedded]'`", package="psutil"
        ) from error
    return psutil


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run as a part.

    Attributes:
        death_signal: what the kernel sends the child when its supervisor is gone.
    """

    argv: Sequence[str | Path]
    environment: Mapping[str, str]
    death_signal: signal.Signals = signal.SIGKILL
    identity: Identity = Identity.SAME


class ProcessRecord(BaseModel):
    """A process that can be recognised later: process numbers are reused, births are not."""

    model_config = ConfigDict(frozen=True)

    pid: int
    birth: str

    @classmethod
    def of(cls, pid: int) -> Self:
        return cls(pid=pid, birth=_birth(pid) or "gone")

    @property
    def alive(self) -> bool:
        return _birth(self.pid) == self.birth


def _birth(pid: int) -> str | None:
    """Return a text that is unique to one process, or None where the process is gone or only awaits its burial."""
    if not _LINUX:
        psutil = require_psutil()
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                return f"{process.create_time():.2f}"
        return None
    # In ticks since boot: unlike wall-clock times these do not move when the clock is set.
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = status.rpartition(")")[2].split()
    return None if state in "ZX" else f"{_boot_id()}:{rest[18]}"


@functools.cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def spawn(command: Command, log: Path) -> subprocess.Popen[bytes]:
    """Start a child in its own session, with its output appended to the log.

    Raises:
        RuntimeError: called from another thread than the main one. The death signal is tied to the thread that
            spawns: a child of a short-lived thread would be killed when that thread ends.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("parts of the stack are spawned from the main thread only")
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        os.write(descriptor, f"=== {stamp} starting {Path(command.argv[0]).name}\n".encode())
        nobody = UNPRIVILEGED_ID if command.identity is Identity.NOBODY else None
        return subprocess.Popen(  # noqa: S603 - the words are this package's own
            [str(word) for word in command.argv],
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=nobody,
            group=nobody,
            extra_groups=None if nobody is None else [],
            preexec_fn=_prepare_child(command.death_signal, namespace=command.identity is Identity.NAMESPACE),
        )
    finally:
        os.close(descriptor)


def run(command: Command, log: Path, *, timeout_seconds: float) -> int:
    """Run a command to its end and return its exit code; it is killed when the time is over."""
    process = spawn(command, log)
    try:
        return process.wait(timeout_seconds)
    except BaseException:
        kill_tree(process)
        raise


def _prepare_child(death_signal: signal.Signals, *, namespace: bool) -> Callable[[], None] | None:
    if _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def prepare() -> None:
        if namespace:
            _enter_namespace(libc)
        # After the change of identity, which clears it.
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the supervisor died before the line above took effect
            os._exit(1)

    return prepare


def _enter_namespace(libc: ctypes.CDLL) -> None:
    if libc.unshare(_CLONE_NEWUSER) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    for name, text in (
        ("uid_map", f"{UNPRIVILEGED_ID} 0 1"),
        ("setgroups", "deny"),
        ("gid_map", f"{UNPRIVILEGED_ID} 0 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)


@functools.cache
def namespaces_work() -> bool:
    """Try whether root may open a user namespace here; containers often forbid it."""
    try:
        return (
            subprocess.run(
                [sys.executable, "-I", "-S", "-c", ""],
                preexec_fn=_prepare_child(signal.SIGKILL, namespace=True),
                check=False,
                capture_output=True,
                timeout=10,
            ).returncode
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def unprivileged_identity() -> Identity:
    """Choose how to run a server that refuses root."""
    if os.geteuid() != 0:
        return Identity.SAME
    return Identity.NAMESPACE if _LINUX and namespaces_work() else Identity.NOBODY


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a child, its process group and every descendant, and wait until the child is buried."""
    descendants = _descendants(process.pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
    _kill_all(descendants)
    process.wait()


def end_leftover(record: ProcessRecord, root: Path, polite: signal.Signals, seconds: float) -> bool:
    """End a process of an earlier supervisor, if it still is what the record says and belongs to the state directory.

    Returns:
        Whether there was something to end.
    """
    if not record.alive or not belongs(record.pid, root):
        return False
    descendants = _descendants(record.pid)
    if polite is not signal.SIGKILL:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, polite)
        wait_gone(record, seconds)
    if record.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGKILL)
    _kill_all(descendants)
    wait_gone(record, 5.0)
    return True


def wait_gone(record: ProcessRecord, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while record.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def belongs(pid: int, root: Path) -> bool:
    """Whether a process was started for this state directory, by its command line or its environment."""
    psutil = require_psutil()
    try:
        process = psutil.Process(pid)
        if any(_is_below(word.rpartition("=")[2], root) for word in process.cmdline()):
            return True
        return bool(process.environ().get("STONKS_STATE_DIR") == str(root))
    except (psutil.Error, OSError):
        return False


def _is_below(word: str, root: Path) -> bool:
    return word.startswith("/") and Path(word).is_relative_to(root)


def command_line(pid: int) -> str:
    """Return the words of a process, or an empty text where it is gone or not ours to see."""
    psutil = require_psutil()
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return ""


def anyone_works_in(directory: Path) -> bool:
    """Whether a process has this working directory."""
    psutil = require_psutil()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == str(directory):
                return True
    return False


def _descendants(pid: int) -> list[ProcessRecord]:
    psutil = require_psutil()
    try:
        return [ProcessRecord.of(child.pid) for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def _kill_all(records: Sequence[ProcessRecord]) -> None:
    for record in records:
        if record.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(record.pid, signal.SIGKILL)
    # Dead is enough: some first processes of a container take seconds to bury what they adopt.
    for record in records:
        wait_gone(record, 5.0)


def tail(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log in one line of text."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return "(no log)"
    kept = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("===")]
    return " | ".join(kept[-lines:]) or "(empty)"
