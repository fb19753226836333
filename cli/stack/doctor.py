"""Find out what is wrong with a stack, and say how to put it right."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from cli.stack import credentials, objects, packages, ports, postgres, temporal
from cli.stack.application import api_address, check_broker, require_ok, worker_address
from cli.stack.control import client_environment
from cli.stack.environment import external_parts, integer
from cli.stack.names import EXTERNAL_MARKERS, LOOPBACK, METRICS_PORTS, PartName
from cli.stack.process import tail
from cli.stack.state import StackState, StateDirectory, read_state
from domain.errors import StonksError

_OLDEST_PYTHON = (3, 11)
_FREE_BYTES_NEEDED = 1024**3
_OLLAMA_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: what it is about: a part of the stack, or python, packages, state, disk, ports, ollama.
        what: what was found.
        fix: what to do about it; empty where all is well.
    """

    part: str
    ok: bool
    what: str
    fix: str = ""


def diagnose(state_dir: Path, inherited: Mapping[str, str]) -> list[Finding]:
    """Look at everything the stack depends on.

    Leaves nothing behind but what a start would make too: a missing bucket, missing search attributes.
    """
    directory = StateDirectory(state_dir)
    state = read_state(state_dir)
    external = external_parts(inherited)
    running = state is not None and state.alive
    return [
        _python(),
        *_packages(external),
        *_state_directory(directory),
        _disk(directory),
        *(_running_parts(directory, state, inherited) if state and running else _stopped(state, inherited)),
        *(_external_parts(external, inherited, state if running else None)),
        *_ollama(inherited),
    ]


def _python() -> Finding:
    found = sys.version.split()[0]
    if sys.version_info >= _OLDEST_PYTHON:
        return Finding("python", True, f"Python {found}")
    return Finding("python", False, f"Python {found} is too old", "Install Python 3.11 or newer and run `make install`")


def _packages(external: frozenset[PartName]) -> Iterator[Finding]:
    programs: Mapping[PartName, Callable[[], Path]] = {
        PartName.POSTGRES: lambda: packages.postgres_program("postgres"),
        PartName.TEMPORAL: packages.temporal_program,
        PartName.OBJECTS: packages.weed_program,
    }
    for part, locate in programs.items():
        if part in external:
            continue
        try:
            yield Finding("packages", True, f"{packages.PACKAGES[part]}: {locate().name}")
        except StonksError as error:
            yield failed("packages", error)


def _state_directory(directory: StateDirectory) -> Iterator[Finding]:
    root = directory.root
    if not root.exists():
        parent = next(path for path in root.parents if path.exists())
        if os.access(parent, os.W_OK):
            yield Finding("state", True, f"{root} will be made by the first start")
        else:
            yield Finding("state", False, f"{root} cannot be made", f"Make {parent} writable or name another directory")
        return
    found = root.stat()
    if found.st_mode & 0o066:
        yield Finding("state", False, f"{root} is open to other users ({_mode(found)})", f"chmod 700 {root}")
    elif not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("state", False, f"{root} is not writable by this user", f"chown -R {os.getuid()} {root}")
    else:
        yield Finding("state", True, f"{root} ({_mode(found)})")
    if not directory.credentials.exists():
        return
    found = directory.credentials.stat()
    if found.st_mode & 0o077:
        fix = f"chmod 600 {directory.credentials}, and make new keys if other people use this machine"
        yield Finding("state", False, f"credentials.json can be read by other users ({_mode(found)})", fix)
    try:
        credentials.load(directory.credentials)
    except StonksError as error:
        yield failed("state", error)


