"""Answers with reasoning, as servers write them: whole and as streams. And a seal that can be looked into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from inbond.guard import sse, wire
from inbond.guard.config import ModelPolicy
from inbond.guard.hiding import Hiding
from inbond.guard.reasoning import Stream, hide_body, hiding_for

Json = dict[str, Any]


class Seals:
    """Envelopes that are numbers; ``kept`` what they stand for."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def __call__(self, text: str) -> str:
        self.kept.append(text)
        return f"ibs1.E{len(self.kept)}."

    def values(self) -> list[tuple[str, Any]]:
        return [tuple(json.loads(text)) for text in self.kept]


def asked(route: wire.Route = "chat/completions", **more: Any) -> wire.Asked:
    words = {"messages": [{"role": "user", "content": "hi"}], "input": "hi", "prompt": "hi"}
    name = {"chat/completions": "messages", "completions": "prompt"}.get(route, "input")
    stream = {} if route == "embeddings" else {"stream": True}
    value = {"model": "m", name: words[name], **stream, **more}
    return wire.read(route, json.dumps(value).encode())


def hiding(policy: str, asks: wire.Asked, seals: Seals | None = None, **more: Any) -> Hiding:
    found = hiding_for(ModelPolicy(reasoning=policy, **more), asks, seals or Seals())  # type: ignore[arg-type]
    assert found is not None
    return found


def hidden_stream(asks: wire.Asked, hides: Hiding, chunks: Sequence[bytes]) -> bytes:
    """A stream as the gateway sends it on."""
    events, stream = sse.Events(), Stream(asks, hides)
    out = [stream.event(found) for chunk in chunks for found in events.feed(chunk)]
    return b"".join(out) + stream.finish(events.rest)


def hidden_body(asks: wire.Asked, hides: Hiding, value: Json) -> Json:
    found: Json = json.loads(hide_body(asks, hides, json.dumps(value).encode()))
    return found


def values(stream: bytes) -> list[Json]:
    """The events of a stream, less its end and its comments."""
    found = [event.data for event in sse.Events().feed(stream)]
    return [json.loads(data) for data in found if data not in (None, sse.DONE)]


def written(found: Sequence[Json], done: bool = True) -> bytes:
    """A stream of events, each with its type as name if it has one."""
    lines = [
        (f"event: {value['type']}\n" if "type" in value else "") + f"data: {json.dumps(value)}\n\n"
        for value in found
    ]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


def chat_chunk(delta: Json, finish: str | None = None, index: int = 0, **more: Any) -> Json:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


def chat_stream(deltas: Sequence[Json], finish: str = "stop") -> list[Json]:
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    return [
        chat_chunk({"role": "assistant", "content": None}),
        *map(chat_chunk, deltas),
        chat_chunk({}, finish),
        {**chat_chunk({}), "choices": [], "usage": usage},
    ]


def chat_body(message: Json, **choice: Any) -> Json:
    found = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop", **choice}
    usage = {
        "prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14,
        "completion_tokens_details": {"reasoning_tokens": 4},
    }  # fmt: skip
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [found],
        "usage": usage,
    }


def said(found: Sequence[Json], field: str = "content") -> str:
    """A field of the first choice, put together as clients do."""
    deltas = [c["delta"] for v in found for c in v["choices"] if c["index"] == 0]
    return "".join(delta.get(field) or "" for delta in deltas)


def response_stream(thought: Sequence[str], text: Sequence[str], summary: Sequence[str] = ()) -> list[Json]:
    """The events of a response that reasons, then speaks."""
    return [
        {**value, "sequence_number": n} for n, value in enumerate(_response_events(thought, text, summary))
    ]


def _response_events(thought: Sequence[str], text: Sequence[str], summary: Sequence[str]) -> Iterator[Json]:
    whole, said_text = "".join(thought), "".join(text)
    empty = {"id": "rs", "type": "reasoning", "summary": [], "status": "in_progress"}
    reasoned = {
        **empty, "status": "completed", "encrypted_content": "upstreams-own" if whole else "",
        "content": [{"type": "reasoning_text", "text": whole}] if whole else [],
        "summary": [{"type": "summary_text", "text": "".join(summary)}] if summary else [],
    }  # fmt: skip
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    message = {"id": "ms", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    spoken = {**message, "status": "completed", "content": [{**part, "text": said_text}]}
    begun = response([], status="in_progress")
    place = {"item_id": "rs", "output_index": 0}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
    for piece in summary:
        yield {"type": "response.reasoning_summary_text.delta", **place, "summary_index": 0, "delta": piece}
    reasoning_part = {"type": "reasoning_text", "text": ""}
    yield {"type": "response.content_part.added", **place, "content_index": 0, "part": reasoning_part}
    for piece in thought:
        yield {"type": "response.reasoning_text.delta", **place, "content_index": 0, "delta": piece}
    yield {"type": "response.reasoning_text.done", **place, "content_index": 0, "text": whole}
    reasoning_part = {"type": "reasoning_text", "text": whole}
    yield {"type": "response.content_part.done", **place, "content_index": 0, "part": reasoning_part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": reasoned}
    place = {"item_id": "ms", "output_index": 1, "content_index": 0}
    yield {"type": "response.output_item.added", "output_index": 1, "item": message}
    yield {"type": "response.content_part.added", **place, "part": part}
    for piece in text:
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": said_text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": {**part, "text": said_text}}
    yield {"type": "response.output_item.done", "output_index": 1, "item": spoken}
    yield {"type": "response.completed", "response": response([reasoned, spoken])}


def response(output: Sequence[Json], status: str = "completed") -> Json:
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 4}}
    return {
        "id": "rp", "object": "response", "created_at": 1, "status": status, "model": "m", "error": None,
        "incomplete_details": None, "instructions": None, "output": list(output), "tools": [],
        "parallel_tool_calls": True, "tool_choice": "auto", "metadata": {}, "temperature": 1.0, "top_p": 1.0,
        "reasoning": {"effort": "low", "summary": None},
        "usage": {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14, **details},
    }  # fmt: skip
