"""What an answer used: as told, else never too little."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard.body import Body
from inbond.guard.budget import Usage
from inbond.guard.meter import Meter, usage_of
from inbond.guard.sse import DONE, Event

HELD = Usage(20, 100)
TEXTS = st.text(max_size=10)


def event(value: Any) -> Event:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Event(b"data: " + data + b"\n\n", data)


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}], **more}


def told(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"choices": [], **more, "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


def test_the_upstreams_count_is_believed() -> None:
    meter = Meter(HELD, stream=True)
    assert not meter.event(event(says("Hello", usage=None)))
    assert meter.event(event(told(3, 2))), "it is the usage alone"
    assert not meter.event(event(DONE))
    assert (meter.told, meter.usage()) == (True, Usage(3, 2))


def test_a_count_beside_text_is_no_event_of_its_own() -> None:
    meter = Meter(HELD, stream=True)
    assert not meter.event(event(says("Hello") | {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}))
    assert meter.usage() == Usage(3, 1)


def test_a_count_beside_one_of_several_answers_is_none() -> None:
    meter = Meter(HELD, stream=True, answers=4)
    for _ in range(4):
        meter.event(event(says("Hello") | {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}))
    assert meter.usage() == Usage(20, 20)
    assert meter.event(event(told(3, 9))), "one of all is"
    assert meter.usage() == Usage(3, 9)


def test_what_passes_after_a_count_is_added() -> None:
    meter = Meter(HELD, stream=True)
    for value in (says("Hello"), told(3, 2), says("more")):
        meter.event(event(value))
    assert meter.usage() == Usage(3, 6)


@given(st.lists(TEXTS))
def test_without_a_count_text_has_at_most_a_token_a_byte(texts: list[str]) -> None:
    meter = Meter(HELD, stream=True)
    for text in texts:
        meter.event(event(says(text)))
    assert meter.usage().prompt_tokens == 20
    assert meter.usage().completion_tokens >= sum(max(1, len(text.encode())) for text in texts)


@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning", "refusal"])
def test_every_kind_of_text_counts(name: str) -> None:
    meter = Meter(HELD, stream=True)
    meter.event(event({"choices": [{"delta": {name: "x" * 50}}]}))
    assert meter.usage().completion_tokens == 50


def test_text_that_quotes_json_counts_once() -> None:
    meter = Meter(HELD, stream=True)
    meter.event(event(says('{"content": "x"}')))
    assert 16 <= meter.usage().completion_tokens <= 24


def test_a_response_that_repeats_itself_counts_once() -> None:
    meter = Meter(HELD, stream=True)
    meter.event(event({"type": "response.output_text.delta", "delta": "Hello"}))
    meter.event(event({"type": "response.output_text.done", "text": "Hello"}))
    assert meter.usage().completion_tokens == 6
    meter.event(
        event({"type": "response.completed", "response": {"usage": {"input_tokens": 1, "output_tokens": 2}}})
    )
    assert meter.usage() == Usage(1, 2)


def test_a_stream_of_nothing_used_its_prompt() -> None:
    assert Meter(HELD, stream=True).usage() == Usage(20, 0)


def test_an_answer_that_nobody_waited_for_used_what_was_held() -> None:
    assert Meter(HELD, stream=False).usage() == HELD


def test_a_whole_answer() -> None:
    meter = Meter(HELD, stream=False)
    meter.body(Body.of(json.dumps(told(5, 6) | says("Hello")).encode()))
    assert meter.usage() == Usage(5, 6)
    meter = Meter(HELD, stream=False)
    meter.body(Body.of(json.dumps(says("Hello")).encode()))
    assert meter.usage() == Usage(20, 5)
    meter.failed()
    assert meter.usage() == Usage(20, 5), "an answer came, whatever could be made of it"
    meter = Meter(HELD, stream=False)
    meter.failed()
    assert meter.usage() == Usage(0, 0)


def test_a_count_of_nothing_is_none() -> None:
    for value in (told(0, 0), {"choices": [], "usage": {"prompt_tokens": 0}}):
        meter = Meter(HELD, stream=True)
        meter.event(event(says("Hello")))
        meter.event(event(value))
        assert meter.usage() == Usage(20, 6), "and its event counts as a piece"


def test_a_count_that_leaves_the_answer_out_is_not_believed_of_it() -> None:
    for stream in (True, False):
        meter = Meter(HELD, stream=stream)
        value = says("Hello") | {"usage": {"prompt_tokens": 3, "completion_tokens": 0}}
        meter.event(event(says("Hello"))) if stream else None
        meter.event(event(told(3, 0))) if stream else meter.body(Body.of(json.dumps(value).encode()))
        assert meter.usage() == Usage(3, 5)


def test_embeddings_have_no_answer_to_count() -> None:
    meter = Meter(Usage(20, 0), stream=False)
    data = [{"object": "embedding", "embedding": "AACAPwAAAEA="}]
    meter.body(Body.of(json.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 7}}).encode()))
    assert meter.usage() == Usage(7, 0)


@pytest.mark.parametrize(
    "body", [b"", b"<html>busy</html>", b'{"choices": [{"message": {"content": "aaaa', b"[1, 2]", b"\xff"]
)
def test_an_answer_that_is_no_json_is_paid(body: bytes) -> None:
    meter = Meter(HELD, stream=False)
    meter.body(Body.of(body))
    meter.failed()
    assert meter.usage().prompt_tokens == 20
    assert meter.usage().completion_tokens > 0 or b"aaaa" in body


@pytest.mark.parametrize(
    "delta", [{"thought": "x" * 50}, {"parts": [{"deep": ["x" * 50]}]}, {"content": "", "trace": "x" * 50}]
)
def test_text_in_a_field_that_nobody_knows_counts(delta: dict[str, Any]) -> None:
    meter = Meter(HELD, stream=True)
    meter.event(event({"id": "c" * 90, "object": "o" * 90, "model": "m", "choices": [{"delta": delta}]}))
    assert 50 <= meter.usage().completion_tokens < 60


def answers(*texts: str, **more: Any) -> bytes:
    choices = [{"index": n, "message": {"content": text}} for n, text in enumerate(texts)]
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    return json.dumps({"choices": choices, "usage": usage, **more}).encode()


def test_of_several_answers_those_that_a_server_leaves_out_count() -> None:
    """llama.cpp's own count: that of the first."""
    counted = Meter(Usage(20, 300), stream=False, answers=3)
    counted.body(Body.of(answers("abc", "d" * 40, "e" * 400)))
    assert counted.usage() == Usage(5, 3), "who does not send timings counts all"
    first = Meter(Usage(20, 300), stream=False, answers=3)
    first.body(Body.of(answers("abc", "d" * 40, "e" * 400, timings={"predicted_n": 3})))
    assert first.usage() == Usage(5, 3 + 40 + 100), "a token a byte, and no more than was allowed"
    alone = Meter(Usage(20, 100), stream=False)
    alone.body(Body.of(answers("abc", timings={"predicted_n": 3})))
    assert alone.usage() == Usage(5, 3)


