"""What the guard adds to a request, beside what LiteLLM adds, and what CPU it takes: interleaved runs.

    python benchmarks/guard_overhead.py [--requests N] [--streams N] [--litellm EXECUTABLE] [--harsh] [--json]
        [--out FILE]

One client asks sequentially, a mock upstream answers at once, both on this machine. There are two runs, one
with the guard over SQLite, one over Redis: each server more that is asked in between makes the caches of all
others colder, and nobody runs two guards. In a run every round asks each way once, beginning with another
one: bare (the mock itself), the guard, LiteLLM. Every gate is on (``guard_bench``); --harsh sets every kind
of limit for key, account and tenant each.

Streams (20 events) are asked for twice: with no pause between events, and with one of a millisecond, in which
processors fall asleep, so that whatever comes next is slower, the mock alone too.

Added is a way's quantile less the bare median, so that p99 counts the machine's own jitter against the
gateway. CPU is the gateway process's, its threads and children with it, from the first request until the last
mark is made, of whole answers and of streams with pauses apart; folding the marks and judging the accounts is
done once more here and added. LiteLLM wants an
environment of its own (pip install 'litellm[proxy]==1.106.2') and runs with one worker and one key; without
it that row is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import guard_bench as bench
from guard_bench import Client, Server, Took

from inbond.guard.observe import Observer
from inbond.guard.state import State
from inbond.guard.state_opening import open_state

WARM, SETTLE_S = 100, 3.0
PAUSE_US = 1_000
ACCOUNTS = 50
LITELLM_KEY = "sk-" + "l" * 32
GOALS = {"median_ms": 1.0, "p99_ms": 4.0, "first_token_ms": 1.0, "cpu_ms": 1.25, "of_litellm": 1 / 8}


@dataclass(frozen=True)
class Added:
    """Milliseconds that one way adds to a request; CPU milliseconds a whole answer and a stream, detection in
    both."""

    name: str
    median_ms: float
    p99_ms: float
    first_token_ms: float
    first_token_p99_ms: float
    paused_first_token_ms: float
    cpu_ms: float
    stream_cpu_ms: float


@contextlib.contextmanager
def litellm(executable: str, folder: Path, upstream: Server) -> Iterator[Server]:
    """LiteLLM's proxy with one worker before ``upstream``."""
    folder.mkdir(parents=True)
    base = f"http://127.0.0.1:{upstream.port}/v1"
    params = {"model": "openai/m", "api_base": base, "api_key": "none"}
    config = {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "general_settings": {"master_key": LITELLM_KEY},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    port = bench.free_port()
    words = [
        executable, "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port),
        "--num_workers", "1", "--telemetry", "False",
    ]  # fmt: skip
    more = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = bench.running(words, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **more})
        with process as started:
            bench.wait_for(port)
            yield Server("LiteLLM", port, started.pid)


@dataclass(frozen=True)
class Way:
    """A server and the key that it knows for the n-th request."""

    server: Server
    key: Callable[[int], str]

    @property
    def name(self) -> str:
        return self.server.name


def asks(
    ways: Sequence[Way], count: int, begin: int, *, stream: bool, pause_us: int = 0
) -> dict[str, list[Took]]:
    """``count`` rounds, the requests numbered from ``begin``."""
    clients = {way.name: Client(way.server.port) for way in ways}
    found: dict[str, list[Took]] = {way.name: [] for way in ways}
    for number in range(begin, begin + count):
        body = bench.asked(number, stream=stream, pause_us=pause_us)
        turn = number % len(ways)
        for way in (*ways[turn:], *ways[:turn]):
            found[way.name].append(clients[way.name].ask(way.key(number), body))
    for client in clients.values():
        client.close()
    return found


def charged(
    ways: Sequence[Way], count: int, begin: int, *, stream: bool, pause_us: int = 0
) -> tuple[dict[str, list[Took]], dict[str, float]]:
    """As ``asks``, and the CPU seconds of each way's process a request, until its last mark is made."""
    before = {way.name: way.server.cpu_s() for way in ways}
    found = asks(ways, count, begin, stream=stream, pause_us=pause_us)
    time.sleep(SETTLE_S)
    return found, {way.name: (way.server.cpu_s() - before[way.name]) / count for way in ways}


def check(found: Mapping[str, list[Took]]) -> None:
    """That every gate was on: a receipt in each of the guard's answers, and no reasoning in any."""
    for name, took in found.items():
        if name.startswith("guard"):
            assert all(b"inbond-receipt" in each.answer.lower() for each in took), "answers lack receipts"
            assert all(b"fox jumps" not in each.answer.partition(b'"reasoning_content"')[2] for each in took)


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def over_bare(seconds: Mapping[str, Sequence[float]]) -> Callable[[str, Callable[..., float]], float]:
    """Milliseconds by which a way's quantile is more than the median of the first way."""
    bare = statistics.median(next(iter(seconds.values())))
    return lambda name, quantile: (quantile(seconds[name]) - bare) * 1e3


