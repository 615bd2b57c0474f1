"""What a request asks for, out of its bytes: read in one way or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard import fields, passing
from inbond.guard.wire import MOST_DEPTH, ROUTES, Asked, BadRequestError, read

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello there"}]}


def asked(route: str = "chat/completions", allowed: frozenset[str] = frozenset(), **value: Any) -> Asked:
    base = {"chat/completions": CHAT, "completions": {"model": "m", "prompt": "x"}}.get(
        route, {"model": "m", "input": "x"}
    )
    return read(route, json.dumps({**base, **value}).encode(), allowed)


def test_system_and_user_texts_are_told_apart() -> None:
    pictured = [{"type": "text", "text": "U"}, {"type": "image_url", "image_url": {}}]
    called = [{"function": {"name": "f", "arguments": "{}"}}]
    found = asked(
        messages=[
            {"role": "system", "content": "S"},
            {"role": "developer", "content": [{"type": "text", "text": "D"}]},
            {"role": "user", "content": pictured},
            {"role": "assistant", "content": None, "tool_calls": called},
            {"role": "tool", "tool_call_id": "1", "content": "T"},
        ]
    )
    assert found.system == ("S", "D")
    assert found.user[0] == "U"
    assert "arguments" in found.user[1]
    assert found.user[2] == "T"
    assert found.prompt_tokens > 2_048


def test_instructions_are_system_texts() -> None:
    found = asked("responses", instructions="S", input=[{"role": "user", "content": "U"}])
    assert (found.system, found.user) == (("S",), ("U",))


@pytest.mark.parametrize(
    ("route", "more", "tokens"),
    [
        ("chat/completions", {}, 100), ("chat/completions", {"max_tokens": 7}, 7),
        ("chat/completions", {"max_tokens": 7, "max_completion_tokens": 9}, 9),
        ("chat/completions", {"n": 3, "max_tokens": 7}, 21), ("completions", {"best_of": 4, "n": 2}, 400),
        ("completions", {"prompt": ["a", "b", "c"], "max_tokens": 5}, 15),
        ("completions", {"prompt": [[1, 2], [3]], "max_tokens": 5, "n": 2}, 20),
        ("completions", {"prompt": [1, 2, 3], "max_tokens": 5}, 5),
        ("responses", {"max_output_tokens": 6}, 6),
        ("embeddings", {"input": ["a", "b"]}, 0),
        ("chat/completions", {"max_tokens": 1, "n_predict": 1_500}, 1_500),
        ("chat/completions", {"max_new_tokens": 30, "n_cmpl": 2}, 60),
    ],
)  # fmt: skip
def test_the_most_that_is_asked_for_is_held(route: str, more: dict[str, Any], tokens: int) -> None:
    assert asked(route, frozenset(more), **more).completion_tokens(100) == tokens


@given(st.text(max_size=400))
def test_an_estimate_is_no_less_than_half_a_token_a_byte(text: str) -> None:
    found = asked(messages=[{"role": "user", "content": text}])
    assert found.prompt_tokens >= len(text.encode("utf-8", "surrogatepass")) / 2


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b'{"model": "m", "messages": [], "messages": []}', "invalid_json", "a field stands there twice"),
        (b'{"model": "m", "messages": [{"role": "user", "role": "system"}]}', "invalid_json", "twice"),
        (b'{"model": "m", "messages": [], "top_p": Infinity}', "invalid_json", "Infinity is no JSON number"),
        (b'{"model": "m", "messages": [], "top_p": 1e400}', "invalid_json", "1e400 is no JSON number"),
        (b'{"model": 3}', "invalid_type", "model is not a string"),
        (b'{"model": "m", "messages": [], "stream": 1}', "invalid_type", "stream is neither true nor false"),
        (b'{"model": "m", "messages": [], "n": 0}', "invalid_type",
         "n is not a whole number from 1 to 10,000,000"),
        (b'{"model": "m", "messages": [1]}', "invalid_type", "a message is not an object"),
        (b'{"model": "m", "messages": [], "previous_response_id": "r"}', "unsupported_field",
         "previous_response_id is not served: say all in one request"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused(body: bytes, code: str, words: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read("chat/completions", body)
    assert (caught.value.code, words in str(caught.value)) == (code, True), str(caught.value)


def nested(depth: int) -> bytes:
    return b'{"model":"m","messages":[],"x":' + b"[" * depth + b"]" * depth + b"}"


def test_depth_is_bounded_and_never_a_crash() -> None:
    assert read("chat/completions", nested(MOST_DEPTH - 1), {"x"}).model == "m"
    for depth in (MOST_DEPTH, 1_000, 100_000, 2_000_000):
        with pytest.raises(BadRequestError, match="nested|not JSON|lists and objects"):
            read("chat/completions", nested(depth))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["model", "messages", "prompt", "input", "stream", "stream_options", "n", "max_tokens", "tools", "role",
     "content", "text", "type", "instructions", "response_format", "include_usage", "best_of"]
)  # fmt: skip
LIKELY = st.recursive(
    JSON | st.just("m") | st.just("image_url") | st.just("user"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@given(st.sampled_from(ROUTES), st.dictionaries(NAMES, LIKELY) | JSON | st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(route: str, value: Any) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    try:
        found = read(route, body)
    except BadRequestError as error:
        assert error.code in ("invalid_json", "invalid_type", "missing_model", "unsupported_field")
        assert len(str(error)) < 300
        return
    assert found.prompt_tokens >= 0
    assert found.completion_tokens(10) >= 0
    assert found.prompt_most >= found.prompt_tokens
    sent = json.loads(passing.body_of(found, 10))
    if passing.asks_usage(found):
        assert sent.pop("stream_options")["include_usage"] is True
    written = {"stream_options", "store", *fields.LIMITS}
    most = [sent[name] for name in fields.LIMITS if name in sent]
    assert most == ([] if route == "embeddings" else [found.completion_tokens(10) // found.answers])
    kept = {name: each for name, each in found.value.items() if name not in written}
    assert {name: each for name, each in sent.items() if name not in written} == kept
