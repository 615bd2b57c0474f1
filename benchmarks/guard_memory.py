"""Whether the guard's memory stays flat: its resident size after every 20,000 of 200,000 requests.

    python benchmarks/guard_memory.py [--requests N] [--every N] [--keys N] [--known N] [--json] [--out FILE]

Requests come over eight connections from as many keys as --keys says, every fifth is a stream, and detection
runs beside them. A ratio of last to first after warm-up (the first two of ten) tells growth. ``--known`` puts
so many further accounts into the callers' file, and prints what the guard takes before anybody calls.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import guard_bench as bench
from guard_bench import Client, Server

CONNECTIONS = 8
GOAL_RATIO, GOAL_MB, GOAL_KNOWN = 1.03, 200.0, 100_000
_BAR = 50
_MB = 1e6


@dataclass(frozen=True)
class Grown:
    """Resident megabytes: at the start, and after each part of the requests; requests a second."""

    start: float
    parts: tuple[float, ...]
    each: int
    a_second: float

    @property
    def ratio(self) -> float:
        """Last to first after warm-up: the first fifth of the parts."""
        return self.parts[-1] / self.parts[min(len(self.parts) - 1, len(self.parts) // 5)]


def ask(server: Server, begin: int, count: int, keys: int) -> None:
    """``count`` requests, over connections that are asked at once. Every fifth is a stream."""
    failed: list[BaseException] = []

    def some(first: int) -> None:
        client = Client(server.port)
        try:
            for number in range(begin + first, begin + count, CONNECTIONS):
                client.ask(bench.key(number % keys), bench.asked(number, stream=number % 5 == 0))
        except BaseException as error:
            failed.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=some, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def measure(server: Server, requests: int, each: int, keys: int, say: Callable[[str], None]) -> Grown:
    """Asks in parts and looks at the resident size after each, when its marks are made."""
    start, began = server.rss() / _MB, time.perf_counter()
    parts: list[float] = []
    for begin in range(0, requests, each):
        ask(server, begin, each, keys)
        time.sleep(3)
        parts.append(server.rss() / _MB)
        say(f"{begin + each:>9,} requests {parts[-1]:7.1f} MB  {'#' * round(parts[-1] / start * _BAR / 2)}")
    return Grown(start, tuple(parts), each, requests / (time.perf_counter() - began))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--every", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=1_000, help="keys that ask")
    parser.add_argument("--known", type=int, default=0, help="accounts in the file that do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--out", type=Path, help="append the lines to this file")
    given = parser.parse_args()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if not given.json:
            print(line, flush=True)

    with (
        tempfile.TemporaryDirectory() as folder,
        bench.mock() as upstream,
        bench.guard(Path(folder) / "guard", upstream, given.keys + given.known) as server,
    ):
        grown = measure(server, given.requests, given.every, given.keys, say)
    say(f"{given.keys + given.known:,} accounts known: {grown.start:.1f} MB before anybody called")
    flat = "met" if grown.ratio <= GOAL_RATIO else "MISSED"
    say(f"goal {flat}: last to first after warm-up {grown.ratio:.3f} (wanted: at most {GOAL_RATIO:g})")
    if given.keys + given.known >= GOAL_KNOWN:
        met = "met" if grown.parts[-1] <= GOAL_MB else "MISSED"
        say(f"goal {met}: {grown.parts[-1]:.1f} MB at the end (wanted: at most {GOAL_MB:g})")
    if given.json:
        print(json.dumps({**asdict(grown), "ratio": grown.ratio}))
    if given.out:
        with given.out.open("a") as out:
            out.write("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
