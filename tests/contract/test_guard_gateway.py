"""The gateway over real sockets: what is passed on, what is refused, and that whatever passed is settled."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract import mock_host as mock
from tests.guard_running import ASKED, KEY, running

STREAM = {**ASKED, "stream": True}
BODY = json.dumps(ASKED).encode()


def head_of(length: int, path: str = "/v1/chat/completions") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: g", f"Authorization: Bearer {KEY}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def error_of(body: bytes) -> tuple[str, str]:
    found = json.loads(body)["error"]
    return found["code"], found["message"]


# What is passed on ----------------------------------------------------------------------------------------


async def test_an_upstreams_errors_are_its_own(tmp_path: Path) -> None:
    said = {"error": {"message": "slow down", "type": "requests", "code": "rate"}}
    behave = mock.status(429, said, {"retry-after": "7", "x-ratelimit-remaining": "0", "set-cookie": "a=b"})
    async with running(tmp_path, behave, unlisted={"reasoning": "pass"}) as guard:
        for asked in (ASKED, STREAM):
            status, headers, body = await guard.post(asked)
            assert (status, json.loads(body)) == (429, said)
            assert (headers["retry-after"], headers["x-ratelimit-remaining"]) == ("7", "0")
            assert "set-cookie" not in headers
        assert (guard.used(), guard.taken()) == (0, 0)


async def test_where_reasoning_is_hidden_an_upstreams_error_keeps_its_status_and_no_word(
    tmp_path: Path,
) -> None:
    said = {"error": {"message": "Failed to parse input at pos 9: <think>secret", "code": 500}}
    behave = mock.status(500, said, {"retry-after": "7", "x-said": "secret"})
    async with running(tmp_path, behave, unlisted={"reasoning": "strip"}) as guard:
        for asked in (ASKED, STREAM):
            status, headers, body = await guard.post(asked)
            assert (status, error_of(body)) == (500, ("upstream_error", "The model server failed."))
            assert b"secret" not in body
            assert "secret" not in str(headers)
            assert headers["retry-after"] == "7"
        assert guard.seen[-1].error_bytes == len(json.dumps(said))
        assert guard.taken() == 0


async def test_prompts_that_nobody_can_read_are_refused_where_reasoning_is_hidden(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {"choices": []}), unlisted={"reasoning": "strip"}) as guard:
        for prompt in ([1, 2], [[1], [2]]):
            status, _, body = await guard.post({"model": "m", "prompt": prompt}, "completions")
            assert (status, error_of(body)[0]) == (400, "invalid_type")
            assert "Give prompts as texts" in error_of(body)[1]
        status, _, _ = await guard.post({"model": "m", "prompt": ["a", "b"]}, "completions")
        assert status == 200


@pytest.mark.parametrize("status", [401, 403, 302])
async def test_that_the_upstream_does_not_know_the_guard_is_not_the_callers_fault(
    tmp_path: Path, status: int
) -> None:
    behave = mock.status(status, {"error": {"message": "bad key sk-secret"}}, {"location": "http://inside/"})
    async with running(tmp_path, behave) as guard:
        found, headers, body = await guard.post()
        assert (found, error_of(body)) == (502, ("upstream_error", "The model server did not answer."))
        assert b"secret" not in body
        assert "location" not in headers
        assert guard.used() == 0


async def test_an_upstream_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with running(tmp_path, mock.answering(), upstream={"url": url}) as guard:
        for asked in (ASKED, STREAM):
            status, _, body = await guard.post(asked)
            assert (status, error_of(body)[0]) == (502, "upstream_error")
        assert (guard.used(), guard.taken()) == (0, 0)


async def test_an_upstream_that_says_nothing_is_left(tmp_path: Path) -> None:
    async with running(tmp_path, mock.streaming(5.0), upstream={"silence_s": 0.3}) as guard:
        status, _, body = await guard.post()
        assert (status, error_of(body)[0]) == (502, "upstream_error")
        status, _, body = await guard.post(STREAM)
        assert status == 200
        assert b'"upstream_error"' in body


async def test_a_stream_is_passed_on_byte_for_byte(tmp_path: Path) -> None:
    pieces = [
        b": hello\n\n", b'event: x\r\ndata: {"choices":[{"delta":{"content":"\xc3', b'\xa9"}}]}\r\n\r\n',
        b'data: {"choices": [{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}\n\n',
        mock.event(mock.USAGE), mock.DONE,
    ]  # fmt: skip
    asked = {**STREAM, "stream_options": {"include_usage": True}}
    async with running(tmp_path, mock.streaming(*pieces), unlisted={"reasoning": "pass"}) as guard:
        _, headers, body = await guard.post(asked)
        assert body == b"".join(pieces)
        assert headers["content-type"] == "text/event-stream"
        assert guard.used() == 16


async def test_a_count_that_only_the_guard_asked_for_is_not_passed_on(tmp_path: Path) -> None:
    async with running(tmp_path, mock.answering("Hi")) as guard:
        _, _, body = await guard.post({**STREAM, "stream_options": {"include_obfuscation": False}})
        assert guard.mock.bodies[0]["stream_options"] == {"include_obfuscation": False, "include_usage": True}
        assert b"usage" not in body
        assert body.endswith(mock.DONE)


async def test_what_is_asked_is_passed_on_as_it_was(tmp_path: Path) -> None:
    asked = {
        "model": "m", "temperature": 0.1, "seed": 2**60, "odd": "\ud800\u2028é", "nested": [{}, [], None],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    }  # fmt: skip
    allowed = {"fields": {"chat/completions": ["odd", "nested"]}}
    async with running(tmp_path, mock.status(200, {"choices": []}), **allowed) as guard:
        status, _, _ = await guard.post(asked, headers={"x-forwarded-host": "evil", "cookie": "a=b"})
        assert status == 200
        assert guard.mock.bodies == [asked | {"max_tokens": 4_096}]
        sent = {name.lower() for name in guard.mock.headers[0]}
        assert sent <= {"host", "accept", "accept-encoding", "user-agent", "content-length", "content-type"}


async def test_a_compressed_answer_is_passed_on_readable_and_metered(tmp_path: Path) -> None:
    value = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    packed = gzip.compress(json.dumps(value).encode())
    behave = mock.status(200, packed, {"content-encoding": "gzip", "content-type": "application/json"})
    async with running(tmp_path, behave) as guard:
        _, headers, body = await guard.post()
        assert json.loads(body) == value
        assert "content-encoding" not in headers
        assert guard.used() == 7


async def test_the_list_of_models_is_the_configurations(tmp_path: Path) -> None:
    config = {"models": {"m": {}, "n": {}}, "unlisted": None}
    async with running(tmp_path, mock.status(200, {"data": [{"id": "secret"}]}), **config) as guard:
        async with guard.client.get(f"{guard.url}/models") as answer:
            found = await answer.json()
        assert found["object"] == "list"
        assert [each["id"] for each in found["data"]] == ["m", "n"]
        assert guard.mock.paths == []
        async with guard.client.get(f"{guard.url}/models", headers={"authorization": "Bearer no"}) as answer:
            assert answer.status == 401


async def test_models_that_are_not_listed_have_a_name_and_no_path(tmp_path: Path) -> None:
    data = [
        {"id": "/srv/models/big.gguf", "created": 5, "owned_by": "root", "root": "/srv/models/big.gguf"},
        {"id": "m", "owned_by": "someone"}, {"id": "C:\\models\\b.gguf"}, {"id": "org/name"}, {"id": 3}, None,
    ]  # fmt: skip
    said = {"models": [{"name": "/srv/models/big.gguf"}], "data": data}
    async with running(tmp_path, mock.status(200, said), models={"m": {}}) as guard:
        async with guard.client.get(f"{guard.url}/models") as answer:
            body = await answer.read()
        assert [each["id"] for each in json.loads(body)["data"]] == ["m", "big.gguf", "b.gguf", "org/name"]
        assert not any(word in body for word in (b"srv", b"someone", b"root"))
        assert guard.mock.paths == ["/v1/models"]
    async with running(tmp_path, mock.status(500, {"error": {"message": "/srv/x"}})) as guard:
        async with guard.client.get(f"{guard.url}/models") as answer:
            assert (answer.status, error_of(await answer.read())[0]) == (502, "upstream_error")
        await guard.quiet()
        assert guard.taken() == 0
    async with (
        running(tmp_path, mock.status(200, b"<html>")) as guard,
        guard.client.get(f"{guard.url}/models") as answer,
    ):
        assert (await answer.json())["data"] == []


async def test_neither_side_learns_what_the_other_is(tmp_path: Path) -> None:
    given = {
        "OpenAI-Organization": "org-other",
        "OpenAI-Project": "proj-other",
        "OpenAI-Beta": "responses=v1",
    }
    async with running(tmp_path, mock.answering()) as guard:
        for asked in (ASKED, STREAM, {}):
            _, headers, _ = await guard.post(asked, headers=given)
            assert "server" not in headers
        async with guard.client.get(f"http://127.0.0.1:{guard.port}/health") as answer:
            assert "server" not in answer.headers
        sent = [{name.lower() for name in each} for each in guard.mock.headers]
        assert not any({"openai-organization", "openai-project"} & each for each in sent)
        assert all("openai-beta" in each for each in sent)


# What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "//v1/chat/completions", "/v1//chat/completions", "/v1/chat%2fcompletions", "/v1/%63hat/completions",
        "/v1/./chat/completions", "/v1/../v1/chat/completions", "/%2e/v1/chat/completions",
        "/V1/chat/completions",
        "/v1/chat/completions/", "/v1/chat\\completions", "/v1/files", "/v1/chat/completions;x", "/", "*",
        "http://127.0.0.1/v1/chat/completions", "/v1/responses/resp_1", "/v1/chat/completions%00",
    ],
)  # fmt: skip
async def test_a_path_is_one_of_ours_to_the_letter(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, mock.answering()) as guard:
        answer = await guard.raw(head_of(len(BODY), path) + BODY)
        assert answer.split(b" ")[1] in (b"404", b"400"), answer[:200]
        assert guard.mock.bodies == []


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([f"Authorization: Bearer {KEY}", f"Authorization: Bearer {KEY}"], 401),
        ([f"Authorization: Bearer {KEY}", "authorization: Bearer other"], 401),
        ([f"Authorization: {KEY}"], 401),
        ([f"Authorization: Basic {KEY}"], 401),
        ([f"Authorization : Bearer {KEY}"], 400),
        ([f"X-Api-Key: {KEY}"], 401),
        ([f"Authorization: Bearer {KEY}", "Transfer-Encoding: chunked"], 400),
        ([f"Authorization: Bearer {KEY}", "Content-Length: 3"], 400),
        ([f"Authorization: Bearer {KEY}", "Content-Encoding: gzip"], 415),
        ([f"Authorization: Bearer {KEY}", "Content-Encoding: identity, gzip"], 415),
        ([f"Authorization: Bearer {KEY}", "Content-Encoding: identity", "Content-Encoding: gzip"], 415),
        ([f"Authorization: Bearer {KEY}", "X-Long: " + "x" * 20_000], 400),
        ([f"Authorization: Bearer {KEY}", "X-Bare: a\x00b"], 400),
        ([f"Authorization: Bearer {KEY}", *(f"X-{n}: 1" for n in range(500))], 400),
    ],
)  # fmt: skip
async def test_a_head_that_can_be_read_in_two_ways_is_refused(
    tmp_path: Path, lines: list[str], status: int
) -> None:
    async with running(tmp_path, mock.answering()) as guard:
        head = [
            "POST /v1/chat/completions HTTP/1.1",
            "Host: g",
            f"Content-Length: {len(BODY)}",
            *lines,
            "",
            "",
        ]
        answer = await guard.raw("\r\n".join(head).encode() + BODY)
        assert answer.split(b" ")[1] == str(status).encode(), answer[:300]
        assert guard.mock.bodies == []


async def test_what_follows_a_refused_request_is_not_taken_for_another(tmp_path: Path) -> None:
    inner = b"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %s\r\n" % KEY.encode()
    inner += b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    async with running(tmp_path, mock.answering()) as guard:
        outer = b"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % len(inner)
        answer = await guard.raw(outer + inner)
        assert answer.count(b"HTTP/1.1") == 1
        assert guard.mock.bodies == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"), (b"{", "invalid_json"), (b"[]", "invalid_json"),
        (b"\xff\xfe{}", "invalid_json"),
        (b'{"model":"m","model":"n","messages":[]}', "invalid_json"), (b'{"model":NaN}', "invalid_json"),
        (b'{"model":"m","top_p":1e999,"messages":[]}', "invalid_json"), (b"[" * 100_000, "invalid_json"),
        (b'{"model":"m","messages":' + b"[" * 70 + b"]" * 70 + b"}", "invalid_json"),
        (b'{"model":"m","x":' + b"9" * 5_000 + b',"messages":[]}', "invalid_json"),
        (b'{"messages":[]}', "missing_model"), (b'{"model":"m","messages":{}}', "invalid_type"),
        (b'{"model":"m","messages":[],"max_tokens":-1}', "invalid_type"),
        (b'{"model":"m","messages":[],"n":true}', "invalid_type"),
        (b'{"model":"m","messages":[],"background":true}', "unsupported_field"),
    ],
)  # fmt: skip
async def test_a_body_that_is_not_understood_is_refused(tmp_path: Path, body: bytes, code: str) -> None:
    async with running(tmp_path, mock.answering()) as guard:
        async with guard.client.post(f"{guard.url}/chat/completions", data=body) as answer:
            assert (answer.status, error_of(await answer.read())[0]) == (400, code)
        assert guard.mock.bodies == []
        assert guard.used() == 0


async def test_a_large_body_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path, mock.answering(), body_bytes=10_000) as guard:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", guard.port)
        writer.write(head.encode() + b"Content-Length: 100000000\r\n\r\n{")
        answer = await asyncio.wait_for(reader.readuntil(b"}}"), 0.5)
        writer.close()
        assert answer.split(b" ")[1] == b"413"
        assert b"A body may have 10,000 bytes." in answer
        chunked = (
            head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 11
        )
        assert (await guard.raw(chunked)).split(b" ")[1] == b"413"


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, mock.answering(), client_silence_s=0.2) as guard:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\n"
        answer = await guard.raw(head.encode() + b"Content-Length: 100\r\n\r\n{")
        assert answer.split(b" ")[1] == b"408"


async def test_only_routes_that_are_listed_are_served(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {}), routes=["embeddings"]) as guard:
        assert (await guard.post())[0] == 404
        assert (await guard.post({"model": "m", "input": "x"}, "embeddings"))[0] == 200


async def test_a_model_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, mock.answering(), unlisted=None, models={"other": {}}) as guard:
        status, _, body = await guard.post()
        assert (status, error_of(body)) == (404, ("model_not_found", "The model 'm' is not served here."))


# What passed is settled -----------------------------------------------------------------------------------


async def test_an_upstream_that_dies_within_a_stream_is_said_and_what_passed_is_settled(
    tmp_path: Path,
) -> None:
    pieces = [mock.event(mock.chunk(text)) for text in ("one ", "two ", "three")]
    async with running(tmp_path, mock.streaming(*pieces, 0.05, cut=True)) as guard:
        status, _, body = await guard.post(STREAM)
        assert status == 200
        assert body.startswith(b"".join(pieces))
        assert error_of(body.split(b"data: ")[-1])[0] == "upstream_error"
        assert b"[DONE]" not in body
        await guard.quiet()
        estimate = guard.seen[-1].usage.prompt_tokens
        assert guard.used() == estimate + len("one two three")
        assert guard.taken() == 0


async def test_an_upstream_that_dies_within_a_whole_answer_costs_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, mock.streaming(b'{"choices": [', 0.05, cut=True)) as guard:
        status, _, body = await guard.post()
        assert (status, error_of(body)[0]) == (502, "upstream_error")
        assert guard.used() == 0


async def test_a_caller_who_leaves_a_stream_cancels_it_upstream_and_pays_for_what_passed(
    tmp_path: Path,
) -> None:
    gone = asyncio.Event()

    async def endless(_, request, _body):
        response = aiohttp.web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(mock.event(mock.chunk("word")))
                await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise

    async with running(tmp_path, endless) as guard:
        answer = await guard.client.post(f"{guard.url}/chat/completions", json=STREAM)
        got = await answer.content.readuntil(b"\n\n")
        got += await answer.content.readuntil(b"\n\n")
        answer.close()
        await asyncio.wait_for(gone.wait(), 5)
        await guard.quiet()
        assert guard.seen[-1].code == "client_gone"
        assert guard.used() >= guard.seen[-1].usage.prompt_tokens + 8
        assert guard.taken() == 0


async def test_a_caller_who_leaves_before_a_whole_answer_pays_what_was_held(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def slow(_, _request, _body):
        asked.set()
        await asyncio.sleep(30)

    async with running(tmp_path, slow) as guard:
        task = asyncio.ensure_future(guard.post({**ASKED, "max_tokens": 77}))
        await asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await guard.quiet()
        assert guard.seen[-1].usage.completion_tokens == 77
        assert guard.taken() == 0


async def test_a_caller_who_does_not_read_is_cut_off_and_frees_the_upstream(tmp_path: Path) -> None:
    gone = asyncio.Event()
    flood = mock.flooding(mock.event(mock.chunk("x" * 100_000)), gone)
    async with running(tmp_path, flood, client_silence_s=0.3) as guard:
        reader, writer = await asyncio.open_connection("127.0.0.1", guard.port, limit=1_000)
        body = json.dumps(STREAM).encode()
        writer.write(head_of(len(body)) + body)
        await asyncio.wait_for(gone.wait(), 10)
        await guard.quiet()
        assert guard.seen[-1].code == "client_slow"
        assert guard.taken() == 0
        writer.transport.abort()
        assert reader is not None


async def test_a_caller_who_does_not_read_a_whole_answer_is_cut_off(tmp_path: Path) -> None:
    large = json.dumps({"choices": [{"message": {"content": "x" * 20_000_000}}]}).encode()
    config = {"client_silence_s": 0.3, "unlisted": {"reasoning": "pass"}}
    async with running(tmp_path, mock.status(200, large), **config) as guard:
        reader, writer = await asyncio.open_connection("127.0.0.1", guard.port, limit=1_000)
        writer.write(head_of(len(BODY)) + BODY)
        while not guard.seen:
            await asyncio.sleep(0.02)
        assert guard.seen[-1].code == "client_slow"
        assert guard.gateway.in_flight == 0
        writer.transport.abort()
        assert reader is not None


async def test_who_asks_again_at_once_finds_his_only_seat_free(tmp_path: Path) -> None:
    limits = "{concurrency: 1, tokens_per_day: 1000000}"
    lingering = mock.streaming(mock.event(mock.chunk("a")), mock.event(mock.USAGE), mock.DONE, 0.2)
    async with running(tmp_path, lingering, limits) as guard:
        for _ in range(5):
            answer = await guard.client.post(f"{guard.url}/chat/completions", json=STREAM)
            assert answer.status == 200
            while await answer.content.readuntil(b"\n\n") != mock.DONE:
                pass
        await guard.quiet()
    async with running(tmp_path, mock.status(200, {}), limits) as guard:
        found = [(await guard.post())[0] for _ in range(20)]
        assert set(found) == {200}


async def test_one_seat_is_one_request_at_a_time(tmp_path: Path) -> None:
    async with running(tmp_path, mock.streaming(0.2, mock.DONE), "{concurrency: 2}") as guard:
        found = await asyncio.gather(*(guard.post(STREAM) for _ in range(6)))
        assert sorted(status for status, _, _ in found) == [200, 200, 429, 429, 429, 429]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
EVENTS = st.one_of(
    st.tuples(st.just("content"), TEXTS), st.tuples(st.just("reasoning_content"), TEXTS),
    st.tuples(st.just("tool"), TEXTS), st.tuples(st.just("empty"), st.just("")),
    st.tuples(st.just("told"), st.just("")),
)  # fmt: skip


def _piece(kind: str, text: str, told: int) -> bytes:
    if kind == "told":
        return mock.event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": told}})
    delta = (
        {"tool_calls": [{"index": 0, "function": {"arguments": text}}]} if kind == "tool" else {kind: text}
    )
    choice = {"index": 0, "delta": {} if kind == "empty" else delta}
    return mock.event({"choices": [choice], "usage": None})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(EVENTS, max_size=8), cut=st.booleans(), done=st.booleans(), split=st.integers(1, 60),
    wants=st.booleans(), stay=st.booleans(),
)  # fmt: skip
def test_no_token_goes_unmetered(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[str, str]], cut: bool, done: bool, split: int, wants: bool, stay: bool,
) -> None:  # fmt: skip
    """The mock's tokenizer has a token for each character: the most there can be of whole characters."""
    sent, told_at = 0, 0
    data = b""
    for kind, text in events:
        sent += len(text)
        data += _piece(kind, text, sent)
        told_at = sent if kind == "told" else told_at
    data += mock.DONE if done else b""
    chunks = [data[at : at + split] for at in range(0, len(data), split)]

    async def go() -> None:
        folder = tmp_path_factory.mktemp("guard")
        behave = mock.streaming(*chunks, 0.005, cut=cut)
        async with running(folder, behave, unlisted={"reasoning": "pass"}) as guard:
            asked = {**STREAM, "stream_options": {"include_usage": wants}}
            if stay:
                await guard.post(asked)
                got = sent
            else:
                answer = await guard.client.post(f"{guard.url}/chat/completions", json=asked)
                got = _characters(await answer.content.read(split))
                answer.close()
            await guard.quiet()
            prompt = 1 if guard.seen[-1].usage.prompt_tokens == 1 else guard.seen[-1].usage.prompt_tokens
            assert guard.used() - prompt >= (told_at if cut and stay else got if not cut else 0)
            assert guard.taken() == 0

    asyncio.run(go())


