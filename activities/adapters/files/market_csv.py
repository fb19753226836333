"""What bar files and files of corporate actions have in common: the opening, the header, symbols and days."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

from activities.adapters.files.dates import ALLOWED_SESSIONS, parse_session
from activities.adapters.files.lines import open_lines
from activities.adapters.files.records import CsvRecords, Header, read_header
from activities.adapters.files.rejects import Refused, listed, reject, shown
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError

ENDINGS = (".csv", ".csv.gz")
MAX_RECORD_BYTES = 65_536

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.\-/^=]{0,15}")


class MarketCsv:
    """An open file: its records, and which position holds what."""

    def __init__(self, path: Path, header: Header, columns: dict[str, str], records: CsvRecords) -> None:
        self.file = path.name
        self.columns = columns
        """The file's own column names by field."""
        self.positions = {field: header.columns.index(name) for field, name in columns.items()}
        self.records = records


@contextmanager
def open_market_csv(
    path: Path, known: Mapping[str, Sequence[str]], *, required: Sequence[Sequence[str]]
) -> Iterator[MarketCsv | Reject]:
    """Open a CSV file and recognise its columns by name, ignoring case; an empty file is a reject.

    Args:
        known: recognised names by field, the preferred one first.
        required: groups of fields, of each of which at least one must be there.

    Raises:
        SourceFormatError: there is no such file, its name ends otherwise, or a required column is absent.
    """
    _insist_on_csv(path)
    with closing(open_lines(path, MAX_RECORD_BYTES)) as lines:
        header = read_header(lines, [frozenset(names) for names in known.values()], path=str(path))
        if header is None:
            yield reject(
                path.name, 0, Refused(RejectReason.EMPTY_FILE, "an empty file found, allowed is a header and rows")
            )
            return
        columns = _columns(header, known, required, path)
        yield MarketCsv(
            path, header, columns, CsvRecords(lines, header, file=path.name, max_record_bytes=MAX_RECORD_BYTES)
        )


def require_symbol(text: str, column: str) -> str:
    """Return the symbol in upper case.

    Raises:
        Refused: nothing stands there, or it is not a symbol.
    """
    symbol = text.strip().upper()
    if not symbol:
        raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is a symbol", column)
    if not _SYMBOL.fullmatch(symbol):
        detail = f"{shown(text)} found, allowed is a symbol of 1 to 16 letters, digits, '.', '-', '/', '^' or '='"
        raise Refused(RejectReason.MALFORMED_ROW, detail, column)
    return symbol


def require_day(text: str, column: str) -> date:
    """Return the session's day.

    Raises:
        Refused: nothing stands there, or it is not a day.
    """
    if not text.strip():
        raise Refused(RejectReason.MISSING_VALUE, f"nothing found, needed is {ALLOWED_SESSIONS}", column)
    try:
        return parse_session(text)
    except ValueError as error:
        detail = f"{shown(text)} found ({error}), allowed is {ALLOWED_SESSIONS}"
        raise Refused(RejectReason.INVALID_DATE, detail, column) from error


def _insist_on_csv(path: Path) -> None:
    if path.is_dir():
        raise SourceFormatError("SOURCE_IS_A_FOLDER", hint="Name a CSV file", path=path, found="a folder")
    if not path.is_file():
        raise SourceFormatError("SOURCE_NOT_FOUND", hint="Name an existing CSV file", path=path, found="no file")
    if not path.name.lower().endswith(ENDINGS):
        raise SourceFormatError(
            "SOURCE_ENDING_UNKNOWN",
            hint=f"Recognised endings are {', '.join(ENDINGS)}",
            path=path,
            found="".join(path.suffixes[-2:]) or "no ending",
        )


def _columns(
    header: Header, known: Mapping[str, Sequence[str]], required: Sequence[Sequence[str]], path: Path
) -> dict[str, str]:
    spelled: dict[str, str] = {}
    for name in header.columns:
        spelled.setdefault(name.lower(), name)
    columns: dict[str, str] = {}
    for field, names in known.items():
        for name in names:
            if name in spelled:
                columns[field] = spelled[name]
                break
    missing = [" or ".join(group) for group in required if not any(field in columns for field in group)]
    if missing:
        recognised = "; ".join(f"{field}: {', '.join(names)}" for field, names in known.items())
        raise SourceFormatError(
            "SOURCE_COLUMNS_UNKNOWN",
            hint=f"Rename the columns; recognised are {recognised}",
            path=path,
            missing=", ".join(missing),
            found=listed(header.columns),
        )
    return columns
