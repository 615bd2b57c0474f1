"""What an answer used: as told, else never too little."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    meter.body(json.dumps(told(5, 6) | says("Hello")).encode())
    assert meter.usage() == Usage(5, 6)
    meter = Meter(HELD, stream=False)
    meter.body(json.dumps(says("Hello")).encode())
    assert meter.usage() == Usage(20, 5)
    meter.failed()
    assert meter.usage() == Usage(20, 5), "an answer came, whatever could be made of it"
    meter = Meter(HELD, stream=False)
    meter.failed()
    assert meter.usage() == Usage(0, 0)


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
    whole.body(data)
    assert whole.usage().tokens >= 0


@pytest.mark.parametrize("count", [-1, True, "5", 1.5, None, [1]])
def test_a_count_that_is_none_is_not_believed(count: Any) -> None:
    assert usage_of({"usage": {"prompt_tokens": count, "completion_tokens": 3}}) is None
