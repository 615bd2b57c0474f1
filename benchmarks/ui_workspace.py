"""A large workspace for ``ui_pages.py``: runs with manifests and record sets, and a ledger that is chained
and signed, of real kinds of event. Quick: the files of one run are linked into all others."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from inbond.digest import Digest, of_bytes
from inbond.ledger import chain, events, manifest, records
from inbond.ledger.attest import KeyStore, Signer
from inbond.ledger.events import Entry
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.records import Row
from inbond.ledger.sqlite import SqliteStore
from inbond.types import Message, Origin, Record
from inbond.workspace import Workspace

RESULT: Final[Mapping[str, Any]] = {
    "outcome": "done", "verdict": "permit", "stopped_by": [], "gates": {}, "tokens": 9,
    "metrics": {"kl_after": 0.2, "agreement_after": 0.8}, "seconds": {"train": 60.0},
}  # fmt: skip
Said = tuple[str, Mapping[str, Any]]
_PART: Final = 20_000
_TEACHERS: Final = 40
_AT: Final = "2026-11-23T00:00:00.000000Z"


def make(workspace: Workspace, runs: int, count: int) -> None:
    """So many runs, every fifth learnt from an earlier one's data, and so many events: the rest are files
    written again, and tiers of accounts that changed."""
    workspace.create()
    said = [("key.introduced", events.introduction(_keys(workspace).signer().public))]
    models = _Models(workspace)
    for number in range(runs):
        said += models.run(number)
    append(workspace, said, count - len(said), runs)


def append(workspace: Workspace, said: list[Said], further: int = 0, runs: int = 1) -> None:
    """Signs these events into the ledger, and ``further`` ones of files of the runs and of accounts."""
    signer = _keys(workspace).signer()
    with contextlib.closing(SqliteStore.open(workspace.ledger)) as store:
        _append(store, signer, [*said, *_others(max(0, further), runs)])


def _keys(workspace: Workspace) -> KeyStore:
    return KeyStore(workspace.home.parent / "keys")


def _others(count: int, runs: int) -> Iterator[Said]:
    verdict = {"facts": of_bytes(b"facts"), "decider": "guard/1", "reasons": []}
    for number in range(count):
        if number % 4:
            path = f"runs/run-{number % runs:06d}/report.html"
            yield "file.written", {"path": path, "digest": of_bytes(b"report")}
        else:
            name = f"t{number % 90}/account-{number % 5000}"
            told = {"account": name, "was": 0, "tier": 1, "window": 1_700_000_400, "verdict": verdict}
            yield "guard.judged", told


def _append(store: SqliteStore, signer: Signer, said: list[Said]) -> None:
    for start in range(0, len(said), _PART):
        part = said[start : start + _PART]

        def made(last: Entry | None, part: list[Said] = part) -> list[Entry]:
            found = []
            for kind, body in part:
                _, last = chain.next_entry(last, at=_AT, kind=kind, body=body, signer=signer)
                found.append(last)
            return found

        store.append(made)


class _Models:
    """Runs as recipes leave them, without their models."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._learnt: dict[int, Digest] = {}
        self._sets: dict[str, tuple[Path, Mapping[str, Digest], Digest]] = {}

    def run(self, number: int) -> Iterator[Said]:
        """Writes a run's folder; its events."""
        name, teacher = f"run-{number:06d}", f"hf:lab/teacher-{number % _TEACHERS}"
        earlier = self._learnt.get(number - 7) if number % 5 == 0 else None
        due = {"kind": "notice", "text": "Keep the notice.", "when": "always", "from": "MIT condition"}
        plan = {
            "teacher": teacher, "base_is_teacher": True, "base": None,
            "weights": {"subject": teacher, "licence": "MIT"},
            "data": [{"uri": "the recipe's own list of prompts", "licence": "MIT"}],
        }  # fmt: skip
        verdict = {"outcome": "permit-with-obligations", "obligations": [due], "reasons": [], "missing": []}
        yield "gate.decided", {"run": name, "plan": plan, "verdict": verdict}
        given = {"prompts": of_bytes(b"") if earlier is None else earlier}
        kept: dict[str, Digest] = {}
        for place, stage, inputs in (
            ("data/answers", "generate", given),
            ("data/train", "filter-train", None),
            ("start", "start", None),
            ("trained", "train", None),
        ):
            known = dict(kept) if inputs is None else inputs
            config = {"teacher": teacher, "run": name, "init": "prune"}
            facts = {"prompts_from": earlier} if earlier is not None and stage == "generate" else {}
            id_, said = self._stage(name, place, Identity(stage, 1, config, known), facts, number)
            kept[{"generate": "answers", "filter-train": "train"}.get(stage, stage)] = id_
            if stage == "filter-train":
                self._learnt[number] = id_
            yield said
        old, folder = time.time() - 10_000 + number / 10, self._workspace.run(name)
        text = json.dumps({**RESULT, "run": name}).encode()
        (folder / "result.json").write_bytes(text)
        (folder / "report.html").write_bytes(b"report")
        os.utime(folder, (old, old))
        yield "file.written", {"path": f"runs/{name}/result.json", "digest": of_bytes(text)}

    def _stage(
        self, run: str, place: str, identity: Identity, facts: Mapping[str, Any], number: int
    ) -> tuple[Digest, Said]:
        folder = self._workspace.run(run) / place
        folder.mkdir(parents=True)
        teacher = str(identity.config["teacher"])
        if place.startswith("data/"):
            files, root = self._records(folder, teacher)
        else:
            data = b"%s %d" % (identity.stage.encode(), number)
            (folder / "model.safetensors").write_bytes(data)
            files, root = {"model.safetensors": of_bytes(data)}, None
        whole = Manifest(identity, files, root, facts)
        (folder / manifest.NAME).write_bytes(manifest.encode(whole))
        body = {
            "run": run, "stage": identity.stage, "artifact": whole.id, "manifest": whole.digest,
            "folder": folder.relative_to(self._workspace.home).as_posix(), "records_root": root,
        }  # fmt: skip
        return whole.id, ("stage.completed", body)

    def _records(self, folder: Path, teacher: str) -> tuple[Mapping[str, Digest], Digest]:
        if teacher not in self._sets:
            who = Origin(teacher, "self-hosted", "author", {}, None)
            rows = [
                Row(Record((Message("user", f"{n}"),), f"{teacher} {n}"), who, (), 1, 9) for n in range(4)
            ]
            root = records.write_rows(folder, rows)
            self._sets[teacher] = folder, manifest.digest_files(folder), root
        source, files, root = self._sets[teacher]
        for name in files if source != folder else ():
            os.link(source / name, folder / name)
        return files, root
