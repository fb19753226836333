"""Decompression in pieces: members, padding, caps, any bytes."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.web.bodies import MAXIMUM_GZIP_MEMBERS, BodyReader
from domain.errors import StonksError, VendorRejected, VendorUnavailable


def read(data: bytes, encoding: str, piece: int = 7, cap: int = 100_000) -> bytes:
    reader = BodyReader(encoding, host="example.com", wire_bytes=1_000_000, body_bytes=cap)
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
    return reader.finish()


@given(st.binary(max_size=500), st.integers(1, 600), st.sampled_from([31, 15, -15]))
def test_feed_when_cut_anywhere_then_the_body_is_whole(data: bytes, piece: int, window: int) -> None:
    compressor = zlib.compressobj(wbits=window)
    encoded = compressor.compress(data) + compressor.flush()
    assert read(encoded, "gzip" if window == 31 else "deflate", piece) == data


@given(st.binary(max_size=500), st.integers(1, 600), st.sampled_from(["gzip", "deflate", "identity", ""]))
def test_feed_when_given_any_bytes_then_nothing_but_our_errors_is_raised(
    data: bytes, piece: int, encoding: str
) -> None:
    try:
        body = read(data, encoding, piece, cap=1_000)
    except StonksError:
        return
    assert len(body) <= 1_000


@pytest.mark.parametrize("piece", [1, 2, 3, 1_000])
@pytest.mark.parametrize("padding", [b"", b"\x00", b"\x00" * 512, b"\x1f"])
def test_feed_when_gzip_has_members_and_padding_then_all_members_are_read(piece: int, padding: bytes) -> None:
    assert read(gzip.compress(b"one") + gzip.compress(b"two") + padding, "gzip", piece) == b"onetwo"


def test_feed_when_a_later_member_is_cut_then_it_is_tried_again() -> None:
    with pytest.raises(VendorUnavailable, match="RESPONSE_TRUNCATED"):
        read(gzip.compress(b"one") + gzip.compress(b"two")[:-1], "gzip")


def test_feed_when_there_are_too_many_members_then_it_is_refused() -> None:
    member = gzip.compress(b"")
    assert read(member * MAXIMUM_GZIP_MEMBERS, "gzip", 65_536) == b""
    with pytest.raises(VendorRejected, match="gzip members"):
        read(member * (MAXIMUM_GZIP_MEMBERS + 1), "gzip", 65_536)


def test_feed_when_it_is_not_what_was_announced_then_it_is_refused() -> None:
    with pytest.raises(VendorRejected, match="RESPONSE_ENCODING_INVALID"):
        read(b"plain text", "gzip")


@pytest.mark.parametrize("length", ["1000001", "0" * 30 + "1000001", "9" * 5_000])
def test_announce_when_the_length_is_above_the_cap_then_it_is_refused(length: str) -> None:
    reader = BodyReader("", host="example.com", wire_bytes=1_000_000, body_bytes=1)
    reader.announce("1000000")
    reader.announce("unknown")
    with pytest.raises(VendorRejected, match="RESPONSE_TOO_LARGE"):
        reader.announce(length)
