"""Hidden reasoning through the whole gateway: the real openai client before it; behind it a server that
reasons in every form, and the real llama.cpp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from openai import AsyncOpenAI

from inbond.guard.app import Gateway
from inbond.guard.caching import untold
from inbond.guard.callers import hash_of, parse_callers
from inbond.guard.config import GuardConfig
from inbond.guard.seen import Seen
from inbond.guard.serve import seal_ring
from inbond.guard.state_sqlite import SqliteState
from inbond.guard.upstream import HttpUpstream
from tests.hiding_examples import Json, chat_body, chat_chunk, chat_stream, response_stream, written
from tests.real_model import server_apart

# The client's library leaves a socket of a stream that ended to the collector now and then.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
POLICIES = ("pass", "strip", "summarise", "seal")
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ASK = {"role": "user", "content": "What is it?"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "a cat"}


@dataclass
class Behind:
    """A model server that says what a test tells it to, and remembers what it was asked."""

    says: Json | bytes | Callable[[web.StreamResponse], Awaitable[None]] = b""
    asked: list[Json] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(json.loads(await request.read()))
        if isinstance(self.says, dict):
            return web.json_response(self.says)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if isinstance(self.says, bytes):
            for n in range(0, len(self.says), 97):  # cut where it falls
                await response.write(self.says[n : n + 97])
                await asyncio.sleep(0)
        else:
            await self.says(response)
        return response


@dataclass
class Raw:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Guard:
    """A gateway that runs. Models are named as their policies; there are keys for three accounts."""

    url: str
    behind: Behind
    seen: list[Seen]

    def client(self, key: str = "key-a") -> AsyncOpenAI:
        return AsyncOpenAI(base_url=self.url, api_key=key, max_retries=0)

    async def post(self, value: Json, key: str = "key-a", route: str = "chat/completions") -> Raw:
        headers = {"authorization": f"Bearer {key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.url}/{route}", json=value) as answer,
        ):
            return Raw(answer.status, dict(answer.headers), await answer.read())


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def guarding(folder: Path, upstream: str, behind: Behind) -> AsyncIterator[Guard]:
    config = GuardConfig.model_validate(
        {"upstream": {"url": upstream}, "models": {policy: {"reasoning": policy} for policy in POLICIES}}
    )
    accounts = {
        "acme": {"accounts": {"a": {"keys": [hash_of("key-a")]}, "b": {"keys": [hash_of("key-b")]}}},
        "other": {"accounts": {"c": {"keys": [hash_of("key-c")]}}},
    }
    callers = parse_callers("callers.yaml", yaml.safe_dump({"tenants": accounts}).encode())
    seen: list[Seen] = []
    state, sends = SqliteState(folder / "state.db"), HttpUpstream(config.upstream, {})
    gateway = Gateway(config, lambda: callers, state, sends, seen.append, ring=seal_ring(config, folder))
    try:
        async with running(gateway.app()) as url:
            yield Guard(url, behind, seen)
    finally:
        await gateway.reservations.close()
        await sends.close()
        await state.close()


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    behind = Behind()
    app = web.Application()
    app.router.add_post("/v1/{tail:.*}", behind.handle)
    async with running(app) as upstream, guarding(tmp_path, upstream, behind) as found:
        yield found


FORMS: dict[str, list[Json]] = {
    "reasoning_content": [{"reasoning_content": "αβ"}, {"reasoning_content": "γ"}, {"content": "Yes"}],
    "reasoning": [{"reasoning": "α"}, {"reasoning": "βγ", "content": "Yes"}],
    "details": [
        {"reasoning": "α", "reasoning_details": [{"type": "reasoning.text", "text": "α", "index": 0}]},
        {"content": "Yes"},
    ],
    "think": [{"content": "<th"}, {"content": "ink>αβ"}, {"content": "γ</thi"}, {"content": "nk>\n\nYes"}],
    "thinking": [{"content": "<thinking>αβγ</thinking>Yes"}],
    "reasoning tag": [{"content": "<REASONING>α</REASONING>Y"}, {"content": "es"}],
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("form", FORMS)
async def test_a_streamed_chat(guard: Guard, form: str, policy: str) -> None:
    guard.behind.says = written(chat_stream(FORMS[form]))
    async with guard.client() as client:
        stream = await client.chat.completions.create(
            model=policy, messages=[ASK], stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    whole = "".join(chunk.model_dump_json() for chunk in chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 9
    assert ("α" in whole) == (policy == "pass")
    assert ("ibs1." in whole) == (policy == "seal")
    assert ("not shown" in whole) == (policy == "summarise")
    if policy != "pass":
        assert text == "Yes"
    assert guard.seen[-1].usage is not None
    assert guard.seen[-1].usage.completion_tokens == 9


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("form", FORMS)
async def test_a_whole_chat(guard: Guard, form: str, policy: str) -> None:
    message: Json = {}
    for delta in FORMS[form]:
        for name, value in delta.items():
            message[name] = message[name] + value if name in message else value
    guard.behind.says = chat_body(message)
    async with guard.client() as client:
        answer = await client.chat.completions.create(model=policy, messages=[ASK])
    whole = answer.model_dump_json()
    assert ("α" in whole) == (policy == "pass")
    assert ("ibs1." in whole) == (policy == "seal")
    if policy != "pass":
        assert answer.choices[0].message.content == "Yes"
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 4


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_streamed_response(guard: Guard, policy: str) -> None:
    guard.behind.says = written(
        response_stream(["α", "β"], ["<think>γ", "</think>Ye", "s"], ["δ"]), done=False
    )
    async with guard.client() as client, client.responses.stream(model=policy, input="hi") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    whole = "".join(event.model_dump_json(warnings=False) for event in events)
    for letter in "αβγδ":
        assert (letter in whole) == (policy == "pass")
    assert final.output_text == ("<think>γ</think>Yes" if policy == "pass" else "Yes")
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.usage is not None
    assert final.usage.output_tokens_details.reasoning_tokens == 4


async def test_pass_changes_no_byte_but_what_tells_of_a_shared_cache(guard: Guard) -> None:
    data = b": odd\r\n\r\ndata: {broken\n\n" + written(
        response_stream(["α"], ["<think>β</think>Yes"]), done=False
    )
    guard.behind.says = data
    found = await guard.post({"model": "pass", "input": "hi", "stream": True}, route="responses")
    assert found.body == untold(data)


async def test_the_first_word_does_not_wait_for_the_second(guard: Guard) -> None:
    """The server goes on only when the client has what was said so far: also behind half a tag."""
    got = asyncio.Event()

    async def says(response: web.StreamResponse) -> None:
        for delta in ({"reasoning_content": "α"}, {"content": "Ye"}, {"content": "s <thi"}):
            await response.write(written([chat_chunk(delta)], done=False))
            if "content" in delta:
                await asyncio.wait_for(got.wait(), 20)
                got.clear()
        await response.write(written([chat_chunk({"content": "s"}, "stop")]))

    guard.behind.says = says
    texts = []
    async with guard.client() as client:
        stream = await client.chat.completions.create(model="seal", messages=[ASK], stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                texts.append(chunk.choices[0].delta.content)
                got.set()
    assert texts == ["Ye", "s ", "<this"]


async def test_a_round_of_tools_with_sealed_reasoning(guard: Guard) -> None:
    """What a client keeps of an answer, as openai's own objects write it, opens for the upstream."""
    guard.behind.says = chat_body({"content": None, "tool_calls": [CALL], "reasoning_content": "αβγ"})
    async with guard.client() as client:
        first = await client.chat.completions.create(model="seal", messages=[ASK])
        kept = first.choices[0].message.model_dump()
        await client.chat.completions.create(model="seal", messages=[ASK, kept, RESULT])
    assert "α" not in json.dumps(kept, ensure_ascii=False)
    sent = guard.behind.asked[-1]["messages"][1]
    assert (sent["reasoning_content"], sent["tool_calls"][0]["id"]) == ("αβγ", "c1")
    assert guard.seen[-1].sealed == "ok"
    assert "αβγ" not in json.dumps(guard.seen[-1].to_json(), ensure_ascii=False)


