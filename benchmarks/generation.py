"""What the journal costs: tokens a second of llama.cpp alone, and of the same llama.cpp through complete_all.

Both sides use one loaded model, the same prompts, seeds and number of answers at once, in turns (the
order swaps every round, so that a warm or busy machine favours neither). Alone means: threads that
call the wheel directly and throw the answers away. Run it on an idle machine:

    python benchmarks/generation.py [--rounds 4] [--prompts 24] [--tokens 48] [--parallel 8]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inbond.engine.completions import FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.teachers import catalogue, wire
from inbond.teachers.embedded import Embedded, Settings
from inbond.teachers.protocols import Request, Sampling
from inbond.teachers.scripted import Scripted
from inbond.types import Message
from inbond.workspace import cache_folder


def requests(teacher: str, count: int, tokens: int, start: int) -> list[Request]:
    return [
        Request(
            teacher,
            (Message("user", f"Write a short story about the number {i}."),),
            Sampling(tokens, seed=i),
        )
        for i in range(start, start + count)
    ]


def alone(teacher: Embedded, asked: list[Request], parallel: int) -> float:
    """Tokens a second of the wheel itself."""
    server = teacher._server

    def ask(request: Request) -> int:
        body = wire.body_of(request, model="m") | {"stream": False}
        del body["stream_options"]
        return int(server.handle_chat_completions(body)["usage"]["completion_tokens"])

    start = time.perf_counter()
    with ThreadPoolExecutor(parallel) as threads:
        tokens = sum(threads.map(ask, asked))
    return tokens / (time.perf_counter() - start)


async def through_the_journal(teacher: Embedded, asked: list[Request], journal: Journal) -> float:
    start = time.perf_counter()
    done = await complete_all(
        teacher, asked, journal, FailurePolicy(), run="benchmark", on_progress=print_nothing
    )
    assert done.from_journal == 0, "every request is new"
    return done.completion_tokens / (time.perf_counter() - start)


def print_nothing(_: object) -> None:
    """Progress is reckoned, as in a run, and not shown."""


async def compare(arguments: argparse.Namespace, folder: Path) -> None:
    cache = cache_folder(os.environ)
    found = catalogue.resolve(catalogue.LISTED[0].uri, cache)
    settings = Settings(arguments.parallel, 512)
    teacher = Embedded.open(found.path, cache, name=str(found.name), digest=found.digest, settings=settings)
    rates: dict[str, list[float]] = {"alone": [], "journal": []}
    with Journal.open(folder / "journal.db") as journal:
        await asyncio.to_thread(alone, teacher, requests("warm", 4, 8, 10_000), arguments.parallel)
        for number in range(arguments.rounds):
            asked = requests(
                teacher.identity, arguments.prompts, arguments.tokens, number * arguments.prompts
            )
            for side in sorted(rates, reverse=bool(number % 2)):
                if side == "alone":
                    rate = await asyncio.to_thread(alone, teacher, asked, arguments.parallel)
                else:
                    rate = await through_the_journal(teacher, asked, journal)
                rates[side].append(rate)
                print(f"round {number + 1}: {side:8} {rate:7.1f} tokens/s", flush=True)
    await teacher.close()
    one, other = (statistics.median(rates[side]) for side in ("journal", "alone"))
    print(f"median: journal {one:.1f}, alone {other:.1f} tokens/s; ratio {one / other:.3f} (target 0.95)")


async def overhead(folder: Path, count: int = 5000) -> None:
    """Milliseconds a request against a teacher that answers at once."""
    teacher = Scripted(lambda _: "an answer", concurrency=8)
    asked = [Request(teacher.identity, f"question {i}", Sampling(16)) for i in range(count)]
    with Journal.open(folder / "overhead.db") as journal:
        start = time.perf_counter()
        await complete_all(teacher, asked, journal, FailurePolicy(), run="r", on_progress=print_nothing)
        asking = time.perf_counter() - start
        start = time.perf_counter()
        await complete_all(teacher, asked, journal, FailurePolicy(), run="r", on_progress=print_nothing)
        again = time.perf_counter() - start
    each, kept = asking / count * 1e3, again / count * 1e3
    print(f"a scripted teacher: {each:.3f} ms a request; from the journal {kept:.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, value in {"rounds": 4, "prompts": 24, "tokens": 48, "parallel": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(overhead(Path(folder)))
        asyncio.run(compare(arguments, Path(folder)))


if __name__ == "__main__":
    main()
