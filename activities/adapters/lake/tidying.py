"""Old snapshots go, and files that no snapshot refers to.

Those are what expired snapshots alone had, and what exports left that never came to their commit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlsplit

import pyarrow.fs as pafs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from domain.lake import TidyReport


def tidy(name: str, table: Table, *, before: datetime, unread_before: datetime) -> TidyReport:
    """Expire and remove; what is current always stays."""
    current = table.current_snapshot()
    old = [
        each.snapshot_id
        for each in table.metadata.snapshots
        if each.timestamp_ms < before.timestamp() * 1_000 and current is not None and each != current
    ]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
        table.refresh()
    return TidyReport(table=name, snapshots_expired=len(old), files_removed=_sweep(table, unread_before))


def _sweep(table: Table, unread_before: datetime) -> int:
    """Remove the files below the table's folder that nothing refers to, but those that are younger.

    They are listed before what is referred to is: a file that a commit brings meanwhile is too young to be removed.
    """
    system, folder = filesystem(table, table.location())
    found = system.get_file_info(pafs.FileSelector(folder, recursive=True, allow_not_found=True))
    known = _referred(table)
    removed = 0
    for each in found:
        if each.type is not pafs.FileType.File or each.path in known:
            continue
        if each.mtime is not None and each.mtime.astimezone(UTC) < unread_before:
            system.delete_file(each.path)
            removed += 1
    return removed


def _referred(table: Table) -> set[str]:
    """Paths of everything that the table's metadata leads to."""
    table = table.refresh()
    locations = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        locations.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            locations.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            locations.update(entry.data_file.file_path for entry in entries)
    return {path_of(each) for each in locations}


def filesystem(table: Table, location: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a location, and its path there."""
    parts = urlsplit(location)
    return cast(PyArrowFileIO, table.io).fs_by_scheme(parts.scheme, parts.netloc), path_of(location)


def path_of(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.netloc}{parts.path}"
