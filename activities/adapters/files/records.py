"""Lines as CSV records (RFC 4180), such that a bad record costs itself and never its neighbours.

A quote that is never closed could make a whole file one field, or pair up with the first quote of a later row. A record
is therefore bounded in bytes, and when a record of several lines turns out malformed, reading resumes at the first of
its lines that is a whole row by itself (or begins one): the rows after a stray quote are kept, and the report names the
lines that are lost.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from activities.adapters.files.lines import Fault, FaultKind, Line
from activities.adapters.files.rejects import Refused, reject, shown
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError

DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_MAX_HEADER_LINES = 64
_CLOSING_QUOTE = re.compile(r'[^"]*+(?:""[^"]*+)*+"')

Row = tuple[int, list[str], bytes]
"""The 1-based line the record starts at, its fields, and its bytes for an excerpt."""


class MalformedRecord(Exception):
    """Text follows a closing quote where a delimiter or the end of the record belongs."""

    def __init__(self, detail: str, field_index: int) -> None:
        self.detail = detail
        self.field_index = field_index
        super().__init__(detail)


class RecordParser:
    """Splits one record, fed line by line.

    A quote opens a field only as its first character; anywhere else in an unquoted field it is an ordinary character.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._open: list[str] | None = None
        self.fields: list[str] = []
        self.loose_quote: int | None = None
        """The first unquoted field that holds a quote, by position."""

    @property
    def is_open(self) -> bool:
        """Whether a quoted field continues on the next line."""
        return self._open is not None

    def feed(self, line: str) -> None:
        """Take the next line, without its newline.

        Raises:
            MalformedRecord: text follows a closing quote.
        """
        body, newline = (line[:-1], "\r\n") if line.endswith("\r") else (line, "\n")
        position = 0
        if self._open is not None:
            position = self._read_quoted(body, 0, newline)
        while self._open is None and position <= len(body):
            if body.startswith('"', position):
                self._open = []
                position = self._read_quoted(body, position + 1, newline)
            else:
                end = body.find(self._delimiter, position)
                end = len(body) if end < 0 else end
                if self.loose_quote is None and body.find('"', position, end) >= 0:
                    self.loose_quote = len(self.fields)
                self.fields.append(body[position:end])
                position = end + 1

    def _read_quoted(self, body: str, start: int, newline: str) -> int:
        """Read a quoted field from inside its quotes; return the position after the delimiter that follows it."""
        assert self._open is not None
        closing = _CLOSING_QUOTE.match(body, start)
        if closing is None:
            self._open.append(body[start:] + newline)
            return len(body)
        end = closing.end()
        if end < len(body) and body[end] != self._delimiter:
            found = shown(body[end : end + 20])
            expected = _DELIMITER_NAMES[self._delimiter]
            raise MalformedRecord(
                f"{found} follows a closing quote, allowed is a {expected} or the end of the row; "
                "a quote inside a quoted field is written twice",
                len(self.fields),
            )
        self._open.append(body[start : end - 1])
        self.fields.append("".join(self._open).replace('""', '"'))
        self._open = None
        return end + 1


@dataclass(frozen=True, slots=True)
class Header:
    """What the first record of a CSV file told."""

    columns: tuple[str, ...]
    delimiter: str
    line: int


