"""The API as a process of its own: it answers, stops in good order, and says clearly why it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from api import server
from cli.stack.supervisor import Stack
from tests.api.harness import BOOTSTRAP_KEY
from tests.conftest import REPOSITORY, clean_environment

pytestmark = pytest.mark.stack


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def environment(servers: Stack, port: int) -> dict[str, str]:
    ours = {"STONKS_API_PORT": str(port), "STONKS_API_KEY": BOOTSTRAP_KEY, "STONKS_LOG_FORMAT": "json"}
    return {**clean_environment(), **servers.environment(), **ours}


@contextmanager
def api_process(servers: Stack, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "api"],
        cwd=REPOSITORY,
        env=environment(servers, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_ready(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=3).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("not ready after 180 s")


def test_api_process_when_told_to_stop_then_it_answers_what_is_open_and_has_logged_no_secret(servers: Stack) -> None:
    port = free_port()
    with api_process(servers, port) as process:
        wait_ready(port, process)
        headers = {"Authorization": f"Bearer {BOOTSTRAP_KEY}"}
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/overview", headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        assert "server" not in answer.headers
        assert httpx.get(f"http://127.0.0.1:{port}/docs", timeout=60).status_code == 200

        with socket.create_connection(("127.0.0.1", port), timeout=60) as half_sent:
            half_sent.sendall(
                b"POST /v1/trading/pause HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\nConnection: close\r\n\r\n{"
            )
            time.sleep(0.2)
            with httpx.stream("GET", f"http://127.0.0.1:{port}/v1/stream", headers=headers, timeout=60) as stream:
                lines = stream.iter_lines()
                assert "event: ready" in [next(lines) for _ in range(4)]
                os.kill(process.pid, signal.SIGTERM)
                assert "STREAM_CLOSING" in "".join(lines)
            half_sent.sendall(b"}")
            assert half_sent.recv(65_536).startswith(b"HTTP/1.1 401")
        out, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert out == ""
    assert '"event": "api_started"' in log
    assert '"event": "api_stopped"' in log
    assert BOOTSTRAP_KEY not in log
    for secret in ("STONKS_DB_PASSWORD", "STONKS_S3_SECRET_KEY"):
        assert servers.environment()[secret] not in log


def test_api_process_when_its_port_is_taken_then_one_line_says_so(servers: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "api"],
            cwd=REPOSITORY,
            env=environment(servers, taken.getsockname()[1]),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("ADDRESS_NOT_AVAILABLE: host=127.0.0.1")
    assert "Traceback" not in done.stderr


def test_connection_when_accepted_then_no_segment_waits_for_an_acknowledgement() -> None:
    with server._listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
