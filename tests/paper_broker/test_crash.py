"""The server process ended with kill -9 at any moment loses nothing it answered."""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.requests import GetOrderByIdRequest

from tests.paper_broker.harness import SYMBOLS, Client, bar
from tests.paper_broker.process import Process


class Record:
    """What the client sent, and what it was told before the process died."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.orders: dict[str, str] = {}
        self.groups: dict[str, set[str]] = {}
        self.replacements: dict[str, tuple[str, str]] = {}
        self.replacing: set[str] = set()

    def step(self, client: Client, name: str, chance: random.Random) -> None:
        """A market order, and now and then a bracket whose entry is replaced."""
        self.sent.append(name)
        self.orders[name] = str(client.market("buy", chance.choice(SYMBOLS), qty=2, client_order_id=name).id)
        if chance.random() < 0.4:
            entry = client.bracket(9, 3, limit=5.0, client_order_id=f"{name}-b")
            self.groups[f"{name}-b"] = {str(leg.id) for leg in entry.legs or []}
            self.replacing.add(f"{name}-b")
            new = client.replaced(entry, limit_price=6, client_order_id=f"{name}-r")
            self.replacements[f"{name}-b"] = (f"{name}-r", str(new.id))

    def check(self, client: Client) -> None:
        """Everything that was answered is in the book; a replacement is whole or has not happened."""
        for name, order_id in self.orders.items():
            assert str(client.sdk.get_order_by_client_id(name).id) == order_id
        for name, legs in self.groups.items():
            entry = client.sdk.get_order_by_client_id(name)
            head = entry.replaced_by or entry.id
            nested = client.sdk.get_order_by_id(head, GetOrderByIdRequest(nested=True))
            assert {str(leg.id) for leg in nested.legs} == legs
            assert {leg.status.value for leg in nested.legs} == {"held"}
        for name in self.replacing:
            entry = client.sdk.get_order_by_client_id(name)
            if name in self.replacements:
                new_name, new_id = self.replacements[name]
                assert str(entry.replaced_by) == new_id == str(client.sdk.get_order_by_client_id(new_name).id)
            else:
                assert (entry.status.value == "replaced") == (entry.replaced_by is not None)


@pytest.mark.crash
def test_book_when_the_process_is_killed_among_orders_then_is_sound_and_complete(tmp_path: Path) -> None:
    chance = random.Random(7)
    server = Process(tmp_path)
    record = Record()
    try:
        for round_number in range(2):
            client = server.start()
            assert client.audit() == []
            client.know(*SYMBOLS)
            client.opened(*(bar(symbol, "10") for symbol in SYMBOLS))
            killer = threading.Timer(0.2 + chance.random() * 0.3, server.end, (signal.SIGKILL,))
            killer.start()
            try:
                for number in range(10_000):
                    record.step(client, f"so-{round_number}-{number}", chance)
            except requests.exceptions.RequestException:
                pass
            killer.join()
            client.close()

        client = server.start()
        assert client.audit() == []
        record.check(client)
        assert record.replacements
        for name in set(record.sent) - set(record.orders):
            try:
                client.market("buy", qty=2, client_order_id=name)
            except APIError as error:
                assert error.code == 40010001  # noqa: PT017
        held = sum(int(position.qty) for position in client.sdk.get_all_positions())
        assert held == 2 * len(record.sent) > 0
        assert client.audit() == []
        client.close()
        assert server.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    finally:
        server.end(signal.SIGKILL)
