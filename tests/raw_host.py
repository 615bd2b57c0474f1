"""A model server of raw bytes, for tests: what it sends need be no HTTP. The model that is asked for says
which of its faults it shows; ``echo`` answers well, with the last thing said and a count of its bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Fault = Sequence[bytes | float]
"""Bytes to send and seconds to wait. Then the connection is closed, unless the last is KEEP."""
KEEP = -1.0
RESET = -2.0
"""The connection is kept for the next request, or reset."""
NEVER = 3_600.0


@dataclass
class RawHost:
    """``requests`` are the bodies that came, in order, and ``heads`` what stood before them."""

    faults: Mapping[str, Fault]
    requests: list[dict[str, Any]] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    host: str = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        lengths = [
            line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        body = await reader.readexactly(int(lengths[0])) if lengths else b"{}"
        asked = json.loads(body)
        self.requests.append(asked)
        pieces = self.faults.get(asked.get("model", ""), None) or (*_echo(asked), KEEP)
        for piece in pieces:
            if isinstance(piece, bytes):
                writer.write(piece)
                await writer.drain()
            elif piece == KEEP:
                return True
            elif piece == RESET:
                writer.transport.abort()
                return False
            else:
                await asyncio.sleep(piece)
        return False


def _echo(asked: dict[str, Any]) -> tuple[bytes, ...]:
    if not asked.get("messages"):
        return (answer(b'{"object": "list", "data": []}'),)
    said = asked["messages"][-1]["content"]
    used = {"prompt_tokens": 1, "completion_tokens": len(said.encode("utf-8", "surrogatepass"))}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": said}
        return (answer(json.dumps({"choices": [{"index": 0, "message": message}], "usage": used}).encode()),)
    said_events = [
        {"choices": [{"index": 0, "delta": {"content": said}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": used},
    ]
    events = [*(b"data: " + json.dumps(each).encode() + b"\n\n" for each in said_events), b"data: [DONE]\n\n"]
    return (STREAM_HEAD, *map(chunk, events), b"0\r\n\r\n")


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer(body: bytes, *lines: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """A whole answer; ``length`` what it says of its body's, where that is another."""
    said = b"Content-Length: %d" % (len(body) if length is None else length)
    head = b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Type: application/json", said, *lines, b"", b""])
    return head + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


@contextlib.contextmanager
def raw_host(faults: Mapping[str, Fault]) -> Iterator[RawHost]:
    """Runs in a thread of its own."""
    found = RawHost(faults)
    started = threading.Event()
    ending: list[Any] = []

    async def go() -> None:
        server = await asyncio.start_server(found.talk, "127.0.0.1", 0, backlog=1_024)
        found.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        done = asyncio.Event()
        ending.extend([asyncio.get_running_loop(), done])
        started.set()
        await done.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(go()))
    thread.start()
    assert started.wait(10)
    try:
        yield found
    finally:
        loop, done = ending
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
