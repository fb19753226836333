"""The same servers, workers and API as the tests of the API have, and the `stonks` command on them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.main import get_command

from api.app import create_app
from cli import main
from cli.stack.supervisor import Stack
from tests.api.conftest import api, platform
from tests.api.harness import BOOTSTRAP_KEY, Platform
from tests.api.streaming import served
from tests.conftest import clean_environment, running_servers

__all__ = ["Done", "Stonks", "api", "cli", "platform"]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers of these tests' own: orders are made of the same inputs as in the tests of the API."""
    with running_servers(tmp_path_factory.mktemp("operate")) as running:
        yield running


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Stonks:
    """Runs the real command in a thread of this process, while the workers in it go on."""

    def __init__(self, state: Path, api: str = "") -> None:
        self._state = state
        self._api = api_environment(api) if api else {}

    async def __call__(
        self, *arguments: str, state: Path | None = None, environment: dict[str, str] | None = None
    ) -> Done:
        words = ["stonks", *arguments, "--state", str(state or self._state)]
        return await asyncio.to_thread(self._run, words, environment or {})

    async def json(self, *arguments: str) -> Any:
        """Run with `--json`: standard output is one object and nothing else."""
        done = await self(*arguments, "--json")
        assert done.code == 0, done
        return json.loads(done.out)

    async def text(self, *arguments: str) -> str:
        """Run for people: nothing is wider than a terminal of 80 columns, addresses apart."""
        done = await self(*arguments)
        assert done.code == 0, done
        for line in done.out.splitlines():
            assert len(line) <= 80 or "http" in line, line
        return done.out

    def _run(self, words: list[str], environment: dict[str, str]) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(sys, "argv", words),
            mock.patch.object(main, "app", _command_line()),
            mock.patch.dict(
                os.environ, {**clean_environment(), "COLUMNS": "80", **self._api, **environment}, clear=True
            ),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main.exit_code()
        return Done(code, out.getvalue(), err.getvalue())


@functools.cache
def _command_line() -> Any:
    """The commands, made once: making them takes longer than most of them do."""
    return get_command(main.app)


def api_environment(address: str, key: str = BOOTSTRAP_KEY) -> dict[str, str]:
    """What a command needs to find an API, and the installation's key."""
    host, port = address.removeprefix("http://").split(":")
    return {"STONKS_API_HOST": host, "STONKS_API_PORT": port, "STONKS_API_KEY": key}


@pytest.fixture(scope="session")
async def cli(servers: Stack, platform: Platform) -> AsyncIterator[Stonks]:
    """The command, and the API that it acts through."""
    async with served(create_app(platform.dependencies())) as address:
        yield Stonks(servers.directory.root, address)
