"""The lake, opened with the settings."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from workers.settings import Settings

if TYPE_CHECKING:
    from activities.adapters.lake.iceberg import IcebergLake


def lake_of(settings: Settings, until: AsyncExitStack, *, read_only: bool) -> IcebergLake:
    """The lake of a book and its objects; it is closed with `until`.

    What reads and writes Iceberg is loaded here and not before: a second, and a hundred megabytes.
    """
    from activities.adapters.lake.iceberg import IcebergLake
    from activities.adapters.lake.settings import LakeSettings

    database, objects = settings.database(), settings.objects()
    lake = IcebergLake(
        LakeSettings(
            db_host=database.host,
            db_port=database.port,
            db_name=database.name,
            db_user=database.user,
            db_password=database.password,
            endpoint=objects.endpoint,
            access_key=objects.access_key,
            secret_key=objects.secret_key,
            bucket=objects.bucket,
            read_only=read_only,
        )
    )
    until.callback(lake.close)
    return lake
