"""Bring the schema up to date. Landed migrations are never edited; a change is a new one."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from store.database import DatabaseSettings

_MIGRATIONS = Path(__file__).parent / "migrations"


def _config(settings: DatabaseSettings | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    if settings is not None:
        config.attributes["url"] = settings.url()
    return config


def upgrade(settings: DatabaseSettings, revision: str = "head") -> None:
    """Apply every migration up to `revision`. Safe to run twice or from two processes at once."""
    command.upgrade(_config(settings), revision)


def draft(settings: DatabaseSettings, message: str) -> None:
    """Write a new migration from the difference between the tables and the database, for a developer to read."""
    command.revision(_config(settings), message=message, autogenerate=True)


def head() -> str:
    """The newest revision that this code knows."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def knows(revision: str) -> bool:
    """Whether this code can bring a database of a revision up to date."""
    return any(each.revision == revision for each in ScriptDirectory.from_config(_config(None)).walk_revisions())
