"""Whatever a host does, Served ends it as the right TeacherError, in words, without the key."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.errors import TeacherError
from inbond.teachers.hosts import Host
from inbond.teachers.protocols import FAILURES, Reply, Request, Sampling
from inbond.teachers.served import Served, parse_retry_after
from inbond.teachers.wire import Gathering, body_of, excerpt
from inbond.types import Message, parse_model_name
from tests.contract import mock_host
from tests.contract.mock_host import DONE, USAGE, Behaviour, chunk, event, status, streaming

KEY = "sk-this-key-must-never-be-shown-0123456789"
ASK = Request("t", (Message("user", "Hi, 世界"),), Sampling(16, seed=3, stop=("END",)))


async def ask(behaviour: Behaviour, *, timeout_s: float = 5.0, request: Request = ASK, **more: Any) -> Reply:
    async with mock_host.running(behaviour) as mock:
        hosts = {mock.host: Host(key_env="THE_KEY", timeout_s=timeout_s)}
        served = Served.open(parse_model_name(f"api:{mock.host}/m"), hosts, {"THE_KEY": KEY}, **more)
        try:
            return await served.complete(request)
        finally:
            await served.close()


async def failing(behaviour: Behaviour, **more: Any) -> TeacherError:
    with pytest.raises(TeacherError) as caught:
        await ask(behaviour, **more)
    error = caught.value
    assert error.reason in FAILURES
    assert KEY not in f"{error} {error!r} {error.to_json()} {error.__cause__!r} {error.__context__!r}"
    assert error.expected
    assert error.found
    assert error.fix
    return error


BODY = [event(chunk("Hello ")), event(chunk("there")), event(chunk(finish="stop")), event(USAGE), DONE]


async def test_a_whole_answer_with_its_evidence() -> None:
    headers = {"X-Request-Id": "req-1", "inbond-receipt": "abc", "Set-Cookie": "a=b"}
    reply = await ask(streaming(*BODY, headers=headers))
    assert (reply.text, reply.finish, reply.model) == ("Hello there", "stop", "mock-1")
    assert (reply.prompt_tokens, reply.completion_tokens) == (11, 5)
    assert reply.headers == {"x-request-id": "req-1", "inbond-receipt": "abc"}


async def test_what_is_sent() -> None:
    async with mock_host.running(mock_host.answering()) as mock:
        hosts = {mock.host: Host(base_path="/api/v2/", key_env="THE_KEY")}
        served = Served.open(parse_model_name(f"api:{mock.host}/org/m:free"), hosts, {"THE_KEY": KEY})
        await served.complete(ASK)
        await served.complete(Request("t", "raw", Sampling(4)))
        await served.close()
    assert mock.paths == ["/api/v2/chat/completions", "/api/v2/completions"]
    assert mock.bodies[0] == {
        "model": "org/m:free",
        "messages": [{"role": "user", "content": "Hi, 世界"}],
        "max_tokens": 16,
        "temperature": 1.0,
        "top_p": 1.0,
        "seed": 3,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert mock.bodies[1]["prompt"] == "raw"
    assert "seed" not in mock.bodies[1]
    assert mock.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_a_host_that_does_not_stream_is_understood() -> None:
    body = {
        "model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "choices": [{"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}],
    }  # fmt: skip
    assert (await ask(status(200, body))).text == "whole"


async def test_bytes_may_be_cut_anywhere() -> None:
    whole = b": hello\r\n\r\n" + event(chunk("日本語")).replace(b"\n", b"\r\n") + b"".join(BODY[2:])
    reply = await ask(streaming(*(whole[i : i + 1] for i in range(len(whole)))))
    assert reply.text == "日本語"


async def test_split_surrogates_are_joined_and_lone_ones_replaced() -> None:
    pieces = [event(chunk("\ud83d")), event(chunk("\ude00 ")), event(chunk("\ud800!")), *BODY[2:]]
    assert (await ask(streaming(*pieces))).text == "😀 \ufffd!"


async def test_an_answer_that_was_finished_is_kept_though_the_connection_broke() -> None:
    reply = await ask(streaming(*BODY[:3], cut=True))
    assert (reply.text, reply.prompt_tokens) == ("Hello there", None)


async def redirect_home(mock: mock_host.MockHost, _request: web.Request, _body: Any) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": f"http://{mock.host}/elsewhere"})


@pytest.mark.parametrize(
    ("behaviour", "reason", "retryable", "words"),
    [
        (status(401, {"error": {"message": f"bad key {KEY}"}}), "unauthorised", False, "bad key ***"),
        (status(403, b"no"), "unauthorised", False, "status 403: no"),
        (status(402, {}), "unauthorised", False, "status 402"),
        (status(429, {"error": {"message": "slow down"}}), "rate-limited", True, "slow down"),
        (status(503, b"", {"Retry-After": "2"}), "rate-limited", True, "status 503"),
        (status(503, b""), "unreachable", True, "status 503"),
        (status(500, b"<html>" + b"x" * 100_000), "unreachable", True, "status 500"),
        (status(404, {"error": {"message": "no model m"}}), "rejected", False, "no model m"),
        (status(400, {"error": "plain words"}), "rejected", False, "plain words"),
        (status(408, b""), "timeout", True, "408"),
        (status(204), "malformed", True, "status 204"),
        (redirect_home, "rejected", False, "a redirect to http://127.0.0.1"),
        (streaming(*BODY[:2]), "truncated-stream", True, "without a finish_reason"),
        (streaming(*BODY[:2], DONE), "truncated-stream", True, "without a finish_reason"),
        (streaming(*BODY[:2], cut=True), "truncated-stream", True, "the connection ended"),
        (streaming(), "truncated-stream", True, "after 0 characters"),
        (streaming(*BODY[:1], 30.0), "timeout", True, "silence"),
        (streaming(event(b'{"choices": [')), "malformed", True, "not JSON"),
        (streaming(event(b"\xff\xfe")), "malformed", True, "not JSON"),
        (streaming(event(b"[" * 100_000)), "malformed", True, "for an answer of at most 16 tokens"),
        (streaming(event(b"[" * 40_000)), "malformed", True, "not JSON"),
        (streaming(event([1, 2])), "malformed", True, "no object"),
        (streaming(event({"choices": 3})), "malformed", True, "no list"),
        (streaming(event({"choices": [3]})), "malformed", True, "no object"),
        (streaming(event(chunk({"a": 1}))), "malformed", True, "text that is no string"),  # type: ignore[arg-type]
        (streaming(b"<html>hello</html>\n"), "malformed", True, "no server-sent event: <html>"),
        (status(200, b"<html>", {"Content-Type": "application/json"}), "malformed", True, "not JSON: <html>"),
        (streaming(event(chunk("a" * 10_000))), "malformed", True, "over 5120 characters for 16 tokens"),
        (streaming(event(chunk("   ")), *BODY[2:]), "empty", False, "without text: finish_reason stop"),
        (streaming(*BODY[2:]), "empty", False, "without text"),
        (streaming(*BODY[:2], event(chunk(finish="content_filter"))), "refused", False, "content_filter"),
        (streaming(event({"error": {"code": 429, "message": "mid"}})), "rate-limited", True, "429: mid"),
        (streaming(event({"error": {"message": KEY}})), "unreachable", True, "***"),
    ],
)  # fmt: skip
async def test_every_failure_has_its_reason(
    behaviour: Behaviour, reason: str, retryable: bool, words: str
) -> None:
    error = await failing(behaviour, timeout_s=0.5)
    assert (error.reason, error.retryable) == (reason, retryable), error
    assert words in error.found


async def test_a_refusal_field_is_a_refusal_and_was_paid_for() -> None:
    refusal = {"choices": [{"index": 0, "delta": {"refusal": "I will not."}, "finish_reason": "stop"}]}
    error = await failing(streaming(event(refusal), event(USAGE), DONE))
    assert (error.reason, error.spent) == ("refused", (11, 5))
    assert "I will not." in error.found


async def test_an_empty_answer_without_a_seed_may_be_drawn_again() -> None:
    error = await failing(streaming(*BODY[2:]), request=Request("t", "x", Sampling(16)))
    assert (error.reason, error.retryable) == ("empty", True)


@pytest.mark.parametrize(
    "piece", [b"data: " + b"x" * 65_536, b": keep-alive " + b"x" * 50 + b"\n", b"\n" * 4096]
)
async def test_an_endless_reply_is_malformed(piece: bytes) -> None:
    sent = 0

    async def endless(_: mock_host.MockHost, request: web.Request, _body: Any) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(piece)
            sent += len(piece)

    error = await failing(endless)
    assert error.reason == "malformed"
    assert "bytes for an answer of at most 16 tokens" in error.found
    assert sent < 32 << 20, "all but the kernel's buffers stayed with the host"


async def test_a_reply_of_two_megabytes_is_malformed() -> None:
    body = {"choices": [{"message": {"content": "x" * 2_000_000}, "finish_reason": "stop"}]}
    assert (await failing(status(200, body))).reason == "malformed"


async def test_nobody_there_is_unreachable() -> None:
    async with mock_host.running(mock_host.answering()) as mock:
        gone = mock.host
    served = Served.open(parse_model_name(f"api:{gone}/m"), {}, {})
    with pytest.raises(TeacherError, match=r"connection to http://127\.0\.0\.1") as caught:
        await served.complete(ASK)
    await served.close()
    assert caught.value.reason == "unreachable"


async def test_something_that_is_not_http_is_malformed() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(f"SSH-2.0 {KEY}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    served = Served.open(parse_model_name(f"api:{host}/m"), {host: Host(key_env="K")}, {"K": KEY})
    with pytest.raises(TeacherError) as caught:
        await served.complete(ASK)
    await served.close()
    server.close()
    assert caught.value.reason in ("malformed", "unreachable")
    assert KEY not in f"{caught.value} {caught.value.__context__!r}"


async def test_a_key_never_goes_to_another_host() -> None:
    """A redirect to a second host, and a port without an entry of its own, get no key."""
    async with mock_host.running(mock_host.answering()) as other:

        async def away(_: mock_host.MockHost, _request: web.Request, _body: Any) -> web.StreamResponse:
            return web.Response(status=308, headers={"Location": f"http://{other.host}/v1/chat/completions"})

        error = await failing(away)
        assert error.reason == "rejected"
        assert other.bodies == []
        served = Served.open(
            parse_model_name(f"api:{other.host}/m"), {"127.0.0.1": Host(key_env="K")}, {"K": KEY}
        )
        await served.complete(ASK)
        await served.close()
        assert "Authorization" not in other.headers[0]


NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("nan", None), ("inf", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0), ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0), ("", None),
    ],
)  # fmt: skip
def test_retry_after_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.integers(0, 10**6))
def test_a_retry_after_date_is_the_seconds_until_then(seconds: int) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert parse_retry_after(date, NOW) == seconds


_KEYS = st.sampled_from(
    ["choices", "index", "delta", "message", "content", "refusal", "finish_reason", "usage", "logprobs",
     "prompt_tokens", "completion_tokens", "top_logprobs", "tokens", "token", "logprob", "error", "code"]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(st.lists(_JSON | st.builds(lambda choice: {"choices": [choice]}, _JSON), max_size=4))
def test_any_chunks_at_all_end_as_a_reply_or_a_teacher_error(chunks: list[Any]) -> None:
    gathering = Gathering(ASK, "host")
    try:
        for value in chunks:
            gathering.add(value)
        reply = gathering.reply(0.0, {})
    except TeacherError as error:
        assert error.reason in FAILURES  # either outcome is right
    else:
        assert reply.text.strip()
        tops = [place.to_json() for place in reply.top_logprobs]
        json.dumps([reply.text, reply.model, tops], allow_nan=False).encode()
        reply.text.encode()


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"data: ", b"\n", b"[DONE]", b"{}"]), max_size=8))
def test_any_bytes_at_all_end_as_a_teacher_error(pieces: list[bytes]) -> None:
    async def run() -> None:
        error = await failing(streaming(*pieces))
        assert error.reason in ("malformed", "truncated-stream", "empty", "unreachable")

    asyncio.run(run())


@given(st.text(), st.text(min_size=8, alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_an_excerpt_is_short_printable_and_without_secrets(text: str, secret: str) -> None:
    shown = excerpt(text + secret + text, (secret,))
    assert secret not in shown or secret in (text + "***" + text)
    assert len(shown) <= 203
    assert shown.isprintable()


def test_top_logprobs_are_asked_for_in_both_shapes() -> None:
    assert body_of(ASK, model="m", top_logprobs=2)["top_logprobs"] == 2
    assert body_of(Request("t", "raw", Sampling()), model="m", top_logprobs=2)["logprobs"] == 2
