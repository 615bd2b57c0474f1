"""A model server that answers at once: what the guard's benchmarks put behind every gateway.

    python benchmarks/guard_mock.py [PORT]

A bare protocol of asyncio, so that what a gateway adds is not hidden behind what its upstream takes. Answers
are fixed and hold reasoning; streams send one event after the other, with the request's ``seed`` in
microseconds between them, and their usage where they are asked to. Prints its port, and ends with its
standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys

_WORDS = "the quick brown fox jumps over the lazy dog and then thinks again about what it saw "
_USAGE = {"prompt_tokens": 300, "completion_tokens": 400, "total_tokens": 700}
_HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "m"}


def _whole() -> bytes:
    message = {"role": "assistant", "content": _WORDS * 10, "reasoning_content": _WORDS * 6}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps(_HEAD | {"object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


def _pieces() -> list[bytes]:
    """Each with the length that the chunked coding puts before it; the usage is the last but one."""
    kind = {"object": "chat.completion.chunk"}
    deltas = [
        {"role": "assistant", "content": "Well, "},
        *({"content": f"{word} "} for word in _WORDS.split()),
    ]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    told = [json.dumps(_HEAD | kind | {"choices": [choice]}) for choice in choices]
    told += [json.dumps(_HEAD | kind | {"choices": [], "usage": _USAGE}), "[DONE]"]
    events = [f"data: {data}\n\n".encode() for data in told]
    return [b"%x\r\n%b\r\n" % (len(event), event) for event in events]


WHOLE, PIECES = _whole(), _pieces()
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_MODELS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + b'{"data":[]}'


class Mock(asyncio.Protocol):
    """One connection: one request after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._held = b""

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        if len(body) >= length:
            self._held = body[length:]
            self._answer(head, body[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self._transport.write(_MODELS)
            return
        asked = json.loads(body)
        if not asked.get("stream"):
            self._transport.write(WHOLE)
            return
        wants = (asked.get("stream_options") or {}).get("include_usage")
        self._transport.write(_STREAM)
        self._next([*PIECES[:-2], *(PIECES[-2:] if wants else PIECES[-1:])], asked.get("seed", 0) / 1e6)

    def _next(self, left: list[bytes], pause_s: float) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(left[0] if len(left) > 1 else left[0] + b"0\r\n\r\n")
        if left[1:]:
            asyncio.get_running_loop().call_later(pause_s, self._next, left[1:], pause_s)


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Mock, "127.0.0.1", port, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
