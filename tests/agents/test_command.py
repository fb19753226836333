"""`stonks agents`: answers on standard output, errors in one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.operations import agents
from api.operations.agents import AgentChange, AgentView, Defaults
from domain.agents import AgentBudget
from store.database import Database
from tests.agents.readings import agent_id, attempt, evaluated, log, read_alike, sentences
from tests.api.harness import Caller, Platform
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack

OLLAMA = ("--set", "engine=ollama", "--set", "model=qwen3:8b")
TEXT = "Apple Inc. raised its quarterly dividend by 5% and beat earnings expectations."


async def made(cli: Stonks, *options: str) -> str:
    agent = agent_id()
    await cli.text("agents", "create", agent, "--kind", "document-extractor", *options)
    return agent


async def added(cli: Stonks, agent: str, *options: str) -> str:
    found = await cli.json("agents", "add-variant", agent, *options)
    return str(found["variant_id"])


async def test_agent_when_made_and_changed_then_it_is_listed_and_shown(
    cli: Stonks, api: Caller, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Look for dividends.", encoding="utf-8")
    agent = agent_id()
    made = await cli.json(
        "agents",
        "create",
        agent,
        "--kind",
        "document-extractor",
        *OLLAMA,
        "--set",
        f"instructions=@{words}",
        "--settings",
        '{"seed": 3, "model": "gemma3:4b"}',
        "--tokens-per-day",
        "5000",
    )
    assert made == await api.get(f"/v1/agents/{agent}")
    assert made["settings"] == {
        "engine": "ollama",
        "instructions": "Look for dividends.",
        "model": "qwen3:8b",
        "seed": 3,
    }
    listed = await cli.text("agents", "list")
    assert agent in listed
    assert "document-extractor" in listed
    assert [row["agent_id"] for row in (await cli.json("agents", "list", "--kind", "thesis-rewriter"))["data"]] == [
        "thesis-rewriter"
    ]
    shown = await cli.text("agents", "show", agent)
    for told in ("model = qwen3:8b", "timeout_seconds = 110.0  (default)", "5,000 tokens per day", "own settings"):
        assert told in shown
    changed = await cli.json("agents", "change", agent, "--set", "temperature=0.5", "--unset", "seed", "--name", agent)
    assert changed["settings"] == {
        "engine": "ollama",
        "instructions": "Look for dividends.",
        "model": "qwen3:8b",
        "temperature": 0.5,
    }
    assert (await cli.json("agents", "change", agent, "--archive"))["archived"] is True
    assert agent not in await cli.text("agents", "list")
    assert agent in await cli.text("agents", "list", "--archived")
    assert (await cli.json("agents", "change", agent, "--restore"))["archived"] is False


async def test_variant_when_added_and_activated_then_it_is_listed_with_what_it_reads(
    platform: Platform, cli: Stonks
) -> None:
    agent = await made(cli)
    assert "has none" in (await cli("agents", "variants", agent)).err
    small, shadow = await added(cli, agent, "--name", "small", *OLLAMA), await added(cli, agent, "--set", "seed=2")
    again = await cli("agents", "add-variant", agent, "--name", "small", *OLLAMA)
    assert small in again.err.replace("\n", " ")
    assert "there already" in again.err
    assert (await cli.json("agents", "activate", agent, small, "--share", "0.25"))["traffic_share"] == 0.25
    assert "as a shadow" in (await cli("agents", "activate", agent, shadow, "--shadow")).err
    await log(platform.parts.database, [attempt(agent, small, f"doc-{n}", valid=n > 0) for n in range(4)])
    listed = await cli.text("agents", "variants", agent)
    for told in ("small", "qwen3:8b", "25.0 %", "shadow", "75.0 %", "1.0 s"):
        assert told in listed
    assert "small 25.0 %" in await cli.text("agents", "show", agent)
    await cli.text("agents", "deactivate", agent, small)
    assert [row["active"] for row in (await cli.json("agents", "variants", agent))["data"]] == [True, False]


async def test_comparison_when_shown_then_it_has_every_figure_with_its_interval(
    platform: Platform, cli: Stonks
) -> None:
    agent = await made(cli)
    variant = await added(cli, agent, "--name", "small", "--set", "seed=2")
    assert "Nobody to compare" in (await cli("agents", "compare", agent)).err
    await read_alike(platform.parts.database, agent, ["", variant], 40)
    await log(
        platform.parts.database,
        [attempt(agent, variant, "doc-x", valid=False, problem="MODEL_OUTPUT_CUT"), attempt(agent, "", "doc-y")],
    )
    for judge in ("", variant):
        await evaluated(platform.parts.database, agent, judge, sentences(10, wrong=2))
    shown = await cli.text("agents", "compare", agent)
    for told in (
        "champion",
        "41, 41 attempts",
        "97.6 % (87.4 % to 99.6 %), 40 of 41",
        "MODEL_OUTPUT_CUT 1",
        "p50 1.0 s (1.0 s to 1.0 s)",
        "800 in and 100 out a document",
        "$0.001 a document, $0.041 in all",
        "on 40 documents that both read",
        "accuracy",
        "on 10",
    ):
        assert told in shown, told
    assert (await cli.json("agents", "compare", agent))["challengers"][0]["paired"]["documents"] == 40


async def test_promotion_when_refused_and_passed_then_every_criterion_is_shown(platform: Platform, cli: Stonks) -> None:
    agent = await made(cli)
    variant = await added(cli, agent, "--set", "seed=2")
    refused = await cli("agents", "promote", agent, variant)
    assert refused.code == 1
    assert refused.out.count("failed") == 6
    assert "nothing changed" in " ".join(refused.out.split())
    unchanged = await cli("agents", "promote", agent, variant, "--json")
    assert (unchanged.code, '"passed": false' in unchanged.out) == (1, True)
    await read_alike(platform.parts.database, agent, ["", variant], 250)
    for judge in ("", variant):
        await evaluated(platform.parts.database, agent, judge, sentences(400))
    passed = await cli.text("agents", "promote", agent, variant, "--share", "0.9")
    assert passed.count("passed") == 7
    assert "reads 90.0 %" in passed
    assert (await cli.json("agents", "show", agent))["champion"] == variant


async def test_budget_when_changed_then_the_limits_that_are_not_given_stay(cli: Stonks) -> None:
    agent = await made(cli, "--calls-per-day", "10")
    assert "0 of 10, 10 left" in await cli.text("agents", "budget", agent)
    found = await cli.json("agents", "budget", agent, "--tokens-per-day", "2000")
    assert (found["calls"]["limit"], found["tokens"]["limit"]) == (10, 2_000)
    assert "0, no limit" in await cli.text("agents", "budget", agent, "--unlimited")


@pytest.mark.parametrize(
    "words",
    [
        ("change", "--set", "temperature=0.5"),
        ("change", "--unset", "seed"),
        ("budget", "--tokens-per-day", "2000"),
        ("budget", "--unlimited"),
    ],
)
async def test_change_when_somebody_else_changes_the_agent_meanwhile_then_theirs_stays(
    platform: Platform, cli: Stonks, api: Caller, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    agent = await made(cli, "--set", "seed=1", "--calls-per-day", "10")
    read = agents.get

    async def read_and_change(database: Database, defaults: Defaults, agent_id: str) -> AgentView:
        found = await read(database, defaults, agent_id)
        wanted = AgentChange(settings={"seed": 2}, budget=AgentBudget(calls_per_day=20))
        elsewhere = Database(platform.parts.settings.database())
        await agents.change(elsewhere, defaults, agent_id, wanted, actor="somebody else")
        await elsewhere.close()
        return found

    monkeypatch.setattr(agents, "get", read_and_change)
    done = await cli("agents", words[0], agent, *words[1:])
    assert (done.code, done.out) == (1, "")
    assert done.err.replace("\n", " ").startswith('VERSION_MISMATCH: current="2"'), done.err
    monkeypatch.undo()
    found = await api.get(f"/v1/agents/{agent}")
    assert (found["version"], found["settings"]) == (2, {"seed": 2})
    assert found["budget"] == {"calls_per_day": 20, "tokens_per_day": None}


async def test_trial_when_a_text_is_given_then_the_answer_is_shown(
    platform: Platform, cli: Stonks, tmp_path: Path
) -> None:
    file = tmp_path / "story.txt"
    file.write_text(TEXT, encoding="utf-8")
    async with platform.working(Queue.RESEARCH, Queue.EXTRACT):
        shown = await cli.text("agents", "test", "document-extractor", TEXT, "--symbol", "aapl")
        found = await cli.json("agents", "test", "document-extractor", f"@{file}", "--symbol", "AAPL", "--title", "t")
    assert "quotes stand in the text" in shown
    assert "AAPL" in shown
    assert found["answer"]["events"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "nobody"), "AGENT_NOT_FOUND: agent_id=nobody"),
        (("variants", "nobody"), "AGENT_NOT_FOUND: agent_id=nobody"),
        (("budget", "nobody"), "AGENT_NOT_FOUND: agent_id=nobody"),
        (("compare", "nobody"), "AGENT_NOT_FOUND: agent_id=nobody"),
        (("compare", "document-extractor", "--since", "soon"), "TIME_INVALID: option=--since"),
        (("compare", "document-extractor", "--since", "2999-01-01"), "SINCE_INVALID: found=2999-01-01"),
        (("create", "Big", "--kind", "document-extractor"), "OPTION_INVALID: field=agent_id"),
        (("create", "ok", "--kind", "oracle"), "CHOICE_INVALID: option=--kind, found=oracle"),
        (("create", "ok", "--kind", "document-extractor", "--set", "colour=1"), "AGENT_SETTING_INVALID: field=colour"),
        (("create", "ok", "--kind", "document-extractor", "--set", "seed"), "OPTION_INVALID: option=--set"),
        (("create", "ok", "--kind", "document-extractor", "--settings", "[1]"), "SETTINGS_NOT_JSON"),
        (("create", "ok", "--kind", "document-extractor", "--settings", "@/nowhere"), "FILE_UNREADABLE"),
        (("change", "event-classifier", "--archive"), "AGENT_IS_SYSTEM: agent_id=event-classifier"),
        (("activate", "event-classifier", "av_x", "--share", "0.1"), "VARIANT_NOT_FOUND: agent=event-classifier"),
        (("deactivate", "event-classifier", "av_x"), "VARIANT_NOT_FOUND"),
        (("promote", "event-classifier", "av_x"), "VARIANT_NOT_FOUND"),
        (("promote", "event-classifier", "av_x", "--share", "0.5"), "OPTION_INVALID: field=traffic_share"),
        (("test", "document-extractor"), "NOTHING_TO_READ: field=text"),
        (("test", "thesis-rewriter", "x"), "NOTHING_TO_READ: field=recommendation_id"),
    ],
)
async def test_command_when_it_cannot_be_done_then_one_line_says_why(
    cli: Stonks, words: tuple[str, ...], message: str
) -> None:
    done = await cli("agents", *words)
    assert (done.code, done.out) == (1, ""), done
    assert done.err.replace("\n", " ").startswith(message), done.err
    assert "Traceback" not in done.err


async def test_change_when_nothing_is_said_then_it_asks_what(cli: Stonks) -> None:
    done = await cli("agents", "change", "document-extractor")
    assert done.code == 2
    assert "--set" in done.err


def test_help_when_asked_then_every_command_has_an_example_or_needs_none() -> None:
    from cli.commands import agents

    for command in agents.commands.registered_commands:
        assert command.callback is not None
        told: Any = command.callback.__doc__
        assert told
        if command.name not in ("list", "variants", "deactivate"):
            assert f"stonks agents {command.name}" in told, command.name
