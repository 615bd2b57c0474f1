"""What asking costs beside the asking: how full the line is kept, how much memory, how long for each request.

Three figures against scripted teachers in this process, so that nothing but our own work is in them:
how much of the concurrency limit is used when answers take 50 ms; milliseconds a request when they take
none; and the most memory that so many requests and their answers take, journal included.

    python benchmarks/generation_limits.py [--requests 100000] [--parallel 16] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

from inbond.engine.completions import FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.teachers.protocols import Price, Reply, Request, Sampling
from inbond.types import Message

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


def requests(count: int) -> list[Request]:
    return [
        Request("scripted", (Message("user", f"Write a short story about the number {i}."),), Sampling(64))
        for i in range(count)
    ]


async def timed(teacher: Slow, asked: list[Request], place: Path) -> float:
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
