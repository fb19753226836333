"""`/v1/backtests` without anybody to play them: begun, listed, refused, ended."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from api.operations import backtests
from tests.api.harness import Caller, Platform, assert_problem

pytestmark = pytest.mark.stack

PATH = "/v1/backtests"


@pytest.fixture(autouse=True)
def _nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtests, "PROGRESS_TIMEOUT", timedelta(seconds=0.2))


def body(**changes: object) -> dict[str, object]:
    return {
        "first": "2014-07-14",
        "last": "2014-07-18",
        "opening_cash": str(uuid.uuid4().int % 10**9 + 10**5),
        **changes,
    }


async def test_backtest_when_begun_then_it_is_accepted_listed_and_found_again(platform: Platform, api: Caller) -> None:
    wanted = body(name="more doubt", changes={"signals": {"kappa": 2}}, costs={"half_spread_bp": 5})
    begun = await api("POST", PATH, json=wanted)
    assert begun.status_code == 202
    found = begun.json()
    assert begun.headers["Location"] == f"{PATH}/{found['backtest_id']}"
    assert (found["status"], found["name"], found["result"]) == ("running", "more doubt", None)
    again = await api("POST", PATH, json={**wanted, "name": "called otherwise"})
    assert again.json()["backtest_id"] == found["backtest_id"]
    listed = await api.get(PATH)
    assert found["backtest_id"] in {each["backtest_id"] for each in listed["data"]}
    assert (await api.get(f"{PATH}/{found['backtest_id']}"))["data_version"] == found["data_version"]


async def test_backtest_when_it_has_no_report_yet_then_409_says_so(platform: Platform, api: Caller) -> None:
    begun = (await api("POST", PATH, json=body())).json()
    for part in ("report", "page", "trades"):
        answer = await api("GET", f"{PATH}/{begun['backtest_id']}/{part}")
        assert_problem(answer, 409, "BACKTEST_NOT_FINISHED")


async def test_backtest_when_asked_wrongly_then_the_field_is_named(api: Caller) -> None:
    refused = await api("POST", PATH, json=body(changes={"signals": {"kappa": -1}}))
    assert_problem(refused, 422, "CONFIG_INVALID")
    assert "signals.kappa" in refused.text
    backwards = await api("POST", PATH, json=body(first="2014-07-19", last="2014-07-14"))
    assert backwards.status_code == 422
    assert "is before first" in backwards.text
    assert (await api("POST", PATH, json=body(surprise=1))).status_code == 422
    for wrong in ("nothing", "a" * 60):
        assert_problem(await api("GET", f"{PATH}/{wrong}"), 404, "BACKTEST_NOT_FOUND")
        assert_problem(await api("DELETE", f"{PATH}/{wrong}"), 404, "BACKTEST_NOT_FOUND")


async def test_backtest_when_canceled_then_it_is_asked_to_end(platform: Platform, api: Caller) -> None:
    begun = (await api("POST", PATH, json=body())).json()
    ended = await api("DELETE", f"{PATH}/{begun['backtest_id']}")
    assert (ended.status_code, ended.json()["outcome"]) == (200, "canceling")


async def test_sweep_when_begun_then_it_is_accepted_and_has_no_report_yet(platform: Platform, api: Caller) -> None:
    wanted = {"backtest": body(), "grid": {"signals.kappa": [1, 2]}}
    begun = await api("POST", f"{PATH}/sweeps", json=wanted)
    assert begun.status_code == 202
    where = begun.headers["Location"]
    assert where == f"{PATH}/sweeps/{begun.json()['sweep_id']}"
    assert_problem(await api("GET", where), 404, "SWEEP_NOT_FOUND")
    refused = await api("POST", f"{PATH}/sweeps", json={**wanted, "grid": {"signals.kappa": [-1]}})
    assert_problem(refused, 422, "CONFIG_INVALID")
    assert (await api("POST", f"{PATH}/sweeps", json={**wanted, "grid": {}})).status_code == 422
