"""``inbond guard serve`` before a caller who wants to read what is hidden, with a model server that says what
a test tells it to."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_guard_gateway import KEY
from tests.guard_scene import Scene, scene
from tests.raw_host import KEEP, STREAM_HEAD, Fault, answer, chunk

Json = dict[str, Any]
USED = {"prompt_tokens": 5, "completion_tokens": 5, "input_tokens": 5, "output_tokens": 5}
ASK = {"role": "user", "content": "q"}
SAYS: dict[str, Fault] = {}
"""By model: what the server answers."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    models = {
        "sealed": {"reasoning": "seal"},
        "stripped": {"reasoning": "strip"},
        "open": {"reasoning": "pass"},
    }
    folder: Path = tmp_path_factory.mktemp("evasion")
    with scene(folder, SAYS, models=models) as found:
        yield found


def whole(model: str, value: Json) -> None:
    SAYS[model] = (answer(json.dumps({**value, "usage": USED}).encode()), KEEP)


def chat(model: str, message: Json, finish: str = "stop") -> None:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    whole(model, {"choices": [choice]})


def stream(model: str, *said: Json) -> None:
    events = [chunk(b"data: " + json.dumps(each).encode() + b"\n\n") for each in said]
    SAYS[model] = (STREAM_HEAD, *events, chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n", KEEP)


def deltas(*texts: str) -> list[Json]:
    found: list[Json] = [{"choices": [{"index": 0, "delta": {"content": each}}]} for each in texts]
    return [*found, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": USED}]  # fmt: skip


def post(found: Scene, route: str, value: Json) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=20)
    connection.request("POST", f"/v1/{route}", json.dumps(value), {"authorization": f"Bearer {KEY}"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@pytest.mark.parametrize("begins", ["<think>\nSECRET one", "<THINKING>SECRET one"])
def test_reasoning_that_was_cut_is_not_gone_on_with_in_clear(shared: Scene, begins: str) -> None:
    """The envelope of an answer that ended within a tag comes back as the beginning of the next one."""
    chat("sealed", {"content": begins}, "length")
    _, first = shared.ask("sealed", messages=[ASK])
    kept = json.loads(first)["choices"][0]["message"]
    assert b"SECRET" not in first
    assert kept["reasoning_content"].startswith("ibs1.")
    again = {"messages": [ASK, {**kept, "content": ""}]}
    stream("sealed", *deltas("Yes"))
    status, body = shared.ask("sealed", stream=True, **again)
    back = shared.host.requests[-1]["messages"][-1]["content"]
    assert (status, b'"Yes"' in body) == (200, True)
    assert back.startswith(begins)
    assert back.endswith(("</think>\n\n", "</thinking>\n\n"))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("last", [{"content": "<thinking><think></thinking>"}, {"reasoning_content": "so"}])
def test_an_answer_that_begins_within_is_hidden(shared: Scene, last: Json, streamed: bool) -> None:
    chat("stripped", {"content": "SECRET</think>Yes"})
    if streamed:
        stream("stripped", *deltas("SECRET", "</think>Yes"))
    messages = [ASK, {"role": "assistant", "content": "", **last}]
    status, body = shared.ask("stripped", stream=streamed, messages=messages)
    assert (status, b"SECRET" in body, b"Yes" in body) == (200, False, True)


def test_reasoning_of_a_response_that_was_cut_is_not_gone_on_with_in_clear(shared: Scene) -> None:
    def says(text: str) -> None:
        part = {"type": "output_text", "text": text, "annotations": []}
        item = {"type": "message", "id": "m", "role": "assistant", "status": "incomplete", "content": [part]}
        whole("sealed", {"id": "r", "object": "response", "status": "incomplete", "output": [item]})

    says("<think>\nSECRET one")
    _, first = post(shared, "responses", {"model": "sealed", "input": [ASK]})
    item = json.loads(first)["output"][0]
    says("Yes")
    _, second = post(shared, "responses", {"model": "sealed", "input": [ASK, item]})
    assert shared.host.requests[-1]["input"][-1]["content"][0]["text"] == "<think>\nSECRET one</think>\n\n"
    assert (b"SECRET" in first + second, b"Yes" in second) == (False, True)


def test_an_envelope_in_a_users_words_is_not_opened(shared: Scene) -> None:
    chat("sealed", {"content": "Yes", "reasoning_content": "SECRET"})
    kept = json.loads(shared.ask("sealed", messages=[ASK])[1])["choices"][0]["message"]
    moved = {"role": "user", "content": "say it again", "reasoning_content": kept["reasoning_content"]}
    assert shared.ask("sealed", messages=[ASK, moved])[0] == 200
    assert "SECRET" not in json.dumps(shared.host.requests[-1])


@pytest.mark.parametrize("arguments", [
    {"<think>SECRET</think>": "x"}, '{"a":"\\u25c1think\\u25b7SECRET\\u25c1/think\\u25b7"}',
    '{"a":"\\u003cthink>SECRET<\\/think\\u003e"}',
])  # fmt: skip
def test_a_call_has_no_room_for_what_is_hidden(shared: Scene, arguments: Any) -> None:
    function = {"name": "<think>SECRET</think>f", "arguments": arguments}
    call = {"id": "<think>SECRET</think>c", "type": "function", "function": function}
    chat("stripped", {"content": None, "tool_calls": [call]}, "tool_calls")
    status, body = shared.ask("stripped")
    shown = json.loads(body)["choices"][0]["message"]["tool_calls"][0]
    assert (status, b"SECRET" in body) == (200, False)
    assert (shown["id"], shown["function"]["name"]) == ("c", "f")


# Receipts -----------------------------------------------------------------------------------------------

HALF = b'data: {"choices":[{"index":0,"delta":{"content":"half an ans"}}]}\n\n'
CLOSED = STREAM_HEAD.replace(b"Transfer-Encoding: chunked", b"Connection: close")


@pytest.mark.parametrize("sent", [(CLOSED, HALF), (STREAM_HEAD, chunk(HALF), b"0\r\n\r\n", KEEP)])
@pytest.mark.parametrize("model", ["open", "stripped"])
def test_a_stream_that_broke_off_has_no_receipt(shared: Scene, sent: Fault, model: str) -> None:
    SAYS[model] = sent
    status, body = shared.ask(model, stream=True)
    assert (status, b"half" in body, b"inbond-receipt" in body) == (200, True, False)
    SAYS[model] = (
        (sent[0], HALF.replace(b"}}]", b'},"finish_reason":"stop"}]')) if sent[0] == CLOSED else sent
    )
    if sent[0] == CLOSED:
        assert b"inbond-receipt" in shared.ask(model, stream=True)[1]


def test_an_answer_that_says_two_things_has_no_receipt(shared: Scene) -> None:
    twice = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"FIRST","content":"SECOND"}}]}'
    asked = {"model": "open", "messages": [ASK]}
    SAYS["open"] = (answer(twice), KEEP)
    response, body = post(shared, "chat/completions", asked)
    assert (body, response.headers["inbond-receipt"]) == (twice, None)
    chat("open", {"content": "one"})
    assert post(shared, "chat/completions", asked)[0].headers["inbond-receipt"]
