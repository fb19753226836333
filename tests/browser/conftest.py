"""The packaged demo, served, for a real browser. Runs in `make browser` alone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from cli.stack.supervisor import Stack
from domain.ingestion import DocumentRequest
from tests.browser import environment
from tests.conftest import clean_environment, stonks
from workflows import names
from workflows.names import Queue
from workflows.process_document import ProcessDocument

DIRECTORY = os.environ.get("BROWSER_DIRECTORY", "")
LOST = "0" * 24
"""A document that does not exist: its workflow fails, and is a dead letter."""
_SECONDS = 900


@dataclass(frozen=True)
class Served:
    """An installation with a fortnight in it, and how to get in."""

    address: str
    key: str
    directory: Path
    api_pid: int


@pytest.fixture(scope="session")
def directory() -> Path:
    if not DIRECTORY:
        pytest.skip("a browser is driven by `make browser`")
    reason = environment.reason_file(Path(DIRECTORY))
    if reason.exists():
        pytest.skip(reason.read_text())
    return Path(DIRECTORY)


@pytest.fixture(scope="session")
def served(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    state = tmp_path_factory.mktemp("browser")
    done = stonks("demo", "--state", str(state), timeout=_SECONDS)
    assert done.returncode == 0, done.stderr[-4_000:]
    inherited = {**clean_environment(), "STONKS_API_REQUESTS_PER_MINUTE": "0"}
    with Stack(state / "demo", mode="replay", inherited=inherited, virtual_clock=True) as stack:
        stack.start()
        told = json.loads(stack.directory.state.read_text())
        asyncio.run(_fail(stack.environment()))
        yield Served(
            address=told["addresses"]["api"],
            key=stack.environment()["STONKS_API_KEY"],
            directory=directory,
            api_pid=told["processes"]["api"]["pid"],
        )


@pytest.fixture(scope="session")
def walked(served: Served) -> dict[str, Any]:
    """What came of each step of a walk through the pages; a step that failed has its reason."""
    command = (environment.python_of(served.directory), Path(__file__).parent / "walk.py")
    wanted = {
        "address": served.address,
        "key": served.key,
        "browser": environment.browser(),
        "directory": str(served.directory),
        "lost": names.document_id(LOST),
    }
    done = subprocess.run(
        [str(part) for part in command], input=json.dumps(wanted), capture_output=True, text=True, timeout=_SECONDS
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def _fail(settings: dict[str, str]) -> None:
    client = await Client.connect(settings["STONKS_TEMPORAL_ADDRESS"], namespace=settings["STONKS_TEMPORAL_NAMESPACE"])
    handle = await client.start_workflow(
        ProcessDocument.run,
        DocumentRequest(doc_id=LOST, source_id="replay-documents"),
        id=names.document_id(LOST),
        task_queue=Queue.INGEST,
    )
    await asyncio.gather(handle.result(), return_exceptions=True)
