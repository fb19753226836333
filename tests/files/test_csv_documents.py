"""CSV documents: a bad record is reported where it starts, and the good ones around it are read."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.adapters.files.documents import count_records, read_documents
from activities.adapters.files.lines import ByteSource, read_lines
from activities.adapters.files.records import CsvRecords, Header, RecordParser, read_header
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.errors import InvalidInput, SourceFormatError
from domain.sources import ColumnMapping, FileFormat, FileSourceConfig

MEGABYTE = 1_048_576
NOT_AFTER = datetime(2020, 1, 1, tzinfo=UTC)
HEADER = b"ticker,date,headline,lead\n"
BEFORE = b"IBM,2014-07-15,Before,The row before\n"
AFTER = b"GE,2014-07-16,After,The row after\n"

Read = Callable[..., list[SourceDocument | Reject]]


def _titles(records: list[SourceDocument | Reject]) -> list[str]:
    return [record.title for record in records if isinstance(record, SourceDocument)]


def _rejects(records: list[SourceDocument | Reject]) -> list[tuple[int, str, RejectReason]]:
    return [(record.line, record.column, record.reason) for record in records if isinstance(record, Reject)]


BAD_ROWS = {
    "too few fields": (b"A,2014-07-15,Title\n", "", RejectReason.MALFORMED_ROW),
    "too many fields": (b"A,2014-07-15,Title,Lead,more\n", "", RejectReason.MALFORMED_ROW),
    "only delimiters": (b",,,\n", "", RejectReason.EMPTY_DOCUMENT),
    "unclosed quote": (b'A,2014-07-15,"Title,Lead\n', "headline", RejectReason.MALFORMED_ROW),
    "unclosed quote at the end of the row": (b'A,2014-07-15,Title,"\n', "lead", RejectReason.MALFORMED_ROW),
    "text after a closing quote": (b'A,2014-07-15,"Ti"tle,Lead\n', "headline", RejectReason.MALFORMED_ROW),
    "blank after a closing quote": (b'A,2014-07-15,"Title" ,Lead\n', "headline", RejectReason.MALFORMED_ROW),
    "too long": (b"A,2014-07-15,Title," + b"x" * 5_000 + b"\n", "", RejectReason.LINE_TOO_LONG),
    "bytes that are no UTF-8": (b"A,2014-07-15,Caf\xe9,Lead\n", "headline", RejectReason.INVALID_ENCODING),
    "bad bytes between quotes": (b'A,2014-07-15,"a, b","Caf\xe9 ""x"""\n', "lead", RejectReason.INVALID_ENCODING),
    "a NUL byte": (b"A,2014-07-15,Title,Le\0ad\n", "lead", RejectReason.INVALID_ENCODING),
    "a NUL byte between quotes": (b'A,2014-07-15,"Ti\0tle",Lead\n', "headline", RejectReason.INVALID_ENCODING),
    "no title": (b"A,2014-07-15, ,Lead\n", "headline", RejectReason.MISSING_VALUE),
    "neither title nor text": (b"A,2014-07-15,,\n", "", RejectReason.EMPTY_DOCUMENT),
    "a title of 2,001 characters": (
        b"A,2014-07-15," + b"t" * 2_001 + b",Lead\n",
        "headline",
        RejectReason.LINE_TOO_LONG,
    ),
    "no date": (b"A,,Title,Lead\n", "date", RejectReason.MISSING_VALUE),
    "a date in words": (b"A,yesterday,Title,Lead\n", "date", RejectReason.INVALID_DATE),
    "a day that does not exist": (b"A,2014-02-30,Title,Lead\n", "date", RejectReason.INVALID_DATE),
    "a day after the run": (b"A,2020-01-01,Title,Lead\n", "date", RejectReason.DATE_IN_FUTURE),
    "the header again": (HEADER, "date", RejectReason.INVALID_DATE),
}


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("bad", "column", "reason"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_csv_when_a_row_is_bad_then_it_is_reported_and_its_neighbours_are_read(
    read: Read, bad: bytes, column: str, reason: RejectReason, line_end: bytes, ending: str
) -> None:
    content = (HEADER + BEFORE + bad + AFTER + BEFORE).replace(b"\n", line_end)
    records = read(f"news{ending}", content, max_line_bytes=4_096)
    assert _titles(records) == ["Before", "After", "Before"]
    assert _rejects(records) == [(3, column, reason)]
    assert [record.line for record in records] == [2, 3, 4, 5]
    refused = records[1]
    assert isinstance(refused, Reject)
    assert refused.file == f"news{ending}"
    assert refused.detail.isprintable()
    assert refused.excerpt.isprintable()
    assert refused.excerpt[:3].replace("tic", "A,2") in ("A,2", "A,,", "A,y", ",,,")
    assert len(refused.excerpt) <= 200


@pytest.mark.parametrize(("bad", "column", "reason"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_csv_when_the_bad_row_ends_the_file_then_it_is_reported(
    read: Read, bad: bytes, column: str, reason: RejectReason
) -> None:
    records = read("news.csv", HEADER + BEFORE + bad.rstrip(b"\n"), max_line_bytes=4_096)
    assert _titles(records) == ["Before"]
    assert _rejects(records) == [(3, column, reason)]


@pytest.mark.parametrize(
    "following",
    [
        b'GE,2014-07-16,"After, all",The row after\n',
        b'GE,2014-07-16,After,"A lead, quoted"\n',
        b'GE,2014-07-16,"","no title"\nGE,2014-07-16,"After, all",x\n',
        b'GE,2014-07-16,After,", begins with a delimiter"\n',
        b'GE,2014-07-16,After,"two\nlines"\nGE,2014-07-16,More,x\n',
        b'GE,2014-07-16,"Af\nter","two\nlines"\n',
    ],
)
def test_csv_when_a_quote_is_not_closed_then_later_quoted_rows_are_read_as_without_it(
    read: Read, following: bytes
) -> None:
    # Two good rows stand between the stray quote and what follows; read by itself that starts on the same line.
    alone = read("news.csv", HEADER + BEFORE * 3 + following, max_line_bytes=4_096)
    for stray in (b'A,2014-07-15,"Stray,Lead\n', b'"A,2014-07-15,Stray,Lead\n', b'A,2014-07-15,Stray,"Lead\n'):
        records = read("news.csv", HEADER + stray + BEFORE * 2 + following, max_line_bytes=4_096)
        (line, _, reason), *_ = _rejects(records)
        assert (line, reason) == (2, RejectReason.MALFORMED_ROW)
        assert records[1:] == alone[1:]


def test_csv_when_no_quote_follows_an_unclosed_one_then_the_record_is_bounded_and_no_row_is_lost(read: Read) -> None:
    rows = b"".join(b"A,2014-07-15,Title %d,Lead\n" % number for number in range(2_000))
    records = read("news.csv", HEADER + b'A,2014-07-15,"Stray,Lead\n' + rows, max_line_bytes=4_096)
    assert _titles(records) == [f"Title {number}" for number in range(2_000)]
    assert _rejects(records) == [(2, "headline", RejectReason.MALFORMED_ROW)]
    assert isinstance(records[0], Reject)
    assert "not closed within 4,096 bytes" in records[0].detail


def test_csv_when_an_unclosed_quote_runs_into_a_too_long_line_then_both_are_reported(read: Read) -> None:
    long = b"A,2014-07-15,Title," + b"x" * 5_000 + b"\n"
    records = read("news.csv", HEADER + b'A,2014-07-15,"Stray,x\n' + BEFORE + long + AFTER, max_line_bytes=4_096)
    assert _titles(records) == ["Before", "After"]
    assert _rejects(records) == [
        (2, "headline", RejectReason.MALFORMED_ROW),
        (4, "", RejectReason.LINE_TOO_LONG),
    ]


def test_csv_when_a_quoted_field_of_several_lines_is_bad_then_the_skipped_lines_are_named(read: Read) -> None:
    bad = b'A,2014-07-15,"First\nhe said "hi" there\nend",Lead\n'
    records = read("news.csv", HEADER + BEFORE + bad + AFTER, max_line_bytes=4_096)
    assert _titles(records) == ["Before", "After"]
    assert _rejects(records)[0] == (3, "headline", RejectReason.MALFORMED_ROW)
    assert isinstance(records[1], Reject)
    assert "lines 3 to 4 are skipped" in records[1].detail


def test_csv_when_a_record_of_several_lines_has_too_many_fields_then_it_is_one_reject(read: Read) -> None:
    bad = b'A,2014-07-15,"First\nsecond\nthird",Lead,more\n'
    records = read("news.csv", HEADER + BEFORE + bad + AFTER, max_line_bytes=4_096)
    assert _titles(records) == ["Before", "After"]
    assert _rejects(records) == [(3, "", RejectReason.MALFORMED_ROW)]
    assert isinstance(records[1], Reject)
    assert records[1].detail.startswith("5 fields found, the header has 4")
    assert records[1].detail.endswith("lines 3 to 5 are skipped")


def test_csv_when_a_record_has_several_lines_then_its_number_is_the_first_and_its_text_is_exact(read: Read) -> None:
    content = HEADER + b'A,2014-07-15,"Ti,tle","one\r\n\r\ntwo ""quoted"" \nthree"\n\n' + AFTER
    first, second = read("news.csv", content)
    assert isinstance(first, SourceDocument)
    assert (first.line, first.location, first.title) == (2, "news.csv:2", "Ti,tle")
    assert first.text == 'one\r\n\r\ntwo "quoted" \nthree'
    assert isinstance(second, SourceDocument)
    assert (second.line, second.location) == (7, "news.csv:7")


def test_csv_when_a_record_of_several_lines_has_a_bad_value_then_it_is_reported_where_it_starts(read: Read) -> None:
    content = HEADER + BEFORE + b'A,never,"Ti\ntle","one\ntwo"\n' + AFTER
    assert _rejects(read("news.csv", content)) == [(3, "date", RejectReason.INVALID_DATE)]


def test_csv_when_quotes_stand_inside_an_unquoted_field_then_they_are_ordinary(read: Read) -> None:
    records = read("news.csv", HEADER + b'A,2014-07-15,A 5" disk,x "y"\n' + AFTER)
    assert _titles(records) == ['A 5" disk', "After"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_when_another_delimiter_is_used_then_it_is_found(read: Read, delimiter: str) -> None:
    rows = [["Date", "Title", "Text"], ["2014-07-15", "a,b;c\td|e", "x"], ["2014-07-15", "f", "y"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    assert _titles(read("news.csv", text.getvalue())) == ["a,b;c\td|e", "f"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEADER + BEFORE,
        ("\ufeff" + (HEADER + BEFORE).decode()).encode("utf-16-le"),
        ("\ufeff" + (HEADER + BEFORE).decode()).encode("utf-16-be"),
        b"\n\r\n" + HEADER + b"\n" + BEFORE + b"   \n",
        (HEADER + BEFORE).replace(b"\n", b"\r"),
        HEADER.upper() + BEFORE,
        b'"ticker","date","head\nline","headline","lead"\nA,2014-07-15,x,Before,y\n',
    ],
    ids=["UTF-8 mark", "UTF-16 LE", "UTF-16 BE", "blank lines", "CR alone", "upper case", "a name of two lines"],
)
def test_csv_when_it_is_written_another_way_then_it_is_read_the_same(read: Read, content: bytes) -> None:
    records = read("news.csv", content)
    assert _titles(records) == ["Before"]
    assert not _rejects(records)


@pytest.mark.parametrize("content", [b"", b"\n\r\n", b"\xef\xbb\xbf"], ids=["no byte", "blank lines", "only a mark"])
@pytest.mark.parametrize("name", ["news.csv", "news.csv.gz", "news.jsonl", "news.jsonl.gz"])
def test_file_when_empty_then_it_is_one_reject(read: Read, name: str, content: bytes) -> None:
    assert _rejects(read(name, content)) == [(0, "", RejectReason.EMPTY_FILE)]


def test_csv_when_only_a_header_stands_there_then_it_is_one_reject(read: Read) -> None:
    assert _rejects(read("news.csv", HEADER)) == [(0, "", RejectReason.EMPTY_FILE)]


def test_csv_when_gzip_is_truncated_then_rows_before_survive_and_one_reject_follows(tmp_path: Path) -> None:
    rows = [f"A,2014-07-15,Title {number},{number * 7919 % 100_003}\n" for number in range(5_000)]
    path = tmp_path / "news.csv.gz"
    packed = gzip.compress((HEADER.decode() + "".join(rows)).encode())
    path.write_bytes(packed[: len(packed) // 2])
    records = list(read_documents(FileSourceConfig(path=str(path)), not_after=NOT_AFTER))
    *whole, last = records
    assert 1_000 < len(whole) < 4_000
    assert _titles(records) == [f"Title {number}" for number in range(len(whole))]
    assert _rejects(records) == [(len(whole) + 2, "", RejectReason.MALFORMED_ROW)]
    assert isinstance(last, Reject)
    assert "truncated" in last.detail


def test_csv_when_a_line_has_100_megabytes_then_it_is_one_reject_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    with path.open("wb") as stream:
        stream.write(HEADER + BEFORE + b'A,2014-07-15,Title,"')
        for _ in range(100):
            stream.write(b"x" * MEGABYTE)
        stream.write(b'"\n' + AFTER)
    tracemalloc.start()
    try:
        records = list(read_documents(FileSourceConfig(path=str(path)), not_after=NOT_AFTER))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert _titles(records) == ["Before", "After"]
    assert _rejects(records) == [(3, "", RejectReason.LINE_TOO_LONG)]
    assert peak < 32 * MEGABYTE


def test_csv_when_a_quote_opens_before_100_megabytes_of_rows_then_memory_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    row = b"A,2014-07-15,T," + b"x" * 65_536 + b"\n"
    with path.open("wb") as stream:
        stream.write(HEADER + b'A,2014-07-15,"Stray,x\n')
        for _ in range(1_600):
            stream.write(row)
    count = 0
    tracemalloc.start()
    try:
        for record in read_documents(FileSourceConfig(path=str(path)), not_after=NOT_AFTER):
            count += isinstance(record, SourceDocument)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 1_600
    assert peak < 32 * MEGABYTE


@pytest.mark.parametrize(
    "pattern",
    [
        b'""\n',
        b'","\n',
        b'x,"\n',
        b'""""\n',
        b'a,"""\n',
        b'5"" d,"abc\n',
        b"\n",
        b',,,"\n',
        b'a",b,"c\nA,2014-07-15,T,L\n',
        b'a",b,"c\n"",A\n',
    ],
)
def test_csv_when_quotes_are_hostile_then_no_line_is_scanned_again_and_again(
    tmp_path: Path, pattern: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = 0
    feed = RecordParser.feed

    def counting(self: RecordParser, line: str) -> None:
        nonlocal scanned
        scanned += 1
        feed(self, line)

    monkeypatch.setattr(RecordParser, "feed", counting)
    path = tmp_path / "news.csv"
    lines = (HEADER + b'A,2014-07-15,"Stray,x\n' + pattern * 5_000).splitlines()
    path.write_bytes(b"\n".join(lines))
    list(read_documents(FileSourceConfig(path=str(path)), not_after=NOT_AFTER))
    columns = 4
    assert scanned < 3 * columns * len(lines)


_CELL = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ['"', '""', ",", "\n", "\r\n", "\r", '",', '"\n"', "a\nb,c", " "]
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(_CELL, _CELL, _CELL), max_size=8), st.sampled_from([",", ";", "\t", "|"]), st.booleans())
def test_records_when_written_by_the_csv_module_then_they_are_read_back_identically(
    rows: list[tuple[str, str, str]], delimiter: str, quote_all: bool
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    writer.writerows([("date", "title", "text"), *rows])
    lines = read_lines(ByteSource(io.BytesIO(text.getvalue().encode())), MEGABYTE)
    header = read_header(lines, [frozenset({name}) for name in ("date", "title", "text")], path="x.csv")
    assert header == Header(("date", "title", "text"), delimiter, 1)
    found = list(CsvRecords(lines, header, file="x.csv", max_record_bytes=MEGABYTE))
    assert [tuple(record[1]) for record in found if not isinstance(record, Reject)] == rows
    assert len(found) == len(rows)


@given(st.lists(st.binary(max_size=30), max_size=20), st.sampled_from([b"\n", b'"', b'",', b"\r\n"]))
def test_records_when_the_bytes_are_anything_then_every_one_is_a_row_or_a_reject(
    pieces: list[bytes], glue: bytes
) -> None:
    content = b"date,title,text\n" + glue.join(pieces) + b"\n2014-07-15,good,row\n"
    lines = read_lines(ByteSource(io.BytesIO(content)), 1_024)
    header = read_header(lines, [frozenset({"date"})], path="x.csv")
    assert header is not None
    numbers = []
    for record in CsvRecords(lines, header, file="x.csv", max_record_bytes=1_024):
        numbers.append(record.line if isinstance(record, Reject) else record[0])
        assert isinstance(record, Reject) or len(record[1]) == 3
    assert numbers == sorted(set(numbers))


def test_csv_when_there_is_no_title_column_then_the_first_sentence_is_the_title(read: Read) -> None:
    (record,) = read("news.csv", b"Date,Text\n2014-07-15,U.S. shares rose. They fell later.\n")
    assert isinstance(record, SourceDocument)
    assert (record.title, record.text) == ("U.S. shares rose.", "U.S. shares rose. They fell later.")


def test_csv_when_a_row_is_good_then_every_column_lands_where_it_belongs(read: Read) -> None:
    content = b"Symbol,Timestamp,Subject,Body,Link,Source\nnyse:ge;$brk.b,1405455300,T,B,http://x,Wire\n"
    (record,) = read("news.csv", content, publisher="Default")
    assert record == SourceDocument(
        title="T",
        text="B",
        published_at=datetime(2014, 7, 15, 20, 15, tzinfo=UTC),
        precision=DatePrecision.INSTANT,
        tickers=("GE", "BRK.B"),
        url="http://x",
        publisher="Wire",
        location="news.csv:2",
        line=2,
    )


@pytest.mark.parametrize("column", ["", "publisher"])
def test_csv_when_the_row_names_no_publisher_then_the_source_does(read: Read, column: str) -> None:
    header, row = ("date,title,publisher", "2014-07-15,T,") if column else ("date,title", "2014-07-15,T")
    (record,) = read("news.csv", f"{header}\n{row}\n", publisher="Default")
    assert isinstance(record, SourceDocument)
    assert record.publisher == "Default"


def test_csv_when_columns_are_configured_then_they_win_over_known_names(read: Read) -> None:
    mapping = ColumnMapping(title="what", published="WHEN", text="note")
    (record,) = read("news.csv", b"title,date,what,when,note\nx,y,T,2014-07-15,N\n", columns=mapping)
    assert isinstance(record, SourceDocument)
    assert (record.title, record.text, record.tickers) == ("T", "N", ())


def test_csv_when_a_format_is_configured_then_the_ending_does_not_matter(read: Read) -> None:
    assert _titles(read("news.dat", HEADER + BEFORE, format=FileFormat.CSV)) == ["Before"]


@pytest.mark.parametrize(
    ("second", "reject_count"), [("2014-07-16T03:59:59", 0), ("2014-07-16T04:00:00", 0), ("2014-07-16T04:00:01", 1)]
)
def test_csv_when_published_around_the_run_then_only_what_is_later_is_refused(
    read: Read, second: str, reject_count: int
) -> None:
    now = datetime(2014, 7, 16, 4, 0, tzinfo=UTC)
    records = read("news.csv", f"date,title\n{second},A\n2014-07-15,B\n", not_after=now)
    assert len(_rejects(records)) == reject_count
    assert _titles(records)[-1] == "B"


WRONG_FILES = {
    "unknown columns": (
        "x.csv",
        b"sentence,label\na,b\n",
        {},
        "SOURCE_COLUMNS_UNKNOWN",
        "missing=published, title or text, found=[sentence, label]",
    ),
    "no time": ("x.csv", b"title,text\na,b\n", {}, "SOURCE_COLUMNS_UNKNOWN", "missing=published, found=[title, text]"),
    "a configured column is absent": (
        "x.csv",
        b"title,date\na,b\n",
        {"columns": ColumnMapping(title="head", published="date")},
        "SOURCE_COLUMNS_UNKNOWN",
        "missing=title='head', found=[title, date]",
    ),
    "no header row": (
        "x.csv",
        b"A,2014-07-15,Title," + b"x" * 100 + b"\n",
        {},
        "SOURCE_COLUMNS_UNKNOWN",
        "found=[A, 2014-07-15, Title, xxxx",
    ),
    "binary": ("x.csv", b"PK\x03\x04\0\0\0", {}, "SOURCE_HEADER_UNREADABLE", "NUL bytes"),
    "UTF-16 without its mark": ("x.csv", HEADER.decode().encode("utf-16-le"), {}, "SOURCE_HEADER_UNREADABLE", "UTF-16"),
    "a header in another encoding": ("x.csv", b"date,titl\xe9\n", {}, "SOURCE_HEADER_UNREADABLE", "0xe9 at byte 10"),
    "a header with a stray quote": (
        "x.csv",
        b'date,"title\n' * 3,
        {},
        "SOURCE_HEADER_UNREADABLE",
        "not a row of names",
    ),
    "a header without an end": ("x.csv", b"d" * 2_000, {"max_line_bytes": 1_024}, "SOURCE_HEADER_UNREADABLE", "2,000"),
    "unknown ending": ("x.xlsx", b"date,title\n", {}, "SOURCE_ENDING_UNKNOWN", "found=.xlsx"),
    "no ending": ("x", b"date,title\n", {}, "SOURCE_ENDING_UNKNOWN", "found=no ending"),
    "unknown keys": ("x.jsonl", b'{"a": 1, "b": 2}\n', {}, "SOURCE_COLUMNS_UNKNOWN", "found=[a, b]"),
}


@pytest.mark.parametrize(("name", "content", "config", "code", "found"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_source_when_the_whole_file_is_wrong_then_the_error_names_what_was_found_and_what_would_be_right(
    read: Read, name: str, content: bytes, config: dict[str, object], code: str, found: str
) -> None:
    with pytest.raises(SourceFormatError) as raised:
        read(name, content, **config)
    assert raised.value.code == code
    assert found in str(raised.value)
    assert raised.value.hint
    if code == "SOURCE_COLUMNS_UNKNOWN":
        assert "(title, text, published, tickers, url, publisher)" in raised.value.hint


@pytest.mark.parametrize(
    ("make", "config", "code"),
    [
        (lambda path: None, {}, "SOURCE_NOT_FOUND"),
        (lambda path: path.mkdir(), {"format": FileFormat.CSV}, "SOURCE_IS_A_FOLDER"),
        (lambda path: path.write_text("x"), {"format": FileFormat.FOLDER}, "SOURCE_IS_A_FILE"),
    ],
)
def test_source_when_the_path_is_of_another_kind_then_it_is_refused(
    tmp_path: Path, make: Callable[[Path], object], config: dict[str, FileFormat], code: str
) -> None:
    path = tmp_path / "news.csv"
    make(path)
    with pytest.raises(SourceFormatError) as raised:
        next(read_documents(FileSourceConfig(path=str(path), **config), not_after=NOT_AFTER))
    assert raised.value.code == code
    assert str(path) in str(raised.value)


def test_source_when_the_path_is_empty_then_the_working_directory_is_not_read() -> None:
    with pytest.raises(SourceFormatError, match="SOURCE_NOT_FOUND"):
        next(read_documents(FileSourceConfig(path=""), not_after=NOT_AFTER))


def test_source_when_the_present_has_no_offset_then_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="TIME_WITHOUT_OFFSET"):
        next(read_documents(FileSourceConfig(path=str(tmp_path)), not_after=datetime(2020, 1, 1)))  # noqa: DTZ001


@pytest.mark.parametrize(("rows", "name"), [(0, "x.csv"), (3, "x.csv"), (900, "x.csv.gz")])
def test_count_when_the_file_is_short_then_it_is_exact(
    write: Callable[[str, bytes], Path], rows: int, name: str
) -> None:
    path = write(name, HEADER + BEFORE * rows)
    assert count_records(FileSourceConfig(path=str(path))) == rows


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.jsonl", "x.jsonl.gz"])
def test_count_when_the_file_is_long_then_it_is_near(write: Callable[[str, bytes], Path], name: str) -> None:
    rows = b"".join(b"A,2014-07-15,Title %d,%d\n" % (number, number * 7919 % 10_007) for number in range(30_000))
    path = write(name, HEADER + rows)
    counted = count_records(FileSourceConfig(path=str(path)))
    assert counted is not None
    assert 27_000 < counted < 33_000
