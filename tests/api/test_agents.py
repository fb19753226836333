"""Agents over HTTP: registry, variants and their shares, comparison, gate, budget and trial."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from api.keys import Scope
from domain.agents import AgentBudget, AgentKind
from store import audit, model_calls
from store.model_calls import Question
from store.tables.platform import AuditEntry
from tests.agents.readings import agent_id, answered, attempt, evaluated, log, read_alike, sentences
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_lists import walk
from workflows.names import Queue

pytestmark = pytest.mark.stack

AGENTS = "/v1/agents"
MODEL = {"engine": "ollama", "model": "qwen3:8b"}
SYSTEM = ("document-extractor", "event-classifier", "thesis-rewriter")


async def made(api: Caller, **details: Any) -> dict[str, Any]:
    """Make an agent that no other test knows."""
    answer = await api("POST", AGENTS, json={"agent_id": agent_id(), "kind": "document-extractor", **details})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def added(api: Caller, agent: str, name: str = "", **settings: Any) -> str:
    answer = await api("POST", f"{AGENTS}/{agent}/variants", json={"name": name, "settings": settings})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["variant_id"])


async def acted(api: Caller, agent: str, variant: str, action: str, **body: Any) -> Any:
    return await api("POST", f"{AGENTS}/{agent}/variants/{variant}/{action}", json=body or None)


async def changed(api: Caller, agent: str, version: int, **changes: Any) -> Any:
    return await api("PATCH", f"{AGENTS}/{agent}", json=changes, headers={"If-Match": f'"{version}"'})


async def entries(platform: Platform, subject: str) -> list[AuditEntry]:
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == subject).order_by(col(AuditEntry.sequence))
        )
        assert await audit.first_broken(session) is None
        return list(rows.all())


# -- agents ------------------------------------------------------------------------------------------------------------


async def test_agents_when_listed_then_the_three_of_the_platform_are_there(api: Caller) -> None:
    found = {each["agent_id"]: each for each in await walk(api, AGENTS, 2)}
    for name in SYSTEM:
        assert (found[name]["kind"], found[name]["origin"], found[name]["champion"]) == (name, "system", "")
        assert found[name]["effective"]["engine"] == "rules"
    only = await walk(api, AGENTS, 2, kind="thesis-rewriter")
    assert {each["kind"] for each in only} == {"thesis-rewriter"}


async def test_agent_when_made_then_it_is_read_back_with_its_version(platform: Platform, api: Caller) -> None:
    wanted = agent_id()
    body = {
        "agent_id": wanted,
        "kind": "event-classifier",
        "purpose": " Reads carefully ",
        "settings": {**MODEL, "dollars_per_million_tokens_in": "0.1"},
        "budget": {"calls_per_day": 3},
    }
    answer = await api("POST", AGENTS, json=body)
    assert answer.status_code == 201, answer.text
    assert (answer.headers["location"], answer.headers["etag"]) == (f"{AGENTS}/{wanted}", '"1"')
    read = await api("GET", answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (answer.json(), '"1"')
    found = read.json()
    assert (found["name"], found["purpose"], found["origin"]) == (wanted, "Reads carefully", "person")
    assert found["settings"] == {**MODEL, "dollars_per_million_tokens_in": "0.1"}
    assert (found["effective"]["model"], found["effective"]["num_ctx"], found["problem"]) == ("qwen3:8b", 8192, "")
    assert found["budget"] == {"calls_per_day": 3, "tokens_per_day": None}
    (entry,) = await entries(platform, wanted)
    assert (entry.action, entry.actor) == ("agent_created", "api:bootstrap/bootstrap")
    assert_problem(await api("POST", AGENTS, json=body), 409, "AGENT_EXISTS")
    assert_problem(
        await api("POST", AGENTS, json={**body, "agent_id": agent_id(), "name": wanted}), 409, "AGENT_NAME_TAKEN"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"agent_id": "Capital", "kind": "document-extractor"}, "REQUEST_INVALID"),
        ({"agent_id": "-x", "kind": "document-extractor"}, "REQUEST_INVALID"),
        ({"agent_id": "ok", "kind": "oracle"}, "REQUEST_INVALID"),
        ({"agent_id": "ok"}, "REQUEST_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "colour": 1}, "REQUEST_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "purpose": "a\u0000"}, "REQUEST_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "budget": {"calls_per_day": -1}}, "REQUEST_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "settings": []}, "REQUEST_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "settings": {"colour": 1}}, "AGENT_SETTING_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "settings": {"seed": "1e400"}}, "AGENT_SETTING_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "settings": {"model": {"a": 1}}}, "AGENT_SETTING_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "settings": {"engine": "ollama"}}, "AGENT_SETTING_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "settings": {"num_ctx": 511}}, "AGENT_SETTING_INVALID"),
        ({"agent_id": "ok", "kind": "document-extractor", "settings": {"temperature": 2.1}}, "AGENT_SETTING_INVALID"),
        (
            {"agent_id": "ok", "kind": "document-extractor", "settings": {"instructions": "a\u0000"}},
            "AGENT_SETTING_INVALID",
        ),
        (
            {"agent_id": "ok", "kind": "document-extractor", "settings": {"num_ctx": 1_024, "num_predict": 1_024}},
            "AGENT_SETTING_INVALID",
        ),
    ],
)
async def test_agent_when_it_cannot_work_then_the_error_names_what(api: Caller, body: Any, code: str) -> None:
    assert_problem(await api("POST", AGENTS, json=body), 422, code)
    assert_problem(await api("GET", f"{AGENTS}/ok"), 404, "AGENT_NOT_FOUND")


async def test_agent_when_changed_then_what_is_not_given_stays(platform: Platform, api: Caller) -> None:
    agent = await made(api, settings={"seed": 1}, budget={"calls_per_day": 3}, purpose="before")
    answer = await changed(api, agent["agent_id"], 1, purpose="after", settings={"temperature": 0.5})
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    differing = {name for name, value in answer.json().items() if agent[name] != value}
    assert differing == {"purpose", "settings", "effective", "version", "updated_at"}
    assert answer.json()["settings"] == {"temperature": 0.5}
    same = await changed(api, agent["agent_id"], 2, purpose="after")
    assert (same.status_code, same.headers["etag"]) == (200, '"2"')
    _, entry = await entries(platform, agent["agent_id"])
    assert entry.action == "agent_settings_changed"
    assert entry.body["before"]["settings"] == {"seed": 1}
    lifted = await changed(api, agent["agent_id"], 2, budget={})
    assert lifted.json()["budget"] == {"calls_per_day": None, "tokens_per_day": None}
    for body in ({"name": ""}, {"name": None}, {"settings": None}, {"kind": "event-classifier"}, {"origin": "system"}):
        assert_problem(await changed(api, agent["agent_id"], 3, **body), 422, "REQUEST_INVALID")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_agent_when_the_version_is_missing_or_old_then_nothing_changes(api: Caller, method: str) -> None:
    agent = (await made(api))["agent_id"]
    options: dict[str, Any] = {"json": {"purpose": "x"}} if method == "PATCH" else {}
    assert_problem(await api(method, f"{AGENTS}/{agent}", **options), 428, "PRECONDITION_REQUIRED")
    stale = await api(method, f"{AGENTS}/{agent}", headers={"If-Match": '"9"'}, **options)
    assert assert_problem(stale, 412, "VERSION_MISMATCH")["fields"]["current"] == '"1"'
    assert (await api.get(f"{AGENTS}/{agent}"))["version"] == 1


async def test_agents_when_changed_at_the_same_time_then_one_wins(api: Caller) -> None:
    agent = (await made(api))["agent_id"]
    answers = await asyncio.gather(*(changed(api, agent, 1, purpose=f"{number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_agent_when_archived_then_it_is_listed_apart_and_comes_back(api: Caller) -> None:
    agent = (await made(api))["agent_id"]
    gone = await api("DELETE", f"{AGENTS}/{agent}", headers={"If-Match": '"1"'})
    assert (gone.status_code, gone.json()["archived"], gone.headers["etag"]) == (200, True, '"2"')
    assert agent not in [each["agent_id"] for each in await walk(api, AGENTS, 200)]
    assert agent in [each["agent_id"] for each in await walk(api, AGENTS, 200, archived=True)]
    refused = await api("POST", f"{AGENTS}/{agent}/variants", json={"settings": {"seed": 1}})
    assert_problem(refused, 409, "AGENT_ARCHIVED")
    assert (await changed(api, agent, 2, archived=False)).json()["archived"] is False


@pytest.mark.parametrize("agent", SYSTEM)
async def test_agent_of_the_platform_when_archived_then_409(api: Caller, agent: str) -> None:
    version = (await api.get(f"{AGENTS}/{agent}"))["version"]
    refused = await api("DELETE", f"{AGENTS}/{agent}", headers={"If-Match": f'"{version}"'})
    assert_problem(refused, 409, "AGENT_IS_SYSTEM")
    assert_problem(await changed(api, agent, version, archived=True), 409, "AGENT_IS_SYSTEM")


async def test_agent_when_its_defaults_come_from_the_environment_then_they_lie_below(platform: Platform) -> None:
    defaults = {AgentKind.DOCUMENT_EXTRACTOR: {"engine": "ollama", "model": "gemma3:4b", "seed": 5}}
    here = caller(platform, agent_defaults=defaults)
    agent = (await made(here, settings={"seed": 6}))["agent_id"]
    effective = (await here.get(f"{AGENTS}/{agent}"))["effective"]
    assert (effective["engine"], effective["model"], effective["seed"]) == ("ollama", "gemma3:4b", 6)
    small = (await made(here, settings={"num_predict": 8_000}))["agent_id"]
    shrunk = caller(platform, agent_defaults={AgentKind.DOCUMENT_EXTRACTOR: {"num_ctx": 4_096}})
    found = await shrunk.get(f"{AGENTS}/{small}")
    assert found["effective"] is None
    assert "num_predict" in found["problem"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"purpose": "x"}),
        ("DELETE", "", None),
        ("GET", "/variants", None),
        ("POST", "/variants", {"settings": {}}),
        ("GET", "/variants/x", None),
        ("POST", "/variants/x/activate", {"traffic_share": 0.1}),
        ("POST", "/variants/x/deactivate", None),
        ("POST", "/variants/x/promote", None),
        ("GET", "/comparison", None),
        ("GET", "/promotions", None),
        ("GET", "/budget", None),
        ("POST", "/test", {"text": "x"}),
    ],
)
async def test_agent_when_unknown_then_404(api: Caller, method: str, path: str, body: Any) -> None:
    answer = await api(method, f"{AGENTS}/nobody{path}", json=body, headers={"If-Match": '"1"'})
    assert_problem(answer, 404, "AGENT_NOT_FOUND")
    for agent in ("No-Capitals", "%00", "a%20b", "x" * 64):
        answer = await api(method, f"{AGENTS}/{agent}{path}", json=body, headers={"If-Match": '"1"'})
        assert_problem(answer, 422, "REQUEST_INVALID")


# -- variants ----------------------------------------------------------------------------------------------------------


async def test_variant_when_made_again_then_it_is_the_one_that_is_there(platform: Platform, api: Caller) -> None:
    agent = (await made(api, settings={"seed": 3}))["agent_id"]
    body = {"name": "small", "settings": {**MODEL, "temperature": 0}}
    first = await api("POST", f"{AGENTS}/{agent}/variants", json=body)
    again = await api("POST", f"{AGENTS}/{agent}/variants", json={**body, "settings": {**MODEL, "temperature": 0.0}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    found = first.json()
    assert first.headers["location"] == f"{AGENTS}/{agent}/variants/{found['variant_id']}"
    assert (await api.get(first.headers["location"]))["settings"] == {**MODEL, "temperature": 0.0}
    assert (found["effective"]["seed"], found["active"], found["traffic_share"]) == (3, False, 0)
    assert found["created_by"] == "api:bootstrap/bootstrap"
    assert [entry.action for entry in await entries(platform, f"{agent}/{found['variant_id']}")] == ["variant_created"]
    for settings in ({"colour": 1}, {"engine": "ollama", "model": ""}, {"num_predict": 9_000}):
        refused = await api("POST", f"{AGENTS}/{agent}/variants", json={"settings": settings})
        assert_problem(refused, 422, "AGENT_SETTING_INVALID")
    assert_problem(await api("POST", f"{AGENTS}/{agent}/variants", json={}), 422, "REQUEST_INVALID")


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_variants_when_paged_then_each_comes_once_with_its_figures(
    platform: Platform, api: Caller, limit: int
) -> None:
    agent = (await made(api))["agent_id"]
    variants = [await added(api, agent, seed=seed) for seed in range(5)]
    await log(platform.parts.database, [attempt(agent, variants[2], "doc"), attempt(agent, variants[2], "doc-2")])
    rows = await walk(api, f"{AGENTS}/{agent}/variants", limit)
    assert [row["variant_id"] for row in rows] == list(reversed(variants))
    assert [row["figures"]["documents"] for row in rows] == [0, 0, 2, 0, 0]
    assert rows[2]["figures"]["valid"]["interval"]["high"] == 1


async def test_variant_when_activated_then_the_agent_shows_who_reads(platform: Platform, api: Caller) -> None:
    agent = (await made(api))["agent_id"]
    one, two = await added(api, agent, "one", seed=1), await added(api, agent, "two", seed=2)
    view = (await acted(api, agent, one, "activate", traffic_share=0.25)).json()
    assert (view["active"], view["traffic_share"], view["shadow"]) == (True, 0.25, False)
    assert (await acted(api, agent, two, "activate", shadow=True)).json()["shadow"] is True
    found = await api.get(f"{AGENTS}/{agent}")
    assert {row["name"]: (row["traffic_share"], row["shadow"]) for row in found["active"]} == {
        "one": (0.25, False),
        "two": (0.0, True),
    }
    assert (found["champion"], found["version"]) == ("", 1)
    gone = (await acted(api, agent, one, "deactivate")).json()
    assert (gone["active"], gone["traffic_share"]) == (False, 0)
    _, on, off = await entries(platform, f"{agent}/{one}")
    assert (on.action, off.action) == ("variant_activated", "variant_deactivated")
    assert (on.body["before"]["traffic_share"], on.body["after"]["traffic_share"]) == (0.0, 0.25)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"traffic_share": 1.1}, 422, "REQUEST_INVALID"),
        ({"traffic_share": -0.1}, 422, "REQUEST_INVALID"),
        ({"traffic_share": "NaN"}, 422, "REQUEST_INVALID"),
        ({"share": 0.1}, 422, "REQUEST_INVALID"),
        ({"traffic_share": 0}, 422, "TRAFFIC_SHARE_INVALID"),
        ({"traffic_share": 0.1, "shadow": True}, 422, "TRAFFIC_SHARE_INVALID"),
        ({"traffic_share": 0.51}, 409, "PROMOTION_GATE"),
    ],
)
async def test_variant_when_activated_wrongly_then_it_says_why(
    api: Caller, body: dict[str, Any], status: int, code: str
) -> None:
    agent = (await made(api))["agent_id"]
    variant = await added(api, agent, seed=1)
    assert_problem(await acted(api, agent, variant, "activate", **body), status, code)
    assert (await api.get(f"{AGENTS}/{agent}"))["active"] == []


async def test_variants_when_activated_at_the_same_time_then_their_shares_fit(api: Caller) -> None:
    agent = (await made(api))["agent_id"]
    variants = [await added(api, agent, seed=seed) for seed in range(4)]
    answers = await asyncio.gather(*(acted(api, agent, each, "activate", traffic_share=0.4) for each in variants))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 422, 422]
    refused = next(answer for answer in answers if answer.status_code == 422)
    assert_problem(refused, 422, "TRAFFIC_SHARES_TOO_LARGE")


# -- comparison and promotion ------------------------------------------------------------------------------------------


async def test_promotion_when_evidence_is_missing_then_409_says_what_to_run_and_it_is_written_down(
    platform: Platform, api: Caller
) -> None:
    agent = (await made(api))["agent_id"]
    variant = await added(api, agent, seed=1)
    body = assert_problem(await acted(api, agent, variant, "promote"), 409, "PROMOTION_GATE")
    assert set(body["fields"]) == {
        "agent",
        "variant",
        "against",
        "paired_documents",
        "valid_rate",
        "quote_validity",
        "labelled_sentences",
        "accuracy",
        "latency_p95",
    }
    assert "stonks agents evaluate" in body["fields"]["accuracy"]
    assert (await api.get(f"{AGENTS}/{agent}"))["active"] == []
    (decision,) = (await api.get(f"{AGENTS}/{agent}/promotions"))["data"]
    assert (decision["passed"], decision["variant_id"], decision["against"]) == (False, variant, "")
    assert [each["passed"] for each in decision["criteria"]] == [False] * 6
    _, entry = await entries(platform, f"{agent}/{variant}")
    assert entry.action == "promotion_refused"


async def test_promotion_when_the_evidence_holds_then_the_variant_takes_the_champions_place(
    platform: Platform, api: Caller
) -> None:
    agent = (await made(api))["agent_id"]
    first, second = await added(api, agent, "first", seed=1), await added(api, agent, "second", seed=2)
    experiment = await added(api, agent, seed=3)
    await read_alike(platform.parts.database, agent, ["", first, second], 250)
    for judge in ("", first, second):
        await evaluated(platform.parts.database, agent, judge, sentences(400, wrong=60))

    answer = await acted(api, agent, first, "promote", traffic_share=0.8)
    assert answer.status_code == 200, answer.text
    assert all(each["passed"] for each in answer.json()["promotion"]["criteria"])
    assert answer.json()["variant"]["traffic_share"] == 0.8
    assert_problem(await acted(api, agent, first, "promote"), 409, "VARIANT_IS_CHAMPION")
    await acted(api, agent, experiment, "activate", traffic_share=0.1)

    crowded = await acted(api, agent, second, "promote", traffic_share=1)
    assert_problem(crowded, 422, "TRAFFIC_SHARES_TOO_LARGE")
    done = (await acted(api, agent, second, "promote", traffic_share=0.9)).json()
    assert done["promotion"]["against"] == first
    found = await api.get(f"{AGENTS}/{agent}")
    assert found["champion"] == second
    assert {row["variant_id"]: row["traffic_share"] for row in found["active"]} == {second: 0.9, experiment: 0.1}
    decisions = await walk(api, f"{AGENTS}/{agent}/promotions", 1)
    assert [(each["variant_id"], each["passed"]) for each in decisions] == [
        (second, True),
        (second, True),
        (first, True),
    ]
    assert len(await walk(api, f"{AGENTS}/{agent}/promotions", 1, variant_id=first)) == 1

    # Back without a gate, and forth again only with one.
    await acted(api, agent, second, "deactivate")
    assert (await api.get(f"{AGENTS}/{agent}"))["champion"] == ""
    assert_problem(await acted(api, agent, second, "activate", traffic_share=0.9), 409, "PROMOTION_GATE")


async def test_promotion_when_the_variant_is_poorer_then_only_what_it_lacks_is_told(
    platform: Platform, api: Caller
) -> None:
    agent = (await made(api))["agent_id"]
    variant = await added(api, agent, seed=1, timeout_seconds=2)
    await read_alike(platform.parts.database, agent, [""], 250)
    rows = [
        attempt(
            agent, variant, f"doc-{n}", valid=n >= 20, problem="" if n >= 20 else "MODEL_OUTPUT_CUT", latency_ms=2_001
        )
        for n in range(250)
    ]
    await log(platform.parts.database, rows)
    await evaluated(platform.parts.database, agent, "", sentences(400))
    await evaluated(platform.parts.database, agent, variant, sentences(400, wrong=20))
    body = assert_problem(await acted(api, agent, variant, "promote"), 409, "PROMOTION_GATE")
    assert set(body["fields"]) - {"agent", "variant", "against"} == {"valid_rate", "accuracy", "latency_p95"}
    found = await api.get(f"{AGENTS}/{agent}/comparison")
    (challenger,) = found["challengers"]
    assert challenger["figures"]["problems"] == {"MODEL_OUTPUT_CUT": 20}
    assert challenger["paired"]["valid"]["value"] == pytest.approx(-0.08)
    assert challenger["paired"]["accuracy"]["value"] == pytest.approx(-0.05)


async def test_promotion_when_the_agents_settings_changed_then_what_was_seen_before_counts_no_more(
    platform: Platform, api: Caller
) -> None:
    agent = (await made(api))["agent_id"]
    variant = await added(api, agent, temperature=0.5)
    await read_alike(platform.parts.database, agent, ["", variant], 250)
    for judge in ("", variant):
        await evaluated(platform.parts.database, agent, judge, sentences(400))
    assert (await changed(api, agent, 1, settings={"seed": 8})).status_code == 200
    body = assert_problem(await acted(api, agent, variant, "promote"), 409, "PROMOTION_GATE")
    assert body["fields"]["paired_documents"].startswith("0 documents")
    assert body["fields"]["labelled_sentences"].startswith("0 labelled sentences")
    now = datetime.now(UTC)
    await read_alike(platform.parts.database, agent, ["", variant], 250, recorded_at=now)
    for judge in ("", variant):
        await evaluated(platform.parts.database, agent, judge, sentences(400), at=now)
    assert (await acted(api, agent, variant, "promote")).status_code == 200


async def test_comparison_when_asked_since_then_only_later_attempts_count(platform: Platform, api: Caller) -> None:
    agent = (await made(api))["agent_id"]
    variant = await added(api, agent, "small", seed=1)
    now = datetime.now(UTC)
    await log(
        platform.parts.database,
        [
            attempt(agent, "", "new"),
            attempt(agent, variant, "new"),
            attempt(agent, "", "old", recorded_at=now - timedelta(days=40)),
        ],
    )
    found = await api.get(f"{AGENTS}/{agent}/comparison")
    assert (found["champion"]["documents"], found["challengers"][0]["figures"]["name"]) == (1, "small")
    assert found["challengers"][0]["paired"]["documents"] == 1
    longer = await api.get(f"{AGENTS}/{agent}/comparison", since=(now - timedelta(days=41)).isoformat())
    assert longer["champion"]["documents"] == 2
    assert longer["champion"]["cost_total"] == "0.002000"
    extremes = ("0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00")
    for since in ((now + timedelta(hours=1)).isoformat(), (now - timedelta(days=400)).isoformat(), *extremes):
        answer = await api("GET", f"{AGENTS}/{agent}/comparison", params={"since": since})
        assert_problem(answer, 422, "SINCE_INVALID")
    for since in ("yesterday", "2026-01-01T00:00:00"):
        answer = await api("GET", f"{AGENTS}/{agent}/comparison", params={"since": since})
        assert_problem(answer, 422, "REQUEST_INVALID")


async def test_comparison_when_both_answered_then_it_tells_how_often_they_see_the_same_sign(
    platform: Platform, api: Caller
) -> None:
    agent = (await made(api))["agent_id"]
    variant = await added(api, agent, seed=1)
    said: list[tuple[dict[str, float], dict[str, float]]] = [
        ({"AAPL": 0.5, "F": -0.5}, {"AAPL": 0.1, "F": 0.5}),
        ({"AAPL": 0.5, "GE": 0.0}, {"AAPL": 0.4, "GE": 0.5, "KO": 1.0}),
        ({}, {"AAPL": 0.5}),
    ]
    for number, (one, two) in enumerate(said):
        document = await platform.document(f"{agent} {number}", at=datetime.now(UTC))
        await answered(platform, agent, "", document, one)
        await answered(platform, agent, variant, document, two)
    # Where the rules took over, nobody knows what the model would have said.
    document = await platform.document(f"{agent} cut", at=datetime.now(UTC))
    await answered(platform, agent, "", document, {"AAPL": 1.0})
    await answered(platform, agent, variant, document, {"AAPL": -1.0}, problem="MODEL_OUTPUT_CUT")
    (challenger,) = (await api.get(f"{AGENTS}/{agent}/comparison"))["challengers"]
    found = challenger["paired"]["sign_agreement"]
    assert (found["count"], found["total"]) == (2, 3)


# -- budget and trial --------------------------------------------------------------------------------------------------


async def test_budget_when_questions_are_asked_then_it_shows_what_is_left(platform: Platform, api: Caller) -> None:
    agent = (await made(api, budget={"tokens_per_day": 1_000}))["agent_id"]
    assert (await api.get(f"{AGENTS}/{agent}/budget"))["calls"] == {"used": 0, "limit": None, "left": None}
    question = Question(key=f"key-{agent}", agent_id=agent, model="m", model_digest="d", tokens=900)
    now = datetime.now(UTC)
    assert (await model_calls.reserve(platform.parts.database, question, AgentBudget(), now=now)).fresh
    found = await api.get(f"{AGENTS}/{agent}/budget")
    assert (found["agent_id"], found["day"]) == (agent, now.date().isoformat())
    assert found["calls"]["used"] == 1
    assert found["tokens"] == {"used": 900, "limit": 1_000, "left": 100}
    await changed(api, agent, 1, budget={"tokens_per_day": 500, "calls_per_day": 4})
    found = await api.get(f"{AGENTS}/{agent}/budget")
    assert (found["tokens"]["left"], found["calls"]["left"]) == (0, 3)


TEXT = "Apple Inc. raised its quarterly dividend by 5% and beat earnings expectations."


async def test_trial_when_a_text_is_given_then_the_answer_comes_back_and_nothing_is_kept(
    platform: Platform, api: Caller
) -> None:
    agent = (await made(api))["agent_id"]
    async with platform.working(Queue.RESEARCH, Queue.EXTRACT):
        answer = await api(
            "POST",
            f"{AGENTS}/{agent}/test",
            json={"title": "Apple raises dividend", "text": TEXT, "symbols": ["AAPL"], "settings": {"seed": 4}},
        )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["agent_id"], found["variant_id"], found["problem"]) == (agent, "", "")
    assert found["engine_version"].startswith("rules")
    assert found["answer"]["events"]
    assert found["quotes_valid"] == found["quotes_total"] > 0
    assert (found["calls"], found["cost_dollars"], found["tokens_in"]) == ([], "0", 0)
    assert (await api.get(f"{AGENTS}/{agent}/comparison"))["champion"]["attempts"] == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "NOTHING_TO_READ"),
        ({"text": "  "}, 422, "NOTHING_TO_READ"),
        ({"text": "x", "settings": {"colour": 1}}, 422, "AGENT_SETTING_INVALID"),
        ({"text": "x", "variant_id": "av_x", "settings": {}}, 422, "CHOICE_INVALID"),
        ({"text": "x", "variant_id": "av_x"}, 404, "VARIANT_NOT_FOUND"),
        ({"text": "x", "symbols": ["not a symbol"]}, 422, "REQUEST_INVALID"),
        ({"text": "x" * 200_001}, 422, "REQUEST_INVALID"),
        ({"text": "a\u0000b"}, 422, "REQUEST_INVALID"),
        ({"text": "x", "published_at": "2020-01-01T00:00:00"}, 422, "REQUEST_INVALID"),
        ({"text": "x", "published_at": "0001-01-01T00:00:00+05:00"}, 422, "REQUEST_INVALID"),
        ({"text": "x", "published_at": "9999-12-31T23:00:00-05:00"}, 422, "REQUEST_INVALID"),
    ],
)
async def test_trial_when_it_cannot_be_asked_then_it_says_why(
    api: Caller, body: dict[str, Any], status: int, code: str
) -> None:
    assert_problem(await api("POST", f"{AGENTS}/document-extractor/test", json=body), status, code)


@pytest.mark.parametrize(
    "settings", ['{"instructions": "\\ud800"}', '{"\\ud800": 1}', '{"seed": 1e400}', '{"temperature": NaN}']
)
async def test_trial_when_its_settings_are_no_text_or_no_number_then_it_is_refused(api: Caller, settings: str) -> None:
    body = f'{{"text": "x", "settings": {settings}}}'
    headers = {"Content-Type": "application/json"}
    answer = await api("POST", f"{AGENTS}/document-extractor/test", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in ("AGENT_SETTING_INVALID", "REQUEST_INVALID")


@pytest.mark.parametrize(
    ("agent", "body", "status", "code"),
    [
        ("document-extractor", {"text": "x", "settings": MODEL}, 502, "MODEL_SERVER_NOT_SET"),
        ("thesis-rewriter", {"recommendation_id": "none-such"}, 404, "RECOMMENDATION_NOT_FOUND"),
    ],
)
async def test_trial_when_the_agent_cannot_answer_then_the_steps_own_error_comes_back(
    platform: Platform, api: Caller, agent: str, body: dict[str, Any], status: int, code: str
) -> None:
    async with platform.working(Queue.RESEARCH, Queue.EXTRACT):
        assert_problem(await api("POST", f"{AGENTS}/{agent}/test", json=body), status, code)


async def test_trial_of_a_thesis_when_no_recommendation_is_given_then_it_says_so(api: Caller) -> None:
    refused = await api("POST", f"{AGENTS}/thesis-rewriter/test", json={"text": "x"})
    assert assert_problem(refused, 422, "NOTHING_TO_READ")["fields"]["field"] == "recommendation_id"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "", Scope.AGENTS_WRITE),
        ("POST", "", Scope.READ),
        ("PATCH", "/x", Scope.READ),
        ("DELETE", "/x", Scope.READ),
        ("POST", "/x/variants", Scope.READ),
        ("POST", "/x/variants/y/activate", Scope.REGISTRY_WRITE),
        ("POST", "/x/variants/y/deactivate", Scope.OPS_WRITE),
        ("POST", "/x/variants/y/promote", Scope.APPROVE),
        ("GET", "/x/comparison", Scope.AGENTS_WRITE),
        ("POST", "/x/test", Scope.READ),
    ],
)
async def test_route_when_the_scope_is_another_then_403(
    platform: Platform, method: str, path: str, scope: Scope
) -> None:
    wrong = caller(platform, await platform.key(scope))
    assert_problem(await wrong(method, AGENTS + path, json={}), 403, "SCOPE_MISSING")
