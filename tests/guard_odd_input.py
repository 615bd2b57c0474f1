"""Odd input to what of the guard reads what others wrote: texts, requests, and streams of an upstream.

``INBOND_FUZZ=20000`` gives each test that is marked FUZZ so many examples instead of a hundred.
"""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from inbond.guard import wire

FUZZ = settings(
    max_examples=int(os.environ.get("INBOND_FUZZ", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# What callers and models write ----------------------------------------------------------------------------

TRICKS = st.sampled_from(
    [
        "\ud800",
        "\udfff\ud800",
        "\u202e\u2066",
        "\u200b\u200d\ufeff",
        "\ufdfa" * 50,
        "e" + "\u0301" * 200,
        "\u2028",
        "\0",
        "\x1b[2J",
        "\U000e0041\U000e0042",
        "﷽",
        "Ω",
        "ibs1.",
        "ibs1.AAAA.",
        "<think>",
        "</think>",
        "<ThInK>",
        "Reasoned for about 1 tokens; the text is not shown.",
        "[DONE]",
        "data: x\n\n",
        "\\u003cthink",
        "9" * 4_301,
        "1e999",
        "NaN",
        "__proto__",
        "data:image/png;base64,AAAA",
        "a" * 300,
    ]
)
TEXTS = TRICKS | st.text(max_size=12) | st.lists(TRICKS | st.text(max_size=4), max_size=4).map("".join)
NAMES = st.sampled_from(
    [
        "model",
        "messages",
        "input",
        "prompt",
        "instructions",
        "role",
        "content",
        "type",
        "text",
        "name",
        "n",
        "best_of",
        "max_tokens",
        "stream",
        "stream_options",
        "include_usage",
        "tools",
        "tool_calls",
        "function",
        "arguments",
        "encrypted_content",
        "summary",
        "output",
        "item",
        "response",
        "delta",
        "choices",
        "index",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "reasoning_content",
        "reasoning_details",
        "reasoning",
        "thinking",
        "finish_reason",
        "message",
        "logprobs",
        "id",
        "error",
        "inbond_hidden",
        "part",
        "output_index",
        "content_index",
        "function_call",
        "image_url",
        "file_id",
    ]
)
WORDS = st.sampled_from(
    [
        "m",
        "user",
        "assistant",
        "system",
        "developer",
        "tool",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "output_text",
        "input_text",
        "text",
        "image_url",
        "thinking",
        "stop",
        "response.output_text.delta",
        "response.output_text.done",
        "response.completed",
        "response.failed",
        "response.output_item.done",
        "response.reasoning_text.delta",
        "item_reference",
        "reasoning.text",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.just(10**4_000)
    | WORDS
    | TEXTS
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=6),
    max_leaves=25,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=8)
MESSAGES = st.fixed_dictionaries(
    {"role": WORDS}, optional={"content": JSON, "tool_calls": JSON, "reasoning_content": TEXTS, "type": WORDS}
)
SAYS: dict[str, str] = {"chat/completions": "messages", "responses": "input"}


def asked_of(route: wire.Route, said: Any) -> dict[str, Any]:
    """The least of a request."""
    name = SAYS.get(route, "prompt" if route == "completions" else "input")
    return {"model": "m", name: said if route in SAYS else "p"}


ASKED = st.builds(
    lambda route, more, said: (route, {**more, **asked_of(route, said)}),
    st.sampled_from(wire.ROUTES),
    st.just({}) | OBJECTS,
    st.lists(MESSAGES | OBJECTS, max_size=4),
)
ROUTES = st.sampled_from(wire.ROUTES)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


# What an upstream writes ----------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"data",
        b"event: x",
        b"id: \0",
        b": c",
        b"retry: -1",
        b"\xef\xbb\xbf",
        b"\xff",
        b"[DONE]",
    ]
)
SECRETS = st.builds(
    lambda name, more: {**more, "choices": [{"index": 0, "delta": {name: "SECRET"}}]},
    st.sampled_from(["reasoning_content", "reasoning", "thinking", "provider_specific_fields"]),
    st.dictionaries(st.sampled_from(["id", "usage", "model", "error", "type"]), SCALARS, max_size=2),
)
"""Chunks of chats that must not be shown."""
REASONED: tuple[wire.Route, ...] = ("chat/completions", "completions", "responses")
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\n\r", b""])
BYTES = st.lists(
    LINES | ENDS | JSON.map(dumped) | OBJECTS.map(dumped) | st.binary(max_size=6), max_size=24
).map(b"".join)
STREAMS = BYTES | st.lists(
    st.tuples((OBJECTS | SECRETS).map(dumped), ENDS).map(
        lambda each: b"data: " + each[0] + (each[1] or b"\n\n")
    ),
    max_size=8,
).map(b"".join)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
