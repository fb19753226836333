"""The lake: what an analyst reads instead of the book. How its tables are described, and what publishing one says.

The tables themselves are listed in `domain.lake_tables`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.errors import InvalidInput
from domain.ids import digest
from domain.model import Model, Utc

EPOCH_YEAR = 1970
MONTHS = 12
CATALOG_SCHEMA = "lake"
"""The schema of the database that holds the catalog's tables, and nothing else."""
POINT_IN_TIME = ("observed_at", "published_at", "available_at", "recorded_at")
"""Columns that say since when a row could be known. Whoever looks back filters by them."""

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


class LakeType(StrEnum):
    """A column's type, in Iceberg's own words."""

    TEXT = "string"
    FLAG = "boolean"
    WHOLE = "long"
    NUMBER = "double"
    DAY = "date"
    INSTANT = "timestamptz"
    DOLLARS = "decimal(20,6)"
    EXACT_DOLLARS = "decimal(38,15)"
    SHARES = "decimal(24,9)"
    FIGURE = "decimal(38,10)"

    @property
    def digits(self) -> tuple[int, int] | None:
        """Precision and scale of a decimal; None for what is none."""
        found = _DECIMAL.fullmatch(self.value)
        return (int(found[1]), int(found[2])) if found else None


class Partition(StrEnum):
    """By what a table is cut into parts. A part is written as a whole, so a part is what a change costs."""

    NONE = "none"
    YEAR = "year"
    MONTH = "month"


class LakeColumn(Model):
    """A column: where its value comes from, and what it says."""

    name: str
    type: LakeType
    says: str
    source: str = ""
    """An SQL expression over the row of the book; empty: the column of that name."""

    @property
    def expression(self) -> str:
        return self.source or f'"{self.name}"'


class LakeTable(Model):
    """A table of the lake: one table of the book, row by row, with fewer columns."""

    name: str
    source: str
    """The book's table."""
    says: str
    key: tuple[str, ...]
    columns: tuple[LakeColumn, ...]
    partition: Partition = Partition.NONE
    event: str = ""
    """The column of the row's own time, by which it is cut into parts. It never changes."""

    @property
    def order(self) -> tuple[str, ...]:
        """By what rows are sorted within a part."""
        return (self.event, *(name for name in self.key if name != self.event)) if self.event else self.key

    def column(self, name: str) -> LakeColumn:
        return next(each for each in self.columns if each.name == name)

    @property
    def point_in_time(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.columns if each.name in POINT_IN_TIME)

    @property
    def schema_version(self) -> str:
        """Changes with every column that is added, and with every change of how one is computed."""
        return digest("lake-schema", *((each.name, each.type.value, each.source) for each in self.columns), length=12)


def bounds(partition: Partition, number: int) -> tuple[datetime, datetime]:
    """The first instant of a part and the first one after it.

    Args:
        number: months, or years, since January 1970, as Iceberg counts parts.
    """
    if partition is Partition.YEAR:
        return _month(number * MONTHS), _month((number + 1) * MONTHS)
    if partition is Partition.MONTH:
        return _month(number), _month(number + 1)
    raise ValueError("a table without parts has no bounds")


def _month(number: int) -> datetime:
    years, month = divmod(number, MONTHS)
    return datetime(EPOCH_YEAR + years, month + 1, 1, tzinfo=UTC)


def part_of(partition: Partition, at: date | datetime) -> int:
    """Where an instant (UTC) or a day belongs."""
    year = at.year - EPOCH_YEAR
    return {Partition.NONE: 0, Partition.YEAR: year, Partition.MONTH: year * MONTHS + at.month - 1}[partition]


class BookPart(Model):
    """A part of a table as the book has it."""

    number: int
    rows: int
    changed: int
    """Rows that transactions wrote of which the last export could not know."""


class BookCut(Model):
    """One look at the book, at which all that is read of it belongs together."""

    cluster: str
    """Which database it is: another one counts its transactions anew."""
    horizon: int
    """Every transaction before this one had ended, and what it wrote is seen."""
    next_transaction: int
    at: Utc
    """All that was committed by then is seen."""


class WhyWritten(StrEnum):
    """What an export found the lake to lack."""

    FIRST = "first"
    CHANGES = "changes"
    """Parts in which rows were added, changed or removed, if any."""
    SCHEMA = "schema"
    """The columns changed: everything is written again."""
    OTHER_BOOK = "other-book"
    """The book is not the one that the lake was written from, such as after a restore: everything is written again."""


