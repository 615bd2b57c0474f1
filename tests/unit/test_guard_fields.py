"""What a request may ask for: known fields, nothing kept elsewhere, and the limit that was held."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params

from inbond.errors import InputError
from inbond.guard import fields, passing
from inbond.guard.config import parse_config
from inbond.guard.wire import ROUTES, BadRequestError, Route, read

SAID: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "completions": {"prompt": "hi"},
}


def body(route: str, value: dict[str, Any]) -> bytes:
    return json.dumps({"model": "m", **SAID.get(route, {"input": "hi"}), **value}).encode()


def refused(route: Route, value: dict[str, Any], allowed: frozenset[str] = frozenset()) -> str:
    with pytest.raises(BadRequestError) as caught:
        read(route, body(route, value), allowed)
    assert caught.value.code == "unsupported_field"
    return str(caught.value)


def sent(route: Route, value: dict[str, Any], allowed: Any = frozenset(), **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        passing.body_of(read(route, body(route, value), frozenset(allowed)), 4_096, **more)
    )
    return found


# Fields ---------------------------------------------------------------------------------------------------

UNSERVED = {
    "chat/completions": {"audio", "moderation", "prompt_cache_options", "web_search_options"},
    "completions": {"best_of"},
    "responses": {
        "access_programs", "background_options", "context_management", "conversation", "image", "moderation",
        "previous_response_id", "prompt", "prompt_cache_options",
    },
    "embeddings": set[str](),
}  # fmt: skip
"""Fields of the real client that the guard does not serve, each for a reason: kept elsewhere, another price,
tools that the server runs."""
TYPES: dict[Route, Any] = {
    "chat/completions": chat_create_params.CompletionCreateParamsStreaming,
    "completions": completion_create_params.CompletionCreateParamsStreaming,
    "responses": response_create_params.ResponseCreateParamsStreaming,
    "embeddings": embedding_create_params.EmbeddingCreateParams,
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_field_of_the_real_client_is_decided_on(route: Route) -> None:
    """A client of a later version with a field more fails here, and somebody looks at it."""
    known = set(typing.get_type_hints(TYPES[route]))
    assert known - fields.LISTED[route] == UNSERVED[route]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n_predict", "n_predict is not served: say max_tokens"), ("n_cmpl", "n_cmpl is not served: say n"),
        ("max_new_tokens", "max_new_tokens is not served: say max_tokens"),
        ("models", "models is not served: name one model as model"),
        ("conversation", "conversation is not served: say all in one request"),
        ("prompt_logprobs",
         "prompt_logprobs is not served on chat/completions: leave it out, or ask the provider to allow it"),
        ("reasoning_format",
         "reasoning_format is not served on chat/completions: leave it out, or ask the provider to allow it"),
        ("\u202en", "'\\u202en' is not served on chat/completions: leave it out"),
        ("x" * 500, f"'{'x' * 64}' is not served on chat/completions: leave it out"),
    ],
)  # fmt: skip
def test_a_field_that_nobody_knows_is_refused_by_name(name: str, words: str) -> None:
    assert words in refused("chat/completions", {name: 5})
    assert words in refused("chat/completions", {name: False})
    assert read("chat/completions", body("chat/completions", {name: None})).model == "m", "null is not said"


@given(st.sampled_from(ROUTES), st.text(max_size=20))
def test_no_other_field_passes(route: Route, name: str) -> None:
    if name in fields.LISTED[route]:
        return
    assert len(refused(route, {name: 1})) < 300
    if name not in fields.NEVER and name not in (*fields.LIMITS, *fields.ANSWERS):
        assert sent(route, {name: 1}, {name})[name] == 1


@pytest.mark.parametrize(
    ("route", "value", "words"),
    [
        ("responses", {"store": True}, "store is not served: nothing is kept for later"),
        ("chat/completions", {"store": True}, "store is not served: nothing is kept for later"),
        ("responses", {"background": True}, "background is not served: say all in one request"),
        ("responses", {"prompt": {"id": "pmpt_1"}}, "prompt is not served: say all in one request"),
        ("chat/completions", {"service_tier": "priority"}, "service_tier is not served but as auto"),
        ("chat/completions", {"service_tier": ["auto"]}, "service_tier is not served but as auto"),
        ("chat/completions", {"modalities": ["text", "audio"]}, 'modalities is not served but as ["text"]'),
        ("responses", {"tools": [{"type": "file_search", "vector_store_ids": ["vs"]}]},
         "a tool is a function or custom, not 'file_search'"),
        ("responses", {"tools": [{"type": "code_interpreter", "container": "c"}]}, "not 'code_interpreter'"),
        ("responses", {"tools": [{"type": "function", "name": "f"}, {"type": "mcp"}]}, "not 'mcp'"),
        ("responses", {"tools": [{"type": {"a": 1}}]}, "not 'something else'"),
        ("responses", {"tools": ["file_search"]}, "not 'something else'"),
    ],
)  # fmt: skip
def test_a_field_is_served_with_some_of_its_values(route: Route, value: dict[str, Any], words: str) -> None:
    assert words in refused(route, value)


# What is kept elsewhere -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"content": [{"type": "file", "file": {"file_id": "file-victim"}}]}, "file_id is not served"),
        ({"role": "assistant", "audio": {"id": "audio_victim"}}, "audio.id is not served"),
        ({"content": [{"type": "image_url", "image_url": None, "uuid": "abc"}]}, "uuid is not served"),
        ({"content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}, "url is served"),
        ({"content": [{"type": "image_url", "image_url": " FILE:///etc/passwd"}]}, "image_url is served"),
        ({"content": [{"type": "x", "deep": [{"er": {"vector_store_ids": ["v"]}}]}]}, "vector_store_ids is"),
    ],
)  # fmt: skip
def test_a_message_says_all_itself(message: dict[str, Any], words: str) -> None:
    assert words in refused("chat/completions", {"messages": [{"role": "user"} | message]})


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "item_reference", "id": "i"}, "items of type 'item_reference' are not served"),
        ({"id": "msg_1"}, "an item that is only named is not served"),
        ({"type": "reasoning", "id": "rs_victim", "summary": []}, "reasoning that is only named is"),
        ({"type": "compaction", "encrypted_content": "x"}, "items of type 'compaction' are not served"),
        ({"type": "image_generation_call", "id": "ig"}, "items of type 'image_generation_call'"),
        ({"type": ["message"], "content": "x"}, "items of type"),
        ({"type": "function_call_output", "call_id": "c",
          "output": [{"type": "input_file", "file_id": "file-victim"}]}, "file_id is not served"),
    ],
)  # fmt: skip
def test_an_item_says_all_itself(item: dict[str, Any], words: str) -> None:
    assert words in refused("responses", {"input": [{"role": "user", "content": "x"}, item]})


LEAF = st.fixed_dictionaries({"file_id": st.just("file-victim")})
DEEP = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "content", "text", "file", "output"]), inner, min_size=1)
    ),
    max_leaves=4,
)


@given(DEEP, st.sampled_from(["content", "output", "tool_calls", "x"]))
def test_an_id_is_found_at_any_depth(hidden: Any, name: str) -> None:
    assert "file_id" in refused("chat/completions", {"messages": [{"role": "user", name: hidden}]})


def test_words_of_a_tool_and_its_call_are_no_ids() -> None:
    schema = {"type": "object", "properties": {"file_id": {"type": "string"}, "uuid": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"file_id": "x"}'}}
    parsed = {"id": "d", "type": "function", "function": {"name": "f", "arguments": {"file_id": "x"}}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "file_id: x"}]},
        {"role": "assistant", "content": None, "tool_calls": [called, parsed]},
        {"role": "tool", "tool_call_id": "c", "content": '{"file_id": "x"}'},
    ]
    value = {"messages": messages, "tools": [tool], "metadata": {"file_id": "x"}}
    assert sent("chat/completions", value)["messages"] == messages
    kept = {"type": "reasoning", "id": "rs", "summary": [], "inbond_hidden": True}
    told = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "so"}]}
    item = {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "x"}],
    }
    value = {"input": [{"role": "user", "content": "x"}, kept, told, item]}
    assert sent("responses", value)["input"] == value["input"]


# Limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "value", "limit"),
    [
        ("chat/completions", {}, {"max_tokens": 4_096}),
        ("chat/completions", {"max_tokens": 7}, {"max_tokens": 7}),
        ("chat/completions", {"max_completion_tokens": 7, "n": 3}, {"max_tokens": 7}),
        ("chat/completions", {"max_completion_tokens": 9, "max_tokens": 7}, {"max_tokens": 9}),
        ("chat/completions", {"max_tokens": None}, {"max_tokens": 4_096}),
        ("completions", {"n": 2}, {"max_tokens": 4_096}),
        ("responses", {}, {"max_output_tokens": 4_096}),
        ("responses", {"max_output_tokens": 5}, {"max_output_tokens": 5}),
        ("embeddings", {}, {}),
    ],
)  # fmt: skip
def test_what_was_held_goes_on_by_one_name(
    route: Route, value: dict[str, Any], limit: dict[str, int]
) -> None:
    found = sent(route, value)
    assert {name: each for name, each in found.items() if name in fields.LIMITS} == limit
    assert found.get("n") == value.get("n")


def test_a_server_may_know_the_limit_by_its_other_name() -> None:
    found = sent("chat/completions", {"max_tokens": 7}, chat_limit="max_completion_tokens")
    assert (found["max_completion_tokens"], "max_tokens" in found) == (7, False)
    assert sent("completions", {}, chat_limit="max_completion_tokens")["max_tokens"] == 4_096


def test_a_limit_that_a_provider_allows_is_counted_and_goes_on_by_that_name() -> None:
    value = {"max_tokens": 1, "n_predict": 1_500, "n_cmpl": 2}
    found = read("chat/completions", body("chat/completions", value), frozenset({"n_predict", "n_cmpl"}))
    assert found.completion_tokens(10) == 3_000
    assert json.loads(passing.body_of(found, 10)) == {
        "model": "m", "max_tokens": 1_500, "n_cmpl": 2, **SAID["chat/completions"]
    }  # fmt: skip


@pytest.mark.parametrize("value", [{}, {"store": False}, {"store": None}])
def test_a_response_is_never_kept(value: dict[str, Any]) -> None:
    assert sent("responses", value)["store"] is False
    assert "store" not in sent("completions", {})


def test_the_page_for_providers_lists_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guard.md").read_text("utf-8")
    section = page.split("## What may be asked\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| ")][1:]
    told = {name.strip(): set(re.findall(r"`(\w+)`", cells)) for name, cells in rows}
    for route in ROUTES:
        beside = set() if route == "embeddings" else told["all but embeddings"]
        assert told["all"] | beside | told[route] == fields.LISTED[route]
    assert set(fields.NEVER) <= set(re.findall(r"`(\w+)`", section))


# The provider's own list ----------------------------------------------------------------------------------


def test_a_provider_allows_more_by_route() -> None:
    text = 'upstream: {url: "http://x"}\nfields: {chat/completions: [grammar, n_predict]}'
    found = parse_config("guard.yaml", text.encode()).fields
    assert found == {"chat/completions": {"grammar", "n_predict"}}
    assert read(
        "chat/completions", body("chat/completions", {"grammar": "root ::= x"}), found["chat/completions"]
    )
    refused("completions", {"grammar": "x"}, found.get("completions", frozenset()))


@pytest.mark.parametrize("name", sorted(fields.NEVER))
def test_what_cannot_be_counted_cannot_be_allowed(name: str) -> None:
    text = f'upstream: {{url: "http://x"}}\nfields: {{chat/completions: [{name}]}}'
    with pytest.raises(InputError, match=f"{name} cannot be allowed, since its use cannot be counted"):
        parse_config("guard.yaml", text.encode())


def test_a_provider_names_routes_that_there_are() -> None:
    with pytest.raises(InputError, match="fields"):
        parse_config("guard.yaml", b'upstream: {url: "http://x"}\nfields: {chat: [grammar]}')


# Parts of messages ----------------------------------------------------------------------------------------

DATA = "data:image/png;base64,AAAA"
SERVED = [
    {"type": "text", "text": "x"}, {"text": "x"}, "x", {"type": "refusal", "refusal": "x"},
    {"type": "image_url", "image_url": {"url": DATA}}, {"type": "input_image", "image_url": DATA},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": "AAAA"}},
    {"type": "input_file", "file_url": "https://h/a.pdf"}, {"type": "thinking", "thinking": []},
]  # fmt: skip


@pytest.mark.parametrize("part", SERVED)
@pytest.mark.parametrize("route", ["chat/completions", "responses"])
def test_parts_that_are_known_are_served(route: Route, part: Any) -> None:
    name = "messages" if route == "chat/completions" else "input"
    assert sent(route, {name: [{"role": "user", "content": [part]}]})[name][0]["content"] == [part]


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"type": "image_embeds", "image_embeds": "AAAA"}, "content.image_embeds"),
        ({"type": "video", "video": "https://h/a.mp4"}, "content.video"),
        ({"type": "video_url", "video_url": {"url": "https://h/a.mp4"}}, "content.video_url"),
        ({"image_embeds": "AAAA"}, "content.without a type"),
        ({"type": None, "image_embeds": "AAAA"}, "content of a type that is no string"),
        ({"type": "Text", "text": "x"}, "content.Text"),
    ],
)
@pytest.mark.parametrize("held", ["content", "output", "summary"])
def test_any_other_part_is_refused_by_its_name(held: str, part: Any, name: str) -> None:
    for parts in ([{"type": "text", "text": "x"}, part], part):
        for route, field in (("chat/completions", "messages"), ("responses", "input")):
            message = {"role": "user", "content": "x", held: parts}
            expected = f"{name} is not served on {route}: leave it out, or ask the provider to allow it"
            assert refused(route, {field: [message]}) == expected


def test_a_part_is_allowed_as_a_field_is_and_counted_as_configured() -> None:
    part = {"type": "video_url", "video_url": {"url": "https://h/a.mp4"}}
    said = body("chat/completions", {"messages": [{"role": "user", "content": [part, part]}]})
    allowed = frozenset({"content.video_url"})
    many, none = (read("chat/completions", said, allowed, tokens) for tokens in (50_000, 0))
    assert many.prompt_tokens - none.prompt_tokens == many.prompt_most - none.prompt_most == 100_000


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "image_url", "image_url": {"url": "https://h/a.png"}}, 2_048),
        ({"type": "input_file", "file_url": "https://h/a.pdf"}, 16_384),
        ({"type": "file", "file": {"file_url": "https://h/a.pdf"}}, 16_384),
        ({"type": "input_audio", "input_audio": {"data": "A" * 9_000}}, 4_500),
        ({"type": "text", "text": "x" * 900}, 450),
    ],
)
def test_no_part_is_nearly_free(part: Any, tokens: int) -> None:
    said = body("chat/completions", {"messages": [{"role": "user", "content": [part]}]})
    assert tokens <= read("chat/completions", said).prompt_tokens < tokens + 150


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video", "video": "file:///etc/passwd"}, {"type": "video", "video": ["file:///etc/passwd"]},
        {"type": "video", "video": {"url": "/etc/passwd"}}, {"type": "video", "audio": "file:///a"},
        {"type": "video", "image": "a.png"}, {"type": "video", "file": " file:///a"},
    ],
)  # fmt: skip
def test_an_allowed_part_opens_no_file_either(part: Any) -> None:
    allowed = frozenset({"content.video"})
    fault = refused("chat/completions", {"messages": [{"role": "user", "content": [part]}]}, allowed)
    assert fault.endswith("is served with http:, https: or data: only")
