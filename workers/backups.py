"""What makes backups and where copies of them go, made from the settings without Temporal: for commands too."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version

from activities.adapters.offsite import OffsiteSettings, OffsiteStore
from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import Backups
from activities.backup_directory import BackupDirectory
from activities.backup_elsewhere import BackupsElsewhere
from domain.errors import ConfigurationError
from store.database import Database
from store.objects import ObjectStore
from workers.settings import Mode, Settings


def elsewhere_of(settings: Settings, until: AsyncExitStack) -> tuple[BackupsElsewhere, BackupDirectory]:
    """The other place for backups, with the directory that it is a copy of.

    Raises:
        ConfigurationError: none is named.
    """
    store = _offsite(settings, until)
    if store is None:
        raise ConfigurationError(
            "SETTING_MISSING", "Name the other place, its bucket and its keys", variable="STONKS_BACKUP_S3_ENDPOINT"
        )
    directory = BackupDirectory(settings.backups)
    return BackupsElsewhere(store, directory), directory


def _offsite(settings: Settings, until: AsyncExitStack) -> OffsiteStore | None:
    if not settings.backup_s3_endpoint:
        return None
    store = OffsiteStore(
        OffsiteSettings(
            endpoint=settings.backup_s3_endpoint,
            bucket=settings.backup_s3_bucket,
            access_key=settings.backup_s3_access_key,
            secret_key=settings.backup_s3_secret_key,
            prefix=settings.backup_s3_prefix,
        )
    )
    until.callback(store.close)
    return store


def backups_of(settings: Settings, database: Database, objects: ObjectStore, until: AsyncExitStack) -> Backups:
    """Put together what makes backups: all of it but Temporal. Connections are closed with `until`."""
    return Backups(
        database,
        objects,
        PostgresPrograms(settings.backup_programs),
        BackupDirectory(settings.backups),
        product=version("stonks-oracle"),
        now=lambda: datetime.now(UTC),
        offsite=_offsite(settings, until),
        broker_book=None if settings.mode is Mode.LIVE else settings.broker_book,
    )
