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
    "silent": [STREAM_HEAD, event({"choices": [{"index": 0, "delta": {"content": "word"}}]}), 30.0],
    "one": [STREAM_HEAD, *[counted(0, step) for step in range(1, STEPS + 1)], 30.0],
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    fields = ["stream_options.continuous_usage_stats", "content.video_url"]
    allowed = {"fields": {"chat/completions": fields}, "media_tokens": 70_000}
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


def message(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [part, {"type": "text", "text": "x"}]}]


def test_a_video_is_paid_as_configured_and_a_file_by_address_with_it(found: Scene) -> None:
    video = {"type": "video_url", "video_url": {"url": "https://h/long.mp4"}}
    file = {"type": "file", "file": {"file_url": "https://h/long.pdf"}}
    for part in (video, file):
        assert 70_000 < left(found, "silent", b"word", messages=message(part)) < 70_300


def test_what_opens_files_and_tensors_of_the_server_does_not_reach_it(tmp_path: Path) -> None:
    with scene(tmp_path, {}, fields={"chat/completions": ["content.video"]}) as opened:
        for part, fault in (
            ({"type": "image_embeds", "image_embeds": "AAAA"},
             "content.image_embeds is not served on chat/completions: leave it out, or ask the provider to"
             " allow it"),
            ({"type": "video", "video": "file:///etc/passwd"},
             "video is served with http:, https: or data: only"),
        ):  # fmt: skip
            status, body = opened.ask("echo", messages=message(part))
            assert (status, json.loads(body)["error"]["message"]) == (400, fault)
        assert opened.host.requests == []
