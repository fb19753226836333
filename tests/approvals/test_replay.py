"""A replay answers for as many people as the policy asks."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.demo_data import actions_path, bars_path, documents_path
from cli.replaying import Finished, make_request, run_replay
from domain.config import TradingConfig, changed
from domain.documents import Credibility
from domain.replay import ReplayApprovals

pytestmark = pytest.mark.stack


def test_replay_when_two_people_are_needed_then_it_grants_for_both_and_goes_on(tmp_path: Path) -> None:
    policy = {"approval": {"notional_above": 2_000, "two_people_above": 3_000}}
    request = make_request(
        documents=documents_path(),
        bars=bars_path(),
        actions=actions_path(),
        first=date(2014, 7, 16),
        last=date(2014, 7, 17),
        opening_cash=Decimal(100_000),
        config=changed(TradingConfig.for_tier("aggressive"), policy),
        approvals=ReplayApprovals.GRANT,
        credibility=Credibility.WIRE,
        publisher="",
    )
    found: list[dict[str, Any]] = []
    run_replay(request, tmp_path / "replay", keep=False, show=lambda finished: found.append(_body(finished)))
    (body,) = found
    assert {order["status"] for order in body["orders"]} == {"filled"}
    assert body["approvals"] == {"approved": len(body["orders"])}
    assert sum(body["risk"].values()) == len(body["orders"]), "second looks are not counted"


def _body(finished: Finished) -> dict[str, Any]:
    return dict(finished.body)