async def test_a_round_of_tools_in_responses(guard: Guard) -> None:
    guard.behind.says = response_stream(["αβ"], ["Yes"])[-1]["response"]
    async with guard.client() as client:
        first = await client.responses.create(model="seal", input="hi", store=False)
        items = [item.model_dump() for item in first.output]
        more = [{"role": "user", "content": "hi"}, *items, {"role": "user", "content": "More."}]
        await client.responses.create(model="seal", input=more, store=False)  # type: ignore[arg-type]
    assert "α" not in first.model_dump_json()
    sent = guard.behind.asked[-1]["input"][1]
    assert sent["content"] == [{"type": "reasoning_text", "text": "αβ"}]
    assert sent["encrypted_content"] == "upstreams-own"
    assert guard.seen[-1].sealed == "ok"


async def test_a_callers_own_and_anothers_envelopes_look_the_same_from_outside(guard: Guard) -> None:
    guard.behind.says = chat_body({"content": "Yes", "reasoning_content": "αβγ"})

    async def post(key: str, *messages: Json) -> Raw:
        return await guard.post({"model": "seal", "messages": list(messages)}, key)

    first = await post("key-a", ASK)
    kept = json.loads(first.body)["choices"][0]["message"]
    elsewhere = {"role": "user", "content": "Another conversation."}
    guard.behind.says = chat_body({"content": "Fine."})
    found = {
        "expected": await post("key-a", ASK, kept),
        "elsewhere": await post("key-a", elsewhere, kept),
        "account": await post("key-b", ASK, kept),
        "tenant": await post("key-c", ASK, kept),
    }
    assert [seen.sealed for seen in guard.seen] == [None, "ok", "rejected", "rejected", "foreign"]
    assert "inbond-reasoning" not in found.pop("expected").headers
    for answer in found.values():
        assert answer.status == 200
        assert answer.headers["inbond-reasoning"] == "dropped"
    assert len({tuple(sorted(answer.headers.keys())) for answer in found.values()}) == 1
    assert len({answer.body for answer in found.values()}) == 1
    assert [asked["messages"][1] for asked in guard.behind.asked[-3:]] == [
        {"role": "assistant", "content": "Yes"}
    ] * 3


