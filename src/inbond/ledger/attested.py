"""A student's folder on another machine: is every file of it what its maker signed?

All it needs is the folder, with ``attestation.jsonl`` in it, and the maker's public key. The first statement
is about the student (``MODEL``): its subjects are all other files, and it brings the events that introduced
the maker's keys, so that a key given out before a rotation still serves. All others have the same subjects.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from inbond.digest import Digest, of_bytes
from inbond.errors import InputError, NewerFormatError, TamperedError
from inbond.ledger import chain, envelope, events, inventory, manifest
from inbond.ledger.attest import PublicKey
from inbond.ledger.chain import TreeHead
from inbond.ledger.envelope import Envelope
from inbond.ledger.events import Entry, entry_from_json
from inbond.ledger.formats import refuse_newer
from inbond.ledger.inventory import FileClaim, Findings, Inventory
from inbond.ledger.proof import Proof, Shown, check, who_signed

MODEL: Final = "urn:inbond:attestation:model:1"
"""The predicate {name, artifact, created, inbond, ledger: a tree head, keys: introductions, statements:
the digests of the other statements' payloads, so that none can be left out}."""
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
VERIFICATION: Final = "https://in-toto.io/attestation/svr/v0.2"

_NOT_PROVED = (
    "that what the statements say was true when they were signed",
    "when it happened: times are those of the machine that wrote",
    "that the maker signed nothing else: that is what a ledger and its tree heads are for",
)


def is_attested(folder: Path) -> bool:
    """Whether the folder brings statements about itself."""
    return (folder / envelope.NAME).is_file()


def check_folder(
    folder: Path, *, key: PublicKey | None = None, head: TreeHead | None = None, proof: Proof | None = None
) -> Shown:
    """Checks signatures, files and what the statements are about; with ``proof`` that too, and whether it is
    about this folder. Raises InputError when there is nothing to read, or the head covers nothing,
    NewerFormatError; all else that is wrong is a problem."""
    shown, subjects = _check_alone(folder, key, head if proof is None else None)
    if proof is None:
        return shown
    other = check(proof, key=key, head=head)
    kept = events.decode(proof.artifact.entry.text).body.get("manifest") if proof.artifact else None
    tied = () if kept == subjects.get(manifest.NAME, "") else (
        f"the proof is about another artifact: one with the manifest {kept}",
    )  # fmt: skip
    return Shown(
        (*shown.problems, *(f"the proof: {problem}" for problem in other.problems), *tied),
        (*shown.proved, *other.proved, "what the proof is about is this very folder, manifest and files"),
        tuple(dict.fromkeys((*shown.not_proved, *other.not_proved))),
        tuple(dict.fromkeys((*shown.notes, *other.notes[1:]))),
        other.head,
    )


def _check_alone(
    folder: Path, key: PublicKey | None, head: TreeHead | None
) -> tuple[Shown, Mapping[str, Digest]]:
    """What the folder shows by itself, and the digests of its files by what is signed."""
    if head is not None:
        chain.refuse_empty(head)
    try:
        data = (folder / envelope.NAME).read_bytes()
    except OSError as error:
        raise InputError(
            expected=f"the statements of a student at {folder / envelope.NAME}",
            found=error.strerror or "they cannot be read",
            fix="name a folder that inbond run exported, whole",
        ) from error
    try:
        sealed = envelope.decode(data)
        statements = [envelope.open_statement(each) for each in sealed]
        keys, ledger = _read_model(statements[0])
        subjects = envelope.subjects_of(statements[0])
    except NewerFormatError:
        raise
    except (TamperedError, InputError) as error:
        problem = f"{envelope.NAME}: it was changed; found {error.found}"
        return Shown((problem,), (), _NOT_PROVED, (), None), {}
    known = chain.vouched_for(keys, key)
    problems = [*_check_signatures(sealed, known), *_check_together(sealed, statements)]
    findings = _check_files(folder, subjects)
    head_problems, notes = _check_head(ledger, head, known)
    notes = [who_signed(key, "folder"), *notes, *findings.notes]
    if any(each.key not in known for each in sealed):
        notes.append(chain.UNVOUCHED)
    proved = _proved(statements, sealed[0].key, subjects)
    shown = Shown((*problems, *findings.problems, *head_problems), proved, _NOT_PROVED, tuple(notes), ledger)
    return shown, subjects


def _read_model(content: Mapping[str, Any]) -> tuple[list[Entry], TreeHead]:
    predicate = content["predicate"]
    refuse_newer(content["predicateType"], MODEL, "a first statement")
    if content["predicateType"] != MODEL or not isinstance(predicate.get("keys"), list):
        raise TamperedError(
            expected=f"a first statement of type {MODEL}",
            found=f"a first statement of type {content['predicateType']!r:.80}",
            fix="get the folder again from where it came from",
        )
    return [entry_from_json(each) for each in predicate["keys"]], chain.head_from_json(
        predicate.get("ledger")
    )


def _check_signatures(sealed: list[Envelope], known: Mapping[Digest, PublicKey]) -> list[str]:
    problems = []
    for number, each in enumerate(sealed, 1):
        by = known.get(each.key)
        if by is None:
            problems.append(
                f"{envelope.NAME}: statement {number} is signed by {each.key}, "
                "which is neither the key given with --key nor one that it has introduced"
            )
        elif not each.signed_by(by):
            problems.append(f"{envelope.NAME}: the signature of statement {number} does not fit what it says")
    return problems


def _check_files(folder: Path, subjects: Mapping[str, Digest]) -> Findings:
    findings, none = Findings(), Inventory()
    for name, expected in subjects.items():
        try:
            claim = FileClaim("the signed statement", inventory.relative_path(name), expected)
        except InputError as error:
            findings.problems.append(f"{envelope.NAME}: it speaks of {error.found}")
            continue
        inventory.check_file(folder, claim, none, findings)
    extra = sorted(name for name in inventory.walk(folder) if name not in {*subjects, envelope.NAME})
    findings.problems += [f"{name}: no signed statement speaks of this file" for name in extra]
    return findings


def _check_together(sealed: list[Envelope], statements: list[dict[str, Any]]) -> list[str]:
    """All are about the same files, and there are those that the first names."""
    problems = [
        f"{envelope.NAME}: statement {number} is not about the same files as the first"
        for number, each in enumerate(statements[1:], 2)
        if each["subject"] != statements[0]["subject"]
    ]
    if statements[0]["predicate"].get("statements") != [of_bytes(each.payload) for each in sealed[1:]]:
        problems.append(f"{envelope.NAME}: its statements are not those that the first one names")
    return problems


def _check_head(
    ledger: TreeHead, kept: TreeHead | None, known: Mapping[Digest, PublicKey]
) -> tuple[list[str], list[str]]:
    """The head in the statement against one that was kept: (problems, notes)."""
    if kept is None:
        return [], []
    problems, notes = chain.check_signature(kept, known, "the head you gave")
    more_problems, more_notes = _compare(ledger, kept)
    return problems + more_problems, notes + more_notes


def _compare(ledger: TreeHead, kept: TreeHead) -> tuple[list[str], list[str]]:
    if kept.size == ledger.size and kept.root != ledger.root:
        return [
            f"its maker's ledger of {ledger.size} events is not the one of the head you gave: one of them "
            "was changed and signed again"
        ], []
    if kept.size == ledger.size:
        return [], [f"its maker's ledger of {ledger.size:,} events is that of the head you gave"]
    return [], [
        f"its maker's ledger had {ledger.size:,} events, that of the head you gave {kept.size:,}: ask the "
        "maker for a proof that the one grew from the other (inbond verify --head HEAD --save-proof FILE)"
    ]


def _proved(
    statements: list[dict[str, Any]], signer: Digest, subjects: Mapping[str, Digest]
) -> tuple[str, ...]:
    told = statements[0]["predicate"]
    said = [
        f"the key {signer} signed these {len(subjects)} files, and no others, as the student "
        f"{str(told.get('name'))!r:.200} of {told.get('created')!s:.40}, "
        f"artifact {told.get('artifact')!s:.80}, manifest {subjects.get(manifest.NAME)}"
    ]
    if any(each["predicateType"] == PROVENANCE for each in statements):
        said.append("that key also signed how the run made them")
    for each in statements:
        if each["predicateType"] == VERIFICATION:
            found = each["predicate"].get("inbond")
            found = found if isinstance(found, Mapping) else {}
            said.append(
                f"that key also signed the verdict of the {found.get('gate')!s:.40} gate: "
                f"{found.get('outcome')!s:.40}"
            )
    return tuple(said)
