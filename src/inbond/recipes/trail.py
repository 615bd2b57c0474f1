"""Stages: each a function of its config and inputs to one artifact, made once and recorded.

An artifact is complete when its manifest is there with the right id. Otherwise the stage is made:
into its folder, manifest last, then an event in the ledger.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from inbond.digest import Digest, of_file
from inbond.errors import DeniedError
from inbond.ledger import manifest
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.recipes.watch import Watcher
from inbond.workspace import PRIVATE_DIR, Workspace, writing

COMPLETED = "stage.completed"
WRITTEN = "file.written"


@dataclass(frozen=True)
class Made:
    """What a stage says of what it made. ``facts`` go into the manifest."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    records_root: Digest | None = None


@dataclass(frozen=True)
class Artifact:
    """A complete artifact and whether it was made by this very call."""

    stage: str
    folder: Path
    manifest: Manifest
    status: Literal["made", "found"]

    @property
    def id(self) -> Digest:
        return self.manifest.id

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.manifest.facts

    @property
    def seconds(self) -> float:
        return float(self.facts["seconds"])


class Trail:
    """One run's stages, in order. Holds the ledger open; makes nothing before a gate has let it."""

    def __init__(self, workspace: Workspace, ledger: Ledger, run: str, watcher: Watcher) -> None:
        self.workspace = workspace
        self.ledger = ledger
        self.run = run
        self.watcher = watcher
        self.artifacts: list[Artifact] = []

    @property
    def folder(self) -> Path:
        return self.workspace.run(self.run)

    @property
    def all_found(self) -> bool:
        return all(artifact.status == "found" for artifact in self.artifacts)

    def stage(
        self,
        stage: str,
        place: str,
        identity: Identity,
        make: Callable[[Path], Made],
        *,
        resumable: bool = False,
    ) -> Artifact:
        """The artifact at ``place`` below the run's folder, made unless it is complete.

        ``make`` fills the folder it is given: empty, or for a ``resumable`` stage as a crash left it.
        Raises what ``make`` raises, UnwritableError, TamperedError when a manifest was changed.
        """
        folder = self.folder / place
        found = manifest.read(folder)
        if found is not None and found.id == identity.id:
            artifact = Artifact(stage, folder, found, "found")
        else:
            self.watcher.begin(stage)
            artifact = self._make(stage, folder, identity, make, keep=resumable and found is None)
        self.watcher.end(stage, artifact.seconds, made=artifact.status == "made")
        self.artifacts.append(artifact)
        return artifact

    def _make(
        self, stage: str, folder: Path, identity: Identity, make: Callable[[Path], Made], *, keep: bool
    ) -> Artifact:
        started = time.monotonic()
        with writing(folder):
            if not keep and folder.exists():
                (folder / manifest.NAME).unlink(missing_ok=True)  # first: half-removed is not complete
                shutil.rmtree(folder)
            folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            made = make(folder)
            facts = {**made.facts, "seconds": round(time.monotonic() - started, 3)}
            whole = Manifest(identity, manifest.digest_files(folder), made.records_root, facts)
            manifest.write(folder, whole)
        body = {
            "run": self.run,
            "stage": stage,
            "artifact": whole.id,
            "manifest": whole.digest,
            "folder": folder.relative_to(self.workspace.home).as_posix(),
            "records_root": whole.records_root,
        }
        self.ledger.record(COMPLETED, body)
        return Artifact(stage, folder, whole, "made")

    def record_file(self, path: Path) -> None:
        """Enters a single file (a report, a result) into the ledger."""
        relative = path.relative_to(self.workspace.home).as_posix()
        self.ledger.record(WRITTEN, {"run": self.run, "path": relative, "digest": of_file(path)})


def denied(question: str, found: str) -> DeniedError:
    """The error of a gate that said no."""
    return DeniedError(
        expected=f"{question}: a plan that the terms allow",
        found=found,
        fix="choose another teacher, use or release; a denial is lifted only by an agreement",
    )
