"""Stages: each a function of its config and inputs to one artifact, made once and recorded.

An artifact is complete when its manifest is there with the right id. Otherwise the stage is made:
into its folder, manifest last, then an event in the ledger. A kill at any point leaves a state that
verifies, or that the next call mends: what is complete but not in the ledger is entered then.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from inbond.digest import Digest, of_bytes, of_file
from inbond.errors import TamperedError
from inbond.ledger import envelope, events, manifest, records
from inbond.ledger.inventory import Inventory, gather
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.recipes.watch import Watcher
from inbond.spread import HERE, Spread
from inbond.workspace import PRIVATE_DIR, Workspace, write_bytes, writing


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


Attest = Callable[[Manifest], bytes]
"""Given a whole artifact's manifest, signed statements about it as ``ledger.envelope`` lays them out."""


class Trail:
    """One run's stages, in order. Holds the ledger open; makes nothing before a gate has let it. ``spread``:
    where work is done that can be done anywhere; what is made does not depend on it."""

    def __init__(
        self, workspace: Workspace, ledger: Ledger, run: str, watcher: Watcher, spread: Spread = HERE
    ) -> None:
        self.workspace = workspace
        self.ledger = ledger
        self.run = run
        self.watcher = watcher
        self.spread = spread
        self.artifacts: list[Artifact] = []
        self._anew = False

    @cached_property
    def _known(self) -> Inventory:
        """What the ledger knew when this run began."""
        return gather(self.ledger.events())

    @property
    def folder(self) -> Path:
        return self.workspace.run(self.run)

    @property
    def work(self) -> Path:
        """For what a stage keeps while it is at work, to resume from. No artifact; no event speaks of it."""
        return self.folder / "work"

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
        attest: Attest | None = None,
    ) -> Artifact:
        """The artifact at ``place`` below the run's folder, made unless it is complete.

        ``make`` fills the folder it is given: empty, or for a ``resumable`` stage as a crash left it.
        ``attest`` is for an artifact that is handed out: its statements cover all files, the manifest too.
        Raises what ``make`` raises, UnwritableError, TamperedError when a manifest was changed.
        """
        folder = self.folder / place
        found = manifest.read(folder)
        if found is not None and found.id == identity.id and not self._anew:
            artifact = Artifact(stage, folder, found, "found")
            self._enter(artifact)
        else:
            self.watcher.begin(stage)
            keep = resumable and found is None and not self._anew
            artifact = self._make(stage, folder, identity, make, keep=keep, attest=attest)
        self.watcher.end(stage, artifact.seconds, made=artifact.status == "made")
        self.artifacts.append(artifact)
        return artifact

    def _enter(self, found: Artifact) -> None:
        """Records what a crash left complete but unrecorded. Raises TamperedError when the ledger knows
        another manifest there: recording this one would make a change look signed."""
        known = self._known.artifacts.get(self._relative(found.folder))
        if known is None:
            self._record(found)
        elif known.manifest != found.manifest.digest:
            raise TamperedError(
                expected=f"the manifest in {found.folder} to be the one that {known.event} recorded",
                found=f"another one, {found.manifest.digest}",
                fix="inbond verify names what changed; put back a copy, or make all anew with --fresh",
            )

    def _make(
        self,
        stage: str,
        folder: Path,
        identity: Identity,
        make: Callable[[Path], Made],
        *,
        keep: bool,
        attest: Attest | None,
    ) -> Artifact:
        started = time.monotonic()
        with writing(folder):
            self._clear(folder, keep=keep)
            folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            made = make(folder)
            facts = {**made.facts, "seconds": round(time.monotonic() - started, 3)}
            whole = Manifest(identity, manifest.digest_files(folder), made.records_root, facts)
            if attest is not None:
                write_bytes(folder / envelope.NAME, attest(whole))
            manifest.write(folder, whole)
        artifact = Artifact(stage, folder, whole, "made")
        self._record(artifact)
        return artifact

    def _clear(self, folder: Path, *, keep: bool) -> None:
        """Empties the folder, or with ``keep`` removes only what a kill left half-written in it."""
        if self._relative(folder) in self._known.artifacts:
            self.ledger.record(events.STAGE_DISCARDED, {"run": self.run, "folder": self._relative(folder)})
        if not keep and folder.exists():
            (folder / manifest.NAME).unlink(missing_ok=True)  # first: half-removed is not complete
            shutil.rmtree(folder)
        for left in folder.glob(".*"):
            left.unlink()

    def _record(self, artifact: Artifact) -> None:
        body: dict[str, Any] = {
            "run": self.run,
            "stage": artifact.stage,
            "artifact": artifact.id,
            "manifest": artifact.manifest.digest,
            "folder": self._relative(artifact.folder),
            "records_root": artifact.manifest.records_root,
        }
        statements = artifact.folder / envelope.NAME
        if envelope.NAME not in artifact.manifest.files and statements.is_file():
            body["attestation"] = of_file(statements)
        self.ledger.record(events.STAGE_COMPLETED, body)

    def record_set(self, path: Path) -> Manifest | None:
        """The record set of this workspace whose text ``path`` is, as the ledger knows it; None for any
        other file. Raises TamperedError when its manifest was changed."""
        home = self.workspace.home.resolve()
        folder = path.resolve().parent
        if path.name != records.TEXT or not folder.is_relative_to(home):
            return None
        claim = self._known.artifacts.get(folder.relative_to(home).as_posix())
        found = manifest.read(folder)
        known = claim is not None and found is not None and found.digest == claim.manifest
        return found if known and found is not None and found.records_root else None

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.workspace.home).as_posix()

    def write_file(self, path: Path, data: bytes) -> None:
        """Writes a single file (a report, a result) and enters it into the ledger. The ledger first
        forgets an older one, so that a kill in between leaves a file that it does not speak of."""
        place = self._relative(path)
        if place in self._known.files:
            self.ledger.record(events.STAGE_DISCARDED, {"run": self.run, "folder": place})
        write_bytes(path, data)
        self.ledger.record(events.FILE_WRITTEN, {"run": self.run, "path": place, "digest": of_bytes(data)})

    def is_recorded(self, path: Path) -> bool:
        """Whether the ledger knows this single file just as it lies there."""
        known = self._known.files.get(self._relative(path))
        return known is not None and path.exists() and known.digest == of_file(path)

    def withdraw(self, place: str) -> None:
        """Removes the artifact at ``place``, where an earlier attempt made one. The ledger is told."""
        folder = self.folder / place
        if folder.exists():
            with writing(folder):
                self._clear(folder, keep=False)

    def discard(self) -> None:
        """Removes all of the run's artifacts, and what stages keep to resume from, so that every stage
        is made anew. The last first: a kill in between leaves nothing whose inputs are gone."""
        self._anew = True
        mine = [name for name in self._known.artifacts if name.startswith(f"{self._relative(self.folder)}/")]
        with writing(self.folder):
            if self.work.exists():
                shutil.rmtree(self.work)
            for folder in reversed(mine):
                self._clear(self.workspace.home / folder, keep=False)
                del self._known.artifacts[folder]
