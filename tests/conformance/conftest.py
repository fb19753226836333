from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.served import ServedBroker
from tests.paper_broker.harness import SYMBOLS, Client, settings_for

Serve = Callable[..., Client]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start brokers with changed settings; all end with the test, each with a sound book and faithful answers."""
    running: list[tuple[ServedBroker, Client]] = []

    def begin(*, now: Any = None, timeout: float = 10, **changes: Any) -> Client:
        served = ServedBroker(settings_for(tmp_path / str(len(running)), **changes), now)
        client = Client(served.address, timeout=timeout)
        client.served = served
        running.append((served, client))
        client.know(*SYMBOLS)
        return client

    yield begin
    for served, client in running:
        violations = client.audit()
        client.close()
        served.stop()
        assert violations == []
        assert served.checked.problems == []


@pytest.fixture
def broker(serve: Serve) -> Client:
    return serve()
