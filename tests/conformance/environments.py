"""Make the environments of the clients that cannot live in ours: `python -m tests.conformance.environments DIRECTORY`.

Each client gets a virtual environment of its own from its list of pins. Where one cannot be made, for want of a network
or of a package, the reason is left beside it: the tests of that client are skipped and name it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parent / "clients"
CLIENTS = ("alpaca-trade-api", "alpaca-mcp-server")
SUITE = "alpaca-mcp-suite"
SUITE_SOURCE = "https://github.com/alpacahq/alpaca-mcp-server"
SUITE_VARIABLE = "CONFORMANCE_MCP_SUITE"
"""A folder that has the vendor's `tests`, where the repository cannot be reached."""
_SECONDS = 900


class Unavailable(Exception):
    """Why a client cannot be run here."""


def python_of(directory: Path, client: str) -> Path:
    return directory / client / "bin" / "python"


def reason_file(directory: Path, name: str) -> Path:
    return directory / f"{name}.reason"


def make(directory: Path) -> list[str]:
    """Make what is missing; returns a line about each part."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, step in [(client, _environment) for client in CLIENTS] + [(SUITE, _suite)]:
        reason = reason_file(directory, name)
        reason.unlink(missing_ok=True)
        try:
            step(directory, name)
        except Unavailable as unavailable:
            reason.write_text(str(unavailable))
        lines.append(f"{name}: {reason.read_text() if reason.exists() else 'ready'}")
    return lines


def _environment(directory: Path, client: str) -> None:
    pins, stamp = PINS / f"{client}.txt", directory / client / "pins.txt"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return
    shutil.rmtree(directory / client, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(directory / client))
    _run(
        *(str(python_of(directory, client)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("-r", str(pins)),
    )
    stamp.write_text(pins.read_text())


def _suite(directory: Path, name: str) -> None:
    """Get the tests that the vendor keeps beside its server; they are not in its package."""
    target = directory / name
    given = os.environ.get(SUITE_VARIABLE)
    if given:
        if not (Path(given) / "tests").is_dir():
            raise Unavailable(f"{SUITE_VARIABLE}={given} has no folder `tests`")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(given) / "tests", target / "tests")
    elif not (target / "tests").is_dir():
        shutil.rmtree(target, ignore_errors=True)
        _run("git", "clone", "--quiet", "--depth", "1", SUITE_SOURCE, str(target))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {type(error).__name__}") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        errors = [line for line in said if line.startswith("ERROR")] or said or ["without a word"]
        raise Unavailable(f"{Path(command[0]).name} failed: {errors[-1]}")


if __name__ == "__main__":
    print("\n".join(make(Path(sys.argv[1]))))
