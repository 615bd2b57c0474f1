"""How long pages of ``inbond ui`` take over many runs and a long ledger: cold, warm, and after a change.

    python benchmarks/ui_pages.py [--runs 10000] [--events 1000000] [--accounts 4000] [--times 10]
        [--at FOLDER]

Makes a workspace (``ui_workspace.py``, ``ui_guard.py``), in a temporary folder or at FOLDER, where it is
found again. Prints
one JSON object: seconds until lineage can be asked, and milliseconds a page in this process without a
network: ``first`` the very first visit while the lineage is being read, ``median`` and ``worst`` of
``--times`` when it is there, ``changed`` just after a run was recorded.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import ui_guard
from starlette.testclient import TestClient
from ui_workspace import append, make

from inbond.ui.safety import Rules
from inbond.ui.serve import tune
from inbond.ui.site import build
from inbond.workspace import Workspace

_WINDOWS = 48
"""Of the guard, ten minutes each."""


def pages(runs: int, count: int) -> dict[str, str]:
    """What is asked for, by what it is called here."""
    return {
        "home": "/", "runs, first": "/runs", "runs, last": f"/runs?page={max(1, runs // 50)}",
        "runs, filtered": "/runs?q=00007", "run": "/runs/run-000001", "ledger, newest": "/ledger",
        "ledger, middle": f"/ledger?before={count // 2}", "ledger, oldest": "/ledger?before=50",
        "ledger, a kind there is none of": "/ledger?kind=none.such", "event": f"/ledger/{count // 3}",
        "lineage": "/lineage", "lineage of a run": "/lineage?target=run:run-000095",
        "is it distilled": "/lineage?target=run:run-000095&from=gpt-4o",
        "bill of materials": "/lineage/bom?target=run:run-000095&form=cyclonedx", "terms": "/terms",
        "terms, a plan": "/terms?teacher=hf:HuggingFaceTB/SmolLM2-135M-Instruct",
        "roundtables": "/roundtables", "guard": "/guard", "guard, all accounts": "/guard/accounts",
        "guard, one of a ring": f"/guard/account?name={ui_guard.NAMES[0]}",
        "guard, a lawful one": f"/guard/account?name={ui_guard.NAMES[1]}", "verify": "/verify",
        "forensics": "/forensics",
    }  # fmt: skip


def _once(site: TestClient, path: str, *allowed: int) -> float:
    started = time.perf_counter()
    answer = site.get(path)
    took = (time.perf_counter() - started) * 1000
    assert answer.status_code in (200, *allowed), f"{path}: {answer.status_code}"
    return took


def _ready(site: TestClient) -> tuple[float, float]:
    """Seconds until the lineage is up to date, and the longest of the pages asked for meanwhile (ms)."""
    started, worst = time.perf_counter(), 0.0
    while True:
        worst = max(worst, _once(site, "/runs", 503), _once(site, "/ledger"))
        answer = site.get("/lineage")
        if answer.status_code == 200 and "The ledger has gone on" not in answer.text:
            return time.perf_counter() - started, worst


def measure(workspace: Workspace, runs: int, count: int, times: int) -> dict[str, Any]:
    """Seconds and milliseconds, see above."""
    tune()
    site = TestClient(build(workspace, Rules(), ahead=True), base_url="http://127.0.0.1")
    asked = pages(runs, count)
    told: dict[str, dict[str, float]] = {
        name: {"first": _once(site, path, 503)} for name, path in asked.items()
    }
    ready_s, worst = _ready(site)
    for name, path in asked.items():
        took = [_once(site, path, 503) for _ in range(times)]
        told[name] |= {"median": statistics.median(took), "worst": max(took)}
    for name, path in asked.items():
        append(workspace, [("gate.decided", {"run": f"run-{runs - 1:06d}", "plan": {}, "verdict": {}})])
        told[name]["changed"] = _once(site, path, 503)
    changed_s, meanwhile = _ready(site)
    shown = {name: {kind: round(ms, 1) for kind, ms in each.items()} for name, each in told.items()}
    return {
        "runs": runs, "events": count, "lineage_ready_s": round(ready_s, 1),
        "worst_while_read_ms": round(worst, 1), "changed_ready_s": round(changed_s, 1),
        "worst_while_changed_ms": round(meanwhile, 1),
        "most_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "pages": shown,
    }  # fmt: skip


def main() -> None:
    """Measures, and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=4_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--at", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace((given.at or Path(folder)) / "bond")
        if not workspace.home.exists():
            make(workspace, given.runs, given.events)
            ui_guard.make(workspace, given.accounts, _WINDOWS)
        print(json.dumps(measure(workspace, given.runs, given.events, given.times), indent=2))


if __name__ == "__main__":
    main()
