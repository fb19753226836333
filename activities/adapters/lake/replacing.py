"""A snapshot in which files take the place of others, however often that was done before.

pyiceberg's own overwrite carries the manifests of all former removals along for ever: after a year of hourly exports a
reader would open thousands to find a hundred files. Here they are left out once they are history, and what is left is
merged when it becomes many.
"""

from __future__ import annotations

from collections.abc import Callable

from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

MANIFESTS = 20
MANIFEST_BYTES = 8 * 1024 * 1024


class ReplaceFiles(_OverwriteFiles):
    """Removes some files and adds others. What it does not name stays."""

    @classmethod
    def of(cls, transaction: Transaction, summary: dict[str, str]) -> ReplaceFiles:
        first = transaction.table_metadata.current_snapshot() is None
        return cls(
            operation=Operation.APPEND if first else Operation.OVERWRITE,
            transaction=transaction,
            io=transaction._table.io,
            snapshot_properties=summary,
        )

    def _build_manifest_evaluator(self, spec_id: int) -> Callable[[ManifestFile], bool]:
        """Look into every manifest, as there are few.

        pyiceberg's evaluators keep what they look at in themselves, and are used by several threads at once: now and
        then one would pass a manifest over whose files are to be removed.
        """
        return lambda _: True

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        merging = _ManifestMergeManager(
            target_size_bytes=MANIFEST_BYTES,
            min_count_to_merge=MANIFESTS,
            merge_enabled=True,
            snapshot_producer=self,
        )
        return merging.merge_manifests([each for each in manifests if self._counts(each)])

    def _counts(self, manifest: ManifestFile) -> bool:
        """Whether it has files, or is this snapshot's own word on what it removes."""
        own = manifest.added_snapshot_id == self._snapshot_id
        return own or bool(manifest.added_files_count) or bool(manifest.existing_files_count)
