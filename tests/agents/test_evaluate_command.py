"""`stonks agents evaluate`, `what-if` and `stonks documents`: what a person sees, and what a mistake is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cli.labelled_sets import labelled_sets
from domain.agents import AgentKind
from domain.errors import InvalidInput
from tests.api.harness import Platform
from tests.conftest import shared_data, stonks_json
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack

ROWS = (
    ("Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in the corresponding period in 2007", "positive"),
    ("Operating loss widened to EUR 5.0 mn from EUR 1.2 mn", "negative"),
    ("The company is headquartered in Helsinki", "neutral"),
)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in ROWS), encoding="utf-8")
    return path


def test_evaluate_when_nothing_runs_then_the_rules_are_measured_all_the_same(labelled: Path) -> None:
    (found,) = stonks_json("agents", "evaluate", str(labelled), "--half", "all")["data"]
    assert (found["n"], found["accuracy"], found["half"]) == (3, 1.0, "all")
    assert found["extractor_version"].startswith("rules-")


async def test_evaluate_when_a_variant_judges_then_the_running_platform_asks_it(
    cli: Stonks, platform: Platform, labelled: Path
) -> None:
    async with platform.working(Queue.RESEARCH, Queue.EXTRACT):
        found = await cli.json("agents", "evaluate", str(labelled), "--half", "all", "--variant", "baseline")
    assert found["data"][0]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("text,label\nHello,bullish\n", "bullish"),
        ("text,mood\nHello,positive\n", "label"),
        ("", "own.csv"),
    ],
)
async def test_evaluate_when_the_file_is_wrong_then_one_line_says_where(
    cli: Stonks, tmp_path: Path, content: str, code: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_text(content, encoding="utf-8")
    done = await cli("agents", "evaluate", str(path))
    assert done.code == 1
    assert code in done.err
    assert "Traceback" not in done.err


async def test_evaluate_when_the_half_is_unknown_then_the_allowed_ones_are_named(cli: Stonks, labelled: Path) -> None:
    done = await cli("agents", "evaluate", str(labelled), "--half", "third")
    assert (done.code, "held-out, tuning, all" in done.err.replace("\n", " ")) == (1, True)


async def test_what_if_when_nothing_was_recommended_then_the_error_says_what_is_needed(cli: Stonks) -> None:
    done = await cli("agents", "what-if", "NOBODY")
    assert (done.code, "RECOMMENDATION_NOT_FOUND" in done.err) == (1, True)
    wrong = await cli("agents", "what-if", "AAPL", "--settings", "[1]")
    assert (wrong.code, "JSON_INVALID" in wrong.err) == (1, True)
    nobody = await cli("agents", "what-if", "AAPL", "--variant", "the model")
    assert (nobody.code, "OPTION_INVALID" in nobody.err, "Traceback" in nobody.err) == (1, True, False)


async def test_documents_when_asked_wrongly_then_the_error_names_what_is_allowed(cli: Stonks) -> None:
    done = await cli("documents", "list", "--status", "lost")
    assert (done.code, "STATUS_UNKNOWN" in done.err, "needs_review" in done.err) == (1, True, True)
    unknown = await cli("documents", "reprocess", "0" * 24, "--reason", "why not")
    assert (unknown.code, "DOCUMENT_NOT_FOUND" in unknown.err) == (1, True)
    nobody = await cli("documents", "reprocess", "0" * 24, "--reason", "why not", "--by", "the model")
    assert (nobody.code, "OPTION_INVALID" in nobody.err, "Traceback" in nobody.err) == (1, True, False)
    listed: Any = await cli.json("documents", "list")
    assert isinstance(listed["data"], list)


def test_labelled_sets_when_a_folder_of_known_samples_is_given_then_each_is_read() -> None:
    folder = shared_data("sentiment")
    found = {each.name: each for each in labelled_sets(folder)}
    assert len(found) == 6
    assert found["FOMC stance"].kind is AgentKind.EVENT_CLASSIFIER
    assert len(found["PhraseBank, >= 50 % agree"].sentences) > 2_800


def test_labelled_sets_when_there_is_nothing_then_the_error_names_the_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"NO_LABELLED_SENTENCES.*financial_phrasebank"):
        labelled_sets(tmp_path)


async def test_labelled_sets_when_a_file_is_of_stances_then_it_measures_the_classifier(tmp_path: Path) -> None:
    path = tmp_path / "stances.csv"
    await asyncio.to_thread(path.write_text, "text,label\nThe Committee raised rates.,hawkish\n", encoding="utf-8")
    (found,) = labelled_sets(path)
    assert (found.kind, found.name) == (AgentKind.EVENT_CLASSIFIER, "stances")
