"""What a roundtable adds to its slowest seat: milliseconds a round, six seats behind HTTP on this machine.

    python benchmarks/roundtable.py --part overhead [--sessions N]

The server answers each model after a time of its own, the slowest after ``SLOWEST_S``; it runs in a process
of its own. Three ways in turn: sessions of two rounds over HTTP, the same with seats in this process, and six
bare requests at once without a table, which is what HTTP itself takes. Transcripts are written to disk, as
they always are; connections are warm.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from inbond.roundtable import table
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat
from inbond.teachers.protocols import Completes, Request, Sampling
from inbond.teachers.scripted import Scripted
from inbond.teachers.served import Served
from inbond.types import Message, parse_model_name

SESSIONS: Final = 20
SEATS: Final = 6
SLOWEST_S: Final = 0.1
GOAL_MS: Final = 50.0
_STEP_S: Final = 0.01
_QUESTION: Final = Question.make("Is it right to distil a model without leave?", ("Yes", "No"), "en")
_REASONS: Final = "It takes what others have paid for, and it is not theirs to give. " * 8
Timed = Callable[[], Awaitable[float]]
"""Seconds of one round beyond its slowest seat."""


def latency_s(seat: int) -> float:
    """Of the seat of this number; the last is the slowest."""
    return SLOWEST_S - _STEP_S * (SEATS - 1 - seat)


def said(seat: int) -> str:
    """Always votes for the same option, so that the seats differ: three claims, and some 500 characters."""
    claims = [{"id": f"c{n}", "text": f"Claim {n}: {_REASONS[:120]}"} for n in (1, 2, 3)]
    vote = _QUESTION.options[seat % 2].id
    return json.dumps({"reasoning": _REASONS, "claims": claims, "vote": vote, "confidence": 0.8})


async def _answer(request: web.Request) -> web.Response:
    body = await request.json()
    seat = int(re.sub(r"\D", "", body["model"]))
    await asyncio.sleep(latency_s(seat))
    message = {"role": "assistant", "content": said(seat)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 600, "completion_tokens": 250}
    return web.json_response({"model": body["model"], "choices": [choice], "usage": usage})


async def _serve() -> None:
    """Listens until it is ended; its port is the first line that it prints."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """The port of the server."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def _in_turn(folder: Path, served: Mapping[str, Completes], scripted: Mapping[str, Completes]) -> list[Timed]:
    number = iter(range(sys.maxsize))

    async def session(sat: Mapping[str, Completes]) -> float:
        seats = [Seat(name, f"api:127.0.0.1:1/{name}") for name in sat]
        began = time.perf_counter()
        held = await table.run(_QUESTION, seats, sat, folder / str(next(number)))
        took = time.perf_counter() - began
        assert held.rounds_held == 2, "the seats differ"
        assert all(seat.turns[-1].status == "voted" for seat in held.seats), "the server answers"
        return took / 2 - SLOWEST_S

    async def bare() -> float:
        asked = (Message("system", _REASONS), Message("user", 6 * _REASONS))
        began = time.perf_counter()
        await asyncio.gather(
            *(each.complete(Request(each.identity, asked, Sampling(seed=1))) for each in served.values())
        )
        return time.perf_counter() - began - SLOWEST_S

    return [lambda: session(served), lambda: session(scripted), bare]


async def _measured(sessions: int, port: int, folder: Path) -> list[list[float]]:
    names = [f"seat-{seat}" for seat in range(SEATS)]
    served = {name: Served.open(parse_model_name(f"api:127.0.0.1:{port}/{name}"), {}, {}) for name in names}
    scripted = {
        name: Scripted(lambda _, text=said(seat): text, identity=name, latency_s=latency_s(seat))  # type: ignore[misc]
        for seat, name in enumerate(names)
    }
    try:
        ways = _in_turn(folder, served, scripted)
        for way in ways:
            await way()
        rounds = [[await way() for way in ways] for _ in range(sessions)]
    finally:
        for each in served.values():
            await each.close()
    return [list(column) for column in zip(*rounds, strict=True)]


def measure(sessions: int = SESSIONS) -> dict[str, Any]:
    """Median, 90th percentile and worst of so many sessions, in milliseconds a round."""
    with serving() as port, tempfile.TemporaryDirectory() as folder:
        over_http, scripted, bare = asyncio.run(_measured(sessions, port, Path(folder)))
    return {
        "seats": SEATS,
        "sessions": sessions,
        "slowest_ms": SLOWEST_S * 1e3,
        "goal_ms": GOAL_MS,
        "over_http": _told(over_http),
        "in_process": _told(scripted),
        "bare_http": _told(bare),
    }


def _told(seconds: Sequence[float]) -> dict[str, float]:
    tenths = statistics.quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else [*seconds] * 9
    values = {"median_ms": statistics.median(seconds), "p90_ms": tenths[8], "worst_ms": max(seconds)}
    return {name: round(1e3 * value, 1) for name, value in values.items()}


def lines(found: Mapping[str, Any]) -> list[str]:
    """The three ways, and the goal."""
    rows = {
        "sessions over HTTP": "over_http",
        "the same, seats in this process": "in_process",
        "six bare requests": "bare_http",
    }
    table_ = [
        "| way | median beyond the slowest seat, ms a round | p90 | worst |",
        "|--|--|--|--|",
        *(
            f"| {name} | {found[key]['median_ms']} | {found[key]['p90_ms']} | {found[key]['worst_ms']} |"
            for name, key in rows.items()
        ),
    ]
    value = found["over_http"]["median_ms"]
    return [
        *table_,
        "",
        f"goal {'met' if value < GOAL_MS else 'MISSED'}: {value} ms a round beyond the slowest of {SEATS} "
        f"seats (wanted: under {GOAL_MS:g})",
    ]


if __name__ == "__main__":
    asyncio.run(_serve())
