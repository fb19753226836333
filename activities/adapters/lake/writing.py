"""Rows of one part become Parquet files, some thousands in memory at a time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.io.fileformat import FileFormatFactory
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from domain.errors import InvalidInput
from domain.lake import LakeTable

ROWS_A_GROUP = 50_000
ROWS_A_FILE = 1_000_000


class PartWriter:
    """Writes one part into as few files as possible."""

    def __init__(self, table: Table, spec: LakeTable, number: int) -> None:
        self.number = number
        self._table = table
        self._spec = spec
        self._schema = schema_to_pyarrow(table.schema(), include_field_ids=True)
        self._given = {each.name: place for place, each in enumerate(spec.columns)}
        self._waiting: list[pa.Table] = []
        self._file: _File | None = None
        self._done: list[DataFile] = []

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, with values in the order of the table's columns.

        Raises:
            InvalidInput: a value does not fit its column. Nothing is rounded.
        """
        if not rows:
            return
        self._waiting.append(self._arrow(rows))
        if sum(each.num_rows for each in self._waiting) >= ROWS_A_GROUP:
            self._write()

    def close(self) -> list[DataFile]:
        self._write()
        self._end_file()
        return self._done

    def _write(self) -> None:
        if not self._waiting:
            return
        group, self._waiting = pa.concat_tables(self._waiting), []
        if self._file is None:
            self._file = _File(self._table, self._key())
        self._file.write(group)
        if self._file.rows >= ROWS_A_FILE:
            self._end_file()

    def _end_file(self) -> None:
        if self._file is not None:
            self._done.append(self._file.close())
            self._file = None

    def _arrow(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        """The rows by columns. A column of the lake that is described no longer stays, and is empty."""
        columns = list(zip(*rows, strict=True))
        arrays = []
        for field in self._schema:
            place = self._given.get(field.name)
            try:
                arrays.append(
                    pa.nulls(len(rows), field.type) if place is None else pa.array(columns[place], type=field.type)
                )
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise InvalidInput(
                    "LAKE_VALUE_INVALID",
                    "The column cannot hold what the book does: its type (`stonks lake tables`) is too narrow",
                    table=self._spec.name,
                    column=field.name,
                    type=field.type,
                    error=str(error)[:200],
                ) from error
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def _key(self) -> PartitionKey | None:
        spec = self._table.spec()
        if spec.is_unpartitioned():
            return None
        values = [PartitionFieldValue(field=field, value=self.number) for field in spec.fields]
        return PartitionKey(field_values=values, partition_spec=spec, schema=self._table.schema())


class _File:
    """One Parquet file, written row group by row group."""

    def __init__(self, table: Table, key: PartitionKey | None) -> None:
        self.rows = 0
        self._table = table
        self._key = key
        model = FileFormatFactory.get(FileFormat.PARQUET)
        path = table.location_provider().new_data_location(
            data_file_name=f"00000-0-{uuid.uuid4()}.{model.file_extension()}", partition_key=key
        )
        self._output = table.io.new_output(path)
        self._writer = model.create_writer(self._output, table.schema(), table.properties)

    def write(self, group: pa.Table) -> None:
        self._writer.write(group)
        self.rows += group.num_rows

    def close(self) -> DataFile:
        statistics = self._writer.close()
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self._output.location,
            file_format=FileFormat.PARQUET,
            partition=self._key.partition if self._key is not None else Record(),
            file_size_in_bytes=len(self._output),
            sort_order_id=None,
            spec_id=self._table.metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
