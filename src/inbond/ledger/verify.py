"""Verification: does everything in a workspace still say what was signed?

Every event, every artifact, every file and every record is checked, also after the first problem.
Nothing here writes, needs a private key, or needs the network.

What it proves: nothing that the ledger covers has changed since it was signed with the keys shown.
What it does not: that the owner of those keys did not sign other things before, or instead. Against
that stands a tree head that somebody else kept (``head``), and a public key got some other way (``key``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, TamperedError, UnwritableError
from inbond.ledger import chain, inventory, manifest, membership
from inbond.ledger.attest import PublicKey, Signer
from inbond.ledger.chain import ChainCheck, TreeHead
from inbond.ledger.inventory import Findings, Inventory
from inbond.ledger.ledger import now
from inbond.workspace import Workspace

_UNPINNED = (
    "signatures were checked against the keys that the ledger itself introduces: that proves that nothing "
    "was changed since signing, not who signed; give a public key with --key to check who"
)


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


@final
@dataclass(frozen=True)
class Target:
    """What to verify: a whole workspace, what lies ``within`` a path of it, or a ``copy`` of one of its
    artifacts that lies elsewhere. The chain of events is always checked whole."""

    workspace: Workspace
    within: str | None = None
    copy: Path | None = None


def find_target(text: str | None, workspace: Workspace) -> Target:
    """Reads TARGET: a workspace, ``run:name``, a folder or file of a workspace, or a copied artifact.

    Raises InputError when it is none of these.
    """
    if text is None:
        return Target(workspace)
    if text.startswith("run:"):
        return Target(workspace, f"runs/{text.removeprefix('run:')}")
    path = Path(text).resolve()
    for folder in (path, *path.parents):
        if membership.begun(Workspace(folder)):
            within = path.relative_to(folder).as_posix()
            return Target(Workspace(folder), None if within == "." else within)
    if (path / manifest.NAME).is_file():
        return Target(workspace, copy=path)
    raise InputError(
        expected="a workspace, run:name, or an artifact's folder",
        found=f"{text}: " + ("neither holds nor lies in a ledger" if path.exists() else "no such path"),
        fix="name a folder that inbond made, and its workspace with --home",
    )


def verify_target(target: Target, trust: Trust) -> VerifyReport:
    """Verifies a target. Raises InputError when there is no ledger, a newer version wrote it, or the
    ledger says nothing of the target; all else that is wrong is a problem in the report."""
    check = ChainCheck(trust.key)
    found = Inventory()
    problems = _read_ledger(target.workspace, check, found)
    findings = Findings()
    _check_files(target, found, findings, intact=not problems and not check.problems)
    notes = [_key_note(trust)] + [
        f"{event.name}: key {event.key} introduces itself; no earlier key vouches for it"
        for event in check.self_introduced[1:]
    ]
    if check.self_introduced[1:] or check.untrusted:
        notes.append(chain.UNVOUCHED)
    if not membership.begun(target.workspace):
        notes.append(f"{target.workspace.home} has not joined the shared ledger: only its chain was checked")
    head_problems: list[str] = []
    if trust.head is not None:
        may_sign = [*check.keys.values(), *([trust.key] if trust.key else [])]
        head_problems, head_notes = chain.check_head(trust.head, check.digests, may_sign)
        notes += head_notes
    all_problems = (*problems, *check.problems, *found.problems, *head_problems, *findings.problems)
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


def _read_ledger(workspace: Workspace, check: ChainCheck, found: Inventory) -> list[str]:
    problems: list[str] = []
    own = workspace.ledger.exists()
    name = workspace.ledger.name if own else "ledger"
    try:
        reading = membership.open_to_read(workspace, os.environ)
    except TamperedError as error:
        return [f"{name}: {error.found}"]
    with contextlib.closing(reading.store) as store:
        try:
            problems += store.damage()
            for entry in store.read():
                event = check.add(entry)
                if event is not None and reading.concerns(event):
                    found.add(membership.unstamped(event))
        except (TamperedError, UnwritableError) as error:
            # It could be opened: a refusal of the system to read on means that the file is not whole. A
            # server refuses for want of rights.
            if isinstance(error, UnwritableError) and not own:
                raise
            problems.append(f"{name}: {error.found}")
    return problems


def _key_note(trust: Trust) -> str:
    return f"signatures were checked against the key given: {trust.key.id}" if trust.key else _UNPINNED


def _check_files(target: Target, found: Inventory, findings: Findings, *, intact: bool) -> None:
    home = target.workspace.home
    if target.copy is not None:
        _check_copy(target.copy, found, findings)
        return
    artifacts = [claim for claim in found.artifacts.values() if _concerns(target.within, claim.folder)]
    files = [claim for claim in found.files.values() if _concerns(target.within, claim.path)]
    if target.within is not None and not artifacts and not files and intact:
        raise InputError(
            expected=f"events about {target.within} in {membership.place(target.workspace)}",
            found=f"none; it speaks of {', '.join(_known(found)) or 'no files'}",
            fix="name one of these, or leave TARGET out to verify the whole workspace",
        )
    for claim in artifacts:
        inventory.check_artifact(home / claim.folder, claim, found, findings)
    for single in files:
        inventory.check_file(home, single, found, findings)
    findings.notes += [
        f"{folder}: it has a manifest, but the ledger does not speak of it, so it was not checked"
        for folder in inventory.unknown_manifests(home, found)
        if _concerns(target.within, folder)
    ]


def _check_copy(copy: Path, found: Inventory, findings: Findings) -> None:
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


def _claim_of(wanted: Digest, found: Inventory) -> inventory.ArtifactClaim | None:
    return next((claim for claim in found.artifacts.values() if claim.manifest == wanted), None)


def _concerns(within: str | None, path: str) -> bool:
    """Whether a path is asked for: it lies in the target, or the target in it."""
    return within is None or inventory.is_within(path, within) or inventory.is_within(within, path)


def _known(found: Inventory) -> Iterator[str]:
    return iter(sorted({*found.artifacts, *found.files})[:10])
