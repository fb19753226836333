"""Rows of a labelled CSV file, each with the line on which it begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from domain.errors import SourceFormatError


class Row(NamedTuple):
    """One row; `line` counts from 1, the header included, so that an editor finds it."""

    path: Path
    line: int
    values: dict[str, str]


def rows_of(path: Path, required: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows of a comma-separated UTF-8 file with a header; empty lines are passed over.

    Raises:
        SourceFormatError: there is no such file, it is not UTF-8 or not CSV, or a column is missing.
    """
    insist_on_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read(path, file, required)
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error


def _read(path: Path, file: TextIO, required: tuple[str, ...]) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise SourceFormatError(
                "SOURCE_NOT_READABLE", "Write it as comma-separated values", path=path, line=line, found=str(error)
            ) from error
        if columns is None:
            columns = _columns(path, cells, required)
        elif any(cell.strip() for cell in cells):
            yield Row(path, line, _values(path, line, columns, cells))
    if columns is None:
        _columns(path, [], required)


def _columns(path: Path, cells: list[str], required: tuple[str, ...]) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
    missing = [name for name in required if name not in columns]
    if missing:
        raise SourceFormatError(
            "SOURCE_COLUMNS_UNKNOWN",
            f"The first line must name the columns {', '.join(required)}",
            path=path,
            line=1,
            missing=", ".join(missing),
            found=", ".join(columns) or "no columns",
        )
    return columns


def _values(path: Path, line: int, columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise SourceFormatError(
            "ROW_LENGTH_WRONG",
            "Put a text that holds a comma in double quotes",
            path=path,
            line=line,
            found=f"{len(cells)} values",
            allowed=f"{len(columns)} values",
        )
    return dict(zip(columns, cells, strict=True))


def insist_on_file(path: Path) -> None:
    """Refuse a path at which no file can be read."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no file"
        raise SourceFormatError("SOURCE_NOT_FOUND", "Name an existing file", path=path, found=found)


def not_utf8(path: Path, error: UnicodeDecodeError) -> SourceFormatError:
    return SourceFormatError(
        "SOURCE_NOT_UTF8", "Save the file as UTF-8", path=path, byte=error.start, found=error.reason
    )
