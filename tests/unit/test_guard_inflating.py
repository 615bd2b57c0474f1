"""Gzip that nobody asked for: unpacked in pieces, and never taken for whole when it is not."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard.inflating import PIECE, BrokenEncodingError, Gzip, encoding_of


def unpacked(data: bytes, size: int) -> list[bytes]:
    found = Gzip()
    pieces = [piece for at in range(0, len(data), size) for piece in found.feed(data[at : at + size])]
    found.finish()
    return pieces


CONTENTS = st.binary(max_size=300) | st.builds(bytes.__mul__, st.binary(max_size=3), st.integers(0, 300_000))


@given(st.lists(CONTENTS, max_size=3), st.integers(1, 9), st.integers(1, 100_000))
def test_whatever_was_packed_is_unpacked_however_it_is_cut(
    members: list[bytes], level: int, size: int
) -> None:
    data = b"".join(gzip.compress(each, level, mtime=0) for each in members)
    pieces = unpacked(data, max(size, len(data) // 50))
    assert b"".join(pieces) == b"".join(members)
    assert all(0 < len(piece) <= PIECE for piece in pieces)


@given(CONTENTS, st.data())
def test_what_is_cut_anywhere_is_never_whole(content: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(content, mtime=0)
    cut = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(BrokenEncodingError, match="^it was cut$"):
        unpacked(packed[:cut], 1_000)


@given(st.binary(min_size=1, max_size=50), st.integers(0, 60), st.integers(0, 7))
def test_one_bit_that_is_another_is_noticed(content: bytes, at: int, bit: int) -> None:
    packed = bytearray(gzip.compress(content, mtime=0))
    at = 10 + at % (len(packed) - 10)  # what stands before says when and where it was packed
    packed[at] ^= 1 << bit
    try:
        found = b"".join(unpacked(bytes(packed), 7))
    except BrokenEncodingError:
        return
    assert found == content


@pytest.mark.parametrize(
    "data", [b"{}", zlib.compress(b"{}"), gzip.compress(b"{}", mtime=0) + b"rest", b"\x1f\x8bnot"]
)
def test_what_is_no_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenEncodingError, match="^it is no gzip: "):
        unpacked(data, 100)


def test_nothing_is_an_empty_answer() -> None:
    assert unpacked(b"", 1) == []


def test_a_little_that_swells_is_unpacked_only_as_far_as_somebody_takes_it() -> None:
    pieces = Gzip().feed(gzip.compress(b"x" * 50_000_000, mtime=0))
    assert len(next(pieces)) == PIECE


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], "identity"), ([""], "identity"), (["Identity"], "identity"), (["gzip"], "gzip"),
        (["X-GZIP "], "gzip"), (["identity, gzip"], "gzip"), (["identity", "gzip"], "gzip"),
        (["br"], "other"), (["deflate"], "other"), (["zstd"], "other"), (["gzip, gzip"], "other"),
        (["gzip", "gzip"], "other"), (["gzip;q=1"], "other"),
    ],
)  # fmt: skip
def test_how_an_answer_is_packed(headers: list[str], expected: str) -> None:
    assert encoding_of(headers) == expected