def _characters(data: bytes) -> int:
    """Of whole events."""
    found = 0
    for event in data.split(b"\n\n")[:-1]:
        if event.startswith(b"data: {"):
            for choice in json.loads(event[6:])["choices"]:
                delta = choice["delta"]
                calls = [call["function"]["arguments"] for call in delta.get("tool_calls", ())]
                found += sum(
                    map(len, [*calls, delta.get("content") or "", delta.get("reasoning_content") or ""])
                )
    return found


# The end --------------------------------------------------------------------------------------------------


async def test_when_it_ends_what_began_is_finished_and_nothing_new_begins(tmp_path: Path) -> None:
    pieces = [
        mock.event(mock.chunk("a")),
        0.5,
        mock.event(mock.chunk("b")),
        mock.event(mock.USAGE),
        mock.DONE,
    ]
    async with running(tmp_path, mock.streaming(*pieces)) as guard:
        async with guard.client.get(f"http://127.0.0.1:{guard.port}/ready") as answer:
            assert (answer.status, await answer.json()) == (
                200, {"status": "ready", "upstream": "reachable", "state": "reachable"}
            )  # fmt: skip
        under_way = await guard.client.post(f"{guard.url}/chat/completions", json=STREAM)
        guard.gateway.draining = True
        status, headers, body = await guard.post()
        assert (status, error_of(body)[0], headers["connection"]) == (503, "unavailable", "close")
        async with guard.client.get(f"http://127.0.0.1:{guard.port}/ready") as answer:
            assert (answer.status, (await answer.json())["status"]) == (503, "draining")
        ending = asyncio.ensure_future(guard.runner.cleanup())
        assert (await under_way.read()).endswith(mock.DONE)
        await asyncio.wait_for(ending, 5)
        assert guard.used() == 16