class LakeStamp(Model):
    """What a snapshot of a table says of the export that made it: the lake itself knows how far it is."""

    export_id: str
    cluster: str
    horizon: int
    schema_version: str
    up_to: Utc
    reason: WhyWritten
    since: int | None = None
    """The horizon that changes were looked for from; None: everything was written."""
    rows: int
    """In the whole table."""
    rows_written: int = 0
    bytes_written: int = 0
    parts_written: int = 0


class LakeState(Model):
    """A table of the lake as it stands."""

    snapshot_id: str = ""
    """Empty: nothing was ever written."""
    stamp: LakeStamp | None = None
    """None: nothing was written, or not by an export."""
    parts: Mapping[int, int] = Field(default_factory=dict)
    """Rows by part."""


TRANSACTIONS_TOLD_APART = 2**31 - 2**24
"""So far apart a row's transaction, of which the database keeps 32 bits, can be told from later ones."""


def why(state: LakeState, cut: BookCut, table: LakeTable, *, known: bool) -> WhyWritten:
    """Whether the lake can be brought up to date by its changed parts (CHANGES), or is to be written as a whole.

    Args:
        known: whether the book knows the export that the lake was last written by.
    """
    if not state.snapshot_id:
        return WhyWritten.FIRST
    stamp = state.stamp
    if stamp is None or not known or stamp.cluster != cut.cluster:
        return WhyWritten.OTHER_BOOK
    if not 0 <= cut.next_transaction - stamp.horizon < TRANSACTIONS_TOLD_APART:
        return WhyWritten.OTHER_BOOK
    return WhyWritten.SCHEMA if stamp.schema_version != table.schema_version else WhyWritten.CHANGES


def parts_to_write(book: list[BookPart], lake: Mapping[int, int], reason: WhyWritten) -> tuple[list[int], list[int]]:
    """Which parts are written again, and which are taken out of the lake.

    A row that was added or changed was written by a transaction that the last export could not see. A row that was
    removed, or moved to another part, leaves no such trace where it was, but its part has fewer rows than the lake's.
    """
    whole = reason is not WhyWritten.CHANGES
    stale = [
        each.number for each in book if each.rows and (whole or each.changed or lake.get(each.number) != each.rows)
    ]
    held = {each.number for each in book if each.rows}
    return stale, sorted(set(lake) - held)


class ExportStatus(StrEnum):
    RUNNING = "running"
    COMMITTED = "committed"
    UNCHANGED = "unchanged"
    """There was nothing to write."""
    FAILED = "failed"
    """The last attempt did; another may follow."""


class PublishRequest(Model):
    """What is to be published."""

    tables: tuple[str, ...] = ()
    """Empty: all."""
    tidy: bool = False
    """Whether old snapshots and files that nobody reads are removed afterwards."""


class PublicationPlan(Model):
    """Which tables are published. A publication that is under way keeps to it, whatever a later version knows."""

    tables: tuple[str, ...]


class ExportRequest(Model):
    """One table of a publication."""

    publication_id: str
    table: str

    @property
    def export_id(self) -> str:
        return export_id(self.publication_id, self.table)


def export_id(publication_id: str, table: str) -> str:
    """A table is exported once in a publication, however often that is tried."""
    return digest("lake-export", publication_id, table)


class TableExport(Model):
    """What became of one table."""

    export_id: str
    table: str
    status: ExportStatus
    reason: WhyWritten
    snapshot_id: str = ""
    rows: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    parts_written: int = 0
    up_to: Utc


class TidyRequest(Model):
    table: str
    at: Utc


class TidyReport(Model):
    table: str
    snapshots_expired: int = 0
    files_removed: int = 0


class FailedExport(Model):
    table: str
    error: str


class PublishReport(Model):
    """A publication: what became of every table."""

    publication_id: str
    exports: tuple[TableExport, ...] = ()
    tidied: tuple[TidyReport, ...] = ()
    failed: tuple[FailedExport, ...] = ()

    @property
    def summary(self) -> str:
        written = [each for each in self.exports if each.status is ExportStatus.COMMITTED]
        rows = sum(each.rows_written for each in written)
        unchanged = len(self.exports) - len(written)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{len(written)} tables written ({rows} rows), {unchanged} unchanged{failed}"


TableName = Annotated[str, Field(pattern="^[a-z][a-z_]{1,62}$")]


def unknown_table(name: str, known: list[str]) -> InvalidInput:
    return InvalidInput("LAKE_TABLE_UNKNOWN", "`stonks lake tables` lists them", found=name, allowed=" ".join(known))
