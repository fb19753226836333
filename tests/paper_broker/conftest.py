from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.paper_broker.harness import SYMBOLS, BrokerHall, Client, settings_for

Start = Callable[..., Client]


@pytest.fixture(scope="session")
def hall() -> Iterator[BrokerHall]:
    hall = BrokerHall()
    yield hall
    hall.stop()


@pytest.fixture
def start(tmp_path: Path, hall: BrokerHall) -> Iterator[Start]:
    """Start brokers with changed settings; all end with the test, each with a sound book and faithful answers."""
    running: list[Client] = []

    def begin(*, timeout: float = 60, now: Any = None, **changes: Any) -> Client:
        settings = settings_for(tmp_path / str(len(running)), **changes)
        client = Client(hall.admit(settings, now), timeout=timeout)
        running.append(client)
        client.know(*SYMBOLS)
        return client

    yield begin
    for client in running:
        violations = client.audit()
        client.close()
        hall.dismiss(client.address)
        assert violations == []
        assert client.recorder.problems == []


@pytest.fixture
def broker(start: Start) -> Client:
    return start()
