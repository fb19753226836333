"""Documents from files: CSV and JSON lines, plain or compressed, and folders of texts.

A bad record is a `Reject` and reading goes on; only a source that cannot be read at all raises.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path

from activities.adapters.files.builder import DocumentBuilder, RawValues
from activities.adapters.files.columns import require, resolve, wanted_names
from activities.adapters.files.folder import document_files, read_folder
from activities.adapters.files.lines import ByteSource, Line, open_lines, read_lines
from activities.adapters.files.records import CsvRecords, decoded, read_header, reject_fault, undecodable
from activities.adapters.files.rejects import Refused, reject, shown
from domain.documents import Reject, RejectReason, SourceDocument
from domain.errors import InvalidInput, SourceFormatError
from domain.sources import FileFormat, FileSourceConfig

ENDINGS = {
    ".csv": FileFormat.CSV,
    ".csv.gz": FileFormat.CSV,
    ".jsonl": FileFormat.JSONL,
    ".jsonl.gz": FileFormat.JSONL,
}
_SAMPLED_OBJECTS = 50
"""How many JSON objects are looked at for the keys they hold before the file is read."""
_SAMPLED_LINES = 1_000


def read_documents(config: FileSourceConfig, *, not_after: datetime) -> Iterator[SourceDocument | Reject]:
    """Stream a source's documents in the order they stand, in constant memory.

    Args:
        not_after: the run's present, aware; what was published later is refused as a date in the future.

    Raises:
        SourceFormatError: there is no such file, it is of another kind than configured, or its columns do not tell
            a time and a title or text. Raised when the first document is asked for.
        InvalidInput: `not_after` has no offset.
    """
    if not_after.utcoffset() is None:
        raise InvalidInput("TIME_WITHOUT_OFFSET", hint="Pass an aware time in UTC", not_after=not_after.isoformat())
    path = Path(config.path)
    match _format_of(config, path):
        case FileFormat.FOLDER:
            yield from read_folder(config, path, not_after=not_after)
        case FileFormat.CSV:
            yield from _read_csv(config, path, not_after)
        case FileFormat.JSONL:
            yield from _read_json_lines(config, path, not_after)


def count_records(config: FileSourceConfig) -> int | None:
    """Estimate the number of records from the first of them, for a progress bar; None where that tells nothing.

    Exact for folders and for files of up to a thousand lines.

    Raises:
        SourceFormatError: there is no such file, or it is of another kind than configured.
    """
    path = Path(config.path)
    kind = _format_of(config, path)
    if kind is FileFormat.FOLDER:
        return sum(1 for _ in document_files(path))
    size = path.stat().st_size
    with path.open("rb") as stream:
        source = ByteSource(stream)
        tapped = _Tap(read_lines(source, config.max_line_bytes))
        sample = islice(tapped, _SAMPLED_LINES)
        if kind is FileFormat.JSONL:
            records = sum(1 for line in sample if line[1].strip())
        else:
            header = read_header(sample, wanted_names(config.columns), path=config.path)
            if header is None:
                return 0
            found = CsvRecords(sample, header, file=path.name, max_record_bytes=config.max_line_bytes)
            records = sum(1 for _ in found)
        if next(tapped, None) is None:
            return records
    if not records:
        return None
    return round(records * (source.text_bytes / tapped.text_bytes) * (size / source.raw_bytes))


class _Tap:
    """Counts the text that passes."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.text_bytes = 0

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        line = next(self._lines)
        self.text_bytes += len(line[1]) + 1
        return line


def _format_of(config: FileSourceConfig, path: Path) -> FileFormat:
    """Tell the format and insist that the path is of its kind."""
    endings = ", ".join(ENDINGS)
    try:
        exists = bool(config.path.strip()) and path.exists()
    except OSError as error:
        raise _not_readable(config.path, error.strerror or type(error).__name__) from error
    if not exists:
        raise SourceFormatError(
            "SOURCE_NOT_FOUND",
            hint=f"Set `path` to an existing folder or to a file ending in {endings}",
            path=config.path,
            found="nothing",
        )
    if path.is_dir():
        if config.format in (None, FileFormat.FOLDER):
            return FileFormat.FOLDER
        raise SourceFormatError(
            "SOURCE_IS_A_FOLDER",
            hint=f"Set `path` to a file ending in {endings}, or `format` to folder",
            path=config.path,
            found="a folder",
            format=config.format,
        )
    if not path.is_file():
        raise SourceFormatError(
            "SOURCE_NOT_A_FILE",
            hint="Set `path` to a regular file or a folder",
            path=config.path,
            found="a device or pipe",
        )
    if config.format is FileFormat.FOLDER:
        raise SourceFormatError(
            "SOURCE_IS_A_FILE",
            hint="Set `path` to a folder, or `format` to csv or jsonl",
            path=config.path,
            found="a file",
            format=config.format,
        )
    if not os.access(path, os.R_OK):
        raise _not_readable(config.path, "no permission")
    if config.format is not None:
        return config.format
    name = path.name.lower()
    for ending, kind in ENDINGS.items():
        if name.endswith(ending):
            return kind
    raise SourceFormatError(
        "SOURCE_ENDING_UNKNOWN",
        hint=f"Recognised endings are {endings}; for another name set `format` to csv or jsonl",
        path=config.path,
        found="".join(path.suffixes[-2:]) or "no ending",
    )


