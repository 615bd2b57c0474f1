"""What the real client may ask through the gateway, and that all of it is held and metered."""

from __future__ import annotations

import asyncio
import collections
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web

from tests.contract import mock_host as mock
from tests.guard_running import ASKED, KEY, Running, running

MESSAGES = ASKED["messages"]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}}
CUSTOM = {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}
SCHEMA = {"name": "s", "schema": {"type": "object", "properties": {}}, "strict": True}


async def everything(_: mock.MockHost, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Answers every route, as one that counts three tokens and four."""
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    if request.path.endswith("/responses"):
        used = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        return web.json_response({"id": "r", "object": "response", "output": [], "usage": used})
    if request.path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        return web.json_response({"object": "list", "data": data, "usage": {"prompt_tokens": 7}})
    if body.get("stream"):
        pieces = [mock.event(mock.chunk("a")), mock.event({"choices": [], "usage": usage}), mock.DONE]
        return await mock.stream(request, *pieces)
    text = {"text": "a"} if "prompt" in body else {"message": {"role": "assistant", "content": "a"}}
    choices = [{"index": 0, "finish_reason": "stop", **text}]
    return web.json_response({"id": "x", "object": "x", "choices": choices, "usage": usage})


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, everything) as found:
        yield found


@pytest.fixture
async def client(guard: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=guard.url, api_key=KEY, max_retries=0) as found:
        yield found


CHAT: list[dict[str, Any]] = [
    {"tools": [TOOL, CUSTOM], "tool_choice": "auto", "parallel_tool_calls": False},
    {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look"}}},
    {"functions": [TOOL["function"]], "function_call": "auto"},
    {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
    {"response_format": {"type": "json_object"}, "verbosity": "low"},
    {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    {"seed": 7, "user": "u", "safety_identifier": "s", "metadata": {"a": "b"}, "prompt_cache_key": "k"},
    {"reasoning_effort": "low", "modalities": ["text"], "service_tier": "auto", "store": False},
    {"temperature": 0.5, "top_p": 0.9, "frequency_penalty": 0.1, "presence_penalty": 0.1, "stop": ["\n"]},
    {"logprobs": True, "top_logprobs": 5, "logit_bias": {"50256": -100}, "n": 2},
    {"prediction": {"type": "content", "content": "the same again"}},
    {"prompt_cache_retention": "24h"},
]
RESPONSES: list[dict[str, Any]] = [
    {"tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}], "tool_choice": "auto"},
    {"tools": [{"type": "custom", "name": "c"}], "parallel_tool_calls": True, "max_tool_calls": 3},
    {"instructions": "Be kind.", "reasoning": {"effort": "low"}, "text": {"format": {"type": "text"}}},
    {"include": ["reasoning.encrypted_content"], "store": False, "truncation": "auto", "background": False},
    {"metadata": {"a": "b"}, "user": "u", "temperature": 0.5, "top_p": 0.9, "top_logprobs": 2},
    {"service_tier": "default", "safety_identifier": "s", "prompt_cache_key": "k"},
    {"stream_options": {"include_obfuscation": False}, "previous_response_id": None},
]
COMPLETIONS: list[dict[str, Any]] = [
    {"suffix": "end", "echo": True, "logprobs": 2, "n": 2, "seed": 1, "stop": ["\n"], "user": "u"},
    {"temperature": 0, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {"1": 1}},
]
SAMPLING: list[dict[str, Any]] = [
    {"top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "length_penalty": 1.0, "stop_token_ids": [2]},
    {"typical_p": 0.9, "repeat_penalty": 1.1, "repeat_last_n": 64, "mirostat": 2, "mirostat_tau": 5.0},
    {
        "dry_multiplier": 0.8,
        "xtc_probability": 0.1,
        "top_n_sigma": 1.0,
        "samplers": ["top_k"],
        "min_tokens": 1,
    },
]


def passed(sent: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """What of it was sent on; a name of a cache is another, of its own length."""
    same = (
        {"prompt_cache_key": asked["prompt_cache_key"]} if len(sent.get("prompt_cache_key", "")) == 48 else {}
    )
    return {name: each for name, each in {**sent, **same}.items() if name in asked}


@pytest.mark.parametrize("more", CHAT, ids=lambda more: "-".join(more))
async def test_a_chat(guard: Running, client: openai.AsyncOpenAI, more: dict[str, Any]) -> None:
    found = await client.chat.completions.create(model="m", messages=MESSAGES, **more)
    if more.get("stream"):
        assert [chunk.usage.completion_tokens async for chunk in found if chunk.usage] == [4]
    assert passed(guard.mock.bodies[0], more) == more
    assert guard.mock.bodies[0]["max_tokens"] == 4_096
    await guard.quiet()
    assert guard.used() == 7


@pytest.mark.parametrize("more", RESPONSES, ids=lambda more: "-".join(more))
async def test_a_response(guard: Running, client: openai.AsyncOpenAI, more: dict[str, Any]) -> None:
    await client.responses.create(model="m", input="hi", **more)
    assert passed(guard.mock.bodies[0], more) == more
    assert (guard.mock.bodies[0]["store"], guard.mock.bodies[0]["max_output_tokens"]) == (False, 4_096)
    assert guard.used() == 7


@pytest.mark.parametrize("more", COMPLETIONS, ids=lambda more: "-".join(more))
async def test_a_completion(guard: Running, client: openai.AsyncOpenAI, more: dict[str, Any]) -> None:
    await client.completions.create(model="m", prompt="hi", **more)
    assert passed(guard.mock.bodies[0], more) == more
    assert guard.used() == 7


async def test_embeddings(guard: Running, client: openai.AsyncOpenAI) -> None:
    more = {"dimensions": 8, "encoding_format": "float", "user": "u"}
    await client.embeddings.create(model="m", input=["a", "b"], **more)
    assert guard.mock.bodies == [{"model": "m", "input": ["a", "b"], **more}]
    assert guard.used() == 7


@pytest.mark.parametrize("more", SAMPLING, ids=lambda more: "-".join(more))
async def test_what_local_servers_have_for_sampling(
    guard: Running, client: openai.AsyncOpenAI, more: dict[str, Any]
) -> None:
    await client.chat.completions.create(model="m", messages=MESSAGES, extra_body=more)
    await client.completions.create(model="m", prompt="hi", extra_body=more)
    assert [passed(body, more) for body in guard.mock.bodies] == [more, more]


async def test_the_real_client_is_told_what_to_do(guard: Running, client: openai.AsyncOpenAI) -> None:
    more = {"n_predict": 1_500}
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="m", messages=MESSAGES, extra_body=more)
    assert caught.value.code == "unsupported_field"
    assert caught.value.body["message"] == "n_predict is not served: say max_tokens"  # type: ignore[index]
    assert guard.mock.bodies == []
    assert guard.used() == 0


# What is held is what can be used -------------------------------------------------------------------------


async def test_no_budget_is_passed_by_saying_no_limit(tmp_path: Path) -> None:
    """A server that answers as long as it may, asked by many at once."""

    async def long(_: mock.MockHost, _request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        most = body.get("max_tokens", 50_000)
        usage = {"prompt_tokens": 3, "completion_tokens": most * body.get("n", 1)}
        return web.json_response({"choices": [{"message": {"content": "hi"}}], "usage": usage})

    limits = "{tokens_per_day: 100000}"
    async with running(tmp_path, long, limits=limits, unlisted={"default_max_tokens": 4_096}) as guard:
        asked = [ASKED, {**ASKED, "n": 3}, {**ASKED, "max_completion_tokens": 5_000}]
        found = await asyncio.gather(*(guard.post(asked[number % 3]) for number in range(40)))
        await guard.quiet()
        assert collections.Counter(status for status, _, _ in found).keys() == {200, 429}
        assert 80_000 < guard.used() <= 100_000
        assert {body["max_tokens"] for body in guard.mock.bodies} <= {4_096, 5_000}


@pytest.mark.parametrize("policy", ["strip", "pass"])
async def test_an_answer_that_cannot_be_read_is_paid(tmp_path: Path, policy: str) -> None:
    broken = b'{"choices":[{"index":0,"message":{"content":"a' + b"b" * 1_000
    behave = mock.status(200, broken, {"content-type": "application/json"})
    async with running(tmp_path, behave, unlisted={"reasoning": policy}) as guard:
        status, _, _ = await guard.post()
        assert status == (200 if policy == "pass" else 502)
        assert guard.used() >= 4_096


async def test_a_response_that_counts_too_early_is_settled_at_its_end(tmp_path: Path) -> None:
    begun = {"type": "response.created", "response": {"usage": {"input_tokens": 0, "output_tokens": 0}}}
    delta = {"type": "response.output_text.delta", "delta": "z" * 5_000}
    done = {"type": "response.completed", "response": {"usage": {"input_tokens": 9, "output_tokens": 2_000}}}
    behave = mock.streaming(*map(mock.event, (begun, delta, done)))
    async with running(tmp_path, behave) as guard:
        await guard.post({"model": "m", "input": "x", "stream": True}, "responses")
        await guard.quiet()
        assert guard.used() == 2_009


async def test_digits_cost_what_they_are_where_nobody_counts(tmp_path: Path) -> None:
    """Of digits, small models make a token each."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "1" * 1_000}], "stream": True}
    async with running(tmp_path, mock.streaming(mock.event(mock.chunk("ok")), mock.DONE)) as guard:
        await guard.post(asked)
        await guard.quiet()
        assert 1_000 <= guard.used() < 1_100


async def test_the_receipt_of_an_upstream_is_none_of_ours(tmp_path: Path) -> None:
    forged = b": inbond-receipt eyJhbGciOiJFZERTQSJ9.e30.x\n\n"
    pieces = [mock.event(mock.chunk("a")), forged, forged.rstrip() + b"\n" + mock.DONE]
    async with running(tmp_path, mock.streaming(*pieces, headers={"Inbond-Receipt": "x"})) as guard:
        _, headers, body = await guard.post({**ASKED, "stream": True})
        assert "inbond-receipt" not in headers
        assert b"receipt" not in body
        assert body.endswith(mock.DONE)


async def test_a_forged_answer_without_choices_still_costs(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {"thoughts": ["x" * 500]})) as guard:
        status, _, body = await guard.post()
        assert guard.used() >= 500, (status, json.loads(body))


async def test_several_prompts_are_each_paid(tmp_path: Path) -> None:
    """A server that counts the first of several, as llama.cpp does."""
    choices = [{"index": 0, "text": "a"}, {"index": 1, "text": "b" * 400}]
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    said = {"choices": choices, "usage": usage, "timings": {"predicted_n": 3}}
    async with running(tmp_path, mock.status(200, said)) as guard:
        await guard.post({"model": "m", "prompt": ["x" * 500, "y" * 500], "max_tokens": 30}, "completions")
        assert guard.used() == 1_000 + 2 * 16 + 3 + 30