def test_a_stream_of_several_answers_has_a_count_for_each() -> None:
    """llama.cpp's way: a count with timings when an answer ends, before the others are over."""
    meter = Meter(Usage(20, 200), stream=True, answers=2)
    for value in (says("a"), told(35, 6, timings={}), says("b"), says("c"), told(35, 7, timings={})):
        meter.event(event(value))
    assert meter.usage() == Usage(35, 13)
    meter = Meter(Usage(20, 200), stream=True, answers=2, prompts=2)
    for value in (told(35, 6, timings={}), told(5, 7, timings={})):
        meter.event(event(value))
    assert meter.usage() == Usage(40, 13)
    whole = Meter(Usage(400, 200), stream=False, answers=2, prompts=2)
    whole.body(Body.of(answers("abc", "defg", timings={})))
    assert whole.usage() == Usage(400, 3 + 4), "its count of prompts is the first's too"
    same = Meter(Usage(20, 200), stream=True, answers=2)
    for value in (told(35, 6), told(35, 13)):
        same.event(event(value))
    assert same.usage() == Usage(35, 13), "who counts all says so once more, and is believed"


def test_a_stream_of_several_answers_has_a_token_in_every_piece() -> None:
    meter = Meter(Usage(20, 300), stream=True, answers=3)
    for _ in range(9):
        meter.event(event(says("word")))
    meter.event(event(told(5, 3)))
    assert meter.usage() == Usage(5, 9)


NAMES = st.sampled_from(["usage", "choices", "response", "prompt_tokens", "completion_tokens", "delta"])
SAID = st.recursive(
    st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@given(st.binary(max_size=80) | SAID.map(lambda value: json.dumps(value).encode()))
def test_whatever_an_upstream_says_is_counted_or_passed_over(data: bytes) -> None:
    meter = Meter(HELD, stream=True)
    meter.event(Event(b"data: " + data + b"\n\n", data))
    assert meter.usage().prompt_tokens >= 0
    assert meter.usage().completion_tokens >= 0
    whole = Meter(HELD, stream=False)
    whole.body(Body.of(data))
    assert whole.usage().tokens >= 0


@pytest.mark.parametrize("count", [-1, True, "5", 1.5, None, [1]])
def test_a_count_that_is_none_is_not_believed(count: Any) -> None:
    assert usage_of({"usage": {"prompt_tokens": count, "completion_tokens": 3}}) is None


@given(st.integers(400, 599), st.binary(max_size=3_000), st.integers(0, 50), st.booleans())
def test_an_error_costs_at_most_what_was_held_and_only_a_500_anything(
    status: int, data: bytes, held: int, shown: bool
) -> None:
    meter = Meter(HELD, stream=False)
    meter.error(status, Body.of(b"[" + data + b"]"), held, shown=shown)
    meter.failed()
    used = meter.usage()
    assert (used.prompt_tokens, used.completion_tokens) <= (held, HELD.completion_tokens)
    assert status == 500 or used == Usage(0, 0)
    assert used.unpaid or used.completion_tokens or used == Usage(0, 0)
    assert shown or not used.completion_tokens
