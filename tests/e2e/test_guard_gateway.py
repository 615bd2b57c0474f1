"""``inbond guard serve`` as a process of its own, asked by the real openai client."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from inbond.guard.callers import hash_of
from tests.contract import mock_host as mock
from tests.real_model import server_apart
from tests.redis_server import RedisServer

KEY, OTHER = "ib-" + "k" * 43, "ib-" + "o" * 43
INBOND = [sys.executable, "-c", "from inbond.cli.main import main; main()"]
SECRET = "the prompt that no log shows"
MESSAGES = [{"role": "user", "content": SECRET}]


@dataclass
class Guard:
    process: subprocess.Popen[str]
    address: str
    folder: Path
    log: Path

    def client(self, key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.address, api_key=key, max_retries=0, timeout=60)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.address.removesuffix("/v1") + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def lines(self) -> list[dict[str, Any]]:
        found = self.log.read_text().splitlines()
        return [json.loads(line) for line in found if line.startswith("{")]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


def callers(key: str = KEY, limits: str = "{concurrency: 8, tokens_per_day: 1000000}") -> str:
    known = f'keys: ["{hash_of(key)}"], limits: {limits}, payment: p, created: 2026-01-01'
    return f"tenants: {{t: {{accounts: {{a: {{{known}}}}}}}}}"


@contextlib.contextmanager
def guarding(folder: Path, upstream: str, /, people: str = "", **config: Any) -> Iterator[Guard]:
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"upstream": {"url": upstream}, "unlisted": {"default_max_tokens": 64}, **config}
    (folder / "guard.yaml").write_text(json.dumps(settings))
    (folder / "callers.yaml").write_text(people or callers())
    with served(folder, "--config", str(folder / "guard.yaml")) as guard:
        yield guard


@contextlib.contextmanager
def served(folder: Path, *words: str) -> Iterator[Guard]:
    """``guard serve`` with these words, and what it writes."""
    log = folder / "log"
    start = [*INBOND, "guard", "serve", "--port", "0", "--home", str(folder / "bond"), "--json", *words]
    with log.open("w") as errors:
        process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield Guard(process, json.loads(line)["address"], folder, log)
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def mocked(behaviour: mock.Behaviour) -> Iterator[mock.MockHost]:
    """The mock in a thread, since the real client waits."""
    started, hosts, ending = threading.Event(), [], []

    async def go() -> None:
        done = asyncio.Event()
        async with mock.running(behaviour) as host:
            hosts.append(host)
            ending.append((asyncio.get_running_loop(), done))
            started.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(go()))
    thread.start()
    assert started.wait(10)
    try:
        yield hosts[0]
    finally:
        loop, done = ending[0]
        loop.call_soon_threadsafe(done.set)
        thread.join(10)


def eventually(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}


async def everything(host: mock.MockHost, request, body: dict[str, Any]):
    """A host that can do all that the guard serves."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    if request.path.endswith("/models"):
        return mock.web.json_response({"object": "list", "data": [{"id": "mock-1", "object": "model"}]})
    if request.path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
        value = {"object": "list", "data": data, "model": "mock-1", "usage": {"prompt_tokens": 7}}
        return mock.web.json_response(value)
    if request.path.endswith("/responses"):
        part = {"type": "output_text", "text": "Hello", "annotations": []}
        output = [
            {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
        ]
        used = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
        value = {"id": "r", "object": "response", "model": "mock-1", "output": output, "usage": used}
        return mock.web.json_response(value)
    if request.path.endswith("/completions") and "prompt" in body:
        value = {"id": "x", "model": "mock-1", "choices": [{"index": 0, "text": "Hello"}], "usage": usage}
        return mock.web.json_response(value)
    if body.get("stream"):
        return await mock.answering("Hello")(host, request, body)
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]} if body.get("tools") else {
        "role": "assistant", "content": "Hello"}  # fmt: skip
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return mock.web.json_response({"id": "x", "model": "mock-1", "choices": choices, "usage": usage})


