"""``inbond verify``: does everything still say what was signed?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, final

import typer

from inbond.cli.output import (
    HomeOption,
    JsonOption,
    Output,
    QuietOption,
    check_place,
    open_workspace,
    printable,
)
from inbond.digest import Digest, to_raw
from inbond.errors import InputError
from inbond.ledger.attest import KeyStore, PublicKey, read_public_key
from inbond.ledger.attested import check_folder, is_attested
from inbond.ledger.chain import TreeHead, head_from_json, refuse_empty
from inbond.ledger.issuer_keys import Keys, read_issuer_keys
from inbond.ledger.proof import FORMAT, MOST_BYTES, Proof, Shown, check, proof_from_json
from inbond.ledger.proving import prove
from inbond.ledger.verify import (
    Target,
    Trust,
    VerifyReport,
    find_target,
    is_workspace,
    resolved,
    verify_target,
)
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
    proof: Annotated[
        Path | None,
        typer.Option("--proof", metavar="FILE", help="A proof that must be about the copied student TARGET."),
    ] = None,
    issuer_key: Annotated[
        Path | None,
        typer.Option(
            "--issuer-key",
            metavar="FILE",
            help="Keys (JWK set or PEM) that the receipts of a teacher's answers must be signed with.",
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
    issuer = read_issuer_keys(issuer_key) if issuer_key else None
    wanted = _record_id(record) if record else None
    workspace = open_workspace(home)
    places = {"--save-head": save_head, "--save-proof": save_proof}
    _check_places(places, workspace, [_path(target), key, proof, issuer_key])
    tied = _read_proof(proof, "--proof") if proof else None
    alone = _standing_alone(_path(target), None if home else workspace, Known(pinned, kept, wanted, tied))
    if alone is not None:
        if save_proof is not None:
            raise _needs_ledger("--save-proof")
        if issuer is not None:
            raise _needs_ledger("--issuer-key")
        _save_head(save_head, alone.head if alone.ok else None, output)
        output.result(alone.to_json(), _describe_alone(alone))
        return 0 if alone.ok else _TAMPERED
    if proof is not None:
        raise _needs_student()
    found = find_target(target, workspace, chosen=home is not None)
    _check_places(places, found.workspace, [])
    if record is not None and save_proof is None:
        raise _needs_proof()
    report = _verify(found, pinned, kept, issuer)
    _save_head(save_head, report.head if report.ok else None, output)
    if save_proof is not None and report.ok:
        made = prove(found, report, record=wanted, earlier=kept)
        write_json(save_proof, made.to_json(), mode=0o644)
    elif save_proof is not None:
        output.say(f"{save_proof} was not written: only what verifies can be proven")
    output.result(report.to_json(), _describe(report))
    return 0 if report.ok else _TAMPERED


@final
@dataclass(frozen=True)
class Known:
    """What the user brings along to look at what stands by itself."""

    key: PublicKey | None
    head: TreeHead | None
    record: Digest | None
    proof: Proof | None


def _path(target: str | None) -> Path | None:
    """TARGET where it is a path. Raises InputError for one that cannot be looked up."""
    return None if target is None or target.startswith("run:") else resolved(target)


def _check_places(places: Mapping[str, Path | None], workspace: Workspace, read: list[Path | None]) -> None:
    """Nothing that is verified, or verified with, is written over."""
    for option, place in places.items():
        if place is not None:
            resolved(str(place))
            check_place(option, place, workspace, *(each for each in read if each is not None))


def _standing_alone(path: Path | None, own: Workspace | None, known: Known) -> Shown | None:
    """What a proof or a copied student's folder shows by itself; None when TARGET is neither. A folder in the
    user's ``own`` workspace is no copy; any other workspace that it seems to lie in came along with it."""
    if path is None:
        return None
    if path.is_file():
        read = _find_proof(path)
        return None if read is None else check(read, key=known.key, head=known.head, record=known.record)
    lies_in_own = own is not None and is_workspace(home := own.home.resolve()) and path.is_relative_to(home)
    if own is None or lies_in_own or not is_attested(path):
        return None
    if known.record is not None:
        raise _needs_ledger("--record")
    return check_folder(path, key=known.key, head=known.head, proof=known.proof)


def _find_proof(path: Path) -> Proof | None:
    """The proof in the file; None when it holds something else. Raises InputError for a broken one."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        data = path.read_bytes()
        value = json.loads(data) if data.lstrip()[:1] == b"{" else None
    except (OSError, ValueError, RecursionError):
        return None
    said = value.get("format") if isinstance(value, dict) else None
    return proof_from_json(value) if str(said).startswith(FORMAT.rpartition("/")[0] + "/") else None


def _read_proof(path: Path, option: str) -> Proof:
    read = _find_proof(resolved(str(path)))
    if read is None:
        raise InputError(
            expected=f"{option} with a proof of format {FORMAT}",
            found=f"{path}, which is none",
            fix="ask the maker for one: inbond verify TARGET --save-proof FILE",
        )
    return read


def _verify(found: Target, key: PublicKey | None, head: TreeHead | None, issuer: Keys | None) -> VerifyReport:
    """Signs today's head with a key of the user's, if there is one. Verifying needs none, and must work also
    where one cannot be used."""
    signers, refused = KeyStore.default().usable()
    report = verify_target(found, Trust(key, head, tuple(signers), issuer))
    if not report.ok or report.head.signature is not None:
        return report
    why = [
        f"today's head is not signed: expected {each.expected}; found {each.found}; {each.fix}"
        for each in refused
    ]
    return replace(report, notes=(*report.notes, *why))


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


def _needs_student() -> InputError:
    return InputError(
        expected="a student's folder that was copied elsewhere, to use --proof on",
        found="another target",
        fix="inbond verify STUDENT --proof FILE, or inbond verify FILE for the proof alone",
    )


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
    head = head_from_json(value["head"] if whole else value)
    refuse_empty(head)
    return head


def _describe(report: VerifyReport) -> str:
    checked, head = report.checked, report.head
    files = checked.artifacts + checked.files
    lines = [
        f"checked: {checked.events:,} events, {checked.artifacts:,} artifacts, "
        f"{checked.files:,} files, {checked.records:,} records",
        f"head: {head.size:,} events, {head.root}, {'signed' if head.signature else 'not signed'}",
    ]
    ok = "nothing was changed" if files else "no event was changed; there are no files to check"
    return _told(ok, report.problems, lines, report.notes)


def _describe_alone(shown: Shown) -> str:
    lines = [
        *(f"proved: {what}" for what in shown.proved if shown.ok),
        *(f"not proved: {what}" for what in shown.not_proved),
    ]
    return _told("it is what was signed", shown.problems, lines, shown.notes)


def _told(ok: str, problems: Sequence[str], lines: Sequence[str], notes: Sequence[str]) -> str:
    return printable(
        [
            f"not ok: {len(problems)} problem(s)" if problems else f"ok: {ok}",
            *(f"problem: {problem}" for problem in problems),
            *lines,
            *(f"note: {note}" for note in notes),
        ]
    )
