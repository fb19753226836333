"""The paper broker under the vendor's former SDK, alpaca-trade-api, which has an environment of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.outside import CLIENTS, KEYS, interpreter, start
from tests.conformance.served import ServedBroker
from tests.paper_broker.harness import SYMBOLS, Client, bar, settings_for
from tests.paper_broker.process import Process

CLIENT, SCRIPT = "alpaca-trade-api", "trade_api_steps.py"
STEPS = (
    "bad_key",
    "account_clock_calendar",
    "asset_and_404",
    "bars_paging",
    "stream",
    "far_limit",
    "by_client_id",
    "duplicate",
    "reuse_after_cancel",
    "replace_chain",
    "cancel",
    "partial_fill",
    "oversell",
    "wash_trade",
    "notional_and_fractional",
    "bracket",
    "closed_market",
    "unclear_answers",
    "close_and_audit",
)
_SECONDS = 180


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What went wrong in each step of one run of the client, against a broker of either scope of client ids."""
    interpreter(CLIENT)
    folder = tmp_path_factory.mktemp("trade-api")
    forever = ServedBroker(settings_for(folder / "forever"))
    active = ServedBroker(settings_for(folder / "active", client_id_scope="active"))
    for served in (forever, active):
        client = Client(served.address)
        client.know(*SYMBOLS)
        client.close()
    process = start(CLIENT, SCRIPT, APCA_API_DATA_URL=forever.address)
    told = json.dumps(KEYS | {"url": forever.address, "active_scope_url": active.address})
    said, errors = process.communicate(told, timeout=_SECONDS)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert lines, errors[-2000:]
    yield {line["step"]: line["problem"] for line in lines}
    for served in (forever, active):
        served.stop()
        assert served.checked.problems == []


@pytest.mark.parametrize("step", STEPS)
def test_step_when_run_by_the_former_sdk_then_nothing_goes_wrong(outcomes: dict[str, str], step: str) -> None:
    assert outcomes[step] == ""


def test_steps_when_listed_here_then_are_those_of_the_script() -> None:
    defined = (CLIENTS / SCRIPT).read_text().partition("STEPS = (")[2].partition(")")[0]
    assert tuple(name.strip() for name in defined.split(",") if name.strip()) == STEPS


@pytest.mark.crash
def test_orders_when_the_broker_is_killed_among_fills_then_every_answered_one_is_whole(tmp_path: Path) -> None:
    interpreter(CLIENT)
    server = Process(tmp_path, partial_fill_share="1")
    try:
        broker = server.start()
        broker.know("AAPL")
        broker.opened(bar("AAPL", "10"))
        buyer = start(CLIENT, SCRIPT)
        assert buyer.stdin is not None
        assert buyer.stdout is not None
        buyer.stdin.write(json.dumps(KEYS | {"url": broker.address, "buy": True}))
        buyer.stdin.close()
        told = [buyer.stdout.readline().strip() for _ in range(25)]
        server.end(signal.SIGKILL)
        told += [line.strip() for line in buyer.stdout if line.strip()]
        assert buyer.wait(30) != 0
        buyer.stdout.close()
        assert buyer.stderr is not None
        buyer.stderr.close()
        broker.close()
        broker = server.start()
        assert broker.audit() == []
        assert {broker.sdk.get_order_by_client_id(name).filled_qty for name in told} == {"3"}
        broker.close()
    finally:
        server.end(signal.SIGKILL)
