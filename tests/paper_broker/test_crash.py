"""The server process ended with kill -9 at any moment loses nothing it answered."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from alpaca.common.exceptions import APIError

from tests.paper_broker.harness import CONTROL, KEY, SECRET, SYMBOLS, Client, bar
from tests.paper_broker.vendor import ROOT


class Process:
    """The broker as a process of its own, on one book and one port."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._settings = json.dumps(
            {
                "port": self._port,
                "book": str(folder / "book.sqlite"),
                "key_id": KEY,
                "secret_key": SECRET,
                "control_key": CONTROL,
                "clock": "virtual",
                "partial_fill_share": "0.5",
                "fee_per_share": "0.001",
            }
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Client:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli.paper_broker"], stdin=subprocess.PIPE, cwd=ROOT, stderr=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self._settings.encode())
        self._process.stdin.close()
        client = Client(f"http://127.0.0.1:{self._port}", timeout=5)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert requests.get(f"{client.address}/healthz", timeout=1).json() == {"status": "ok"}
                return client
            except requests.exceptions.ConnectionError:
                assert self._process.poll() is None, "the broker ended by itself"
                assert time.monotonic() < deadline, "the broker did not start"
                time.sleep(0.02)

    def end(self, signum: int) -> int:
        if self._process is None:
            return 0
        os.kill(self._process.pid, signum)
        code = self._process.wait(20)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None
        return code


@pytest.mark.crash
def test_book_when_the_process_is_killed_among_orders_then_is_sound_and_complete(tmp_path: Path) -> None:
    chance = random.Random(7)
    server = Process(tmp_path)
    acknowledged: dict[str, str] = {}
    sent: list[str] = []
    try:
        for round_number in range(2):
            client = server.start()
            assert client.audit() == []
            client.know(*SYMBOLS)
            client.opened(*(bar(symbol, "10") for symbol in SYMBOLS))
            killer = threading.Timer(0.15 + chance.random() * 0.3, server.end, (signal.SIGKILL,))
            killer.start()
            try:
                for number in range(10_000):
                    name = f"so-{round_number}-{number}"
                    sent.append(name)
                    order = client.market("buy", chance.choice(SYMBOLS), qty=2, client_order_id=name)
                    acknowledged[name] = str(order.id)
            except requests.exceptions.RequestException:
                pass
            killer.join()
            client.close()

        client = server.start()
        assert client.audit() == []
        for name, order_id in acknowledged.items():
            assert str(client.sdk.get_order_by_client_id(name).id) == order_id
        for name in set(sent) - set(acknowledged):
            try:
                client.market("buy", qty=2, client_order_id=name)
            except APIError as error:
                assert error.code == 40010001  # noqa: PT017
        held = sum(int(position.qty) for position in client.sdk.get_all_positions())
        assert held == 2 * len(sent) > 0
        assert client.audit() == []
        client.close()
        assert server.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    finally:
        server.end(signal.SIGKILL)
