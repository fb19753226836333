"""A pytest plugin that points the vendor's MCP server at a paper broker; runs in that server's environment."""

from __future__ import annotations

import os

from alpaca_mcp_server import server

server.TRADING_API_BASE_URLS["paper"] = os.environ["PAPER_BROKER_URL"]