# Probes ---------------------------------------------------------------------------------------------------


async def test_the_counts_are_for_this_machine(tmp_path: Path) -> None:
    async with running(tmp_path, mock.answering("Hi")) as guard:
        await guard.post(STREAM)
        await guard.post(ASKED, headers={"authorization": "Bearer no"})
        url = f"http://127.0.0.1:{guard.port}/metrics"
        async with guard.client.get(url) as answer:
            text = await answer.text()
        assert 'inbond_requests_total{route="chat/completions",status="200"} 1.0' in text
        assert 'inbond_refusals_total{code="invalid_api_key"} 1.0' in text
        assert 'inbond_tokens_total{kind="completion",route="chat/completions"} 5.0' in text
        assert 'inbond_first_byte_seconds_count{route="chat/completions"} 1.0' in text
        assert "inbond_in_flight 0.0" in text
        assert "inbond_state_lost 0.0" in text
        for name in ("x-forwarded-for", "forwarded", "via"):
            async with guard.client.get(url, headers={name: "10.0.0.1"}) as answer:
                assert answer.status == 404
    async with running(tmp_path, mock.answering(), metrics_for="nobody") as guard:
        assert (await guard.raw(b"GET /metrics HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 404")


async def test_labels_do_not_grow_with_what_callers_send(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {})) as guard:
        for number in range(50):
            await guard.post({"model": f"m{number}", "messages": []}, f"x{number}")
            await guard.post({"model": f"m{number}", "messages": []})
        text = guard.gateway.metrics.text().decode()
        assert text.count("inbond_requests_total{") == 2


