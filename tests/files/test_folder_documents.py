"""Folders: one document a file, told by its name and its first line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.files.documents import count_records, read_documents
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.sources import FileFormat, FileSourceConfig

NOT_AFTER = datetime(2020, 1, 1, tzinfo=UTC)
Write = Callable[[str, str | bytes], Path]


def _read(folder: Path, **config: Any) -> list[SourceDocument | Reject]:
    return list(read_documents(FileSourceConfig(path=str(folder), **config), not_after=NOT_AFTER))


def test_folder_when_files_are_nested_then_they_come_sorted_and_others_are_left_out(
    tmp_path: Path, write: Write
) -> None:
    for name in (
        "b/2014-07-15 b.txt",
        "2014-07-16.md",
        "a/2014-07-15 a.TXT",
        "a/c/2014-07-14.html",
        "2014-07-15 z.txt",
    ):
        write(name, "Title\n")
    for name in ("2014-07-15.pdf", ".2014-07-15 hidden.txt", ".git/2014-07-15.txt", "README"):
        write(name, "Title\n")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    records = _read(tmp_path)
    assert [record.location for record in records if isinstance(record, SourceDocument)] == [
        "2014-07-15 z.txt",
        "2014-07-16.md",
        "a/2014-07-15 a.TXT",
        "a/c/2014-07-14.html",
        "b/2014-07-15 b.txt",
    ]
    assert len(records) == 5
    assert count_records(FileSourceConfig(path=str(tmp_path))) == 5


def test_folder_when_the_name_tells_an_instant_and_tickers_then_they_are_used(tmp_path: Path, write: Write) -> None:
    write("2014-07-15T2015 [intc, NASDAQ:MSFT] results [BRK.B].txt", "\n Intel beats \r\n\r\nBody one\nBody two\n")
    assert _read(tmp_path, publisher="Wire", format=FileFormat.FOLDER) == [
        SourceDocument(
            title="Intel beats",
            text="Body one\nBody two",
            published_at=datetime(2014, 7, 15, 20, 15, tzinfo=UTC),
            precision=DatePrecision.INSTANT,
            tickers=("INTC", "MSFT", "BRK.B"),
            publisher="Wire",
            location="2014-07-15T2015 [intc, NASDAQ:MSFT] results [BRK.B].txt",
        )
    ]


@pytest.mark.parametrize("name", ["2014-07-15.txt", "2014-07-15_x.txt", "2014-07-15[GE].txt", "2014-07-15 12 x.txt"])
def test_folder_when_the_name_tells_a_day_then_the_time_is_its_end_in_new_york(
    tmp_path: Path, write: Write, name: str
) -> None:
    write(name, "Title")
    (record,) = _read(tmp_path)
    assert isinstance(record, SourceDocument)
    assert record.published_at == datetime(2014, 7, 16, 4, 0, tzinfo=UTC)
    assert (record.precision, record.line) == (DatePrecision.DAY, 0)


@pytest.mark.parametrize(
    ("name", "content", "column", "reason"),
    [
        ("results.txt", b"Title", "file name", RejectReason.INVALID_DATE),
        ("2014-02-30 x.txt", b"Title", "file name", RejectReason.INVALID_DATE),
        ("2014-07-15T2460 x.txt", b"Title", "file name", RejectReason.INVALID_DATE),
        ("2014-07-15T20 x.txt", b"Title", "file name", RejectReason.INVALID_DATE),
        ("2014-07-151 x.txt", b"Title", "file name", RejectReason.INVALID_DATE),
        ("9999-12-31 x.txt", b"Title", "file name", RejectReason.INVALID_DATE),
        ("2020-01-01 x.txt", b"Title", "file name", RejectReason.DATE_IN_FUTURE),
        ("2014-07-15 x.txt", b"", "", RejectReason.EMPTY_FILE),
        ("2014-07-15 x.txt", b"\xef\xbb\xbf \n", "", RejectReason.EMPTY_FILE),
        ("2014-07-15 x.html", b"<html><script>x</script></html>", "", RejectReason.EMPTY_DOCUMENT),
        ("2014-07-15 x.txt", b"Title\nCaf\xe9", "", RejectReason.INVALID_ENCODING),
        ("2014-07-15 x.txt", b"\xff\xfeT", "", RejectReason.INVALID_ENCODING),
        ("2014-07-15 x.txt", b"Title\nA\0B", "", RejectReason.INVALID_ENCODING),
        ("2014-07-15 x.txt", b"x" * 1_025, "", RejectReason.LINE_TOO_LONG),
    ],
)
def test_folder_when_a_file_is_bad_then_it_is_reported_and_the_others_are_read(
    tmp_path: Path, write: Write, name: str, content: bytes, column: str, reason: RejectReason
) -> None:
    write("a/2014-07-15 a.txt", "Before")
    write(f"b/{name}", content)
    write("c/2014-07-15 c.txt", "x" * 1_024)
    before, refused, after = _read(tmp_path, max_line_bytes=1_024)
    assert isinstance(before, SourceDocument)
    assert isinstance(after, SourceDocument)
    assert isinstance(refused, Reject)
    assert (refused.file, refused.line, refused.column, refused.reason) == (name, 0, column, reason)


def test_folder_when_it_holds_no_document_then_that_is_one_reject(tmp_path: Path, write: Write) -> None:
    write("picture.png", b"x")
    (refused,) = _read(tmp_path)
    assert isinstance(refused, Reject)
    assert (refused.file, refused.line, refused.reason) == (tmp_path.name, 0, RejectReason.EMPTY_FILE)
    assert ".txt, .md, .html" in refused.detail


def test_folder_when_a_text_is_utf_16_then_it_is_read(tmp_path: Path, write: Write) -> None:
    write("2014-07-15.txt", "\ufeffCafé\nBody".encode("utf-16-be"))
    (record,) = _read(tmp_path)
    assert isinstance(record, SourceDocument)
    assert (record.title, record.text) == ("Café", "Body")


def test_folder_when_a_markdown_title_is_a_heading_then_its_marks_are_left_out(tmp_path: Path, write: Write) -> None:
    write("2014-07-15.md", "## Results ##\n\nBody")
    (record,) = _read(tmp_path)
    assert isinstance(record, SourceDocument)
    assert (record.title, record.text) == ("Results", "Body")


def test_folder_when_the_first_line_is_a_paragraph_then_its_first_sentence_is_the_title(
    tmp_path: Path, write: Write
) -> None:
    write("2014-07-15.txt", "Intel beats estimates. " + "It grew again. " * 20 + "\nBody")
    (record,) = _read(tmp_path)
    assert isinstance(record, SourceDocument)
    assert record.title == "Intel beats estimates."
    assert record.text.startswith("Intel beats estimates. It grew")


def test_folder_when_a_page_has_a_title_then_only_visible_text_is_read(tmp_path: Path, write: Write) -> None:
    page = """<!DOCTYPE html><html><head><title>Intel &amp;
        results</title><style>p {}</style></head><body><!-- <p>hidden</p> -->
        <h1>Profit <b>up</b></h1><p>One&nbsp;line,
        broken.</p><script>if (a < b) alert("x")</script><p>3 < 4</p></body></html>"""
    write("2014-07-15.html", page)
    (record,) = _read(tmp_path)
    assert isinstance(record, SourceDocument)
    assert record.title == "Intel & results"
    assert record.text == "Profit up\nOne line, broken.\n3 < 4"


def test_folder_when_a_name_is_not_text_then_its_report_is_printable(tmp_path: Path) -> None:
    try:
        (tmp_path / "2014-07-15 \udcff.txt").write_text("Title")
    except OSError:
        pytest.skip("the file system allows only UTF-8 names")
    (record,) = _read(tmp_path)
    assert isinstance(record, SourceDocument)
    assert record.location == "2014-07-15 \ufffd.txt"
