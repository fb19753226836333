"""The vendor's own integration suite of its MCP server against the paper broker: what it has for equities."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cli.paper_broker import exchange
from tests.conformance.outside import CLIENTS, interpreter, plain_environment, require
from tests.conformance.served import ServedBroker
from tests.paper_broker.harness import KEY, SECRET, Client, settings_for

CLIENT, SUITE = "alpaca-mcp-server", "alpaca-mcp-suite"
NAMED = ("AAPL", "MSFT", "GOOG", "TSLA", "AMZN", "META")
NOT_EQUITIES = ("crypto", "option", "fixed_income", "index", "locate")
FEWEST_TESTS = 30
_SECONDS = 300


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedBroker]:
    """A broker at noon of the last full session, with a few weeks of bars, so that the suite finds an open market."""
    today = datetime.now(UTC).date()
    sessions = exchange.calendar(today).between(date(today.year - 1, 12, 1), today - timedelta(days=1))
    day = sessions[-1]
    noon = day.opens_at + timedelta(hours=2)
    served = ServedBroker(settings_for(tmp_path, clock="wall", rate_limit=0), lambda: noon)
    client = Client(served.address)
    client.know(*NAMED)
    prices = {"open": "100", "high": "102", "low": "99", "close": "101", "volume": 1000}
    bars = [
        {"symbol": symbol, "start": session.opens_at.isoformat()} | prices
        for symbol in NAMED
        for session in sessions[-20:-1]
    ]
    client.told("bars", {"bars": bars})
    seen = [{"symbol": symbol, "price": "100", "at": noon.isoformat()} for symbol in NAMED]
    client.told("prices", {"prices": seen})
    yield served
    violations = client.audit()
    client.close()
    served.stop()
    assert violations == []
    assert served.checked.problems == []


def test_suite_when_run_for_equities_then_every_test_passes(served: ServedBroker, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    suite = require(SUITE) / "tests"
    unwanted = " or ".join(NOT_EQUITIES)
    done = subprocess.run(
        [
            *(str(interpreter(CLIENT)), "-m", "pytest", str(suite / "test_paper_integration.py"), "-p", "redirect"),
            *("-q", "-p", "no:cacheprovider", "-c", str(CLIENTS / "mcp_suite.ini"), f"--rootdir={suite}"),
            *("-k", f"not ({unwanted})", f"--junitxml={report}"),
        ],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=plain_environment(
            PYTHONPATH=str(CLIENTS),
            PAPER_BROKER_URL=served.address,
            DATA_API_URL=served.address,
            ALPACA_API_KEY=KEY,
            ALPACA_SECRET_KEY=SECRET,
            ALPACA_PAPER_TRADE="true",
        ),
    )
    cases = list(ElementTree.parse(report).iter("testcase"))
    wrong = {case.get("name"): child.get("message", "")[:300] for case in cases for child in case}
    assert (done.returncode, wrong) == (0, {}), done.stdout[-3000:]
    assert len(cases) >= FEWEST_TESTS
    assert ("POST", "/v2/orders", 200) in served.checked.seen
    assert ("PATCH", 200) in {(method, status) for method, _, status in served.checked.seen}
