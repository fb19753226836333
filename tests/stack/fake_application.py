"""Stands in for this project's own processes: `fake_application.py paper-broker|worker|api`.

Answers every path with the names of its environment variables. FAKE_<PART> changes what it does: `exit` ends at once,
`deaf` ignores SIGTERM, `sick` answers 503.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

PART = sys.argv[1]
BEHAVIOUR = os.environ.get(f"FAKE_{PART.replace('-', '_').upper()}", "")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(503 if BEHAVIOUR == "sick" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def port() -> int:
    if PART == "paper-broker":
        return urlsplit(os.environ["STONKS_BROKER_URL"]).port or 0
    return int(os.environ["STONKS_WORKER_HEALTH_PORT" if PART == "worker" else "STONKS_API_PORT"])


def end(number: int, frame: object) -> None:
    with (Path(os.environ["STONKS_STATE_DIR"]) / "ended").open("a") as file:
        file.write(f"{PART}\n")
    if PART != "paper-broker":
        time.sleep(0.2)
    os._exit(0)


if BEHAVIOUR == "exit":
    print("no such setting: FANCY")
    sys.exit(3)
signal.signal(signal.SIGTERM, signal.SIG_IGN if BEHAVIOUR == "deaf" else end)
ThreadingHTTPServer(("127.0.0.1", port()), Handler).serve_forever()
