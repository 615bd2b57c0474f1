"""A model server that sends bytes and not always HTTP, before the guard as a process. After everything: it
lives, everybody gets their own answers, what passed is counted."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.test_guard_gateway import eventually
from tests.guard_scene import Scene, scene
from tests.raw_host import KEEP, RESET, STREAM_HEAD, Fault, answer, chunk

TEXT = "fourteen bytes"
WHOLE = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}}]}).encode()
TOLD = json.dumps({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 5}}).encode()
FOREIGN = WHOLE.replace(TEXT.encode(), b"somebody else's words")
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"fourteen bytes"}}]}\n\n'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def used_up(tokens: bytes) -> bytes:
    return answer(b'{"choices": [], "usage": {"prompt_tokens": ' + tokens + b', "completion_tokens": 1}}')


FAULTS: dict[str, Fault] = {
    # Before an answer.
    "closes": [b"H"],
    "resets": [RESET],
    "half a status": [b"HTTP/1.1 20"],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-Type: app"],
    "garbage": [b"\0\xff\x16garbage\r\n\r\n"],
    "no status": [b"HTTP/1.1 abc OK\r\n\r\n"],
    "another protocol": [b"PRI * HTTP/2.0\r\n\r\n"],
    "never": [30.0],
    "switches protocol": [b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nraw"],
    "status 99": [answer(WHOLE, status=b"099 X")],
    "status 999": [answer(WHOLE, status=b"999 X")],
    "status 304": [b"HTTP/1.1 304 Not Modified\r\n\r\n"],
    # Heads that can be read in two ways, or not at all.
    "negative length": [answer(WHOLE, length=-5)],
    "two lengths": [answer(WHOLE, b"Content-Length: 3")],
    "length and chunks": [answer(WHOLE, b"Transfer-Encoding: chunked")],
    "length of words": [b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n" + WHOLE],
    "bare return": [answer(WHOLE, b"X-Odd: a\rSet-Cookie: b")],
    "zero byte": [answer(WHOLE, b"X-Odd: a\0b")],
    "long header": [answer(WHOLE, b"X-Odd: " + b"a" * 100_000)],
    "odd name": [answer(WHOLE, b"X Odd: a")],
    "many headers": [answer(WHOLE, *(b"X-%d: a" % number for number in range(5_000)))],
    "odd bytes": [answer(WHOLE, b"X-Odd: \xff\xfe")],
    # Bodies.
    "too short": [answer(WHOLE, length=len(WHOLE) + 50)],
    "too long": [answer(WHOLE, length=20), KEEP],
    "bad chunk": [CHUNKED, chunk(WHOLE[:10]), b"zz\r\nxx"],
    "cut chunk": [CHUNKED, chunk(WHOLE[:10])],
    "huge chunk": [CHUNKED, b"ffffffffffffffffff\r\n"],
    "no length": [b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE],
    "gzip": [answer(gzip.compress(WHOLE), b"Content-Encoding: gzip")],
    "gzip that is cut": [answer(gzip.compress(WHOLE)[:-4], b"Content-Encoding: gzip")],
    "gzip that is none": [answer(b"\x1f\x8bnot", b"Content-Encoding: gzip")],
    "brotli": [answer(b"\x0b\x02\x80hi\x03", b"Content-Encoding: br")],
    "gzip that swells": [answer(gzip.compress(b"x" * 40_000_000), b"Content-Encoding: gzip")],
    "nothing": [answer(b"")],
    "null": [answer(b"null")],
    "another alphabet": [answer(WHOLE.decode().encode("utf-16"))],
    "deep": [answer(b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}")],
    # Counts.
    "a googol used": [used_up(b"1" + b"0" * 400)],
    "2^63 used": [used_up(b"9223372036854775808")],
    "less than nothing used": [used_up(b"-5")],
    "5,000 digits used": [used_up(b"9" * 5_000)],
    # Streams.
    "dies within": [STREAM_HEAD, chunk(EVENT), chunk(EVENT)],
    "resets within": [STREAM_HEAD, chunk(EVENT), 0.05, RESET],
    "ends within an event": [STREAM_HEAD, chunk(EVENT[:-1]), b"0\r\n\r\n"],
    "falls silent": [STREAM_HEAD, chunk(EVENT), 30.0],
    "event without end": [STREAM_HEAD, chunk(b"data: " + b"x" * 17_000_000), b"0\r\n\r\n"],
    "odd events": [
        STREAM_HEAD,
        chunk(b"\xff\xfe\r\r\n\ndata\n\ndata: {\n\ndata: []\n\nid: \0\n\n" + EVENT),
        b"0\r\n\r\n",
    ],
    "marked": [STREAM_HEAD, chunk(b"\xef\xbb\xbf" + EVENT), b"0\r\n\r\n"],
    # Answers that leave another behind them, for whoever comes next on the connection.
    "two at once": [answer(WHOLE) + answer(FOREIGN), KEEP],
    "another later": [answer(WHOLE), 0.1, answer(FOREIGN), KEEP],
    "another after a stream": [STREAM_HEAD, chunk(EVENT), b"0\r\n\r\n", 0.1, answer(FOREIGN), KEEP],
    "half another": [answer(WHOLE) + b"HTTP/1.1 200 OK\r\nContent-Le", KEEP],
}
MAY_PASS = {
    "no length",
    "gzip",
    "nothing",
    "null",
    "another alphabet",
    "deep",
    "a googol used",
    "2^63 used",
    "odd bytes",
    "less than nothing used",
    "5,000 digits used",
    "two at once",
    "another later",
    "another after a stream",
    "half another",
    "dies within",
    "resets within",
    "ends within an event",
    "falls silent",
    "odd events",
    "marked",
    "event without end",
    "cut chunk",
    "too short",
    "gzip that is cut",
    "gzip that is none",
    "gzip that swells",
    "bad chunk",
    "huge chunk",
    "too long",
}
"""What may begin with 200; everything else is answered 502 or 504."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One guard that goes through all of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        with scene(tmp_path_factory.mktemp("guard"), FAULTS) as found:
            yield found


# Upstreams ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_an_upstream_sends(shared: Scene, fault: str, stream: bool) -> None:
    before, asked = shared.used(), len(shared.host.requests)
    status, body = shared.ask(fault, stream=stream)
    assert status in ((200, 502, 504) if fault in MAY_PASS else (502, 504)), body[:300]
    assert b"somebody" not in body
    assert len(shared.host.requests) == asked + 1, "nothing is ever sent twice"
    eventually(lambda: shared.open_ends() == 0)
    paid, seen = shared.used() - before, body.count(TEXT.encode())
    assert paid >= len(TEXT) * seen, f"{paid} tokens for {body[:300]!r}"
    assert 0 <= paid < 10**9
    if status != 200 or (seen == 0 and b"upstream_error" in body and not stream):
        assert paid == 0
        assert json.loads(body)["error"]["message"] == "The model server did not answer."
    time.sleep(0.15 if fault.startswith("another") else 0)
    shared.is_well()
