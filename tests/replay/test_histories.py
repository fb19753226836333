"""The replay gate: today's workflow code must accept every recorded history, inside the sandbox."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tests.conftest import REPOSITORY
from workers.registry import ALL_WORKFLOWS

WORKFLOWS = REPOSITORY / "workflows"
HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def _workflow_of(path: Path) -> str:
    return "".join(word.capitalize() for word in path.name.split(".")[0].split("_"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_recorded_history_when_replayed_then_todays_code_makes_the_same_decisions(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    history = WorkflowHistory.from_json(body["id"], body["history"])
    replayer = Replayer(workflows=list(ALL_WORKFLOWS), data_converter=pydantic_data_converter)
    await replayer.replay_workflow(history)


def test_every_workflow_has_a_recorded_history() -> None:
    assert {workflow.__name__ for workflow in ALL_WORKFLOWS} == {_workflow_of(path) for path in HISTORIES}


async def test_patches_when_all_histories_are_replayed_then_both_branches_of_each_were_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: dict[str, set[bool]] = {}
    real = workflow.patched

    def patched(name: str) -> bool:
        answer = real(name)
        taken.setdefault(name, set()).add(answer)
        return answer

    monkeypatch.setattr(workflow, "patched", patched)
    replayer = Replayer(
        workflows=list(ALL_WORKFLOWS),
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    for path in HISTORIES:
        body = json.loads(path.read_text(encoding="utf-8"))
        await replayer.replay_workflow(WorkflowHistory.from_json(body["id"], body["history"]))
    assert taken == {name: {True, False} for name in _patches()}


def _patches() -> set[str]:
    """The names of all patches in the workflows' sources."""
    found = set()
    for path in WORKFLOWS.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for argument in re.findall(r"workflow\.patched\(([^)]+)\)", text):
            constant = re.search(rf'^{re.escape(argument)} = "(.+)"$', text, re.M)
            found.add(constant.group(1) if constant else argument.strip('"'))
    return found


async def test_recorded_history_when_the_order_of_steps_changed_then_replay_refuses() -> None:
    """The gate can fail: swap two activities of a document's history and it must be noticed."""
    path = next(path for path in HISTORIES if path.name.startswith("process_document"))
    text = path.read_text(encoding="utf-8")
    swapped = re.sub(r'"name": "parse"', '"name": "save_evidence"', text)
    assert swapped != text
    body = json.loads(swapped)
    replayer = Replayer(workflows=list(ALL_WORKFLOWS), data_converter=pydantic_data_converter)
    result = await replayer.replay_workflow(
        WorkflowHistory.from_json(body["id"], body["history"]), raise_on_replay_failure=False
    )
    assert result.replay_failure is not None