def read_header(lines: Iterator[Line], wanted: Sequence[frozenset[str]], *, path: str) -> Header | None:
    """Read the first record and sniff the delimiter: the one under which most of the wanted names appear.

    Args:
        wanted: groups of lower-case names; a group counts once.

    Returns:
        None when the file has no line with anything on it.

    Raises:
        SourceFormatError: what stands there cannot be a header.
    """
    taken: list[str] = []
    first = 0
    for number, data, fault in lines:
        if fault is not None:
            raise _no_header(path, f"line {number}: {fault.detail}")
        if not data.strip() and not taken:
            continue
        if b"\0" in data:
            raise _no_header(path, f"line {number} holds NUL bytes (a binary file, or UTF-16 without its mark)")
        try:
            taken.append(data.decode())
        except UnicodeDecodeError as error:
            raise _no_header(path, f"line {number}: {undecodable(error)}") from error
        first = first or number
        if "".join(taken).count('"') % 2 == 0:
            break
        if len(taken) == _MAX_HEADER_LINES:
            raise _no_header(path, f"a quote opened on line {first} is not closed within {_MAX_HEADER_LINES} lines")
    if not taken:
        return None
    best: Header | None = None
    best_score = (-1, -1)
    for delimiter in DELIMITERS:
        parser = RecordParser(delimiter)
        try:
            fed = 0
            while fed < len(taken) and (fed == 0 or parser.is_open):
                parser.feed(taken[fed])
                fed += 1
        except MalformedRecord:
            continue
        if parser.is_open or fed < len(taken):
            continue
        columns = tuple(name.strip() for name in parser.fields)
        names = {name.lower() for name in columns}
        score = (sum(1 for group in wanted if group & names), len(columns))
        if score > best_score:
            best, best_score = Header(columns, delimiter, first), score
    if best is None:
        raise _no_header(path, f"line {first} is not a row of names: {shown(taken[0])}")
    return best


def _no_header(path: str, found: str) -> SourceFormatError:
    return SourceFormatError(
        "SOURCE_HEADER_UNREADABLE",
        hint="The first row of a CSV file must name its columns, as UTF-8 text. Save the file as CSV UTF-8",
        path=path,
        found=found,
    )


