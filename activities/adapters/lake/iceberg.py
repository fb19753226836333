"""The lake's tables through pyiceberg: made, widened, read for their state, written part by part, committed once.

A commit replaces whole parts in one snapshot and carries the export in its summary. It is refused where another commit
came first: nothing is ever rebased, so that two exports at once cannot both add the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationException,
)
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import IdentityTransform, MonthTransform, Transform, YearTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from activities.adapters.lake.replacing import ReplaceFiles
from activities.adapters.lake.settings import CATALOG, NAMESPACE, LakeSettings
from activities.adapters.lake.tidying import tidy
from activities.adapters.lake.writing import PartWriter
from domain.errors import ConfigurationError, VendorUnavailable
from domain.lake import LakeStamp, LakeState, LakeTable, LakeType, Partition, TidyReport

_STAMP = "stonks.export"
"""In a snapshot's summary: the export that made it, as JSON."""
_PLAIN: dict[LakeType, IcebergType] = {
    LakeType.TEXT: StringType(),
    LakeType.FLAG: BooleanType(),
    LakeType.WHOLE: LongType(),
    LakeType.NUMBER: DoubleType(),
    LakeType.DAY: DateType(),
    LakeType.INSTANT: TimestamptzType(),
}
_PARTITION_FIELD = 1_000
_PROPERTIES = {
    "commit.retry.num-retries": "0",  # a commit that lost is planned anew from the book, never rebased
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
}


class IcebergLake:
    """The catalog and the object store. Connects when it is first used; every method blocks, so call it in a thread."""

    def __init__(self, settings: LakeSettings) -> None:
        self._settings = settings

    @cached_property
    def catalog(self) -> SqlCatalog:
        catalog = SqlCatalog(CATALOG, **self._settings.catalog_properties())
        if not self._settings.read_only:
            catalog.create_namespace_if_not_exists(NAMESPACE)
        return catalog

    def open(self, spec: LakeTable) -> OpenTable:
        """Open a table for an export; makes it, or adds columns, where that is needed.

        Raises:
            ConfigurationError: a column has another type than before, or the table other parts.
        """
        with answering(spec.name):
            table = self._load(spec) or self._create(spec)
            return OpenTable(spec, _widened(spec, table))

    def find(self, spec: LakeTable) -> Table | None:
        """The table as it is, for reading; None: there is none yet."""
        with answering(spec.name):
            return self._load(spec) if self._is_there() else None

    def tidy(self, spec: LakeTable, *, before: datetime, unread_before: datetime) -> TidyReport:
        """Expire snapshots made before an instant, but the current one, and remove files that none refers to.

        Args:
            unread_before: files written since then may belong to an export that is under way.
        """
        with answering(spec.name):
            table = self._load(spec)
            if table is None:
                return TidyReport(table=spec.name)
            return tidy(spec.name, table, before=before, unread_before=unread_before)

    def close(self) -> None:
        if "catalog" in self.__dict__:
            self.catalog.engine.dispose()

    def _is_there(self) -> bool:
        """Whether the catalog's tables are there, which the first export makes."""
        with self.catalog.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT to_regclass('iceberg_tables') IS NOT NULL").scalar()
        return bool(found)

    def _load(self, spec: LakeTable) -> Table | None:
        try:
            return self.catalog.load_table((NAMESPACE, spec.name))
        except NoSuchTableError:
            return None

    def _create(self, spec: LakeTable) -> Table:
        schema = _schema(spec)
        try:
            return self.catalog.create_table(
                (NAMESPACE, spec.name),
                schema,
                partition_spec=_partition_spec(spec, schema),
                sort_order=SortOrder(
                    *(SortField(schema.find_field(name).field_id, transform=IdentityTransform()) for name in spec.order)
                ),
                properties={**_PROPERTIES, "comment": spec.says},
            )
        except TableAlreadyExistsError:  # another export was faster
            return self.catalog.load_table((NAMESPACE, spec.name))


