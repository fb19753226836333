"""What-ifs and evaluations over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from api.keys import Scope
from domain.agents import AgentSettings
from domain.decisions import Action, Assessment, Recommendation
from domain.what_if import WhatIfRequest
from store import recommendations, what_ifs
from tests.api.harness import Caller, Platform, assert_problem, caller
from workflows.names import Queue

pytestmark = pytest.mark.stack

AS_OF = datetime(2014, 7, 15, 20, tzinfo=UTC)
EXTRACTOR = "/v1/agents/document-extractor/evaluations"


async def _recommended(platform: Platform, recommendation_id: str) -> str:
    """A recommendation without a record behind it."""
    assessment = Assessment(
        symbol="AAPL",
        as_of=AS_OF,
        company=0.1,
        composite=0.1,
        confirmation=0.0,
        score=0.1,
        contradiction=0.0,
        effective_documents=1.0,
        conviction=0.1,
        probability=0.5,
        horizon_td=5.0,
        window_scores=(0.1, 0.1, 0.1),
        trend=0.0,
        daily_volatility=0.0,
        average_dollar_volume=0.0,
        last_close=0.0,
        score_nano=100_000_000,
        attributions=(),
        evidence_count=1,
    )
    recommendation = Recommendation(
        recommendation_id=recommendation_id,
        symbol="AAPL",
        as_of=AS_OF,
        action=Action.NONE,
        previous_action=Action.NONE,
        assessment=assessment,
        edge_bp=0.0,
        cost_bp=0.0,
        gates=(),
        reasons=(),
        thesis="None.",
        config_version="c",
        record_hash=f"hash-{recommendation_id}",
    )
    async with platform.parts.database.transaction() as session:
        await recommendations.save(
            session, recommendation=recommendation, record_key="records/none", recorded_at=datetime.now(UTC)
        )
    return recommendation_id


async def test_what_if_when_begun_then_it_is_accepted_and_can_be_looked_at(platform: Platform, api: Caller) -> None:
    wanted = await _recommended(platform, "rec-what-if")
    begun = await api("POST", f"/v1/recommendations/{wanted}/what-ifs", json={"settings": {"engine": "rules"}})
    assert begun.status_code == 202
    body: dict[str, Any] = begun.json()
    assert begun.headers["Location"] == f"/v1/what-ifs/{body['what_if_id']}"
    assert (body["status"], body["settings"]["engine"], body["report"]) == ("running", "rules", None)
    listed = await api("GET", f"/v1/recommendations/{wanted}/what-ifs")
    assert [each["what_if_id"] for each in listed.json()["data"]] == [body["what_if_id"]]
    assert (await api("GET", begun.headers["Location"])).json()["what_if_id"] == body["what_if_id"]


async def test_what_if_when_it_failed_then_the_reason_is_shown(platform: Platform, api: Caller) -> None:
    wanted = await _recommended(platform, "rec-what-if-failed")
    request = WhatIfRequest(what_if_id="wi-failed", recommendation_id=wanted, settings=AgentSettings())
    async with platform.parts.database.transaction() as session:
        await what_ifs.begin(session, request, actor="test", now=datetime.now(UTC))
        await what_ifs.finish(session, "wi-failed", report=None, error="LATER_THAN_AS_OF", now=datetime.now(UTC))
    found = (await api("GET", "/v1/what-ifs/wi-failed")).json()
    assert (found["status"], found["error"], found["report"]) == ("failed", "LATER_THAN_AS_OF", None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"settings": {"seeds": 1}}, "AGENT_SETTING_INVALID"),
        ({"settings": {"engine": "ollama"}}, "AGENT_SETTING_INVALID"),
        ({"variant_id": "nobody"}, "VARIANT_UNKNOWN"),
        ({"variant_id": "nobody", "settings": {"engine": "rules"}}, "WHAT_IF_AMBIGUOUS"),
    ],
)
async def test_what_if_when_it_is_asked_wrongly_then_the_problem_says_what(
    platform: Platform, api: Caller, body: dict[str, Any], code: str
) -> None:
    wanted = await _recommended(platform, f"rec-{code}-{len(body)}")
    assert_problem(await api("POST", f"/v1/recommendations/{wanted}/what-ifs", json=body), 422, code)


async def test_what_if_when_nothing_of_the_name_is_known_then_404(api: Caller) -> None:
    asked = await api("POST", "/v1/recommendations/nothing/what-ifs", json={})
    assert_problem(asked, 404, "RECOMMENDATION_NOT_FOUND")
    assert_problem(await api("GET", "/v1/what-ifs/nothing"), 404, "WHAT_IF_NOT_FOUND")


async def test_asking_models_when_the_key_may_only_read_then_it_is_refused(platform: Platform) -> None:
    ask = caller(platform, await platform.key(Scope.READ))
    for path, body in (
        ("/v1/recommendations/x/what-ifs", {}),
        (EXTRACTOR, {"dataset": "x", "sentences": [{"text": "a", "label": "neutral"}]}),
    ):
        assert (await ask("POST", path, json=body)).status_code == 403


async def test_evaluation_when_begun_then_its_result_appears_in_the_list(platform: Platform, api: Caller) -> None:
    sentences = [
        {"text": f"Operating profit rose to EUR {n}.1 mn from EUR {n}.0 mn", "label": "positive"} for n in range(5)
    ]
    begun = await api("POST", EXTRACTOR, json={"dataset": "own", "sentences": sentences})
    assert begun.status_code == 202
    wanted = begun.json()["evaluation_id"]
    async with platform.working(Queue.RESEARCH, Queue.EXTRACT), asyncio.timeout(60):
        while True:
            found = {each["evaluation_id"]: each for each in (await api("GET", EXTRACTOR)).json()["data"]}
            if wanted in found:
                break
            await asyncio.sleep(0.1)
    assert found[wanted]["figures"]["n"] == 5
    assert found[wanted]["figures"]["accuracy"] == 1.0
    assert found[wanted]["engine_version"].startswith("rules-")


async def test_evaluation_when_a_label_is_not_measured_then_the_problem_names_it(api: Caller) -> None:
    body = {"dataset": "own", "sentences": [{"text": "a", "label": "hawkish"}]}
    problem = assert_problem(await api("POST", EXTRACTOR, json=body), 422, "EVALUATION_NOT_POSSIBLE")
    assert "positive" in str(problem)
