"""JSON lines: one object a line, each judged by itself."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.files.documents import read_documents
from activities.adapters.files.lines import ByteSource
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.sources import ColumnMapping, FileSourceConfig

NOT_AFTER = datetime(2020, 1, 1, tzinfo=UTC)
BEFORE = b'{"title": "Before", "date": "2014-07-15", "text": "x", "tickers": ["IBM"]}\n'
AFTER = b'{"title": "After", "date": 1405455300, "text": "y", "tickers": "GE, AA"}\n'

Read = Callable[..., list[SourceDocument | Reject]]

BAD_LINES: dict[str, tuple[bytes, str, RejectReason]] = {
    "no JSON": (b"title,date\n", "", RejectReason.MALFORMED_ROW),
    "half an object": (b'{"title": "T", "date": "2014-07\n', "", RejectReason.MALFORMED_ROW),
    "a list": (b'["T", "2014-07-15"]\n', "", RejectReason.MALFORMED_ROW),
    "two objects": (b'{"title": "T"} {"title": "U"}\n', "", RejectReason.MALFORMED_ROW),
    "nested without end": (b"[" * 3_000 + b"\n", "", RejectReason.MALFORMED_ROW),
    "a number of 5,000 digits": (b'{"date": ' + b"9" * 5_000 + b"}\n", "", RejectReason.MALFORMED_ROW),
    "a title that is no text": (b'{"title": {"a": 1}, "date": "2014-07-15"}\n', "title", RejectReason.MALFORMED_ROW),
    "a ticker that is no text": (
        b'{"title": "T", "date": "2014-07-15", "tickers": ["A", 7]}\n',
        "tickers",
        RejectReason.MALFORMED_ROW,
    ),
    "too long": (b'{"title": "' + b"x" * 9_000 + b'"}\n', "", RejectReason.LINE_TOO_LONG),
    "bytes that are no UTF-8": (b'{"title": "Caf\xe9", "date": "2014-07-15"}\n', "", RejectReason.INVALID_ENCODING),
    "a NUL byte": (b'{"title": "T\0", "date": "2014-07-15"}\n', "", RejectReason.INVALID_ENCODING),
    "an escaped NUL": (b'{"title": "T\\u0000", "date": "2014-07-15"}\n', "title", RejectReason.INVALID_ENCODING),
    "an unpaired surrogate": (b'{"title": "\\ud800", "date": "2014-07-15"}\n', "title", RejectReason.INVALID_ENCODING),
    "no title": (b'{"date": "2014-07-15", "text": "x"}\n', "title", RejectReason.MISSING_VALUE),
    "a null title": (b'{"title": null, "date": "2014-07-15", "text": "x"}\n', "title", RejectReason.MISSING_VALUE),
    "neither title nor text": (b'{"date": "2014-07-15"}\n', "", RejectReason.EMPTY_DOCUMENT),
    "an empty object": (b"{}\n", "", RejectReason.EMPTY_DOCUMENT),
    "no date": (b'{"title": "T"}\n', "date", RejectReason.MISSING_VALUE),
    "a null date": (b'{"title": "T", "date": null}\n', "date", RejectReason.MISSING_VALUE),
    "true for a date": (b'{"title": "T", "date": true}\n', "date", RejectReason.INVALID_DATE),
    "an object for a date": (b'{"title": "T", "date": {}}\n', "date", RejectReason.INVALID_DATE),
    "an infinite date": (b'{"title": "T", "date": 1e999}\n', "date", RejectReason.INVALID_DATE),
    "a small number for a date": (b'{"title": "T", "date": 2014}\n', "date", RejectReason.INVALID_DATE),
    "a date after the run": (b'{"title": "T", "date": "2020-01-01T00:00:01Z"}\n', "date", RejectReason.DATE_IN_FUTURE),
}


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("bad", "column", "reason"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_jsonl_when_a_line_is_bad_then_it_is_reported_and_its_neighbours_are_read(
    read: Read, bad: bytes, column: str, reason: RejectReason, line_end: bytes, ending: str
) -> None:
    content = (BEFORE + b"\n" + bad + AFTER).replace(b"\n", line_end)
    before, refused, after = read(f"news{ending}", content, max_line_bytes=8_192)
    assert isinstance(before, SourceDocument)
    assert isinstance(after, SourceDocument)
    assert (before.title, before.line, after.title, after.line) == ("Before", 1, "After", 4)
    assert isinstance(refused, Reject)
    assert (refused.file, refused.line, refused.column, refused.reason) == (f"news{ending}", 3, column, reason)
    assert refused.detail.isprintable()
    assert refused.excerpt == bad.rstrip(b"\n").decode("utf-8", "replace")[:200].replace("\0", "\ufffd")


@pytest.mark.parametrize(("bad", "column", "reason"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_jsonl_when_the_bad_line_is_the_first_then_the_file_is_still_read(
    read: Read, bad: bytes, column: str, reason: RejectReason
) -> None:
    refused, after = read("news.jsonl", bad + AFTER, max_line_bytes=8_192)
    assert isinstance(refused, Reject)
    assert (refused.line, refused.column, refused.reason) == (1, column, reason)
    assert isinstance(after, SourceDocument)


def test_jsonl_when_no_object_has_a_title_then_the_first_sentence_is_the_title(read: Read) -> None:
    (record,) = read("news.jsonl", b'{"Body": "One here. Two.", "Created_At": "2014-07-15T20:15:00Z"}')
    assert isinstance(record, SourceDocument)
    assert (record.title, record.text, record.precision) == ("One here.", "One here. Two.", DatePrecision.INSTANT)


def test_jsonl_when_keys_change_between_lines_then_each_is_read_by_its_own(read: Read) -> None:
    content = b'{"headline": "A", "date": "2014-07-15"}\n{"time": 1405455300000, "TITLE": "B"}\n'
    first, second = read("news.jsonl", content)
    assert isinstance(first, SourceDocument)
    assert isinstance(second, SourceDocument)
    assert (first.title, second.title) == ("A", "B")
    assert second.published_at == datetime(2014, 7, 15, 20, 15, tzinfo=UTC)


def test_jsonl_when_keys_are_configured_then_they_are_used(read: Read) -> None:
    mapping = ColumnMapping(title="h", published="p", tickers="t", url="u")
    (record,) = read(
        "news.jsonl", b'{"h": "T", "p": 1405455300.5, "t": ["ge.n", null], "u": "x", "text": "no"}', columns=mapping
    )
    assert isinstance(record, SourceDocument)
    assert (record.title, record.text, record.tickers, record.url) == ("T", "", ("GE",), "x")
    assert record.published_at == datetime(2014, 7, 15, 20, 15, 0, 500_000, tzinfo=UTC)


def test_jsonl_when_gzip_is_truncated_then_lines_before_survive_and_one_reject_follows(tmp_path: Path) -> None:
    lines = [json.dumps({"title": f"T{n}", "date": 1_405_455_300 + n * 7_919 % 10_007}) for n in range(2_000)]
    path = tmp_path / "news.jsonl.gz"
    packed = gzip.compress("\n".join(lines).encode())
    path.write_bytes(packed[: len(packed) // 2])
    *whole, last = read_documents(FileSourceConfig(path=str(path)), not_after=NOT_AFTER)
    assert [record.title for record in whole if isinstance(record, SourceDocument)] == [
        f"T{number}" for number in range(len(whole))
    ]
    assert len(whole) > 500
    assert isinstance(last, Reject)
    assert (last.line, last.reason) == (len(whole) + 1, RejectReason.MALFORMED_ROW)


_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_VALUE = _SCALAR | st.lists(_SCALAR, max_size=3) | st.just("2014-07-15") | st.just(1_405_455_300)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["title", "text", "date", "url", "ticker", "author", "x"]), _VALUE), max_size=6
    )
)
def test_jsonl_when_values_are_anything_then_every_object_is_a_document_or_a_reject(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "news.jsonl"
    path.write_bytes(BEFORE + b"".join(json.dumps(value).encode() + b"\n" for value in objects))
    records = list(read_documents(FileSourceConfig(path=str(path)), not_after=NOT_AFTER))
    assert [record.line for record in records] == list(range(1, len(objects) + 2))
    for record in records:
        if isinstance(record, SourceDocument):
            assert record.title
            assert record.published_at <= NOT_AFTER
            assert record.doc_id()


def test_file_when_reading_stops_early_then_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[ByteSource] = []
    build = ByteSource.__init__

    def remembering(self: ByteSource, stream: Any) -> None:
        build(self, stream)
        sources.append(self)

    monkeypatch.setattr(ByteSource, "__init__", remembering)
    path = tmp_path / "news.jsonl"
    path.write_bytes(BEFORE * 3)
    documents = read_documents(FileSourceConfig(path=str(path)), not_after=NOT_AFTER)
    next(documents)
    documents.close()  # type: ignore[attr-defined]
    assert [source._stream.closed for source in sources] == [True, True]