async def test_readiness_asks_the_upstream_seldom(tmp_path: Path) -> None:
    async with running(tmp_path, mock.status(200, {})) as guard:
        url = f"http://127.0.0.1:{guard.port}/ready"
        found = await asyncio.gather(*(guard.client.get(url) for _ in range(50)))
        assert {answer.status for answer in found} == {200}
        for answer in found:
            answer.release()
        assert guard.mock.paths == ["/v1/models"]
    async with running(tmp_path, mock.status(503, {})) as guard:
        found = await guard.raw(b"GET /ready HTTP/1.0\r\n\r\n")
        assert found.startswith(b"HTTP/1.0 503")
        assert b'"upstream": "unreachable"' in found


@pytest.mark.parametrize("when_lost", ["closed", "open"])
async def test_a_lost_state_is_said_and_comes_back(tmp_path: Path, when_lost: str) -> None:
    async with running(tmp_path, mock.answering("Hi"), when_state_is_lost=when_lost) as guard:
        await guard.post(STREAM)
        guard.state._db.execute("PRAGMA query_only=1")
        status, headers, body = await guard.post(STREAM)
        async with guard.client.get(f"http://127.0.0.1:{guard.port}/health") as answer:
            health = await answer.json()
        async with guard.client.get(f"http://127.0.0.1:{guard.port}/ready") as answer:
            ready = answer.status
        if when_lost == "closed":
            assert (status, headers["retry-after"], error_of(body)[0]) == (503, "5", "unavailable")
            assert health == {
                "status": "alive", "state": "lost", "requests": "are refused",
                "detection": [
                    "accounts without payment are seen less of", "accounts without created are seen less of"
                ],
            }  # fmt: skip
        else:
            assert status == 200
            assert health["requests"] == "pass, and are metered when it is back"
        assert ready == (503 if when_lost == "closed" else 200)
        guard.state._db.execute("PRAGMA query_only=0")
        await guard.gateway.reservations.tick()
        assert not guard.gateway.reservations.lost
        assert guard.used() == (16 if when_lost == "closed" else 32), "what passed unmetered is settled now"
        assert (await guard.post(STREAM))[0] == 200
