"""A workspace for the site to show: made as recipes make theirs, without their models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inbond.ledger.attest import KeyStore
from inbond.ledger.findings import FINDING_REPORTED
from inbond.ledger.ledger import Ledger
from inbond.workspace import RUN_PROGRESS, Workspace
from tests.unit.test_trace_workspace import Maker, first_run

HOSTILE = "<img src=x onerror=alert(1)> & co"
RESULT: dict[str, Any] = {
    "run": "a", "outcome": "done", "verdict": "permit-with-obligations", "stopped_by": [],
    "gates": {"diversity": {"outcome": "pass", "action": "warn", "line": HOSTILE}},
    "metrics": {"kl_after": 0.25, "agreement_after": 0.75}, "seconds": {"train": 61.0}, "tokens": 7,
}  # fmt: skip


def make(home: Path) -> Workspace:
    """One recorded run ``a`` that is done; ``stuck``, left half-way; ``broken``, whose result is no JSON; and
    one whose name is markup."""
    workspace = Workspace(home)
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        first_run(Maker(workspace, ledger))
        ledger.record("note.made", {"text": HOSTILE})
        ledger.record(FINDING_REPORTED, finding("hf:lab/first"))
    folder = workspace.run("a")
    write(folder / "result.json", RESULT)
    write(folder / "trained" / "curve.json", [{"step": n, "seconds": n, "loss": 3 / n} for n in range(1, 9)])
    write(folder / "evaluation" / "samples.json", [{"prompt": HOSTILE, "teacher": "t", "after": "日本語"}])
    (folder / "report.html").write_text("<h1>kept</h1><script>alert(1)</script>", "utf-8")
    write(workspace.run("stuck") / RUN_PROGRESS, progress("train", 3, 12, stopped=True))
    (workspace.run("broken")).mkdir()
    (workspace.run("broken") / "result.json").write_text("{", "utf-8")
    write(workspace.run("<b>bold") / "result.json", RESULT)
    write(workspace.session("held") / "result.json", {"outcome": "unanimous", "winner": HOSTILE})
    (workspace.session("held") / "page.html").write_text("<h1>held</h1>", "utf-8")
    return workspace


def finding(suspect: str) -> dict[str, Any]:
    """The body of an event about a suspect in which a mark was found."""
    found = {
        "test": "green", "question": "text marked with the key 秋", "null": "it never saw the key",
        "outcome": "consistent-with", "log10_p": -12.0, "adjusted_log10_p": -11.0, "size": 4000,
        "unit": "tokens", "about": {"kind": "mark", "name": HOSTILE},
    }  # fmt: skip
    return {
        "format": "inbond.finding/1", "suspect": {"name": suspect, "digest": None}, "alpha": 1e-5,
        "at": "2026-11-23T00:00:00Z", "report": f"sha256:{'1' * 64}", "findings": [found],
    }  # fmt: skip


def progress(stage: str, done: int, total: int, *, stopped: bool = False) -> dict[str, Any]:
    """What a run leaves of how far it is."""
    return {"stage": stage, "done": done, "total": total, "note": HOSTILE, "stopped": stopped, "at": 1.0}


def write(path: Path, value: Any) -> None:
    """JSON at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
