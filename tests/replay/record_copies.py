"""Histories of what copies the book: backups and their drills, and the lake. Servers, steps and failures are real."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from temporalio.client import Client, WorkflowFailureError

from activities import publishing
from api.operations import backups
from api.operations.links import TemporalLinks
from cli.stack.supervisor import Stack
from domain.errors import StonksError
from domain.lake import LakeTable, LakeType, PublishRequest
from domain.lake_tables import BY_NAME
from tests.asking.platform import working
from tests.conftest import running_servers
from workflows import names
from workflows.client import begin_publication

Save = Callable[[Client, str, str], Awaitable[None]]
FAILS, PUBLISHED = "reserve_ledger", "companies"
_RESERVE = """
    INSERT INTO reserve_ledger (entry_id, as_of, amount, balance, reason)
    VALUES ('recorded', '2014-07-16 20:00+00', 12.5, 12.5, 'to be recorded')
"""


def record_copies(state_dir: Path, label: str, save: Save) -> None:
    with running_servers(state_dir) as stack:
        asyncio.run(_run_backups(stack, label, save))
        asyncio.run(_run_lake(stack, label, save))


async def _run_backups(stack: Stack, label: str, save: Save) -> None:
    """A backup, its drill, and a backup that gave up because a program is missing."""
    links = TemporalLinks("", "stonks")
    async with working(stack.environment(), names.Queue.OPS) as parts:
        database, client = parts.database, parts.client
        begun = await backups.begin(database, client, links, actor="cli:anna")
        made = await backups.wait(client, database, links, begun.backup_id)
        drill = await backups.begin_drill(database, client, links, made.backup_id, actor="cli:anna")
        await backups.wait_drill(client, database, links, drill.drill_id)
    found = {
        "back_up": names.backup_workflow_id(made.backup_id),
        "drill_backup": names.drill_workflow_id(drill.drill_id),
    }
    missing = {**stack.environment(), "STONKS_BACKUP_PROGRAMS": "nowhere"}
    async with working(missing, names.Queue.OPS) as parts:
        await asyncio.sleep(1)  # a backup is named by its second
        begun = await backups.begin(parts.database, parts.client, links, actor="cli:anna")
        with contextlib.suppress(StonksError):
            await backups.wait(parts.client, parts.database, links, begun.backup_id)
        found["back_up.gave_up"] = names.backup_workflow_id(begun.backup_id)
        for name, workflow_id in found.items():
            await save(parts.client, f"{name}.{label}", workflow_id)


async def _run_lake(stack: Stack, label: str, save: Save) -> None:
    """A publication of two tables, one of which the lake has with a column of another type: that one fails."""
    async with working(stack.environment(), names.Queue.LAKE) as parts:
        await parts.database.run(_RESERVE)
        with patch.object(publishing, "require_table", _with_other_money):
            before = PublishRequest(tables=(FAILS,))
            await (await begin_publication(parts.client, before, at=datetime.now(UTC), actor="record")).result()
        wanted = PublishRequest(tables=(FAILS, PUBLISHED), tidy=True)
        handle = await begin_publication(parts.client, wanted, at=datetime.now(UTC), actor="record")
        with contextlib.suppress(WorkflowFailureError):
            await handle.result()
        await save(parts.client, f"publish_lake.one_failed.{label}", handle.id)


def _with_other_money(name: str) -> LakeTable:
    """The table as a version had it whose money had more digits."""
    table = BY_NAME[name]
    columns = [
        each.model_copy(update={"type": LakeType.FIGURE}) if each.type is LakeType.DOLLARS else each
        for each in table.columns
    ]
    return table.model_copy(update={"columns": tuple(columns)})
