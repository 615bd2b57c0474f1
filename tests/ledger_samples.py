"""A small but whole workspace for tests: two artifacts, one with records, a single file, a real ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inbond import digest
from inbond.ledger import manifest, records
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.types import Message, Origin, Record
from inbond.workspace import Workspace

ORIGIN = Origin("pypi:teacher==1#t.gguf", "self-hosted", "author", {"temperature": 1.0}, None)
ROWS = tuple(
    records.Row(
        Record((Message("user", f"質問 {i}"),), f"答えは {i} です。\n改行も。"), ORIGIN, (i,), 3, 5 + i, 0.5
    )
    for i in range(4)
)


def complete(workspace: Workspace, ledger: Ledger, stage: str, root: digest.Digest | None) -> Manifest:
    """Writes the manifest over what lies in the stage's folder and records it, as recipes do."""
    folder = workspace.run("demo") / stage
    made = Manifest(Identity(stage, 1, {"temperature": 1e17}, {}), manifest.digest_files(folder), root)
    manifest.write(folder, made)
    ledger.record("stage.completed", completed(stage, made))
    return made


def completed(stage: str, made: Manifest) -> dict[str, Any]:
    return {
        "run": "demo",
        "stage": stage,
        "artifact": made.id,
        "manifest": made.digest,
        "folder": f"runs/demo/{stage}",
        "records_root": made.records_root,
    }


def make_workspace(home: Path, keys: KeyStore) -> Workspace:
    """Five events: the key's introduction, the run's start, data, student, result.json."""
    workspace = Workspace(home)
    data, student = workspace.run("demo") / "data", workspace.run("demo") / "student"
    data.mkdir(parents=True)
    student.mkdir()
    (student / "model.safetensors").write_bytes(bytes(range(64)))
    result = workspace.run("demo") / "result.json"
    result.write_text('{"run": "demo"}', encoding="utf-8")
    with Ledger.open(workspace, keys) as ledger:
        ledger.record("run.started", {"run": "demo", "名前": "日本語"})
        complete(workspace, ledger, "data", records.write_rows(data, ROWS))
        complete(workspace, ledger, "student", None)
        body = {"run": "demo", "path": "runs/demo/result.json", "digest": digest.of_file(result)}
        ledger.record("file.written", body)
    return workspace
