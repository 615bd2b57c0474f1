"""Making a proof out of a workspace: which event, which record, under today's head.

Only what verifies is proven: whoever calls this has verified the target before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError
from inbond.ledger import chain, events, inventory, manifest, membership, proof, records
from inbond.ledger.chain import TreeHead
from inbond.ledger.events import Event
from inbond.ledger.inventory import ArtifactClaim
from inbond.ledger.proof import Member, Proof
from inbond.ledger.verify import Target, VerifyReport

_MOST_NAMED: Final = 10


def prove(target: Target, report: VerifyReport, *, record: Digest | None, earlier: TreeHead | None) -> Proof:
    """A proof of what ``target`` names: a record in one of its artifacts, else the artifact that it is, else
    that today's ledger grew from the head ``earlier``.

    ``report`` is that of verifying the target, and ok: its head is the one that is proven against. Raises
    InputError when the target holds no such record, or several artifacts do, or there is nothing to prove, or
    the head is not signed by a key that the ledger knows.
    """
    assert report.ok, "only what verifies is proven"
    reading = membership.open_to_read(target.workspace, os.environ)
    with contextlib.closing(reading.store) as store:
        entries = [entry for entry in store.read() if entry.position < report.head.size]
    mine = list(membership.events_of(entries, reading.workspace))
    keys = tuple(entry for entry in entries if chain.is_introduction(entry))
    if report.head.key not in chain.vouched_for(keys, None):
        raise InputError(
            expected="a key on this machine that the ledger knows, to sign its head with",
            found=str(report.head.key or "no key at all"),
            fix="ask the ledger's owner for the proof",
        )
    before = None if earlier is None else proof.grown(entries, earlier)
    claim, found = _claimed(target, mine), None
    if record is not None:
        claim, found = _holding(target, mine, record)
    if claim is None:
        if before is None:
            raise InputError(
                expected="one artifact to prove something about, --record ID, or --head FILE saved earlier",
                found="a target with several artifacts, or none",
                fix="name an artifact's folder, such as bond/runs/demo/student",
            )
        return Proof(report.head, keys, earlier=before)
    placed = proof.place(entries, _position(mine, claim))
    return Proof(report.head, keys, placed, found, before)


def _artifacts(target: Target, told: Sequence[Event]) -> list[ArtifactClaim]:
    """The artifacts that the target names or holds."""
    found = inventory.gather(told)
    claims = list(found.artifacts.values())
    if target.copy is not None:
        kept = digest.of_file(target.copy / manifest.NAME)
        return [claim for claim in claims if claim.manifest == kept][:1]
    within = target.within
    return [claim for claim in claims if within is None or inventory.is_within(claim.folder, within)]


def _claimed(target: Target, told: Sequence[Event]) -> ArtifactClaim | None:
    claims = _artifacts(target, told)
    named = target.copy is not None or (len(claims) == 1 and claims[0].folder == target.within)
    return claims[0] if named and claims else None


def _holding(target: Target, told: Sequence[Event], record: Digest) -> tuple[ArtifactClaim, Member]:
    raw = digest.to_raw(record)
    holding: list[tuple[ArtifactClaim, Member]] = []
    for claim in _artifacts(target, told):
        if claim.records_root is None:
            continue
        ids = records.read_ids(_folder(target, claim))
        if raw in ids:
            holding.append((claim, proof.member(ids, ids.index(raw))))
    if len(holding) == 1:
        return holding[0]
    named = ", ".join(claim.folder for claim, _ in holding[:_MOST_NAMED])
    raise InputError(
        expected=f"one artifact that holds the record {record}",
        found=f"several: {named}" if holding else "none that does",
        fix="name the artifact's folder as TARGET"
        if holding
        else "a record's id is the digest of its line in records.jsonl, without the line's end",
    )


def _folder(target: Target, claim: ArtifactClaim) -> Path:
    return target.copy if target.copy is not None else target.workspace.home / claim.folder


def _position(told: Sequence[Event], claim: ArtifactClaim) -> int:
    """Of the event that the claim was read from: the last that completed this folder."""
    return next(
        event.seq
        for event in reversed(told)
        if event.kind == events.STAGE_COMPLETED and event.body.get("folder") == claim.folder
    )
