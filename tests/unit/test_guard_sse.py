"""Events out of bytes, however these are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard import sse

BITS = st.sampled_from(
    [b"data: a", b"data:b", b"\n", b"\r\n", b"\r", b": c", b"event: x", b"\xff", b"data", b"\n\n"]
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in pairwise(at)]


@given(st.lists(BITS, max_size=30).map(b"".join), st.lists(st.integers(0, 200), max_size=8))
def test_bytes_in_are_bytes_out(data: bytes, places: list[int]) -> None:
    events = sse.Events()
    found = [event for chunk in cut(data, places) for event in events.feed(chunk)]
    assert b"".join(event.raw for event in found) + events.rest == data


@given(
    st.lists(st.tuples(st.text("ab é", max_size=5), st.booleans()), max_size=6),
    st.sampled_from(["\n", "\r\n"]), st.lists(st.integers(0, 200), max_size=8),
)  # fmt: skip
def test_events_are_the_same_however_their_bytes_are_cut(
    written: list[tuple[str, bool]], end: str, places: list[int]
) -> None:
    lines = [f"data: {text}" if data else f": {text}" for text, data in written]
    stream = "".join(line + end + end for line in lines).encode()
    events = sse.Events()
    found = [event.data for chunk in cut(stream, places) for event in events.feed(chunk)]
    assert found == [text.encode() if data else None for text, data in written]
    assert events.rest == b""


def test_lines_of_data_are_joined_and_the_rest_is_kept() -> None:
    events = sse.Events()
    (event,) = events.feed(b"event: x\ndata: a\ndata:b\nid: 1\n\ndata: unfin")
    assert (event.data, events.rest) == (b"a\nb", b"data: unfin")


def test_an_event_that_does_not_end_is_not_held_for_ever() -> None:
    events = sse.Events()
    for _ in range(16):
        assert list(events.feed(b"x" * 2**20)) == []
    with pytest.raises(sse.TooLongError, match="an event of more than 16,777,216 bytes"):
        list(events.feed(b"x"))


def test_what_is_written_is_read() -> None:
    events = sse.Events()
    found = list(events.feed(sse.event(b'{"a": 1}') + sse.comment("hello")))
    assert [(each.data, each.raw) for each in found] == [
        (b'{"a": 1}', b'data: {"a": 1}\n\n'), (None, b": hello\n\n")
    ]  # fmt: skip