def folding_s(state: State) -> float:
    """CPU seconds that folding what was seen and judging the accounts takes: its windows are closed by a
    clock that is set forward."""

    async def fold() -> float:
        observer = Observer(state, lambda: time.time() + 1_200, lambda _: None)
        began = time.process_time()
        await observer.tick()
        took = time.process_time() - began
        assert await state.windows() == [], "every window was folded"
        await state.close()
        return took

    return asyncio.run(fold())


def measure(
    ways: Sequence[Way], requests: int, streams: int, states: Mapping[str, Callable[[], State]]
) -> list[Added]:
    """Asks, and says what each way adds to the first one."""
    asks(ways, WARM, 10**6, stream=False)
    asks(ways, WARM // 4, 2 * 10**6, stream=True)
    time.sleep(SETTLE_S)
    whole, cpu = charged(ways, requests, 0, stream=False)
    streamed = asks(ways, streams, requests, stream=True)
    paused, stream_cpu = charged(ways, streams, requests + streams, stream=True, pause_us=PAUSE_US)
    check(whole)
    asked = requests + 2 * streams + WARM + WARM // 4
    fold_a_request = {name: folding_s(opened()) / asked for name, opened in states.items()}
    answers = over_bare({name: [each.whole for each in took] for name, took in whole.items()})
    firsts = over_bare({name: [each.first for each in took] for name, took in streamed.items()})
    slow_firsts = over_bare({name: [each.first for each in took] for name, took in paused.items()})
    return [
        Added(
            name := way.name,
            answers(name, statistics.median),
            answers(name, p99),
            firsts(name, statistics.median),
            firsts(name, p99),
            slow_firsts(name, statistics.median),
            (cpu[name] + fold_a_request.get(name, 0.0)) * 1e3,
            (stream_cpu[name] + fold_a_request.get(name, 0.0)) * 1e3,
        )
        for way in ways
    ]


def run(folder: Path, requests: int, streams: int, other: str | None, *, harsh: bool) -> list[list[Added]]:
    """Measures the guard over SQLite, then over Redis; ``other`` is LiteLLM's executable."""
    with bench.redis(folder / "redis") as url:
        return [
            _interleaved(folder / name, requests, streams, other, state, harsh=harsh)
            for name, state in (("file", None), ("shared", url))
        ]


def _interleaved(
    folder: Path, requests: int, streams: int, other: str | None, url: str | None, *, harsh: bool
) -> list[Added]:
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(bench.mock())
        guard = stack.enter_context(bench.guard(folder / "guard", upstream, ACCOUNTS, url, harsh=harsh))
        ways = [Way(server, lambda number: bench.key(number % ACCOUNTS)) for server in (upstream, guard)]
        if other is not None:
            server = stack.enter_context(litellm(other, folder / "litellm", upstream))
            ways.append(Way(server, lambda _: LITELLM_KEY))

        def opened() -> State:
            return _redis_state(url) if url else open_state(None, folder / "guard" / "home" / "guard")

        return measure(ways, requests, streams, {guard.name: opened})


def _redis_state(url: str) -> State:
    from inbond.guard.state_redis import RedisState

    return RedisState(url)


def lines(found: Sequence[Added]) -> list[str]:
    """A table, and the goals."""
    said = [
        "| way | median added, ms | p99 | first token added | p99 | with pauses | CPU, ms: whole, stream |",
        "|--|--|--|--|--|--|--|",
    ]
    said += [
        f"| {a.name} | {a.median_ms:.2f} | {a.p99_ms:.2f} | {a.first_token_ms:.2f} "
        f"| {a.first_token_p99_ms:.2f} | {a.paused_first_token_ms:.2f} | {a.cpu_ms:.2f}, "
        f"{a.stream_cpu_ms:.2f} |"
        for a in found
    ]
    litellm_ms = {a.name: a.median_ms for a in found}.get("LiteLLM")
    for a in found:
        if a.name.startswith("guard"):
            said += ["", *_goals(a, litellm_ms)]
    if litellm_ms is None:
        said += ["", "LiteLLM is not here: its row and the ratio to it are left out."]
    return said


def _goals(a: Added, litellm_ms: float | None) -> list[str]:
    values: dict[str, float] = {name: value for name, value in asdict(a).items() if name in GOALS}
    if litellm_ms is not None:
        values["of_litellm"] = a.median_ms / litellm_ms
    return [
        f"goal {'met' if value <= GOALS[name] else 'MISSED'}: {a.name}, {name} {value:.3f} "
        f"(wanted: at most {GOALS[name]:g})"
        for name, value in values.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2_000, help="whole answers a way")
    parser.add_argument("--streams", type=int, default=300, help="streams a way")
    parser.add_argument("--litellm", default="litellm", help="its executable")
    parser.add_argument("--harsh", action="store_true", help="15 limits and three of concurrency")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--out", type=Path, help="append the tables to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        other = shutil.which(given.litellm or "")
        runs = run(Path(folder), given.requests, given.streams, other, harsh=given.harsh)
    said = "\n\n".join("\n".join(lines(found)) for found in runs)
    if given.out:
        with given.out.open("a") as out:
            out.write(said + "\n")
    value = {"goals": GOALS, "harsh": given.harsh, "runs": [[asdict(a) for a in found] for found in runs]}
    print(json.dumps(value) if given.json else said)


if __name__ == "__main__":
    main()