def test_the_real_client_before_a_mock(tmp_path: Path) -> None:
    with mocked(everything) as host, guarding(tmp_path, f"http://{host.host}") as guard:
        client = guard.client()
        chat = client.chat.completions
        assert [model.id for model in client.models.list()] == ["mock-1"]
        assert chat.create(model="mock-1", messages=MESSAGES).choices[0].message.content == "Hello"
        stream = chat.create(model="mock-1", messages=MESSAGES, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello"
        counted = chat.create(
            model="mock-1", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        assert [chunk.usage.completion_tokens for chunk in counted if chunk.usage] == [5]
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        called = chat.create(model="mock-1", messages=MESSAGES, tools=[tool]).choices[0].message.tool_calls
        assert called[0].function.arguments == '{"at": "sky"}'
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        chat.create(model="mock-1", messages=[{"role": "user", "content": [picture]}])
        assert host.bodies[-1]["messages"][0]["content"] == [picture]
        assert client.completions.create(model="mock-1", prompt=SECRET).choices[0].text == "Hello"
        found = client.embeddings.create(model="mock-1", input=SECRET, encoding_format="float")
        assert found.data[0].embedding == [0.5, 0.25]
        assert client.responses.create(model="mock-1", input=SECRET).output_text == "Hello"
        with pytest.raises(openai.AuthenticationError, match="Give a valid key"):
            guard.client("ib-wrong").models.list()
        with pytest.raises(openai.NotFoundError):
            client.files.list()
        assert all(KEY not in str(headers) for headers in host.headers), "the caller's key stays here"
        status, body = guard.get("/health")
        assert (status, json.loads(body)) == (200, {"status": "alive", "state": "reachable"})
        assert guard.get("/ready")[0] == 200
        assert b'inbond_requests_total{route="responses",status="200"} 1.0' in guard.get("/metrics")[1]
        assert guard.end() == 0
        log = guard.log.read_text()
        assert SECRET not in log
        assert KEY not in log
        lines = guard.lines()
        assert len(lines) == 11
        assert {(line["tenant"], line["account"]) for line in lines[:9]} == {("t", "a")}
        assert [line["completion_tokens"] for line in lines[1:3]] == [3, 5]


def test_an_upstreams_errors_reach_the_real_client_as_they_were(tmp_path: Path) -> None:
    said = {"error": {"message": "too busy", "type": "overloaded", "param": None, "code": "busy"}}
    behave = mock.status(503, said, {"retry-after": "9"})
    unlisted = {"reasoning": "pass"}  # where reasoning is hidden, the guard says it in its own words
    with mocked(behave) as host, guarding(tmp_path, f"http://{host.host}", unlisted=unlisted) as guard:
        with pytest.raises(openai.InternalServerError, match="too busy") as caught:
            guard.client().chat.completions.create(model="m", messages=MESSAGES)
        assert (caught.value.status_code, caught.value.code) == (503, "busy")
        assert caught.value.response.headers["retry-after"] == "9"


def test_keys_and_budgets_change_while_it_runs(tmp_path: Path) -> None:
    with mocked(everything) as host, guarding(tmp_path, f"http://{host.host}") as guard:
        guard.client().models.list()
        (tmp_path / "callers.yaml").write_text("tenants: [")
        eventually(lambda: "callers are as before" in guard.log.read_text())
        guard.client().models.list()
        (tmp_path / "callers.yaml").write_text(callers(OTHER, "{requests_per_day: 1}"))
        eventually(lambda: "callers were read anew" in guard.log.read_text())
        with pytest.raises(openai.AuthenticationError):
            guard.client().models.list()
        guard.client(OTHER).models.list()
        with pytest.raises(openai.RateLimitError, match="A limit of yours is reached: 1 requests a day"):
            guard.client(OTHER).models.list()
        assert hash_of(KEY) not in guard.log.read_text()


def test_sigterm_lets_a_stream_come_to_its_end(tmp_path: Path) -> None:
    pieces = [
        mock.event(mock.chunk("a")),
        1.0,
        mock.event(mock.chunk("b")),
        mock.event(mock.USAGE),
        mock.DONE,
    ]
    with mocked(mock.streaming(*pieces)) as host, guarding(tmp_path, f"http://{host.host}") as guard:
        stream = guard.client().chat.completions.create(model="m", messages=MESSAGES, stream=True)
        first = next(iter(stream)).choices[0].delta.content
        guard.process.send_signal(signal.SIGTERM)
        rest = [chunk.choices[0].delta.content for chunk in stream]
        assert [first, *rest] == ["a", "b"]
        assert guard.process.wait(20) == 0


def test_the_real_client_leaves_and_the_upstream_is_told(tmp_path: Path) -> None:
    gone = threading.Event()

    async def endless(_, request, _body):
        response = mock.web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(mock.event(mock.chunk("word ")))
                await asyncio.sleep(0.02)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise

    with mocked(endless) as host, guarding(tmp_path, f"http://{host.host}") as guard:
        stream = guard.client().chat.completions.create(model="m", messages=MESSAGES, stream=True)
        for _, _chunk in zip(range(3), stream, strict=False):
            pass
        stream.close()
        assert gone.wait(10)
        eventually(lambda: bool(guard.lines()))
        line = guard.lines()[-1]
        assert line["code"] == "client_gone"
        assert line["completion_tokens"] >= 15


def test_a_guard_that_is_killed_frees_its_seats_by_their_lease(tmp_path: Path) -> None:
    """And its claims stay. The lease is two minutes: the clock is the file's own here."""
    import sqlite3

    people = callers(limits="{concurrency: 1, tokens_per_day: 1000}")
    with mocked(mock.streaming(30.0)) as host, guarding(tmp_path, f"http://{host.host}", people) as guard:
        client = guard.client().with_options(timeout=1)
        ask = functools.partial(client.chat.completions.create, model="m", messages=MESSAGES, stream=True)
        threading.Thread(target=_quietly, args=(ask,)).start()
        eventually(lambda: bool(host.bodies))
        guard.process.kill()
        guard.process.wait()
    with contextlib.closing(sqlite3.connect(tmp_path / "bond" / "guard" / "state.db")) as db:
        (seats, until), (used,) = (
            db.execute("SELECT count(*), max(until) FROM seat").fetchone(),
            db.execute("SELECT amount FROM used").fetchone(),
        )
        assert (seats, used > 64) == (1, True)
        assert 100 < until - time.time() <= 120
        db.execute("UPDATE seat SET until = ?", (time.time() - 1,))
        db.commit()
    with mocked(everything) as host, guarding(tmp_path, f"http://{host.host}", people) as guard:
        guard.client().chat.completions.create(model="m", messages=MESSAGES, max_tokens=5)


def _quietly(what: Callable[[], Any]) -> None:
    with contextlib.suppress(openai.OpenAIError):
        what()


@pytest.mark.slow
def test_two_guards_on_one_redis_keep_one_budget(tmp_path: Path) -> None:
    redis = RedisServer("--requirepass", "hunter2")
    url = f"redis://:hunter2@127.0.0.1:{redis.port}/1"
    people = callers(limits="{requests_per_day: 20}")
    try:
        with (
            mocked(everything) as host,
            guarding(tmp_path / "1", f"http://{host.host}", people, state=url) as first,
            guarding(tmp_path / "2", f"http://{host.host}", people, state=url) as second,
        ):
            clients = [first.client(), second.client()]
            passed = 0
            for number in range(24):
                with contextlib.suppress(openai.RateLimitError):
                    clients[number % 2].models.list()
                    passed += 1
            assert passed == 20
            redis.stop()
            with pytest.raises(openai.InternalServerError, match="cannot be metered"):
                clients[0].models.list()
            eventually(lambda: json.loads(first.get("/health")[1])["state"] == "lost")
            assert first.get("/ready")[0] == 503
            redis.start()
            eventually(lambda: json.loads(first.get("/health")[1])["state"] == "emptied")
            start = [sys.executable, "-c", "from inbond.cli.main import main; main()", "guard", "state"]
            config = ["--config", str(tmp_path / "1" / "guard.yaml"), "--home", str(tmp_path / "1" / "bond")]
            subprocess.run([*start, *config, "--accept-emptied"], check=True, capture_output=True)
            eventually(lambda: first.get("/ready")[0] == second.get("/ready")[0] == 200)
            clients[1].models.list()  # it forgot: budgets begin anew, and that is counted
            assert b"inbond_state_losses 1.0" in first.get("/metrics")[1]
            assert "hunter2" not in first.log.read_text() + second.log.read_text()
            assert (first.end(), second.end()) == (0, 0)
    finally:
        redis.remove()


@pytest.mark.slow
def test_the_real_client_before_a_real_model(tmp_path: Path, smollm2_gguf: Path) -> None:
    with server_apart(smollm2_gguf) as host, guarding(tmp_path, f"http://{host}") as guard:
        client = guard.client()
        names = [model.id for model in client.models.list()]
        assert len(names) == 1
        asked = {"model": names[0], "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
        whole = client.chat.completions.create(**asked, temperature=0, seed=1)
        pieces = list(client.chat.completions.create(**asked, temperature=0, seed=1, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices)
        assert text == whole.choices[0].message.content
        assert whole.usage.completion_tokens == 8
        done = client.completions.create(model=names[0], prompt="One, two,", max_tokens=4)
        assert done.choices[0].text
        with pytest.raises(openai.APIStatusError) as caught:
            client.embeddings.create(model=names[0], input="x")
        assert caught.value.status_code in (400, 500, 501), "the server's own word: it serves no embeddings"
        stream = client.chat.completions.create(**{**asked, "max_tokens": 900}, stream=True)
        next(iter(stream))
        stream.close()
        eventually(lambda: any(line["code"] == "client_gone" for line in guard.lines()))
        assert client.chat.completions.create(**asked).usage.completion_tokens == 8
        lines = [line for line in guard.lines() if line["route"] == "/v1/chat/completions"]
        assert [line["completion_tokens"] for line in lines[:2]] == [8, 8]
        assert guard.end() == 0
