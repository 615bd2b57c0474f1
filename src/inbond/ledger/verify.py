"""Verification: does everything in a workspace still say what was signed?

Every event, every artifact, every file and every record is checked, also after the first problem.
Nothing here writes or needs a private key. The network is needed for a shared ledger alone, and no server is
spoken to but the one that the user's own INBOND_LEDGER names.

A folder from elsewhere can hold anything, also what makes it look like a workspace. So an artifact's folder
is never taken for one, and where files lie of which no event speaks, events alone are nothing to check.

What it proves: nothing that the ledger covers has changed since it was signed with the keys shown.
What it does not: that the owner of those keys did not sign other things before, or instead. Against
that stands a tree head that somebody else kept (``head``), and a public key got some other way (``key``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, TamperedError, UnwritableError
from inbond.ledger import chain, envelope, inventory, manifest, membership, receipt_file
from inbond.ledger.attest import PublicKey, Signer
from inbond.ledger.chain import ChainCheck, TreeHead
from inbond.ledger.inventory import Findings, Inventory
from inbond.ledger.issuer_keys import Keys
from inbond.ledger.ledger import now
from inbond.ledger.proof import who_signed
from inbond.workspace import RUN_PROGRESS, Workspace


@final
@dataclass(frozen=True)
class Checked:
    """How many of each were looked at."""

    events: int = 0
    artifacts: int = 0
    files: int = 0
    records: int = 0

    def to_json(self) -> dict[str, int]:
        return {
            "events": self.events,
            "artifacts": self.artifacts,
            "files": self.files,
            "records": self.records,
        }


@final
@dataclass(frozen=True)
class VerifyReport:
    """Every problem, by name; what is worth knowing but no problem; the tree head of what was found."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    head: TreeHead
    checked: Checked

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "head": self.head.to_json(),
            "checked": self.checked.to_json(),
        }


@final
@dataclass(frozen=True)
class Trust:
    """What the verifier brings along: a public key, a head saved earlier, keys to sign today's head with: the
    first that the ledger knows does, else the first."""

    key: PublicKey | None = None
    head: TreeHead | None = None
    signers: tuple[Signer, ...] = ()
    issuer: Keys | None = None
    """Keys that receipts must be signed with; None: those that lie beside them."""


Watch = Callable[[str, int, int], None]
"""Hears now and then what is looked at (``events``, ``artifacts and files``), how many were, of how many.
Whatever it raises ends the verification."""
_EVERY: Final = 500


def _nobody(_what: str, _done: int, _total: int) -> None:
    """Hears nothing."""


@final
@dataclass(frozen=True)
class Target:
    """What to verify: a whole workspace, what lies ``within`` a path of it, or a ``copy`` of one of its
    artifacts that lies elsewhere. The chain of events is always checked whole."""

    workspace: Workspace
    within: str | None = None
    copy: Path | None = None


def find_target(text: str | None, workspace: Workspace, *, chosen: bool = False) -> Target:
    """Reads TARGET: a workspace, ``run:name``, a folder or file of a workspace, or a copied artifact.

    ``workspace`` is for what lies in no other; where the user has ``chosen`` it, for everything. Raises
    InputError when it is none of these.
    """
    resolved(str(workspace.home))
    if text is None:
        return Target(workspace)
    if text.startswith("run:"):
        return Target(workspace, f"runs/{text.removeprefix('run:')}")
    path = resolved(text)
    home = workspace.home.resolve()
    for folder in (path, *path.parents):
        if is_workspace(folder) and (folder == home or not chosen):
            within = path.relative_to(folder).as_posix()
            return Target(Workspace(folder), None if within == "." else within)
    if (path / manifest.NAME).is_file():
        if not membership.begun(workspace) and not os.environ.get(membership.ENVIRONMENT):
            raise InputError(
                expected=f"{envelope.NAME} in {path}, or the workspace that it was made in",
                found=f"neither: no such file, and no ledger in {workspace.home}",
                fix=f"get the folder again, whole, with {envelope.NAME}, or name the workspace with --home",
            )
        return Target(workspace, copy=path)
    raise InputError(
        expected="a workspace, run:name, or an artifact's folder",
        found=f"{text}: " + ("neither holds nor lies in a ledger" if path.exists() else "no such path"),
        fix="name a folder that inbond made, and its workspace with --home",
    )


def resolved(text: str) -> Path:
    """The path that a user named, without links. Raises InputError for one that the system cannot look up."""
    try:
        path = Path(text).resolve()
        if path.exists():
            path.stat()
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(
            expected="a path that can be looked up",
            found=f"{text:.80}: {reason:.80}",
            fix="name a folder that inbond made, and its workspace with --home",
        ) from error
    return path


