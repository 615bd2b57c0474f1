"""How many callers at once the guard takes: connections that are all open, then all ask at the same time.

    python benchmarks/guard_connections.py --connections 9900

Starts a guard and a model server of its own. Prints how many got their own answer, how long the last one
waited, what new callers waited meanwhile, and the guard's memory. Each caller that asks takes two files of
the guard's and two of this program's, so that the number is bounded by half of ``ulimit -Hn``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.test_guard_gateway import KEY
from tests.guard_scene import Scene, scene


async def caller(port: int, number: int, go: asyncio.Event, opened: asyncio.Semaphore) -> tuple[bool, float]:
    """Whether one caller got his own answer, and after how many seconds."""
    async with opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await go.wait()
    began = time.perf_counter()
    said = f"caller {number};"
    body = json.dumps(
        {"model": "echo", "messages": [{"role": "user", "content": said}], "max_tokens": 8}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    try:
        found = await asyncio.wait_for(reader.read(), 300)
    except (ConnectionError, TimeoutError):
        found = b""
    writer.close()
    return found.startswith(b"HTTP/1.1 200") and said.encode() in found, time.perf_counter() - began


async def measure(found: Scene, connections: int) -> dict[str, float]:
    process = psutil.Process(found.guard.process.pid)
    before, go, opening = process.memory_info().rss, asyncio.Event(), asyncio.Semaphore(200)
    asking = [asyncio.ensure_future(caller(found.port, n, go, opening)) for n in range(connections)]
    while process.num_fds() < connections and not any(each.done() for each in asking):
        await asyncio.sleep(0.2)
    held = process.memory_info().rss
    began = time.perf_counter()
    await asyncio.to_thread(found.is_well)
    idle = time.perf_counter() - began
    go.set()
    answers = await asyncio.gather(*asking)
    waited = sorted(seconds for _, seconds in answers)
    return {
        "connections": connections, "answered": sum(fine for fine, _ in answers),
        "four_others_meanwhile_s": round(idle, 2), "median_s": round(waited[len(waited) // 2], 2),
        "last_s": round(waited[-1], 2), "idle_kb_each": round((held - before) / connections / 1024, 1),
        "memory_mb": process.memory_info().rss >> 20,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=9_900)
    wanted = parser.parse_args().connections
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = f"{folder}/config"
        with scene(
            Path(folder) / "guard", {}, concurrency=wanted + 8, patience_s=300, client_silence_s=300
        ) as found:
            print(json.dumps(asyncio.run(measure(found, wanted))))
            found.is_well()


if __name__ == "__main__":
    main()
