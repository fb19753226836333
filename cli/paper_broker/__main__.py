"""Run the broker with settings read as JSON from standard input, so that no secret stands on a command line."""

from __future__ import annotations

import sys

from cli.paper_broker.server import serve
from cli.paper_broker.settings import BrokerSettings

if __name__ == "__main__":
    serve(BrokerSettings.model_validate_json(sys.stdin.read()))
