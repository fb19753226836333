"""Physical lines: every chunking gives the same lines, and nothing makes memory grow."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.files.lines import ByteSource, FaultKind, open_lines, read_lines

MEGABYTE = 1_048_576


class _ShortReads(io.BytesIO):
    """Gives a few bytes at a time, so that every boundary falls inside something."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._step)


def _lines(content: bytes, limit: int = 1_024, step: int = 1_000_000) -> list[tuple[int, bytes, FaultKind | None]]:
    found = read_lines(ByteSource(_ShortReads(content, step)), limit)
    return [(number, data, fault.kind if fault else None) for number, data, fault in found]


@given(
    st.lists(st.binary(max_size=12).filter(lambda line: not set(line) & set(b"\r\n\x1f\xef\xff\xfe")), min_size=1),
    st.integers(4, 40),
)
def test_lines_when_chunks_break_anywhere_then_every_line_is_whole(lines: list[bytes], step: int) -> None:
    content = b"x\n" + b"\n".join(lines) + b"\n"
    expected = [(number, line, None) for number, line in enumerate([b"x", *lines], 1)]
    assert _lines(content, step=step) == expected
    assert _lines(gzip.compress(content), step=step) == expected


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(4, 64), st.booleans())
def test_lines_when_some_exceed_the_bound_then_exactly_those_are_faulty(
    lengths: list[int], step: int, ends_with_newline: bool
) -> None:
    content = (
        b"x\n" + b"\n".join(b"a" * length for length in lengths) + (b"\n" if ends_with_newline and lengths else b"")
    )
    expected = [1 <= 20, *(length <= 20 for length in lengths)]
    if not ends_with_newline and lengths and lengths[-1] == 0:
        expected.pop()  # nothing stands after the last newline
    assert [fault is None for _, _, fault in _lines(content, limit=20, step=step)] == expected


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        (b"a" * 19, True),
        (b"a" * 20, True),
        (b"a" * 20 + b"\r", True),
        (b"a" * 21, False),
        (b"a" * 21 + b"\r", False),
    ],
)
def test_line_when_at_the_bound_then_its_ending_does_not_count(line: bytes, whole: bool) -> None:
    assert (_lines(b"x\n" + line + b"\ny", limit=20)[1][2] is None) is whole
    assert (_lines(b"x\n" + line, limit=20)[1][2] is None) is whole


def test_lines_when_a_line_is_too_long_then_its_length_and_head_are_told() -> None:
    *_, (number, head, fault), last = read_lines(ByteSource(io.BytesIO(b"a\n" + b"b" * 5_000 + b"\nc\n")), 1_024)
    assert (number, head, last) == (2, b"b" * 1_024, (3, b"c", None))
    assert fault is not None
    assert fault.detail == "the line has 5,000 bytes, at most 1,024 are allowed"


@pytest.mark.parametrize("name", ["long.csv", "long.csv.gz"])
def test_lines_when_one_has_100_megabytes_then_memory_stays_small(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    block = b"x" * MEGABYTE
    with gzip.open(path, "wb", compresslevel=1) if name.endswith(".gz") else path.open("wb") as stream:
        stream.write(b"first\n")
        for _ in range(100):
            stream.write(block)
        stream.write(b"\nlast\n")
    tracemalloc.start()
    try:
        found = [(number, data[:10], fault and fault.kind) for number, data, fault in open_lines(path, MEGABYTE)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [(1, b"first", None), (2, b"x" * 10, FaultKind.TOO_LONG), (3, b"last", None)]
    assert peak < 16 * MEGABYTE


def test_lines_when_gzip_has_several_members_and_padding_then_all_are_read() -> None:
    content = gzip.compress(b"a\nb") + b"\0" * 10 + gzip.compress(b"c\nd\n") + b"\0" * 600
    for step in (4, 1_000):
        assert _lines(content, step=step) == [(1, b"a", None), (2, b"bc", None), (3, b"d", None)]


@pytest.mark.parametrize("garbage", [b"not gzip", gzip.compress(b"zzz", mtime=0)[:8]])
def test_lines_when_other_bytes_follow_a_gzip_member_then_they_are_reported_once(garbage: bytes) -> None:
    assert _lines(gzip.compress(b"a\nb\n") + garbage) == [
        (1, b"a", None),
        (2, b"b", None),
        (3, b"", FaultKind.DAMAGED),
    ]


def test_lines_when_a_gzip_checksum_is_wrong_then_the_damage_is_reported() -> None:
    content = bytearray(gzip.compress(b"a\nb\n"))
    content[-6] ^= 0xFF
    assert [fault for *_, fault in _lines(bytes(content))][-1] is FaultKind.DAMAGED


@given(st.integers(1, 400))
def test_lines_when_gzip_is_truncated_anywhere_then_whole_lines_before_survive_and_one_fault_ends_it(cut: int) -> None:
    lines = [f"{number * 7919 % 10_007}".encode() for number in range(200)]
    packed = gzip.compress(b"\n".join(lines) + b"\n")
    found = _lines(packed[: max(2, len(packed) - cut)])
    *whole, (_, _, last) = found
    assert last is FaultKind.DAMAGED
    assert [data for _, data, _ in whole] == lines[: len(whole)]
    assert all(fault is None for *_, fault in whole)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("step", [5, 1_000])
def test_lines_when_utf_16_has_its_mark_then_they_are_utf_8(encoding: str, step: int) -> None:
    content = "\ufeffäö\r\n€\n𝄞".encode(encoding)
    assert _lines(content, step=step) == [(1, "äö\r".encode(), None), (2, "€".encode(), None), (3, "𝄞".encode(), None)]


def test_lines_when_utf_16_ends_within_a_character_then_whole_lines_survive() -> None:
    content = "\ufeffa\nb\nc".encode("utf-16-le")[:-1]
    assert _lines(content) == [(1, b"a", None), (2, b"b", None), (3, b"", FaultKind.DAMAGED)]


def test_lines_when_utf_16_has_an_unpaired_surrogate_then_only_its_line_is_not_utf_8() -> None:
    content = "\ufeffa\n\ud800\nc".encode("utf-16-le", "surrogatepass")
    (_, first, _), (_, bad, _), (_, last, _) = _lines(content)
    assert (first, last) == (b"a", b"c")
    with pytest.raises(UnicodeDecodeError):
        bad.decode()


def test_lines_when_ended_by_carriage_returns_alone_then_they_are_told_apart() -> None:
    assert _lines(b"a,b\r1,2\r3,4\r") == [(1, b"a,b", None), (2, b"1,2", None), (3, b"3,4", None)]


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0), b"\xef\xbb\xbf", b"\xff\xfe"])
def test_lines_when_there_is_no_text_then_there_are_none(content: bytes) -> None:
    assert _lines(content) == []