def is_workspace(folder: Path) -> bool:
    """Whether a folder is a workspace that has a ledger. An artifact's folder is none, whatever else lies in
    it: a ledger there is none of Inbond's doing."""
    return membership.begun(Workspace(folder)) and not _is_artifact(folder)


def _is_artifact(folder: Path) -> bool:
    return any(os.path.lexists(folder / name) for name in (manifest.NAME, envelope.NAME))


def verify_target(target: Target, trust: Trust, watch: Watch | None = None) -> VerifyReport:
    """Verifies a target. Raises InputError when there is no ledger, or an empty one, a newer version wrote it
    or an event in it, the ledger says nothing of the target, or nothing of any file that lies there; all else
    that is wrong is a problem in the report."""
    if _is_artifact(target.workspace.home):
        raise InputError(
            expected="a workspace",
            found=f"{target.workspace.home}, which is an artifact's folder",
            fix="name it as TARGET, without --home",
        )
    check = ChainCheck(trust.key)
    found = Inventory()
    watch = watch or _nobody
    problems = _read_ledger(target.workspace, check, found, watch)
    findings = Findings()
    intact = not problems and not check.problems
    _check_files(target, found, findings, trust.issuer, watch, intact=intact)
    notes = [who_signed(trust.key, "ledger"), *check.notes, *found.notes] + [
        f"{event.name}: key {event.key} introduces itself; no earlier key vouches for it"
        for event in check.self_introduced[1:]
    ]
    if check.self_introduced[1:] or check.untrusted:
        notes.append(chain.UNVOUCHED)
    if not membership.begun(target.workspace):
        notes.append(f"{target.workspace.home} has not joined the shared ledger: only its chain was checked")
    elif target.within is None and target.copy is None:
        notes += [
            f"{name}: no event speaks of it, so it was not checked"
            for name in _unspoken(target.workspace, found)
        ]
    head_problems: list[str] = []
    if trust.head is not None:
        may_sign = [*check.keys.values(), *([trust.key] if trust.key else [])]
        head_problems, head_notes = chain.check_head(trust.head, check.digests, may_sign)
        notes += head_notes
    all_problems = (*problems, *check.problems, *found.problems, *head_problems, *findings.problems)
    if not all_problems:
        _refuse_nothing(target.workspace, check, findings)
    # A head is a promise: only what verifies gets signed.
    known = (signer for signer in trust.signers if signer.public.id in check.keys)
    by = next(known, trust.signers[0] if trust.signers else None)
    head = chain.make_head(check.digests, now(), None if all_problems else by)
    checked = Checked(len(check.digests), findings.artifacts, findings.files, findings.records)
    return VerifyReport(all_problems, (*notes, *findings.notes), head, checked)


def verify_workspace(
    workspace: Workspace, *, key: PublicKey | None = None, head: TreeHead | None = None
) -> VerifyReport:
    """Verifies everything in a workspace. Raises as ``verify_target``."""
    return verify_target(Target(workspace), Trust(key, head))


def _read_ledger(workspace: Workspace, check: ChainCheck, found: Inventory, watch: Watch) -> list[str]:
    problems: list[str] = []
    own = workspace.ledger.exists()
    name = workspace.ledger.name if own else "ledger"
    try:
        reading = membership.open_to_read(workspace, os.environ)
    except TamperedError as error:
        return [f"{name}: {error.found}"]
    writers = membership.Writers(reading.workspace)
    with contextlib.closing(reading.store) as store:
        try:
            watch("events", 0, 0)
            problems += store.damage()
            last = store.last()
            for entry in store.read():
                if entry.position % _EVERY == 0:
                    watch("events", entry.position, last.position + 1 if last else 0)
                event = check.add(entry)
                if event is None or not membership.is_of(event, reading.workspace):
                    continue
                if writers.allow(event):
                    found.add(membership.unstamped(event))
                else:
                    problems.append(
                        f"{event.name}: it is about this workspace, but signed by {event.key}, which neither "
                        "began it nor was introduced by the key that did; it does not count"
                    )
        except (TamperedError, UnwritableError) as error:
            # It could be opened: a refusal of the system to read on means that the file is not whole. A
            # server refuses for want of rights.
            if isinstance(error, UnwritableError) and not own:
                raise
            problems.append(f"{name}: {error.found}")
    return problems


def _refuse_nothing(workspace: Workspace, check: ChainCheck, findings: Findings) -> None:
    """Events alone say nothing of files that lie there, and no events say nothing at all."""
    others = (name for name in _others(workspace) if not name.startswith(f"{workspace.guard.name}/"))
    there = next(others, None) if findings.artifacts + findings.files == 0 else None
    if check.digests and there is None:
        return
    name = membership.place(workspace).name if membership.begun(workspace) else "the shared ledger"
    raise InputError(
        expected=f"a ledger in {workspace.home} that speaks of the files there",
        found=f"{name} with {len(check.digests):,} events, and "
        + (f"{there}, which none of them speaks of" if there else "nothing in it")
        + ": there is nothing to check",
        fix="run the recipe again if it was interrupted; get what came from elsewhere again, whole",
    )


