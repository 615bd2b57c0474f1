"""How long pages of ``inbond ui`` take over many runs and a long ledger, and how that grows.

    python benchmarks/ui_pages.py [--runs 10000] [--events 1000000] [--times 20]

Makes a workspace in a temporary folder: runs that are only their results, events that are encoded but not
signed (no page checks a signature). Prints one JSON object: milliseconds a page (median and worst of
``--times``, in this process, without a network), the first visit apart, and the ratio to a
workspace of a hundredth the size.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from inbond.digest import of_bytes
from inbond.ledger import events
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import Build
from inbond.ui.safety import Rules
from inbond.ui.site import build
from inbond.workspace import Workspace

RESULT = {
    "outcome": "done", "verdict": "permit", "stopped_by": [], "gates": {}, "tokens": 9,
    "metrics": {"kl_after": 0.2, "agreement_after": 0.8}, "seconds": {"train": 60.0},
}  # fmt: skip
_PART = 50_000


def make_runs(workspace: Workspace, count: int) -> None:
    """Runs that ended long ago: their folders' times are settled."""
    old = time.time() - 10_000
    for number in range(count):
        folder = workspace.run(f"run-{number:06d}")
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(RESULT | {"run": folder.name}), "utf-8")
        os.utime(folder, (old + number / 10, old + number / 10))


def make_events(workspace: Workspace, count: int) -> None:
    """Events by a key that nobody has."""
    key, prev = of_bytes(b"key"), of_bytes(b"before")
    at = "2026-11-23T00:00:00.000000Z"
    with contextlib.closing(SqliteStore.open(workspace.ledger)) as store:
        for start in range(0, count, _PART):
            numbers = range(start, min(start + _PART, count))
            made = [
                events.Entry(
                    n, events.encode(n, at, "stage.completed", {"run": f"run-{n}"}, prev, key), b"s" * 64
                )
                for n in numbers
            ]
            store.append(_always(made))


def _always(made: Sequence[events.Entry]) -> Build:
    return lambda _: made


def pages(runs: int, count: int) -> dict[str, str]:
    """What is asked for, by what it is called here."""
    return {
        "home": "/", "runs, first": "/runs", "runs, last": f"/runs?page={max(1, runs // 50)}",
        "runs, filtered": "/runs?q=00007", "run": "/runs/run-000001", "ledger, newest": "/ledger",
        "ledger, middle": f"/ledger?before={count // 2}", "ledger, oldest": "/ledger?before=50",
        "ledger, a kind there is none of": "/ledger?kind=none.such", "event": f"/ledger/{count // 3}",
    }  # fmt: skip


@contextlib.contextmanager
def visited(runs: int, count: int) -> Iterator[TestClient]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "bond")
        workspace.create()
        make_runs(workspace, runs)
        make_events(workspace, count)
        yield TestClient(build(workspace, Rules()), base_url="http://127.0.0.1")


def measure(runs: int, count: int, times: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each page; "start" is the very first."""
    found: dict[str, dict[str, float]] = {}
    with visited(runs, count) as site:
        found["start"] = {"median": _once(site, "/")}
        for name, path in pages(runs, count).items():
            took = [_once(site, path) for _ in range(times)]
            found[name] = {"median": statistics.median(took), "worst": max(took)}
    return found


def _once(site: TestClient, path: str) -> float:
    started = time.perf_counter()
    answer = site.get(path)
    took = (time.perf_counter() - started) * 1000
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return took


def main() -> None:
    """Measures, and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    small = measure(max(1, given.runs // 100), max(100, given.events // 100), given.times)
    large = measure(given.runs, given.events, given.times)
    told: dict[str, Any] = {"runs": given.runs, "events": given.events, "pages": {}}
    for name, took in large.items():
        ratio = took["median"] / small[name]["median"]
        told["pages"][name] = {k: round(v, 1) for k, v in took.items()} | {"ratio": round(ratio, 2)}
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
