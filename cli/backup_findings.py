"""What the doctor says of backups and drills, and of a book that was restored and waits for a person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from api.failures import as_stonks_error
from cli.connection import settings_of
from cli.stack.doctor import Finding
from domain.actors import spoken
from domain.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from api.operations.backups import BackupStanding, RestorationView
    from workers.settings import Settings


def backup_findings(state_dir: Path) -> list[Finding]:
    """Look into the book of a running platform; nothing where none runs, or where the book cannot be read."""
    try:
        settings = settings_of(state_dir)
    except (NotFound, ConfigurationError):
        return []  # the doctor's other looks say why
    if settings.driven:
        return []
    try:
        standing, restoration = asyncio.run(_read(settings))
    except Exception as error:
        if as_stonks_error(error) is None:
            raise
        return []
    found = [Finding("backups", each.ok, each.what, each.next_step) for each in standing.findings]
    return [*found, *([_of_restoration(restoration)] if restoration else [])]


async def _read(settings: Settings) -> tuple[BackupStanding, RestorationView | None]:
    from api.operations import backups
    from api.operations.links import TemporalLinks
    from store.database import Database

    database = Database(settings.database(read_only=True))
    try:
        links = TemporalLinks(settings.temporal_ui_url, settings.temporal_namespace)
        return await backups.standing(database, links), await backups.restoration(database)
    finally:
        await database.close()


def _of_restoration(seen: RestorationView) -> Finding:
    left = [
        f"{count} {what}"
        for count, what in (
            (seen.open_intents, "orders of before have not ended"),
            (seen.pending_approvals, "questions of before wait"),
            (seen.documents, "documents of before wait to be read"),
        )
        if count
    ]
    compared = "not compared with the broker since"
    if seen.compared_at is not None:
        compared = f"compared with the broker since, {seen.differences or 'no'} differences wait"
    what = (
        f"the book is that of {seen.taken_at:%Y-%m-%d %H:%M} UTC, restored by {spoken(seen.restored_by)}; "
        f"trading halts, sources rest; {compared}"
    )
    return Finding("restore", False, "; ".join([what, *left]), _next_step(seen))


def _next_step(seen: RestorationView) -> str:
    if seen.compared_at is None:
        return "`stonks reconcile` compares book and broker by the orders' own ids, and books what the broker proves"
    if seen.differences:
        return (
            "`stonks reconcile` shows each difference: what was traded after the backup is not in the book. Accept "
            "those that are so: `stonks reconcile accept ID`"
        )
    resume = '`stonks resume "..."` when the account is as it should be: sources go on within half an hour'
    if seen.open_intents:
        return (
            "`stonks api GET '/v1/orders?unfinished=true'` shows the orders, which every comparison follows until they "
            f"end; one that was never sent is ended by the next. Then {resume}"
        )
    return resume