async def test_an_upstream_that_dies_within_a_thought_leaks_nothing_of_it(guard: Guard) -> None:
    async def says(response: web.StreamResponse) -> None:
        await response.write(written([chat_chunk({"content": "<think>α"})], done=False))
        await response.write(b'data: {"choices":[{"delta":{"reasoning":"\xce\xb2')
        await asyncio.sleep(0.05)
        transport = response._req.transport if response._req is not None else None
        assert transport is not None
        transport.abort()

    guard.behind.says = says
    found = await guard.post({"model": "seal", "messages": [ASK], "stream": True})
    assert "α" not in found.body.decode()
    assert "β" not in found.body.decode()
    assert '"code": "upstream_error"' in found.body.decode()


async def test_what_cannot_be_read_is_refused_and_not_shown(guard: Guard) -> None:
    guard.behind.says = "α, I think".encode()
    value: Json = {"model": "strip", "messages": [ASK]}
    found = await guard.post(value)
    assert (found.status, json.loads(found.body)["error"]["code"]) == (502, "upstream_error")
    found = await guard.post({**value, "model": "pass"})
    assert found.body.decode() == "α, I think"


@pytest.fixture(scope="module")
def real(smollm2_gguf: Path) -> Iterator[str]:
    """The real llama.cpp server."""
    with server_apart(smollm2_gguf) as address:
        yield f"http://{address}/v1"


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
async def test_a_real_model_that_does_not_reason_is_heard_as_it_speaks(
    tmp_path: Path, real: str, policy: str
) -> None:
    """Through the guard the same words, whole and streamed, under every policy."""
    ask: Any = {"model": policy, "messages": [ASK], "max_tokens": 12, "temperature": 0, "seed": 1}
    async with AsyncOpenAI(base_url=real, api_key="none") as direct:
        expected = (await direct.chat.completions.create(**ask)).choices[0].message.content
    assert expected
    async with guarding(tmp_path, real, Behind()) as guard, guard.client() as client:
        whole = await client.chat.completions.create(**ask)
        assert whole.choices[0].message.content == expected
        stream = await client.chat.completions.create(**ask, stream=True)
        pieces = [c.choices[0].delta.content or "" async for c in stream if c.choices]
        assert "".join(pieces) == expected
        assert len([piece for piece in pieces if piece]) > 3
        words = await client.chat.completions.create(**ask, logprobs=True)
        assert words.choices[0].logprobs is not None
        spoken = await client.responses.create(model=policy, input="hi", max_output_tokens=16)
        assert spoken.output_text


@pytest.mark.slow
async def test_a_real_server_takes_back_what_was_sealed(tmp_path: Path, real: str) -> None:
    """llama.cpp reads a tag that the caller began as reasoning, or as text: neither is shown."""
    async with guarding(tmp_path, real, Behind()) as guard, guard.client() as client:
        begun = {"role": "assistant", "content": "<think>"}
        ask: Any = {"model": "seal", "max_tokens": 8, "temperature": 0}
        first = await client.chat.completions.create(**ask, messages=[ASK, begun])
        assert not first.choices[0].message.content
        kept = first.choices[0].message.model_dump()
        assert kept["reasoning_content"].startswith("ibs1.")
        more = {"role": "user", "content": "Go on."}
        await client.chat.completions.create(**ask, messages=[ASK, kept, more])
        assert guard.seen[-1].sealed == "ok"
        assert guard.seen[-1].status == 200


@pytest.mark.slow
async def test_a_real_server_takes_back_a_sealed_item(tmp_path: Path, real: str) -> None:
    """Reasoning as llama.cpp itself writes it in a response, opened for it in the next turn; and an item that
    was stripped is not sent back empty, which it refuses."""
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": ""}
    item["content"] = [{"type": "reasoning_text", "text": "They greet me."}]
    message = {"type": "message", "role": "assistant", "id": "ms", "status": "completed"}
    message["content"] = [{"type": "output_text", "text": "Hello.", "annotations": []}]
    behind = Behind({**response_stream([], ["Hello."])[-1]["response"], "output": [item, message]})
    app = web.Application()
    app.router.add_post("/v1/{tail:.*}", behind.handle)
    for policy, outcome in (("seal", "ok"), ("strip", None)):
        async with running(app) as upstream, guarding(tmp_path, upstream, behind) as guard:
            first = json.loads((await guard.post({"model": policy, "input": "hi"}, route="responses")).body)
        more = [{"role": "user", "content": "hi"}, *first["output"], {"role": "user", "content": "Go on."}]
        ask = {"model": policy, "input": more, "max_output_tokens": 16}
        async with guarding(tmp_path, real, Behind()) as guard:
            answer = await guard.post(ask, route="responses")
        assert answer.status == 200, answer.body
        assert guard.seen[-1].sealed == outcome
