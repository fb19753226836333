"""The broker as a process of its own, so that it can be killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from tests.paper_broker.harness import CONTROL, KEY, SECRET, Client
from tests.paper_broker.vendor import ROOT


class Process:
    """The broker as a process of its own, on one book and one port."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        defaults = {
            "port": self._port,
            "book": str(folder / "book.sqlite"),
            "key_id": KEY,
            "secret_key": SECRET,
            "control_key": CONTROL,
            "clock": "virtual",
            "partial_fill_share": "0.5",
            "fee_per_share": "0.001",
        }
        self._settings = json.dumps(defaults | changes)
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
