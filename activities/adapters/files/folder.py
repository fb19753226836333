"""A folder of documents, one a file: the name tells the time and the tickers, the first line is the title."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from activities.adapters.files.rejects import Refused, printable, reject, shown
from activities.adapters.files.tickers import split_tickers
from activities.adapters.files.titles import MAX_DERIVED_TITLE, first_sentence, page_text
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument, end_of_day, is_future
from domain.sources import FileSourceConfig

ENDINGS = (".txt", ".md", ".html")
FILE_NAME = "file name"
"""What stands for the column in reports about a file's name."""

_TIME_IN_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2})(\d{2}))?(?![0-9A-Za-z-])", re.ASCII)
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be", codecs.BOM_UTF8: "utf-8"}


@dataclass(frozen=True, slots=True)
class _Named:
    """What a file's name tells."""

    published_at: datetime
    precision: DatePrecision
    tickers: tuple[str, ...]


def document_files(folder: Path) -> Iterator[Path]:
    """Yield the documents' files below the folder, sorted; hidden ones and links to folders are left out."""
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(directory, name)
            if path.suffix.lower() in ENDINGS and not name.startswith(".") and path.is_file():
                yield path


def read_folder(config: FileSourceConfig, folder: Path, *, not_after: datetime) -> Iterator[SourceDocument | Reject]:
    """Yield each file as a document, its path below the folder as the location."""
    empty = True
    for path in document_files(folder):
        empty = False
        content = b""
        try:
            with path.open("rb") as stream:
                content = stream.read(config.max_line_bytes + 1)
            yield _read_document(config, path, printable(path.relative_to(folder).as_posix()), content, not_after)
        except Refused as refused:
            yield reject(path.name, 0, refused, content)
        except OSError as error:
            detail = f"the file cannot be read: {error.strerror or type(error).__name__}"
            yield reject(path.name, 0, Refused(RejectReason.MALFORMED_ROW, detail))
    if empty:
        detail = f"no document found in the folder, allowed are files ending in {', '.join(ENDINGS)}"
        yield reject(folder.name, 0, Refused(RejectReason.EMPTY_FILE, detail))


def _read_document(
    config: FileSourceConfig, path: Path, location: str, content: bytes, not_after: datetime
) -> SourceDocument:
    if len(content) > config.max_line_bytes:
        detail = f"a document of more than {config.max_line_bytes:,} bytes found, which is the most allowed"
        raise Refused(RejectReason.LINE_TOO_LONG, detail)
    decoded = _decode(content)
    if not decoded.strip():
        raise Refused(RejectReason.EMPTY_FILE, "an empty file found, allowed is a document with a title")
    title, text = _title_and_text(path, decoded)
    if not title:
        raise Refused(RejectReason.EMPTY_DOCUMENT, "no visible text found, allowed is at least a title")
    named = _read_name(path)
    if is_future(named.published_at, named.precision, not_after):
        found = f"{shown(path.name)} is known from {named.published_at.isoformat()}"
        detail = f"{found}, allowed is at most {not_after.isoformat()}"
        raise Refused(RejectReason.DATE_IN_FUTURE, detail, FILE_NAME)
    return SourceDocument(
        title=title,
        text=text,
        published_at=named.published_at,
        precision=named.precision,
        tickers=named.tickers,
        publisher=config.publisher,
        location=location,
    )


def _decode(content: bytes) -> str:
    encoding = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} on line {line} ({error.reason})"
        detail = f"{found} is not {encoding.upper()} text; save the file as UTF-8"
        raise Refused(RejectReason.INVALID_ENCODING, detail) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Refused(RejectReason.INVALID_ENCODING, f"a NUL byte found on line {line}, allowed is text")
    return text


def _title_and_text(path: Path, content: str) -> tuple[str, str]:
    """Return the first line and what follows it; a first line too long for a title stays with the text."""
    title = ""
    if path.suffix.lower() == ".html":
        title, content = page_text(content)
        if title and len(title) <= MAX_DERIVED_TITLE:
            first, _, rest = content.partition("\n")
            return title, rest.strip() if first == title else content
    content = content.strip()
    first, _, rest = content.partition("\n")
    if path.suffix.lower() == ".md":
        first = first.strip("# \t\r")
    first = first.strip()
    if first and len(first) <= MAX_DERIVED_TITLE:
        return first, rest.strip()
    return first_sentence(title or content), content


def _read_name(path: Path) -> _Named:
    match = _TIME_IN_NAME.match(path.name)
    allowed = "a name that starts with YYYY-MM-DD or YYYY-MM-DDTHHMM (UTC)"
    if match is None:
        raise Refused(RejectReason.INVALID_DATE, f"{shown(path.name)} found, allowed is {allowed}", FILE_NAME)
    tickers = split_tickers(",".join(_BRACKETS.findall(path.stem)))
    try:
        day = date.fromisoformat(match[1])
        if match[2] is None:
            return _Named(end_of_day(day), DatePrecision.DAY, tickers)
        clock = time(int(match[2]), int(match[3]), tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        detail = f"{shown(match[0])} found ({error}), allowed is {allowed}"
        raise Refused(RejectReason.INVALID_DATE, detail, FILE_NAME) from error
    return _Named(datetime.combine(day, clock), DatePrecision.INSTANT, tickers)