def _disk(directory: StateDirectory) -> Finding:
    place = next(path for path in (directory.root, *directory.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    what = f"{free / 1024**3:.1f} GB free at {place}"
    if free > _FREE_BYTES_NEEDED:
        return Finding("disk", True, what)
    return Finding("disk", False, what, "Free at least 1 GB, or name a state directory on a larger disk")


def _stopped(state: StackState | None, inherited: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding("stack", True, "not running; `stonks up` starts it")
    if inherited.get("STONKS_API_PORT"):
        try:
            port = integer(inherited, "STONKS_API_PORT", 0)
        except StonksError as error:
            yield failed("ports", error)
            return
        if not ports.is_free(port, inherited.get("STONKS_API_HOST") or LOOPBACK):
            yield Finding("ports", False, f"port {port} is taken", "Stop what listens there or set STONKS_API_PORT")
            return
    taken = [name for name, port in (state.ports if state else {}).items() if not ports.is_free(port)]
    if taken:
        what = f"taken by something else, new ones will be chosen: {', '.join(taken)}"
        yield Finding("ports", True, what)
    else:
        yield Finding("ports", True, "free")


def _running_parts(directory: StateDirectory, state: StackState, inherited: Mapping[str, str]) -> Iterator[Finding]:
    supervisor = state.supervisor.pid if state.supervisor else "unknown"
    yield Finding("stack", True, f"supervisor {supervisor}, mode {state.mode}")
    try:
        environment = {**inherited, **client_environment(directory.root)}
    except StonksError as error:
        yield failed("stack", error)
        return
    for part in PartName:
        if part not in state.addresses or part in state.external:
            continue
        log = directory.log(part)
        record = state.processes.get(part)
        if record is None or not record.alive:
            yield Finding(
                part,
                False,
                f"its process is gone; last words: {tail(log)}",
                f"The supervisor starts it again by itself. Where it does not, read {log}, then `stonks down` and up",
            )
            continue
        fix = f"Read {log}; last words: {tail(log)}"
        yield _checked(part, state.addresses[part], environment, fix, external=False)
        if url := state.urls.get(METRICS_PORTS.get(part, "")):
            yield _metrics(url, fix)


def _external_parts(
    external: frozenset[PartName], inherited: Mapping[str, str], running: StackState | None
) -> Iterator[Finding]:
    environment = {**(running.environment if running else {}), **inherited}
    for part in PartName:
        if part in external:
            fix = "Start that server, correct the address, or unset the variable to run the part here"
            yield _checked(part, environment[EXTERNAL_MARKERS[part]], environment, fix, external=True)


def _checked(part: PartName, place: str, environment: Mapping[str, str], fix: str, *, external: bool) -> Finding:
    checks: Mapping[PartName, Callable[[], None]] = {
        PartName.POSTGRES: lambda: postgres.check(environment),
        PartName.TEMPORAL: lambda: temporal.check(environment, ours=False),
        PartName.OBJECTS: lambda: objects.check(environment),
        PartName.BROKER: lambda: check_broker(environment) if external else require_ok(f"{place}/healthz"),
        PartName.WORKER: lambda: require_ok(f"{worker_address(environment)}/healthz"),
        PartName.API: lambda: require_ok(f"{api_address(environment)}/readyz"),
    }
    try:
        checks[part]()
    except StonksError as error:
        return failed(part, error)
    except Exception as error:  # whatever a driver raises is the finding
        return Finding(part, False, f"{place} does not work: {str(error) or type(error).__name__}", fix)
    return Finding(part, True, f"{place} works")


def _metrics(url: str, fix: str) -> Finding:
    try:
        require_ok(url)
    except Exception as error:  # whatever a client raises is the finding
        return Finding("metrics", False, f"{url} does not work: {str(error) or type(error).__name__}", fix)
    return Finding("metrics", True, f"{url} works")


def _ollama(inherited: Mapping[str, str]) -> Iterator[Finding]:
    url = inherited.get("STONKS_OLLAMA_URL", "").rstrip("/")
    if not url:
        return
    try:
        answer = httpx.get(f"{url}/api/tags", timeout=_OLLAMA_SECONDS, trust_env=False)
        answer.raise_for_status()
        names = {str(model["name"]) for model in answer.json()["models"]}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        what = f"{url} does not answer as Ollama does: {error}"
        yield Finding("ollama", False, what, "Start it with `ollama serve`, or correct STONKS_OLLAMA_URL")
        return
    model = inherited.get("STONKS_OLLAMA_MODEL", "")
    if not model:
        yield Finding("ollama", True, f"{url} has {len(names)} models")
    elif model in names or f"{model}:latest" in names:
        yield Finding("ollama", True, f"{url} has {model}")
    else:
        what = f"{url} lacks the model {model}; it has: {', '.join(sorted(names)) or 'none'}"
        yield Finding("ollama", False, what, f"ollama pull {model}")


def failed(part: str, error: StonksError) -> Finding:
    facts = ", ".join(f"{name}={value}" for name, value in error.fields.items())
    return Finding(part, False, f"{error.code}: {facts}", error.hint)


def _mode(found: os.stat_result) -> str:
    return oct(stat.S_IMODE(found.st_mode))[2:]