class CsvRecords:
    """The records after the header, each either a row with as many fields as the header or a reject."""

    def __init__(self, lines: Iterator[Line], header: Header, *, file: str, max_record_bytes: int) -> None:
        self._lines = lines
        self._header = header
        self._file = file
        self._max_bytes = max_record_bytes
        self._again: deque[Line] = deque()
        """Lines to read once more after a malformed record of several lines; at most one record's bytes."""

    def __iter__(self) -> Iterator[Row | Reject]:
        # The loop is written out flat: it runs once for every line of every file.
        delimiter = self._header.delimiter
        width = len(self._header.columns)
        again, lines = self._again, self._lines
        while (line := again.popleft() if again else next(lines, None)) is not None:
            number, data, fault = line
            if fault is not None:
                yield reject_fault(self._file, line, fault)
            elif b'"' in data:
                yield self._quoted(line)
            else:
                encoding_error = None
                try:
                    text = data.decode()
                except UnicodeDecodeError:
                    text, encoding_error = decoded(data)
                fields = text.removesuffix("\r").split(delimiter)
                if len(fields) != width:
                    if not data.strip(b" \r"):
                        continue
                    yield self._reject(number, self._wrong_width(len(fields)), data)
                elif encoding_error is not None or b"\0" in data:
                    yield self._undecodable(number, [data], encoding_error)
                else:
                    yield number, fields, data

    def _next(self) -> Line | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _quoted(self, first: Line) -> Row | Reject:
        """Assemble a record that holds quotes, taking further lines while a quoted field is open."""
        width = len(self._header.columns)
        parser = RecordParser(self._header.delimiter)
        taken = [first]
        size = len(first[1])
        encoding_error: UnicodeDecodeError | None = None
        try:
            while True:
                text, error = decoded(taken[-1][1])
                encoding_error = encoding_error or error
                parser.feed(text)
                if not parser.is_open:
                    break
                if len(parser.fields) >= width:
                    return self._malformed(
                        taken, Refused(RejectReason.MALFORMED_ROW, f"more than {width} fields found")
                    )
                line = self._next()
                if line is None:
                    return self._malformed(taken, self._unclosed(parser, "before the file ends"))
                size += 1 + len(line[1])
                if line[2] is not None or size > self._max_bytes:
                    self._again.appendleft(line)
                    return self._malformed(taken, self._unclosed(parser, f"within {self._max_bytes:,} bytes"))
                taken.append(line)
        except MalformedRecord as error:
            refused = Refused(RejectReason.MALFORMED_ROW, error.detail, self._column(error.field_index))
            return self._malformed(taken, refused)
        if len(parser.fields) != width:
            return self._malformed(taken, self._wrong_width(len(parser.fields)))
        if parser.loose_quote is not None and len(taken) > 1:
            # On one line an ordinary character; in a record of several it is the sign of a stray quote before it.
            detail = (
                "a quote inside an unquoted field found, allowed within a record of several lines are quoted fields"
            )
            return self._malformed(taken, Refused(RejectReason.MALFORMED_ROW, detail, self._column(parser.loose_quote)))
        data = [line[1] for line in taken]
        if encoding_error is not None or any(b"\0" in piece for piece in data):
            return self._undecodable(first[0], data, encoding_error)
        return first[0], parser.fields, b"\n".join(data)

    def _malformed(self, taken: list[Line], refused: Refused) -> Reject:
        """Refuse the record's first line and whatever follows it up to the next row, which is read again."""
        resume = next((index for index in range(1, len(taken)) if self._begins_a_row(taken, index)), len(taken))
        self._again.extendleft(reversed(taken[resume:]))
        if resume > 1:
            refused.detail += f"; lines {taken[0][0]} to {taken[resume - 1][0]} are skipped"
        return self._reject(taken[0][0], refused, taken[0][1])

    def _begins_a_row(self, taken: list[Line], index: int) -> bool:
        """Whether a line is a whole row by itself, or, as the last line taken, leaves a quoted field open."""
        parser = RecordParser(self._header.delimiter)
        try:
            parser.feed(decoded(taken[index][1])[0])
        except MalformedRecord:
            return False
        if parser.is_open:
            return index == len(taken) - 1 and len(parser.fields) < len(self._header.columns)
        return len(parser.fields) == len(self._header.columns)

    def _unclosed(self, parser: RecordParser, where: str) -> Refused:
        column = self._column(len(parser.fields))
        return Refused(RejectReason.MALFORMED_ROW, f"a quoted field is opened and not closed {where}", column)

    def _wrong_width(self, found: int) -> Refused:
        width = len(self._header.columns)
        detail = f"{found} fields found, the header has {width}; a field that holds a delimiter must be quoted"
        return Refused(RejectReason.MALFORMED_ROW, detail)

    def _undecodable(self, number: int, data: list[bytes], error: UnicodeDecodeError | None) -> Reject:
        parser = RecordParser(self._header.delimiter)
        for piece in data:
            parser.feed(piece.decode("latin-1"))
        index = next((i for i, field in enumerate(parser.fields) if _is_unreadable(field)), len(parser.fields))
        detail = "a NUL byte found, allowed is text" if error is None else undecodable(error)
        return self._reject(number, Refused(RejectReason.INVALID_ENCODING, detail, self._column(index)), data[0])

    def _column(self, index: int) -> str:
        return self._header.columns[index] if index < len(self._header.columns) else ""

    def _reject(self, number: int, refused: Refused, data: bytes) -> Reject:
        return reject(self._file, number, refused, data)


def decoded(data: bytes) -> tuple[str, UnicodeDecodeError | None]:
    """Decode UTF-8; bytes that are not get a one-to-one stand-in, under which delimiters and quotes stay in place."""
    try:
        return data.decode(), None
    except UnicodeDecodeError as error:
        return data.decode("latin-1"), error


def undecodable(error: UnicodeDecodeError) -> str:
    found = f"byte 0x{error.object[error.start]:02x} at byte {error.start + 1} of its line"
    return f"{found} is not UTF-8 text ({error.reason}); save the file as UTF-8"


def reject_fault(file: str, line: Line, fault: Fault) -> Reject:
    """Report a line that is not whole."""
    number, head, _ = line
    if fault.kind is FaultKind.TOO_LONG:
        return reject(file, number, Refused(RejectReason.LINE_TOO_LONG, fault.detail), head)
    detail = f"{fault.detail}; nothing after the line before this one can be read"
    return reject(file, number, Refused(RejectReason.MALFORMED_ROW, detail), head)


def _is_unreadable(stand_in: str) -> bool:
    if "\0" in stand_in:
        return True
    try:
        stand_in.encode("latin-1").decode()
    except UnicodeDecodeError:
        return True
    return False