class OpenTable:
    """A table as it stood when it was opened, and what an export writes into it.

    `write` takes the rows of one part after the other; nothing of it is seen before `commit`.
    """

    def __init__(self, spec: LakeTable, table: Table) -> None:
        self._spec = spec
        self._table = table
        self._writer: PartWriter | None = None
        self._written: list[DataFile] = []

    @cached_property
    def state(self) -> LakeState:
        snapshot = self._table.current_snapshot()
        if snapshot is None:
            return LakeState()
        parts: dict[int, int] = {}
        for file in self._files:
            parts[_number(file)] = parts.get(_number(file), 0) + file.record_count
        return LakeState(snapshot_id=str(snapshot.snapshot_id), stamp=_stamp(snapshot), parts=parts)

    def committed(self, export_id: str) -> LakeState | None:
        """The snapshot that an export made, where it did; its parts are not read."""
        for snapshot in reversed(self._table.metadata.snapshots):
            stamp = _stamp(snapshot)
            if stamp is not None and stamp.export_id == export_id:
                return LakeState(snapshot_id=str(snapshot.snapshot_id), stamp=stamp)
        return None

    def write(self, number: int, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a part."""
        if self._writer is not None and self._writer.number != number:
            self.end_part()
        with answering(self._spec.name):
            if self._writer is None:
                self._writer = PartWriter(self._table, self._spec, number)
            self._writer.add(rows)

    def end_part(self) -> None:
        """Finish the part that is being written."""
        if self._writer is not None:
            with answering(self._spec.name):
                self._written += self._writer.close()
            self._writer = None

    def commit(self, stamp: LakeStamp, *, replaced: Sequence[int]) -> LakeState:
        """Put what was written in the place of what the parts held, in one snapshot.

        Args:
            replaced: parts whose former files go; those without new rows are then empty.

        Raises:
            VendorUnavailable: another commit came first, or the outcome is unknown: open the table again and look.
        """
        self.end_part()
        gone = set(replaced)
        stamp = stamp.model_copy(
            update={
                "rows_written": sum(file.record_count for file in self._written),
                "bytes_written": sum(file.file_size_in_bytes for file in self._written),
                "parts_written": len(gone),
            }
        )
        with answering(self._spec.name):
            transaction = self._table.transaction()
            with ReplaceFiles.of(transaction, {_STAMP: stamp.model_dump_json()}) as change:
                for file in self._files:
                    if _number(file) in gone:
                        change.delete_data_file(file)
                for file in self._written:
                    change.append_data_file(file)
            table = transaction.commit_transaction()
        snapshot = table.current_snapshot()
        assert snapshot is not None
        return LakeState(snapshot_id=str(snapshot.snapshot_id), stamp=stamp)

    @cached_property
    def _files(self) -> list[DataFile]:
        """Of the snapshot that is current."""
        with answering(self._spec.name):
            return [task.file for task in self._table.scan().plan_files()]


@contextmanager
def answering(table: str) -> Iterator[None]:
    """Turn what the catalog and the object store answer into errors of ours."""
    try:
        yield
    except (CommitFailedException, ValidationException) as error:
        hint = "Another export of the table was faster: it is looked at again"
        raise VendorUnavailable("LAKE_COMMIT_REFUSED", hint, table=table) from error
    except CommitStateUnknownException as error:
        hint = "Whether it was committed is looked up before anything is written again"
        raise VendorUnavailable("LAKE_COMMIT_UNKNOWN", hint, table=table) from error
    except OSError as error:
        hint = "The object store did not answer as it should; `stonks doctor` looks at it"
        raise VendorUnavailable("LAKE_UNAVAILABLE", hint, table=table, error=str(error)[:300]) from error


def _stamp(snapshot: Snapshot) -> LakeStamp | None:
    summary = snapshot.summary
    text = summary.additional_properties.get(_STAMP) if summary is not None else None
    return LakeStamp.model_validate_json(text) if text else None


def _number(file: DataFile) -> int:
    return int(file.partition[0]) if len(file.partition) else 0


def _type(kind: LakeType) -> IcebergType:
    return DecimalType(*kind.digits) if kind.digits else _PLAIN[kind]


def _schema(spec: LakeTable) -> Schema:
    """Keys are required; all else may be empty, as a column that is given up one day must be."""
    fields = (
        NestedField(number, each.name, _type(each.type), required=each.name in spec.key, doc=each.says)
        for number, each in enumerate(spec.columns, 1)
    )
    return Schema(*fields)


def _partition_spec(spec: LakeTable, schema: Schema) -> PartitionSpec:
    if spec.partition is Partition.NONE:
        return PartitionSpec()
    transform: Transform[Any, Any] = YearTransform() if spec.partition is Partition.YEAR else MonthTransform()
    source = schema.find_field(spec.event).field_id
    name = f"{spec.event}_{spec.partition.value}"
    return PartitionSpec(PartitionField(source_id=source, field_id=_PARTITION_FIELD, transform=transform, name=name))


def _widened(spec: LakeTable, table: Table) -> Table:
    """Add the columns that the table lacks. Columns are never taken away, and keep their types."""
    known = {field.name: field.field_type for field in table.schema().fields}
    for each in spec.columns:
        if each.name in known and known[each.name] != _type(each.type):
            raise _other(spec, column=each.name, found=str(known[each.name]), wanted=each.type.value)
    parts = [(table.schema().find_column_name(field.source_id), str(field.transform)) for field in table.spec().fields]
    wanted = [] if spec.partition is Partition.NONE else [(spec.event, spec.partition.value)]
    if parts != wanted:
        raise _other(spec, column="parts", found=str(parts), wanted=str(wanted))
    missing = [each for each in spec.columns if each.name not in known]
    if not missing:
        return table
    with table.update_schema() as change:
        for each in missing:
            change.add_column(each.name, _type(each.type), doc=each.says)
    return table.refresh()


def _other(spec: LakeTable, *, column: str, found: str, wanted: str) -> ConfigurationError:
    hint = "Columns are only added. Give what is new another name, or drop the table from the lake to have it made anew"
    return ConfigurationError("LAKE_SCHEMA_CONFLICT", hint, table=spec.name, column=column, found=found, wanted=wanted)
