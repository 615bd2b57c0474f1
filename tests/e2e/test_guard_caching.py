"""The server's cache of prompts behind the guard as a process: no tenant names another's or is told of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_guard_gateway import KEY, OTHER
from tests.guard_scene import Scene, scene
from tests.raw_host import KEEP, STREAM_HEAD, answer, chunk

USAGE = {
    "prompt_tokens": 9, "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0}, "prompt_cache_hit_tokens": 8,
}  # fmt: skip
TIMINGS = {"cache_n": 8, "prompt_n": 1, "prompt_ms": 1.5, "predicted_n": 2}
SAID = 'they said "cached_tokens": 3, truly'
WHOLE = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
    "usage": USAGE, "timings": TIMINGS,
}  # fmt: skip
EVENTS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": SAID}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": USAGE, "timings": TIMINGS},
]
FAULTS = {
    "whole": [answer(json.dumps(WHOLE).encode()), KEEP],
    "stream": [
        STREAM_HEAD, *[chunk(b"data: " + json.dumps(each).encode() + b"\n\n") for each in EVENTS],
        chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n", KEEP,
    ],
}  # fmt: skip


def told(found: Scene, model: str) -> dict[str, Any]:
    """Usage and timings as the caller gets them; what was said comes as it was."""
    options = {"stream_options": {"include_usage": True}} if model == "stream" else {}
    status, body = found.ask(model, stream=model == "stream", **options)
    assert (status, json.dumps(SAID).encode() in body) == (200, True)
    if model == "whole":
        return json.loads(body)
    last = next(line for line in body.splitlines() if b'"usage"' in line)
    return json.loads(last.removeprefix(b"data: "))


@pytest.mark.parametrize("reasoning", ["pass", "strip"])
def test_what_a_shared_cache_had_is_told_nobody(tmp_path: Path, reasoning: str) -> None:
    with scene(tmp_path, FAULTS, unlisted={"reasoning": reasoning}) as found:
        for model in FAULTS:
            value = told(found, model)
            assert value["usage"] == {
                "prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"audio_tokens": 0},
            }  # fmt: skip
            assert value["timings"] == {"predicted_n": 2}
        found.is_well()


def named(found: Scene, key: str, **more: Any) -> dict[str, Any]:
    assert found.ask("echo", key=key, **more)[0] == 200
    return found.host.requests[-1]


def test_a_name_of_a_cache_is_its_tenants_own(tmp_path: Path) -> None:
    with scene(tmp_path, {}) as found:
        one, same, another, other = (
            named(found, key, prompt_cache_key=name)["prompt_cache_key"]
            for key, name in ((KEY, "k" * 64), (KEY, "k" * 64), (KEY, "l"), (OTHER, "k" * 64))
        )
        assert one == same
        assert len({one, another, other, "k" * 64}) == 4
        assert len(one) == 48, "OpenAI takes 64"
        assert "cache_salt" not in found.host.requests[-1]
        assert "prompt_cache_key" not in named(found, KEY)


def test_before_vllm_each_tenant_has_a_salt_and_its_counts(tmp_path: Path) -> None:
    with scene(tmp_path, FAULTS, prompt_cache="vllm") as found:
        one, same, other = (named(found, key)["cache_salt"] for key in (KEY, KEY, OTHER))
        assert one == same != other
        for model in FAULTS:
            value = told(found, model)
            assert (value["usage"], value["timings"]) == (USAGE, TIMINGS)
