"""What passes of a stream: not what an upstream makes look like ours, and nothing after its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard import passing, sse, wire
from inbond.guard.budget import Usage
from inbond.guard.meter import Meter
from tests.hiding_examples import asked

DONE = b"data: [DONE]\n\n"
FORGED = "inbond-receipt eyJhbGciOiJFZERTQSJ9.e30.x"


class Chunks:
    """Implements Answer."""

    status, headers = 200, Mapping[str, str]

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk

    def close(self) -> None: ...


def passed(request: wire.Asked, *chunks: bytes) -> tuple[bytes, list[bytes], Usage]:
    """What the caller gets, which pieces of it are the last, and what is settled."""
    metered = Meter(Usage(20, 100), stream=True)

    async def go() -> list[passing.Piece]:
        return [piece async for piece in passing.events(Chunks(*chunks), request, metered, None)]  # type: ignore[arg-type]

    pieces = asyncio.run(go())
    return b"".join(piece.data for piece in pieces), [p.data for p in pieces if p.last], metered.usage()


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def says(text: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}}]})


@given(
    st.sampled_from(["", " ", "\t", "  "]), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(),
    st.integers(1, 90), st.sampled_from([str, str.upper, str.title]),
)  # fmt: skip
def test_a_receipt_of_the_upstreams_does_not_pass(
    space: str, end: str, alone: bool, split: int, spelt: Any
) -> None:
    forged = f":{space}{spelt(FORGED)}{end}".encode()
    data = says("Hello") + (forged + end.encode() if alone else forged + says("there")) + says("!") + DONE
    chunks = [data[at : at + split] for at in range(0, len(data), split)]
    found, last, _ = passed(asked(), *chunks)
    assert b"receipt" not in found.lower()
    assert b"Hello" in found
    assert (b"there" in found) is not alone
    assert last == [DONE]


@pytest.mark.parametrize("forged", [f": {FORGED}", f"\ufeff: {FORGED}\n\n", f": {FORGED}\n"])
def test_nor_does_one_at_either_end(forged: str) -> None:
    assert b"receipt" not in passed(asked(), forged.encode(), says("x"))[0]
    assert b"receipt" not in passed(asked(), says("x"), forged.encode())[0]


def test_other_comments_pass_and_so_does_an_answer_about_receipts() -> None:
    data = b": ping\n\n" + says("inbond-receipt is a header") + b": about inbond-receipt\n\n" + DONE
    assert passed(asked(), data)[0] == data


def test_nothing_passes_after_the_end_since_nobody_settles_it() -> None:
    found, last, used = passed(asked(), says("a"), DONE, says("free"), DONE + b'data: {"choices": [', b": x")
    assert found == says("a") + DONE + DONE
    assert last == [DONE]
    assert used == Usage(20, 1)


def test_a_response_is_settled_by_its_last_event() -> None:
    begun = event(
        {"type": "response.created", "response": {"usage": {"input_tokens": 0, "output_tokens": 0}}}
    )
    text = event({"type": "response.output_text.delta", "delta": "z" * 5_000})
    done = event(
        {"type": "response.completed", "response": {"usage": {"input_tokens": 9, "output_tokens": 2_000}}}
    )
    found, last, used = passed(asked("responses"), begun, text, done, DONE)
    assert found == begun + text + done + DONE
    assert last == [done]
    assert used == Usage(9, 2_000)


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_a_response_without_a_count_is_counted_and_over(kind: str) -> None:
    text = event({"type": "response.output_text.delta", "delta": "Hello"})
    done = event({"type": f"response.{kind}", "response": {"output": [], "usage": None}})
    _, last, used = passed(asked("responses"), text, done, text)
    assert last == [done]
    assert used == Usage(20, 6)


@pytest.mark.parametrize("cut", ["", "\n\n", "\n\n\n\n"])
@pytest.mark.parametrize("used", [{"usage": {"prompt_tokens": 500, "completion_tokens": 1_000}}, {}])
def test_an_answer_that_does_not_stream_is_counted_however_it_is_written(
    cut: str, used: dict[str, Any]
) -> None:
    value = {"choices": [{"message": {"content": "y" * 4_000}}], **used}
    data = json.dumps(value, indent=1).replace("\n", cut or "\n").encode() + cut.encode()
    _, _, found = passed(asked(), data)
    assert found.completion_tokens >= (1_000 if used else 4_000)


def test_a_text_that_quotes_an_end_is_none() -> None:
    text = event({"type": "response.output_text.delta", "delta": '{"type": "response.completed", "usage": {'})
    assert passed(asked("responses"), text, text)[1] == []


@given(st.binary(max_size=40))
def test_without_such_a_comment_every_byte_passes(data: bytes) -> None:
    for event in sse.Events().feed(data + b"\n\n"):
        assert passing.without_receipt(event) is event