def _not_readable(path: str, found: str) -> SourceFormatError:
    hint = "Grant the worker's user read access to it"
    return SourceFormatError("SOURCE_NOT_READABLE", hint=hint, path=path, found=found)


def _read_csv(config: FileSourceConfig, path: Path, not_after: datetime) -> Iterator[SourceDocument | Reject]:
    with closing(open_lines(path, config.max_line_bytes)) as lines:
        header = read_header(lines, wanted_names(config.columns), path=config.path)
        if header is None:
            yield _empty_file(path, "an empty file found, allowed is a header and records")
            return
        columns = require(header.columns, config.columns, path=config.path, what="columns")
        builder = DocumentBuilder(config, path, columns, not_after)
        positions = {field: header.columns.index(name) for field, name in columns.items()}
        count = 0
        for record in CsvRecords(lines, header, file=path.name, max_record_bytes=config.max_line_bytes):
            count += 1
            if isinstance(record, Reject):
                yield record
                continue
            line, fields, data = record
            try:
                yield builder.build(line, RawValues(**{field: fields[at] for field, at in positions.items()}))
            except Refused as refused:
                yield reject(path.name, line, refused, data)
        if not count:
            yield _empty_file(path, "a header and no record found, allowed are records after it")


def _read_json_lines(config: FileSourceConfig, path: Path, not_after: datetime) -> Iterator[SourceDocument | Reject]:
    sampled = _sampled_keys(path, config.max_line_bytes)
    usual = require(sampled, config.columns, path=config.path, what="keys") if sampled is not None else {}
    keys: tuple[str, ...] | None = None
    empty = True
    with closing(open_lines(path, config.max_line_bytes)) as lines:
        for line in lines:
            number, data, fault = line
            if fault is not None:
                empty = False
                yield reject_fault(path.name, line, fault)
                continue
            if not data.strip():
                continue
            empty = False
            try:
                record = _json_object(data)
                if keys != (keys := tuple(record)):
                    # A key that this object lacks keeps the name it has elsewhere, so that its absence is reported.
                    columns = usual | resolve(keys, config.columns)
                    builder = DocumentBuilder(config, path, columns, not_after)
                values = RawValues(**{field: record.get(key) for field, key in columns.items()})
                yield builder.build(number, values)
            except Refused as refused:
                yield reject(path.name, number, refused, data)
    if empty:
        yield _empty_file(path, "an empty file found, allowed is a JSON object on each line")


def _json_object(data: bytes) -> dict[str, object]:
    if b"\0" in data:
        raise Refused(RejectReason.INVALID_ENCODING, "a NUL byte found, allowed is text")
    text, error = decoded(data)
    if error is not None:
        raise Refused(RejectReason.INVALID_ENCODING, undecodable(error))
    try:
        record = json.loads(text)
    except RecursionError as error_too_deep:
        raise Refused(RejectReason.MALFORMED_ROW, "JSON nested too deeply found, allowed is a flat object") from (
            error_too_deep
        )
    except ValueError as error_in_json:
        detail = f"not JSON ({error_in_json}), allowed is one JSON object on each line"
        raise Refused(RejectReason.MALFORMED_ROW, detail) from error_in_json
    if not isinstance(record, dict):
        raise Refused(RejectReason.MALFORMED_ROW, f"{shown(record)} found, allowed is a JSON object")
    return record


def _sampled_keys(path: Path, max_line_bytes: int) -> tuple[str, ...] | None:
    """Collect the keys of the first objects; None when there is none to look at."""
    keys: dict[str, None] = {}
    objects = 0
    with closing(open_lines(path, max_line_bytes)) as lines:
        for _, data, fault in islice(lines, _SAMPLED_LINES):
            if fault is not None or not data.strip():
                continue
            try:
                keys.update(dict.fromkeys(_json_object(data)))
            except Refused:
                continue
            objects += 1
            if objects == _SAMPLED_OBJECTS:
                break
    return tuple(keys) if objects else None


def _empty_file(path: Path, detail: str) -> Reject:
    return reject(path.name, 0, Refused(RejectReason.EMPTY_FILE, detail))
