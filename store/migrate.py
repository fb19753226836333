"""Bring the schema up to date. Landed migrations are never edited; a change is a new one."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import exc

from domain.errors import ConfigurationError, Conflict
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


def upgrade_copy(settings: DatabaseSettings, *, revision: str) -> None:
    """Bring a copy that was restored at a revision up to date.

    Raises:
        Conflict: a migration cannot be applied to what it holds. Nothing of it was.
    """
    try:
        upgrade(settings)
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise Conflict(
            "MIGRATION_FAILED",
            "Restore it with the release that wrote it, and mend there what the problem names",
            schema=revision,
            known=head(),
            problem=str(error.orig).splitlines()[0],
        ) from error


def draft(settings: DatabaseSettings, message: str) -> None:
    """Write a new migration from the difference between the tables and the database, for a developer to read."""
    command.revision(_config(settings), message=message, autogenerate=True)


def head() -> str:
    """The newest revision that this code knows."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def require_known(revision: str, *, release: str) -> None:
    """This code can bring a backup of a revision up to date.

    Raises:
        ConfigurationError: a later release wrote it.
    """
    known = {each.revision for each in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if revision not in known:
        raise ConfigurationError(
            "BACKUP_OF_A_LATER_RELEASE",
            "Use the release that wrote it, or a later one",
            release=release,
            schema=revision,
            known=head(),
        )
