"""Make the environment that drives a browser: `python -m tests.browser.environment DIRECTORY`.

The browser itself is the machine's own `chromium`. Where either is missing the reason is left beside it, and the tests
are skipped and name it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parent / "pins.txt"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 900


def python_of(directory: Path) -> Path:
    return directory / "environment" / "bin" / "python"


def reason_file(directory: Path) -> Path:
    return directory / "unavailable.reason"


def browser() -> str | None:
    """The machine's browser; None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name)) is not None), None)


def make(directory: Path) -> str:
    """Make what is missing; returns what came of it in a line."""
    directory.mkdir(parents=True, exist_ok=True)
    reason = reason_file(directory)
    reason.unlink(missing_ok=True)
    problem = _problem(directory)
    if problem:
        reason.write_text(problem)
        return f"browser tests cannot run: {problem}"
    return f"browser tests run in {browser()}"


def _problem(directory: Path) -> str:
    if browser() is None:
        return f"no browser on PATH, looked for: {', '.join(BROWSERS)} (Debian: apt-get install chromium)"
    target, stamp = directory / "environment", directory / "environment" / "pins.txt"
    if stamp.exists() and stamp.read_text() == PINS.read_text():
        return ""
    shutil.rmtree(target, ignore_errors=True)
    for command in (
        (sys.executable, "-m", "venv", str(target)),
        (str(python_of(directory)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(PINS)),
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{Path(command[0]).name}: {type(error).__name__}"
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return f"{Path(command[0]).name} failed: {said[-1] if said else 'without a word'}"
    stamp.write_text(PINS.read_text())
    return ""


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
