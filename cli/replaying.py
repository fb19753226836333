"""Run a replay on a stack of its own: start, drive, report, stop."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.adapters.files.fingerprint import fingerprint
from cli.commands.stack import show_sign_in
from cli.migrate import migrate
from cli.output import err
from cli.stack.names import PartName
from cli.stack.supervisor import Stack, StackReport, stop_on_signals
from domain.config import TradingConfig
from domain.documents import Credibility
from domain.errors import InvalidInput, StonksError
from domain.ids import digest
from domain.replay import ReplayApprovals, ReplayRequest, ReplayResult, ReplayState
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.replay_period import ReplayPeriod

WATCH_SECONDS = 0.2
ASK_SECONDS = 0.5
FINISHED = "finished"


@dataclass(frozen=True)
class Finished:
    """A replay that ended: its report as written, parsed, its headline, and where to look further."""

    report: bytes
    body: dict[str, Any]
    result: ReplayResult
    addresses: dict[str, str]
    state_dir: Path
    kept: bool


def make_request(
    *,
    documents: Path,
    bars: Path,
    actions: Path | None,
    first: date,
    last: date,
    opening_cash: Decimal,
    config: TradingConfig,
    approvals: ReplayApprovals,
    credibility: Credibility,
    publisher: str,
) -> ReplayRequest:
    """Build the request; its id is a function of the files' content and of every choice.

    Raises:
        InvalidInput: the period ends before it begins.
    """
    if last < first:
        raise InvalidInput("PERIOD_INVALID", "--to must not be before --from", first=first, last=last)
    replay_id = digest(
        "replay",
        *(fingerprint(path) if path.is_file() else path.name for path in (documents, bars)),
        fingerprint(actions) if actions else "",
        first,
        last,
        opening_cash,
        config.version(),
        approvals.value,
        credibility.value,
        publisher,
    )
    return ReplayRequest(
        replay_id=replay_id,
        documents=str(documents),
        bars=str(bars),
        actions=str(actions) if actions else "",
        first=first,
        last=last,
        opening_cash=opening_cash,
        config=config,
        approvals=approvals,
        credibility=credibility,
        publisher=publisher,
    )


def run_replay(request: ReplayRequest, state_dir: Path, *, keep: bool, show: Callable[[Finished], None]) -> None:
    """Start a stack for the replay, drive it to the end, show the result; with `keep` stay until Ctrl-C.

    A replay that was interrupted goes on where it stopped; one that had finished is run again from nothing.
    """
    if (state_dir / FINISHED).exists():
        shutil.rmtree(state_dir)
    stack = Stack(state_dir, mode="replay", inherited=os.environ, virtual_clock=True)
    with stop_on_signals(stack), stack:
        with _progress() as progress:
            task = progress.add_task("starting the stack", total=None)
            report = stack.start(
                progress=lambda part, what: progress.update(task, description=f"{part.value}: {what}"),
                before_application=migrate,
            )
            finished = asyncio.run(_drive(stack, report, request, progress, task, kept=keep))
        (state_dir / "report.json").write_bytes(finished.report)
        (state_dir / FINISHED).touch()
        show(finished)
        if keep:
            show_sign_in(stack, report)
            err.print("The stack keeps running; Ctrl-C stops it.")
            stack.watch()


async def _drive(
    stack: Stack, report: StackReport, request: ReplayRequest, progress: Progress, task: TaskID, *, kept: bool
) -> Finished:
    environment = stack.environment()
    parts = await Parts.connect(load(environment))
    keeper = asyncio.create_task(_keep_alive(stack))
    try:
        result = await _finish(parts, request, progress, task, keeper)
        body = await parts.objects.get(result.report_key)
    finally:
        keeper.cancel()
        await parts.close()
    api = report.addresses.get(PartName.API, "")
    return Finished(
        report=body,
        body=json.loads(body),
        result=result,
        addresses={"api_docs": f"{api}/docs", "temporal_ui": environment.get("STONKS_TEMPORAL_UI_URL", "")},
        state_dir=stack.directory.root,
        kept=kept,
    )


async def _finish(
    parts: Parts, request: ReplayRequest, progress: Progress, task: TaskID, keeper: asyncio.Task[None]
) -> ReplayResult:
    """Start the replay, or find it running or ended, and wait for its result."""
    workflow_id = names.replay_id(request.replay_id)
    with suppress(WorkflowAlreadyStartedError):  # it had ended, and only the report was not fetched yet
        await parts.client.start_workflow(
            ReplayPeriod.run,
            ReplayState(request=request),
            id=workflow_id,
            task_queue=names.Queue.OPS,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"replay {request.first} to {request.last}",
        )
    handle = parts.client.get_workflow_handle(workflow_id, result_type=ReplayResult)
    asking = asyncio.create_task(_show_progress(handle, progress, task))
    result = asyncio.create_task(_result(handle))
    try:
        await asyncio.wait({result, keeper}, return_when=asyncio.FIRST_COMPLETED)
        if keeper.done() and not result.done():
            keeper.result()
            raise StonksError("REPLAY_INTERRUPTED", "Run the same command again: it goes on where it stopped")
        return await result
    except WorkflowFailureError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise StonksError(
            "REPLAY_FAILED", f"{cause}", workflow=workflow_id, logs=parts.settings.state_dir / "logs"
        ) from error
    finally:
        asking.cancel()
        result.cancel()


async def _result(handle: WorkflowHandle[Any, ReplayResult]) -> ReplayResult:
    """Wait for the result, however often the server dies and is started again meanwhile."""
    while True:
        try:
            return await handle.result()
        except RPCError:
            await asyncio.sleep(ASK_SECONDS)


async def _keep_alive(stack: Stack) -> None:
    """Start parts again that died, from the main thread, until the stack is asked to stop."""
    while not stack.stopping:
        stack.watch_once()
        await asyncio.sleep(WATCH_SECONDS)


async def _show_progress(handle: Any, progress: Progress, task: TaskID) -> None:
    while True:
        await asyncio.sleep(ASK_SECONDS)
        try:
            state = await handle.query(ReplayPeriod.progress)
        except RPCError:
            continue  # the worker or the server is being started again
        total = len(state.plan.sessions) if state.plan else None
        progress.update(
            task,
            total=total,
            completed=state.sessions_done,
            description=f"{state.step}: {state.documents_released} documents, "
            f"session {state.sessions_done}/{total or '?'}",
        )


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )
