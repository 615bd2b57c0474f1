"""``inbond verify``: does everything still say what was signed?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError
from inbond.ledger.attest import KeyStore, Signer, read_public_key
from inbond.ledger.chain import TreeHead, head_from_json
from inbond.ledger.verify import Trust, VerifyReport, find_target, verify_target
from inbond.workspace import write_json

_TAMPERED = 4


def verify(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A workspace, run:NAME, or an artifact's folder. Default: the whole workspace.",
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
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Check every event, artifact, file and record; name everything that was changed.

    Examples: inbond verify / inbond verify run:demo / inbond verify --head head.json --key key.pem

    Exit code 0: nothing was changed. 4: something was, see the problems. 2: there is nothing to check.
    """
    trust = Trust(
        read_public_key(key) if key else None, _read_head(head) if head else None, _own_signer_if_any()
    )
    report = verify_target(find_target(target, open_workspace(home)), trust)
    output = Output(as_json, quiet)
    if save_head is not None and report.ok:
        write_json(save_head, report.head.to_json(), mode=0o644)
    elif save_head is not None:
        output.say(f"{save_head} was not written: only a ledger that verifies has a head worth keeping")
    output.result(report.to_json(), _describe(report))
    return 0 if report.ok else _TAMPERED


def _own_signer_if_any() -> Signer | None:
    """Verifying must work on a machine without keys, and make none."""
    keys = KeyStore.default()
    return keys.signer() if keys.public_keys() else None


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
