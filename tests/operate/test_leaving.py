"""How a command leaves: all it said is out, its code is the answer, and nothing of the interpreter's teardown runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY, clean_environment

WITH_A_TRACE = """
import atexit, sys
from cli import main
atexit.register(print, "torn down")
sys.argv[0] = "stonks"
main.run()
"""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "Self-hosted"),
        (["nonsense"], 2, "No such command"),
        (["backfill", "nothing.csv"], 1, "FILE_NOT_FOUND"),
    ],
)
def test_command_when_it_ends_then_it_has_said_everything_and_tears_nothing_down(
    arguments: list[str], code: int, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITH_A_TRACE, *arguments],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done
    assert "torn down" not in done.stdout


def test_command_when_its_reader_has_left_then_it_ends_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", WITH_A_TRACE, "--help"],
            cwd=REPOSITORY,
            env=clean_environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == ""
