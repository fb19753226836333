"""The state directory: where everything of one embedded stack lives, who holds it, and what runs in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cli.stack.names import LOOPBACK, PartName
from cli.stack.process import ProcessRecord
from domain.errors import ConfigurationError, Conflict

LOG_LIMIT_BYTES = 20 * 1024 * 1024


class StateDirectory:
    """The paths below one state directory, for example `.stonks`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.credentials = self.root / "credentials.json"
        self.state = self.root / "state.json"
        self.lock = self.root / "run.lock"
        self.object_identities = self.root / "s3.json"
        self.metrics_targets = self.root / "metrics-targets.json"

    def data(self, part: PartName) -> Path:
        return self.root / "data" / part

    def log(self, part: PartName) -> Path:
        return self.root / "logs" / f"{part}.log"

    def create(self) -> None:
        """Make the directories, readable by their owner alone.

        Raises:
            ConfigurationError: the directory holds something else, or cannot be written.
        """
        try:
            if self.root.is_dir() and any(self.root.iterdir()) and not self._is_ours():
                raise ConfigurationError(
                    "STATE_DIRECTORY_NOT_OURS",
                    "Name a directory that is empty or does not exist yet",
                    path=self.root,
                )
            for directory in (self.root, self.root / "data", self.root / "logs"):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Group and others may at most pass through, which a Postgres run by another user needs.
            self.root.chmod(self.root.stat().st_mode & 0o711)
        except OSError as error:
            raise ConfigurationError(
                "STATE_DIRECTORY_NOT_WRITABLE",
                "Name a directory that this user owns, or give this one to the user",
                path=self.root,
                error=error.strerror,
            ) from error

    def _is_ours(self) -> bool:
        return any(path.exists() for path in (self.lock, self.state, self.credentials))

    def rotate_logs(self) -> None:
        """Move each log above 20 MB aside; one older generation is kept."""
        for log in (self.root / "logs").glob("*.log"):
            if log.stat().st_size > LOG_LIMIT_BYTES:
                log.replace(log.with_suffix(".log.1"))


class StackState(BaseModel):
    """What other commands need to know about a stack. Holds no secret."""

    model_config = ConfigDict(frozen=True)

    mode: str
    supervisor: ProcessRecord | None = None
    started_at: datetime | None = None
    ready: bool = False
    ports: dict[str, int] = Field(default_factory=dict)
    processes: dict[PartName, ProcessRecord] = Field(default_factory=dict)
    addresses: dict[PartName, str] = Field(default_factory=dict)
    urls: dict[str, str] = Field(default_factory=dict)
    """What a person opens in a browser, by purpose."""
    external: tuple[PartName, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    """The public part of the environment contract."""
    own_api_key: bool = True
    """Whether the bootstrap key is the one of credentials.json; otherwise the operator chose it."""

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        return self.supervisor is not None and self.supervisor.alive


def read_state(state_dir: Path) -> StackState | None:
    """Read what the last supervisor wrote, or None where there is nothing that can be read."""
    try:
        return StackState.model_validate_json(StateDirectory(state_dir).state.read_bytes())
    except (OSError, ValidationError):
        return None


def write_state(directory: StateDirectory, state: StackState) -> None:
    write_private(directory.state, state.model_dump_json(indent=2) + "\n")


def write_metrics_targets(directory: StateDirectory, served: Mapping[PartName, int]) -> None:
    """Say where metrics are, by the part's port, in the form in which Prometheus follows lists of targets."""
    targets = [{"targets": [f"{LOOPBACK}:{port}"], "labels": {"process": part.value}} for part, port in served.items()]
    write_private(directory.metrics_targets, json.dumps(targets, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class RunLock:
    """Held by the one supervisor of a state directory; the kernel releases it however that process ends."""

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> Self:
        """Take the lock.

        Raises:
            Conflict: another supervisor holds it; names its process and addresses.
        """
        descriptor = os.open(self._directory.lock, os.O_RDWR | os.O_CREAT, 0o600)
        for patience in (0.05, 0.1, None):  # a command that only looks holds the lock for an instant
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if patience is None:
                    os.close(descriptor)
                    raise self._taken() from None
                time.sleep(patience)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, ProcessRecord.of(os.getpid()).model_dump_json().encode(), 0)
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _taken(self) -> Conflict:
        holder = lock_holder(self._directory)
        state = read_state(self._directory.root)
        addresses = " ".join(f"{part}={address}" for part, address in (state.addresses if state else {}).items())
        return Conflict(
            "STACK_ALREADY_RUNNING",
            "Use it as it is, stop it with `stonks down`, or name another state directory",
            state_directory=self._directory.root,
            pid=holder.pid if holder else "unknown",
            addresses=addresses or "not known yet",
        )


def lock_holder(directory: StateDirectory) -> ProcessRecord | None:
    """Return the supervisor that holds the state directory, or None where it is free."""
    try:
        descriptor = os.open(directory.lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        with contextlib.suppress(ValidationError):
            return ProcessRecord.model_validate_json(os.pread(descriptor, 4096, 0))
        return ProcessRecord(pid=0, birth="starting")
    finally:
        os.close(descriptor)
