"""What-ifs and evaluations over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.keys import Scope
from api.policy import BODY_BYTES, LONG_BODY_BYTES
from api.routes.evaluations import Sentence
from domain.agent_evaluation import MAXIMUM_SENTENCES, SUBJECT, extractor_input
from domain.agents import AgentSettings
from domain.decisions import Action, Assessment, Recommendation
from domain.evaluation import POSITIVE, SENTIMENT_LABELS, Half, LabelledSentence, Verdict, evaluate
from domain.what_if import WhatIfRequest
from store import recommendations, what_ifs
from tests.agents.readings import evaluated
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_agents import made
from tests.api.test_documents import NothingStarts
from tests.api.test_lists import walk
from workflows.names import Queue

pytestmark = pytest.mark.stack

AS_OF = datetime(2014, 7, 15, 20, tzinfo=UTC)
EXTRACTOR = "/v1/agents/document-extractor/evaluations"


async def _recommended(platform: Platform, recommendation_id: str, symbol: str = "AAPL") -> str:
    """A recommendation without a record behind it."""
    assessment = Assessment(
        symbol=symbol,
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
        symbol=symbol,
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
            session, [(recommendation, "records/none")], decided_by="", recorded_at=datetime.now(UTC)
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
    (found,) = listed.json()["data"]
    assert found == {name: value for name, value in body.items() if name != "report"}
    assert (await api("GET", begun.headers["Location"])).json()["what_if_id"] == body["what_if_id"]


async def test_what_if_when_it_failed_then_the_reason_is_shown(platform: Platform, api: Caller) -> None:
    wanted = await _recommended(platform, "rec-what-if-failed")
    request = WhatIfRequest(what_if_id="wi-failed", recommendation_id=wanted, settings=AgentSettings())
    async with platform.parts.database.transaction() as session:
        await what_ifs.begin(session, request, actor="test", now=datetime.now(UTC))
        await what_ifs.finish(session, "wi-failed", report=None, error="LATER_THAN_AS_OF", now=datetime.now(UTC))
    found = (await api("GET", "/v1/what-ifs/wi-failed")).json()
    assert (found["status"], found["error"], found["report"]) == ("failed", "LATER_THAN_AS_OF", None)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
async def test_what_ifs_when_paged_then_each_comes_once_the_newest_first(
    platform: Platform, api: Caller, limit: int
) -> None:
    wanted = await _recommended(platform, f"rec-paged-{limit}")
    async with platform.parts.database.transaction() as session:
        for number in range(5):  # several at the same instant, so that only the id orders them
            request = WhatIfRequest(
                what_if_id=f"wi-{limit}-{number}", recommendation_id=wanted, settings=AgentSettings()
            )
            await what_ifs.begin(session, request, actor="test", now=AS_OF + timedelta(hours=number // 2))
    found = await walk(api, f"/v1/recommendations/{wanted}/what-ifs", limit)
    assert [each["what_if_id"] for each in found] == [f"wi-{limit}-{number}" for number in (4, 3, 2, 1, 0)]
    assert all("report" not in each for each in found)


async def test_what_ifs_when_a_symbol_is_given_then_it_stands_for_its_newest_recommendation(
    platform: Platform, api: Caller
) -> None:
    wanted = await _recommended(platform, "rec-of-a-symbol", "PG")
    begun = await api("POST", "/v1/recommendations/pg/what-ifs", json={"settings": {"engine": "rules"}})
    assert begun.json()["recommendation_id"] == wanted
    for name in ("PG", wanted):
        (found,) = await walk(api, f"/v1/recommendations/{name}/what-ifs", 1)
        assert found["what_if_id"] == begun.json()["what_if_id"]
    assert_problem(await api("GET", "/v1/recommendations/nothing/what-ifs"), 404, "RECOMMENDATION_NOT_FOUND")


async def test_what_if_when_its_workflow_cannot_be_started_then_it_is_failed(platform: Platform, api: Caller) -> None:
    wanted = await _recommended(platform, "rec-never-started")
    ask = caller(platform, client=NothingStarts(platform.parts.client))
    asked = await ask("POST", f"/v1/recommendations/{wanted}/what-ifs", json={"settings": {"engine": "rules"}})
    assert_problem(asked, 503, "TEMPORAL_UNAVAILABLE")
    (found,) = await walk(api, f"/v1/recommendations/{wanted}/what-ifs", 1)
    assert (found["status"], found["finished_at"] is not None) == ("failed", True)
    assert found["error"].startswith("TEMPORAL_UNAVAILABLE")


async def test_what_if_when_its_settings_hold_what_cannot_be_kept_then_422(platform: Platform, api: Caller) -> None:
    wanted = await _recommended(platform, "rec-null")
    for body, code in (
        ({"settings": {"instructions": "a\x00"}}, "TEXT_INVALID"),
        ({"variant_id": "a\x00"}, "REQUEST_INVALID"),
    ):
        answer = await api("POST", f"/v1/recommendations/{wanted}/what-ifs", json=body)
        assert_problem(answer, 422, code)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/what-ifs/%00", "REQUEST_INVALID"),
        ("GET", "/v1/recommendations/%00/what-ifs", "REQUEST_INVALID"),
        ("POST", "/v1/recommendations/%00/what-ifs", "REQUEST_INVALID"),
        ("GET", "/v1/recommendations/%00/explanation", "REQUEST_INVALID"),
        ("GET", "/v1/approvals/%00", "TEXT_INVALID"),
    ],
)
async def test_path_when_it_holds_a_null_character_then_422(api: Caller, method: str, path: str, code: str) -> None:
    assert_problem(await api(method, path, json={}), 422, code)


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"dataset": "a\x00"},
        {"dataset": " "},
        {"variant_id": "a\x00"},
        {"sentences": [{"text": "a\x00", "label": "neutral"}]},
        {"sentences": [{"text": "a", "label": "neutral", "company": "a\x00"}]},
        {"sentences": [{"text": "a", "label": "neutral"}] * (MAXIMUM_SENTENCES + 1)},
        {"sentences": []},
    ],
)
async def test_evaluation_when_it_holds_what_cannot_be_kept_or_too_much_then_422(
    api: Caller, wrong: dict[str, Any]
) -> None:
    body = {"dataset": "own", "sentences": [{"text": "a", "label": "neutral"}], **wrong}
    assert_problem(await api("POST", EXTRACTOR, json=body), 422, "REQUEST_INVALID")


async def test_evaluation_when_as_many_sentences_as_are_allowed_then_they_fit(api: Caller) -> None:
    text = "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in the corresponding period in 2007, Exampl said."
    body = {
        "dataset": "own",
        "variant_id": "nobody",
        "sentences": [{"text": text, "label": "positive"}] * MAXIMUM_SENTENCES,
    }
    answer = await api("POST", EXTRACTOR, json=body)
    assert_problem(answer, 404, "VARIANT_NOT_FOUND")
    assert BODY_BYTES < len(answer.request.content) < LONG_BODY_BYTES


@pytest.mark.parametrize("company", ["  ", "", None, " Exampl "])
def test_sentence_when_its_company_is_blank_then_it_has_none(company: str | None) -> None:
    sentence = Sentence(text="Profit rose.", label="positive", company=company)
    assert sentence.company == ((company or "").strip() or None)
    labelled = LabelledSentence(text="Profit rose.", label="positive", split_key="", company=company)
    (candidate,) = extractor_input(labelled).candidates
    assert candidate.names == ((sentence.company,) if sentence.company else (SUBJECT,))


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_evaluations_when_paged_then_each_comes_once_the_newest_first(
    platform: Platform, api: Caller, limit: int
) -> None:
    agent = (await made(api))["agent_id"]
    figures = evaluate(
        [Verdict(POSITIVE, POSITIVE, 0.9)],
        dataset="sample",
        extractor_version="test",
        labels=SENTIMENT_LABELS,
        half=Half.ALL,
        sentences_per_second=None,
    )
    for number in range(5):
        at = AS_OF + timedelta(hours=number // 2)
        await evaluated(
            platform.parts.database, agent, f"v{number}", {}, at=at, figures=figures.model_dump(mode="json")
        )
    found = await walk(api, f"/v1/agents/{agent}/evaluations", limit)
    keys = [(each["recorded_at"], each["evaluation_id"]) for each in found]
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == 5
