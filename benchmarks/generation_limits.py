"""What asking costs beside the asking: how full the line is kept, how much memory, how long for each request.

How much of the concurrency limit is used when answers take 50 ms, by a scripted teacher in this process and
by a scripted server in another, over sockets, which reckons by its own clock; milliseconds a request when
answers take no time; and the most memory that so many requests and their answers take, journal included.

    python benchmarks/generation_limits.py [--requests 100000] [--parallel 16] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web

from inbond.engine.completions import FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.teachers.hosts import Host
from inbond.teachers.protocols import Completes, Price, Reply, Request, Sampling
from inbond.teachers.served import Served
from inbond.types import Message, parse_model_name

ANSWER = "an answer of some fifty tokens, as long as many are. " * 4


class Slow:
    """Answers after ``seconds``; notes how long it was at work in all."""

    identity = "scripted"
    price = Price()

    def __init__(self, parallel: int, seconds: float) -> None:
        self.concurrency = parallel
        self.seconds = seconds
        self.busy_s = 0.0

    async def complete(self, _: Request) -> Reply:
        start = time.perf_counter()
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self.busy_s += time.perf_counter() - start
        return Reply(ANSWER, "stop", 20, 50, "scripted", self.seconds)

    async def close(self) -> None:
        """Nothing is held."""


class Watched:
    """Another teacher; notes how long its calls were in flight in all."""

    def __init__(self, teacher: Served) -> None:
        self._teacher = teacher
        self.identity, self.concurrency, self.price = teacher.identity, teacher.concurrency, teacher.price
        self.busy_s = 0.0

    async def complete(self, request: Request) -> Reply:
        start = time.perf_counter()
        try:
            return await self._teacher.complete(request)
        finally:
            self.busy_s += time.perf_counter() - start

    async def close(self) -> None:
        await self._teacher.close()


def serve(seconds: float, told: Connection) -> None:
    """A server whose every answer takes ``seconds``. Tells its port; asked, how long it worked."""
    busy_s = 0.0

    async def answer(request: web.Request) -> web.Response:
        nonlocal busy_s
        start = time.perf_counter()
        await request.read()
        await asyncio.sleep(seconds)
        message = {"role": "assistant", "content": ANSWER}
        usage = {"prompt_tokens": 20, "completion_tokens": 50, "total_tokens": 70}
        reply = web.json_response(
            {
                "id": "scripted",
                "object": "chat.completion",
                "model": "m",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": usage,
            }
        )
        busy_s += time.perf_counter() - start
        return reply

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        told.send(runner.addresses[0][1])
        await asyncio.to_thread(told.recv)
        told.send(busy_s)

    asyncio.run(run())


@contextmanager
def server(seconds: float) -> Iterator[tuple[int, Connection]]:
    """Its port, and the line on which it tells how long it was at work."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(seconds, theirs))
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        process.terminate()
        process.join()


def requests(count: int, teacher: str = "scripted") -> list[Request]:
    return [
        Request(teacher, (Message("user", f"Write a short story about the number {i}."),), Sampling(64))
        for i in range(count)
    ]


async def over_sockets(arguments: argparse.Namespace, folder: Path) -> None:
    """The same as with the teacher in this process; the time between two requests is the network's too."""
    with server(0.05) as (port, line):
        host = f"127.0.0.1:{port}"
        served = Served.open(
            parse_model_name(f"api:{host}/m"), {host: Host(concurrency=arguments.parallel)}, {}
        )
        watched = Watched(served)
        asked = requests(int(arguments.seconds / 0.05 * arguments.parallel), served.identity)
        try:
            took = await timed(watched, asked, folder / "served.db")
        finally:
            await watched.close()
        line.send("how long?")
        used = line.recv() / took / arguments.parallel
    print(
        f"{len(asked)} requests to a server: {took:.2f} s; in flight "
        f"{watched.busy_s / took / arguments.parallel:.1%} of the limit (target 95%), "
        f"of which the server's 50 ms are {used:.1%}",
        flush=True,
    )


async def timed(teacher: Completes, asked: list[Request], place: Path) -> float:
    """Seconds for all of them."""
    with Journal.open(place) as journal:
        start = time.perf_counter()
        done = await complete_all(teacher, asked, journal, FailurePolicy(), run="r", on_progress=_see)
        assert not done.failures
        return time.perf_counter() - start


def _see(_: object) -> None:
    """Progress is reckoned, as in a run, and not shown."""


def most_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(arguments: argparse.Namespace, folder: Path) -> None:
    slow = Slow(arguments.parallel, 0.05)
    asked = requests(int(arguments.seconds / 0.05 * arguments.parallel))
    took = await timed(slow, asked, folder / "slow.db")
    ideal = len(asked) * slow.seconds / arguments.parallel
    print(
        f"{len(asked)} requests of 50 ms, {arguments.parallel} at once: {took:.2f} s; "
        f"in flight {slow.busy_s / took / arguments.parallel:.1%} of the limit, "
        f"ideal time {ideal / took:.1%} (target 95%)",
        flush=True,
    )
    await over_sockets(arguments, folder)
    before = most_mib()
    asked = requests(arguments.requests)
    used = time.process_time()
    took = await timed(Slow(arguments.parallel, 0.0), asked, folder / "fast.db")
    each, cpu = took / len(asked) * 1e3, (time.process_time() - used) / len(asked) * 1e3
    print(f"{len(asked)} requests: {each:.3f} ms each, {cpu:.3f} ms of processor (target 1 ms)", flush=True)
    size = (folder / "fast.db").stat().st_size / 2**20
    print(f"most memory {most_mib():.0f} MiB, {before:.0f} before (target 1024); journal {size:.0f} MiB")
    again = await timed(Slow(arguments.parallel, 0.0), asked, folder / "fast.db")
    print(f"all out of the journal: {again / len(asked) * 1e3:.3f} ms each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(arguments, Path(folder)))


if __name__ == "__main__":
    main()
