"""The real `temporal` program, as an operator without anything of ours would use it."""

from __future__ import annotations

import asyncio

from cli.stack.packages import temporal_program
from tests.api.harness import Platform


async def temporal(platform: Platform, *arguments: str) -> str:
    """Run a command against the test's server and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        str(temporal_program()),
        *arguments,
        *("--address", platform.parts.settings.temporal_address, "--namespace", "stonks"),
        *("--disable-config-file", "--disable-config-env"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, f"{arguments}: {errors.decode()}{out.decode()}"
    return out.decode()
