"""What whoever leaves a stream before its end pays, before the guard as a process: what passed, at least."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_guard_gateway import KEY, eventually
from tests.guard_scene import Scene, scene
from tests.raw_host import STREAM_HEAD, chunk

ANSWERS, STEPS = 16, 20


def event(value: dict[str, Any]) -> bytes:
    return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


def counted(index: int, step: int) -> bytes:
    """A piece of one answer, with vLLM's running count of that one."""
    usage = {"prompt_tokens": 5, "completion_tokens": step, "total_tokens": 5 + step}
    return event({"choices": [{"index": index, "delta": {"content": f"word{step} "}}], "usage": usage})


RUNNING = [counted(index, step) for step in range(1, STEPS + 1) for index in range(ANSWERS)]
FAULTS = {
    "several": [STREAM_HEAD, *RUNNING, 30.0],
    "one": [STREAM_HEAD, *[counted(0, step) for step in range(1, STEPS + 1)], 30.0],
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    allowed = {"fields": {"chat/completions": ["stream_options.continuous_usage_stats"]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        with scene(tmp_path_factory.mktemp("guard"), FAULTS, **allowed) as opened:
            yield opened


def left(found: Scene, model: str, until: bytes, **more: Any) -> int:
    """Tokens that are paid by who leaves as soon as this was sent to him."""
    before, said = found.used(), {"messages": [{"role": "user", "content": "hi"}], **more}
    body = json.dumps({"model": model, "max_tokens": 1_000, "stream": True, **said}).encode()
    head = [b"POST /v1/chat/completions HTTP/1.1", b"Host: g", b"Authorization: Bearer " + KEY.encode()]
    got = b""
    with socket.create_connection(("127.0.0.1", found.port), timeout=10) as client:
        client.sendall(b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body]))
        while until not in got:
            got += client.recv(65_536)
    eventually(lambda: found.open_ends() == 0)
    return found.used() - before


@pytest.mark.parametrize("options", [{"include_usage": True}, {"continuous_usage_stats": True}])
def test_a_running_count_of_one_answer_is_not_that_of_all(found: Scene, options: dict[str, bool]) -> None:
    paid = left(found, "several", b"word20", n=ANSWERS, stream_options=options)
    assert paid >= 5 + ANSWERS * (STEPS - 1), "a token for each piece that passed, and for the prompt"


def test_a_running_count_of_the_only_answer_is_believed(found: Scene) -> None:
    assert left(found, "one", b"word20") == 5 + STEPS


def test_others_than_openais_options_of_streams_are_refused_by_name(tmp_path: Path) -> None:
    with scene(tmp_path, {}) as strict:
        options = {"include_usage": True, "continuous_usage_stats": True}
        status, body = strict.ask("echo", stream=True, n=16, stream_options=options)
        assert (status, json.loads(body)["error"]["message"]) == (
            400,
            "stream_options.continuous_usage_stats is not served on chat/completions: leave it out, or ask"
            " the provider to allow it",
        )
