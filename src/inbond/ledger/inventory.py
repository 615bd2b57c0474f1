"""What the ledger says lies in a workspace, and whether it does.

Four kinds of event speak of files. Later ones overrule earlier ones about the same path:

- ``stage.completed`` {run, stage, artifact, manifest, folder, records_root or null, and where the artifact
  was handed out with signed statements: attestation}: a whole artifact;
- ``stage.discarded`` {folder}: it, an artifact or a single file, is no longer expected there (it is about
  to be made anew);
- ``file.written`` {path, digest}: a single file;
- ``text.erased`` {folder, files}: these files are gone on purpose.

``briefing.made`` {format, id, briefing, page, ...} speaks of two files that whoever reads them may throw
away: where they are kept they are looked at, where they are gone that is told.

Paths are POSIX, relative to the workspace. An event ``finding.reported`` speaks of no file; that its body is
one is looked at here all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, final

import pyarrow as pa

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, NewerFormatError, TamperedError
from inbond.ledger import envelope, events, manifest, records
from inbond.ledger.events import Event
from inbond.ledger.findings import FINDING_REPORTED, from_body
from inbond.ledger.formats import refuse_newer
from inbond.ledger.manifest import Manifest

BRIEFING_FORMAT: Final = "inbond.briefing-made/1"


@final
@dataclass(frozen=True, slots=True)
class ArtifactClaim:
    """A ``stage.completed`` event: what is to be found in ``folder``."""

    event: str
    folder: str
    artifact: Digest
    manifest: Digest
    records_root: Digest | None
    attestation: Digest | None = None
    """Of the signed statements that lie beside the manifest, which they cover; so it cannot list them."""


@final
@dataclass(frozen=True, slots=True)
class FileClaim:
    """A ``file.written`` event."""

    event: str
    path: str
    digest: Digest


@final
@dataclass
class Inventory:
    """Everything that should be there, gathered from the events in their order."""

    artifacts: dict[str, ArtifactClaim] = field(default_factory=dict)
    files: dict[str, FileClaim] = field(default_factory=dict)
    erased: dict[str, str] = field(default_factory=dict)
    briefed: dict[str, FileClaim] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Takes in one event; one that cannot be understood becomes a problem."""
        take = {
            events.STAGE_COMPLETED: self._completed,
            events.STAGE_DISCARDED: self._discarded,
            events.FILE_WRITTEN: self._written,
            events.TEXT_ERASED: self._erased,
            FINDING_REPORTED: self._tested,
            events.BRIEFING_MADE: self._briefed,
        }.get(event.kind)
        if take is None:
            return
        try:
            take(event)
        except (InputError, KeyError, TypeError, AttributeError) as error:
            found = error.found if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            self.problems.append(f"{event.name}: its body is not what this kind should hold ({found:.200})")

    def _completed(self, event: Event) -> None:
        body = event.body
        root, statements = body["records_root"], body.get("attestation")
        claim = ArtifactClaim(
            event.name,
            relative_path(body["folder"]),
            _digest(body["artifact"]),
            _digest(body["manifest"]),
            None if root is None else _digest(root),
            None if statements is None else _digest(statements),
        )
        self._forget_erasures(claim.folder)
        self.artifacts[claim.folder] = claim

    def _discarded(self, event: Event) -> None:
        folder = relative_path(event.body["folder"])
        self._forget_erasures(folder)
        self.artifacts.pop(folder, None)
        self.files.pop(folder, None)

    def _written(self, event: Event) -> None:
        claim = FileClaim(event.name, relative_path(event.body["path"]), _digest(event.body["digest"]))
        self.erased.pop(claim.path, None)
        self.files[claim.path] = claim

    def _erased(self, event: Event) -> None:
        folder = relative_path(event.body["folder"])
        for name in event.body["files"]:
            self.erased[f"{folder}/{relative_path(name)}"] = event.name

    def _tested(self, event: Event) -> None:
        """Findings speak of no file; what they say must be what this kind says."""
        try:
            from_body(event.body, event.name)
        except NewerFormatError as error:
            self.notes.append(f"{event.name}: its body has {error.found}")

    def _briefed(self, event: Event) -> None:
        """The later event about a briefing overrules the earlier."""
        body = event.body
        try:
            refuse_newer(body["format"], BRIEFING_FORMAT, "its body")
        except NewerFormatError as error:
            self.notes.append(f"{event.name}: its body has {error.found}")
            return
        folder = f"briefings/{relative_path(body['id'])}"
        for name, said in (("briefing.json", body["briefing"]), ("index.html", body["page"])):
            path = f"{folder}/{name}"
            self.erased.pop(path, None)
            self.briefed[path] = FileClaim(event.name, path, _digest(said))

    def _forget_erasures(self, folder: str) -> None:
        if not self.erased:
            return
        self.erased = {path: by for path, by in self.erased.items() if not is_within(path, folder)}


