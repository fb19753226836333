"""SQL over the lake with DuckDB: it reads the tables that a query names, and nothing else.

The database is in memory and has neither the file system nor the network; what it reads, the tables' Parquet files, it
is handed. Settings are locked before the query is run, so that it cannot give itself either.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from activities.adapters.lake.iceberg import IcebergLake, answering
from activities.adapters.lake.tidying import filesystem, path_of
from domain.errors import InvalidInput, NotFound
from domain.lake import LakeTable

MEMORY = "1GB"
THREADS = 2
SECONDS = 60.0

_LOCKED = (
    ("python_enable_replacements", "false"),
    ("python_scan_all_frames", "false"),
    ("autoinstall_known_extensions", "false"),
    ("autoload_known_extensions", "false"),
    ("allow_community_extensions", "false"),
    ("memory_limit", f"'{MEMORY}'"),
    ("threads", str(THREADS)),
    ("temp_directory", "''"),
    ("timezone", "'UTC'"),
    ("enable_external_access", "false"),
    ("lock_configuration", "true"),
)
_READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


class QueryResult(NamedTuple):
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool
    """Whether there were more rows than asked for."""


def query(
    lake: IcebergLake, tables: Mapping[str, LakeTable], sql: str, *, limit: int, seconds: float = SECONDS
) -> QueryResult:
    """Run one SELECT over the tables that it names.

    Args:
        tables: what may be read, by name.
        limit: rows at the most.
        seconds: after which it is ended.

    Raises:
        InvalidInput: the SQL is wrong, is more than one statement, changes something or takes too long.
        NotFound: a table that it names was never published.
    """
    _require_reading(sql)
    named = [tables[name] for name in sorted(_words(sql) & set(tables))]
    with duckdb.connect(":memory:") as connection:
        for each in named:
            connection.register(each.name, _readable(lake, each))
        for name, value in _LOCKED:
            connection.execute(f"SET {name} = {value}")
        return _run(connection, sql, limit=limit, seconds=seconds)


def _require_reading(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _invalid(error) from error
    if len(statements) != 1 or statements[0].type not in _READS:
        raise InvalidInput(
            "LAKE_QUERY_REFUSED",
            "The lake is only read",
            found=" ".join(str(each.type).rpartition(".")[2] for each in statements) or "nothing",
            allowed="one SELECT",
        )


def _words(sql: str) -> set[str]:
    return set(re.findall(r"[a-z_][a-z0-9_]*", sql.lower()))


def _readable(lake: IcebergLake, spec: LakeTable) -> ds.Dataset | pa.Table:
    """The files of the current snapshot as one data set, of which only what a query needs is read."""
    table = lake.find(spec)
    if table is None:
        raise NotFound("LAKE_TABLE_UNPUBLISHED", "`stonks lake publish` writes it", table=spec.name)
    with answering(spec.name):
        schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
        files = _files(table)
        if not files:
            return schema.empty_table()
        system, _ = filesystem(table, files[0])
        return ds.dataset([path_of(each) for each in files], schema=schema, format="parquet", filesystem=system)


def _files(table: Table) -> list[str]:
    return [task.file.file_path for task in table.scan().plan_files()]


def _run(connection: duckdb.DuckDBPyConnection, sql: str, *, limit: int, seconds: float) -> QueryResult:
    late = threading.Event()

    def stop() -> None:
        late.set()
        connection.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        reader = connection.execute(sql).to_arrow_reader(min(limit + 1, 10_000))
        rows = _rows(reader, limit + 1)
        return QueryResult(
            columns=tuple(reader.schema.names),
            types=tuple(str(each.type) for each in reader.schema),
            rows=rows[:limit],
            more=len(rows) > limit,
        )
    except (duckdb.Error, pa.ArrowException) as error:
        if late.is_set():
            hint = "Ask for less: fewer rows, a shorter period"
            raise InvalidInput("LAKE_QUERY_TOO_LONG", hint, allowed_seconds=seconds) from error
        raise _invalid(error) from error
    finally:
        timer.cancel()


def _rows(batches: Iterable[pa.RecordBatch], most: int) -> list[tuple[Any, ...]]:
    """Money comes as decimals, instants as UTC."""
    found: list[tuple[Any, ...]] = []
    for batch in batches:
        columns: Sequence[list[Any]] = [column.to_pylist() for column in batch.columns]
        found += zip(*columns, strict=True)
        if len(found) >= most:
            return found[:most]
    return found


def _invalid(error: Exception) -> InvalidInput:
    first = str(error).strip().split("\n\nLINE")[0].replace("\n", " ")
    return InvalidInput("LAKE_QUERY_INVALID", "`stonks lake tables` has the tables and columns", error=first[:400])
