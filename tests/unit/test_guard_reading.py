"""Long bodies are read beside the requests, one of each account at a time."""

from __future__ import annotations

import asyncio
import json
import threading
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard import reading, wire
from inbond.guard.wire import BadRequestError


def body(size: int, **more: Any) -> bytes:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}
    return json.dumps(asked).encode().ljust(size)


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Who read how many bytes, by the name of the thread."""
    found: list[tuple[str, int]] = []

    def read(*args: Any) -> wire.Asked:
        found.append((threading.current_thread().name, len(args[1])))
        return wire_read(*args)

    wire_read = wire.read
    monkeypatch.setattr(wire, "read", read)
    return found


async def test_only_long_ones_leave_the_loop(readers: list[tuple[str, int]]) -> None:
    reader = reading.Reader({})
    for size in (reading.LONG, reading.LONG + 1):
        assert (await reader.read("chat/completions", body(size), "t/a"))[0].user == ("hi",)
    assert [(name == "MainThread", size) for name, size in readers] == [
        (True, reading.LONG), (False, reading.LONG + 1),
    ]  # fmt: skip


async def test_who_sends_many_waits_for_himself(readers: list[tuple[str, int]]) -> None:
    """Ten of one account, then one of another: that one is read after the first or second of the ten."""
    reader = reading.Reader({})
    many = [reader.read("chat/completions", body(reading.LONG + 10), "t/a") for _ in range(10)]
    waiting = [asyncio.ensure_future(each) for each in many]
    await asyncio.sleep(0)
    await reader.read("chat/completions", body(reading.LONG + 1), "u/b")
    assert reading.LONG + 1 in [size for _, size in readers[:3]]
    await asyncio.gather(*waiting)
    assert (len(readers), reader._turns) == (11, {})


async def test_a_long_body_that_is_refused_is_refused_by_name() -> None:
    reader = reading.Reader({"chat/completions": frozenset({"grammar"})})
    with pytest.raises(BadRequestError, match="lore is not served on chat/completions"):
        await reader.read("chat/completions", body(reading.LONG + 1, lore=1), "t/a")
    await reader.read("chat/completions", body(reading.LONG + 1, grammar="x"), "t/a")
    assert reader._turns == {}


async def test_who_leaves_is_not_read(readers: list[tuple[str, int]]) -> None:
    reader = reading.Reader({})
    go_on = threading.Event()
    reader._thread.submit(go_on.wait)
    waiting = [
        asyncio.ensure_future(reader.read("chat/completions", body(reading.LONG + 1), "t/a"))
        for _ in range(5)
    ]
    await asyncio.sleep(0.01)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    go_on.set()
    await reader.read("chat/completions", body(reading.LONG + 2), "t/a")
    assert [size for _, size in readers] == [reading.LONG + 2]
    assert reader._turns == {}


PIECES = st.sampled_from(
    ['"a"', "1234", "1.5", "[]", "{}", '{"a":{"b":{}}}', '{"role":"user","content":"a"}', '"ab \u1234"',
     '"\U0001f600 and more words of a text"', "[[1,2],[3,4]]", "null"]
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=8), st.sampled_from([300, 3_000, 30_000, 200_000]))
def test_what_a_request_takes_is_not_told_too_small(pieces: list[str], size: int) -> None:
    """Measured: what stays of a body of values again and again, whichever they are."""
    text = ",".join(pieces)
    data = f"[{','.join([text] * (size // len(text) or 1))}]".encode()
    tracemalloc.start()
    try:
        value = json.loads(data)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert reading.memory(data, value) >= 0.8 * taken
    assert reading.memory(data, value) <= 1_000 + 100 * len(data)


def test_a_text_takes_about_what_it_is_long() -> None:
    for size in (3_000, 300_000):
        data = json.dumps({"content": "some words, and more " * (size // 21)}).encode()
        assert size * 0.9 < reading.memory(data, json.loads(data)) < 5 * size