def gather(told: Iterable[Event]) -> Inventory:
    """What these events, a whole ledger's in order, say lies in the workspace now. A recipe asks this to
    find what a crash left on disk but not yet in the ledger."""
    inventory = Inventory()
    for event in told:
        inventory.add(event)
    return inventory


def relative_path(path: Any) -> str:
    """A relative path that stays inside. Raises InputError: a ledger from elsewhere may say anything."""
    if isinstance(path, str) and path and "\x00" not in path:
        parts = PurePosixPath(path)
        if not parts.is_absolute() and ".." not in parts.parts and str(parts) == path:
            return path
    raise InputError(expected="a relative path", found=f"path {path!r:.80}", fix="restore it from a copy")


def _digest(value: Any) -> Digest:
    if not isinstance(value, str):
        raise InputError(expected="a digest", found=f"{value!r:.80}", fix="restore it from a copy")
    digest.to_raw(Digest(value))
    return Digest(value)


def is_within(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it."""
    return path == folder or path.startswith(folder + "/") or folder == "."


@final
@dataclass
class Findings:
    """What looking at the files brought to light, gathered artifact by artifact."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    artifacts: int = 0
    files: int = 0
    records: int = 0


def check_briefed(home: Path, claim: FileClaim, inventory: Inventory, findings: Findings) -> None:
    """Compares a briefing's file, where it is kept, with its claim."""
    if os.path.lexists(home / claim.path) or claim.path in inventory.erased:
        check_file(home, claim, inventory, findings)
    else:
        findings.notes.append(f"{claim.path}: it is not kept any more; {claim.event} recorded it")


def check_file(home: Path, claim: FileClaim, inventory: Inventory, findings: Findings) -> None:
    """Compares one single file with its claim."""
    _check_bytes(home, claim.path, claim.path, claim.digest, claim.event, inventory, findings)


def check_artifact(location: Path, claim: ArtifactClaim, inventory: Inventory, findings: Findings) -> None:
    """Compares an artifact's manifest, files and records with its claim; ``location`` is its folder."""
    findings.artifacts += 1
    kept = _check_manifest(location, claim, findings)
    if kept is None:
        return
    changed = {
        name
        for name, expected in kept.files.items()
        if not _check_listed(location, claim, name, expected, inventory, findings)
    }
    if claim.attestation is not None:
        _check_bytes(
            location,
            envelope.NAME,
            f"{claim.folder}/{envelope.NAME}",
            claim.attestation,
            claim.event,
            inventory,
            findings,
        )
    for name in _unlisted(location, claim, kept, inventory):
        findings.problems.append(f"{claim.folder}/{name}: the manifest does not list this file")
    if claim.records_root is not None:
        _check_records(location, claim, claim.records_root, records.LINEAGE not in changed, findings)


def _check_manifest(location: Path, claim: ArtifactClaim, findings: Findings) -> Manifest | None:
    name = f"{claim.folder}/{manifest.NAME}"
    try:
        kept = manifest.read(location)
    except TamperedError as error:
        unread = error.__cause__
        why = (
            f"it cannot be read ({unread.strerror})"
            if isinstance(unread, OSError)
            else f"it was changed; found something else than {error.expected}"
        )
        findings.problems.append(f"{name}: {why}")
        return None
    if kept is None:
        where = name if location.is_dir() else claim.folder
        findings.problems.append(f"{where}: it is missing; {claim.event} recorded it")
        return None
    if kept.digest != claim.manifest:
        findings.problems.append(f"{name}: it was changed; {claim.event} recorded {claim.manifest}")
    if kept.id != claim.artifact:
        findings.problems.append(f"{name}: it is of another artifact than {claim.event} names")
    if kept.records_root != claim.records_root:
        findings.problems.append(f"{name}: its records' root is not the one that {claim.event} recorded")
    return kept


def _check_listed(
    location: Path, claim: ArtifactClaim, name: str, expected: Any, inventory: Inventory, findings: Findings
) -> bool:
    try:
        path = relative_path(name)
        wanted = _digest(expected)
    except InputError as error:
        findings.problems.append(f"{claim.folder}/{manifest.NAME}: it lists {error.found}")
        return False
    label = f"{claim.folder}/{path}"
    return _check_bytes(location, path, label, wanted, "the manifest", inventory, findings)


def _check_bytes(
    folder: Path, name: str, label: str, expected: Digest, by: str, inventory: Inventory, findings: Findings
) -> bool:
    """True when the file ``name`` is in the folder with these bytes, or is gone on purpose."""
    path = folder / name
    findings.files += 1
    erased_by = inventory.erased.get(label)
    if not os.path.lexists(path):
        if erased_by is None:
            findings.problems.append(f"{label}: it is missing; {by} recorded it")
            return False
        findings.notes.append(f"{label}: erased on purpose ({erased_by})")
        return True
    if erased_by is not None:
        findings.notes.append(f"{label}: still there, though {erased_by} says that it was erased")
    if path.is_symlink() and not _check_link(folder, path, label, findings):
        return False
    if not path.is_file():
        findings.problems.append(f"{label}: it is not a regular file")
        return False
    try:
        found = digest.of_file(path)
    except OSError as error:
        findings.problems.append(f"{label}: it cannot be read ({error.strerror})")
        return False
    if found != expected:
        findings.problems.append(f"{label}: it was changed; {by} recorded {expected}")
    return found == expected


def _check_link(folder: Path, path: Path, label: str, findings: Findings) -> bool:
    """False for a link out of the folder: whoever gets the folder gets not what it leads to."""
    try:
        leads_to = os.readlink(path)
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to itself
        findings.problems.append(f"{label}: it is a link that leads nowhere")
        return False
    if inside:
        findings.notes.append(f"{label}: it is a link to {leads_to}")
    else:
        findings.problems.append(f"{label}: it is a link that leads out of the folder, to {leads_to}")
    return inside


def _unlisted(location: Path, claim: ArtifactClaim, kept: Manifest, inventory: Inventory) -> list[str]:
    """Files that are there though nothing speaks of them. Artifacts inside this one have their own say."""
    folder = claim.folder
    spoken_of = {manifest.NAME, *kept.files, *((envelope.NAME,) if claim.attestation else ())}

    def known(name: str) -> bool:
        return name in spoken_of or f"{folder}/{name}" in inventory.files

    inner = [other for other in inventory.artifacts if other != folder and is_within(other, folder)]
    names = (
        name for name in walk(location) if not any(is_within(f"{folder}/{name}", other) for other in inner)
    )
    return sorted(name for name in names if not known(name))


def walk(folder: Path) -> Iterator[str]:
    """Everything below a folder that is not a folder, symbolic links included, never followed."""
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in names + links:
            yield Path(root, name).relative_to(folder).as_posix()


def _check_records(
    location: Path, claim: ArtifactClaim, root: Digest, intact: bool, findings: Findings
) -> None:
    if not intact:
        # Bytes that are known to be altered are not worth the risk of parsing them.
        findings.problems.append(f"{claim.folder}: its records cannot be checked without {records.LINEAGE}")
        return
    try:
        ids = records.read_ids(location)
        problems = records.check_rows(location)
        found = digest.merkle_root(ids)
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        findings.problems.append(f"{claim.folder}: its records cannot be read ({error})")
        return
    findings.records += len(ids)
    findings.problems += [f"{claim.folder}: {problem}" for problem in problems]
    if found != root:
        findings.problems.append(f"{claim.folder}: the root of its records is not the one recorded")


def unknown_manifests(home: Path, inventory: Inventory) -> list[str]:
    """Folders that look complete though the ledger does not speak of them."""
    found = (path.parent.relative_to(home).as_posix() for path in (home / "runs").rglob(manifest.NAME))
    return sorted(folder for folder in found if folder not in inventory.artifacts)