def _others(workspace: Workspace) -> Iterator[str]:
    """The files in a workspace's folder, but those in which Inbond keeps the ledger and the answers, the
    locks of its runs, which are empty, and what an interrupted run told of how far it was."""
    own = (workspace.ledger.name, workspace.membership.name, workspace.journal.name)
    told = f"/{RUN_PROGRESS}"
    names = {*own, *(f"{name}{more}" for name in own for more in ("-wal", "-shm", "-journal"))}
    return (
        name
        for name in inventory.walk(workspace.home)
        if name not in names
        and not (name.startswith(f"{workspace.runs.name}/") and name.endswith((told, f"{told}.new")))
        and not (name.endswith("/.lock") and (workspace.home / name).lstat().st_size == 0)
    )


def _unspoken(workspace: Workspace, found: Inventory) -> list[str]:
    """What stands at the top of the workspace though no event speaks of anything in it."""
    spoken = {path.split("/")[0] for path in (*found.artifacts, *found.files, *found.briefed)} | {
        workspace.runs.name
    }
    return sorted({name.split("/")[0] for name in _others(workspace)} - spoken)


def _check_files(
    target: Target, found: Inventory, findings: Findings, issuer: Keys | None, watch: Watch, *, intact: bool
) -> None:
    home = target.workspace.home
    if target.copy is not None:
        _check_copy(target.copy, found, findings, issuer)
        return
    artifacts = [claim for claim in found.artifacts.values() if _concerns(target.within, claim.folder)]
    files = [claim for claim in found.files.values() if _concerns(target.within, claim.path)]
    briefed = [claim for claim in found.briefed.values() if _concerns(target.within, claim.path)]
    if target.within is not None and not artifacts and not files and not briefed and intact:
        raise InputError(
            expected=f"events about {target.within} in {membership.place(target.workspace)}",
            found=f"none; it speaks of {', '.join(_known(found)) or 'no files'}",
            fix="name one of these, or leave TARGET out to verify the whole workspace",
        )
    total = len(artifacts) + len(files)
    for number, claim in enumerate(artifacts):
        watch("artifacts and files", number, total)
        inventory.check_artifact(home / claim.folder, claim, found, findings)
        _check_receipts(home / claim.folder, claim.folder, findings, issuer)
    for number, single in enumerate(files, start=len(artifacts)):
        watch("artifacts and files", number, total)
        inventory.check_file(home, single, found, findings)
    for each in briefed:
        inventory.check_briefed(home, each, found, findings)
    findings.notes += [
        f"{folder}: it has a manifest, but the ledger does not speak of it, so it was not checked"
        for folder in inventory.unknown_manifests(home, found)
        if _concerns(target.within, folder)
    ]


def _check_receipts(folder: Path, label: str, findings: Findings, issuer: Keys | None) -> None:
    """Of answers whose teacher's host gave receipts for them. That the file itself is the one that was
    recorded has been checked."""
    if (folder / receipt_file.NAME).is_file():
        found = receipt_file.check(folder, issuer)
        findings.problems += [f"{label}: {problem}" for problem in found.problems]
        findings.notes += [f"{label}: {note}" for note in found.notes]


def _check_copy(copy: Path, found: Inventory, findings: Findings, issuer: Keys | None) -> None:
    try:
        wanted = digest.of_file(copy / manifest.NAME)
    except OSError as error:
        findings.problems.append(f"{copy / manifest.NAME}: it cannot be read ({error.strerror})")
        return
    claim = _claim_of(wanted, found)
    if claim is None:
        findings.problems.append(
            f"{copy / manifest.NAME}: no event of this ledger records it: changed, or from another ledger"
        )
        return
    inventory.check_artifact(copy, claim, found, findings)
    _check_receipts(copy, claim.folder, findings, issuer)


def _claim_of(wanted: Digest, found: Inventory) -> inventory.ArtifactClaim | None:
    return next((claim for claim in found.artifacts.values() if claim.manifest == wanted), None)


def _concerns(within: str | None, path: str) -> bool:
    """Whether a path is asked for: it lies in the target, or the target in it."""
    return within is None or inventory.is_within(path, within) or inventory.is_within(within, path)


def _known(found: Inventory) -> Iterator[str]:
    return iter(sorted({*found.artifacts, *found.files, *found.briefed})[:10])
