"""``inbond verify``: does everything still say what was signed?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.digest import Digest, to_raw
from inbond.errors import InputError
from inbond.ledger import membership
from inbond.ledger.attest import KeyStore, PublicKey, Signer, read_public_key
from inbond.ledger.attested import check_folder, is_attested
from inbond.ledger.chain import TreeHead, head_from_json
from inbond.ledger.proof import FORMAT, MOST_BYTES, Proof, Shown, check, proof_from_json
from inbond.ledger.proving import prove
from inbond.ledger.verify import Trust, VerifyReport, find_target, verify_target
from inbond.workspace import Workspace, write_json

_TAMPERED = 4


def verify(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A workspace, run:NAME, an artifact's folder, a student's folder copied elsewhere, or a "
            "proof. Default: the whole workspace.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="PUB", help="Public key (PEM) that must stand behind every signature."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", metavar="FILE", help="Tree head saved earlier; finds cutting and re-signing."),
    ] = None,
    save_head: Annotated[
        Path | None,
        typer.Option("--save-head", metavar="FILE", help="Write today's tree head, to be kept elsewhere."),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option("--record", metavar="ID", help="A record's id: what --save-proof proves."),
    ] = None,
    save_proof: Annotated[
        Path | None,
        typer.Option(
            "--save-proof",
            metavar="FILE",
            help="Write a proof that can be checked without the workspace: that the record, else the "
            "artifact TARGET, is in the ledger; with --head, that the ledger grew from that head.",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Check every event, artifact, file and record; name everything that was changed.

    A student's folder that was copied elsewhere, and a proof, are checked with nothing but themselves and
    --key; with --home a copied folder is checked against that workspace's ledger.

    Examples: inbond verify / inbond verify run:demo / inbond verify --head head.json --key key.pem /
    inbond verify student --key key.pem / inbond verify run:demo --record sha256:... --save-proof proof.json

    Exit code 0: nothing was changed. 4: something was, see the problems. 2: there is nothing to check.
    """
    output = Output(as_json, quiet)
    pinned = read_public_key(key) if key else None
    kept = _read_head(head) if head else None
    wanted = _record_id(record) if record else None
    alone = _standing_alone(target, home, pinned, kept, wanted)
    if alone is not None:
        if save_proof is not None:
            raise _needs_ledger("--save-proof")
        _save_head(save_head, alone.head if alone.ok else None, output)
        output.result(alone.to_json(), _describe_alone(alone))
        return 0 if alone.ok else _TAMPERED
    found = find_target(target, open_workspace(home))
    if record is not None and save_proof is None:
        raise _needs_proof()
    report = verify_target(found, Trust(pinned, kept, _own_signers()))
    _save_head(save_head, report.head if report.ok else None, output)
    if save_proof is not None and report.ok:
        made = prove(found, report, record=wanted, earlier=kept)
        write_json(save_proof, made.to_json(), mode=0o644)
    elif save_proof is not None:
        output.say(f"{save_proof} was not written: only what verifies can be proven")
    output.result(report.to_json(), _describe(report))
    return 0 if report.ok else _TAMPERED


def _standing_alone(
    target: str | None, home: Path | None, key: PublicKey | None, head: TreeHead | None, record: Digest | None
) -> Shown | None:
    """What a proof or a copied student's folder shows by itself; None when TARGET is neither."""
    path = Path(target) if target else None
    if path is None or target is None or target.startswith("run:"):
        return None
    read = _read_proof(path)
    if read is not None:
        return check(read, key=key, head=head, record=record)
    lies_in_one = any(membership.begun(Workspace(folder)) for folder in path.resolve().parents)
    if home is None and is_attested(path) and not lies_in_one:
        if record is not None:
            raise _needs_ledger("--record")
        return check_folder(path, key=key, head=head)
    return None


def _read_proof(path: Path) -> Proof | None:
    """The proof at ``path``; None when there is something else. Raises InputError for a broken one."""
    if path.suffix.lower() != ".json" or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return proof_from_json(value) if isinstance(value, dict) and value.get("format") == FORMAT else None


def _record_id(text: str) -> Digest:
    to_raw(Digest(text))
    return Digest(text)


def _needs_ledger(option: str) -> InputError:
    return InputError(
        expected=f"a target in a workspace, to use {option} on",
        found="one that stands by itself, without a ledger",
        fix="name what lies in the workspace, or the workspace with --home",
    )


def _needs_proof() -> InputError:
    return InputError(
        expected="--save-proof FILE along with --record, or a proof as TARGET",
        found="--record alone",
        fix="inbond verify TARGET --record ID --save-proof proof.json",
    )


def _save_head(path: Path | None, head: TreeHead | None, output: Output) -> None:
    if path is not None and head is not None:
        write_json(path, head.to_json(), mode=0o644)
    elif path is not None:
        output.say(f"{path} was not written: only a ledger that verifies has a head worth keeping")


def _own_signers() -> tuple[Signer, ...]:
    """Verifying must work on a machine without keys, and make none. A ledger that has not heard of the key in
    use yet knows one before it."""
    keys = KeyStore.default()
    return (keys.signer(), *keys.retired()) if keys.public_keys() else ()


def _read_head(path: Path) -> TreeHead:
    """Reads a saved head, or the whole output of ``verify --json``."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            expected=f"a tree head in JSON at {path}",
            found=f"{error}",
            fix="save one with: inbond verify --save-head FILE",
        ) from error
    whole = isinstance(value, dict) and isinstance(value.get("head"), dict)
    return head_from_json(value["head"] if whole else value)


def _describe(report: VerifyReport) -> str:
    checked, head = report.checked, report.head
    lines = [
        "ok: nothing was changed" if report.ok else f"not ok: {len(report.problems)} problem(s)",
        *(f"problem: {problem}" for problem in report.problems),
        f"checked: {checked.events:,} events, {checked.artifacts:,} artifacts, "
        f"{checked.files:,} files, {checked.records:,} records",
        f"head: {head.size:,} events, {head.root}, {'signed' if head.signature else 'not signed'}",
        *(f"note: {note}" for note in report.notes),
    ]
    return "\n".join(lines)


def _describe_alone(shown: Shown) -> str:
    lines = [
        "ok: it is what was signed" if shown.ok else f"not ok: {len(shown.problems)} problem(s)",
        *(f"problem: {problem}" for problem in shown.problems),
        *(f"proved: {what}" for what in shown.proved if shown.ok),
        *(f"not proved: {what}" for what in shown.not_proved),
        *(f"note: {note}" for note in shown.notes),
    ]
    # What stands by itself may come from anybody: it must not steer the terminal.
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines)
