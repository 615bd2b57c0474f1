"""``inbond guard share``: what was found, for other providers; and what they found, beside one's own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from inbond.cli.guard_state import ConfigOption, ask
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.guard.detect.memory import Memory
    from inbond.guard.state import State
    from inbond.guard.stix import SharedKey
    from inbond.workspace import Workspace

_PRIVATE = 0o600


def share(
    key: Annotated[Path, typer.Option("--key", help="The key that members share: at least 32 bytes.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write what was found, as STIX 2.1.", show_default=False),
    ] = None,
    read: Annotated[
        Path | None, typer.Option("--read", help="Take in another provider's bundle.", show_default=False)
    ] = None,
    provider: Annotated[
        str, typer.Option("--provider", help="Who tells, in --out: a claim, not a signature.")
    ] = "",
    tlp: Annotated[str, typer.Option("--tlp", help="clear, green, amber or red.")] = "amber",
    days: Annotated[int, typer.Option("--days", min=1, max=90, help="How long it is valid.")] = 30,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Tell other providers what clusters were found, or read what they found.

    A bundle holds keyed pieces of templates, counts and confidence: no prompt, no account, no address. What
    another provider found is a sighting: it is shown and recorded, and moves no tier.

    Examples: inbond guard share --key share.key --provider Example --out found.stix.json; inbond guard share
    --key share.key --read theirs.stix.json
    """
    if (out is None) == (read is None):
        raise InputError(
            expected="either --out FILE or --read FILE", found="both" if out else "neither", fix="give one"
        )
    from inbond.guard.stix import SharedKey

    workspace, shown, secret = open_workspace(home), Output(as_json, quiet), SharedKey(_bytes(key))
    if read is not None:
        shown.result(*_read(workspace, read, secret, config))
    elif out is not None:
        check_place("--out", out, workspace)
        shown.result(*_write(workspace, out, secret, provider, tlp, days, config))
    return 0


def _write(
    workspace: Workspace, out: Path, key: SharedKey, provider: str, tlp: str, days: int, config: Path | None
) -> tuple[dict[str, Any], str]:
    from inbond.guard import sharing
    from inbond.guard.detect.judge import judge
    from inbond.guard.stix import Tlp, bundle, campaign_of
    from inbond.workspace import write_bytes

    levels: dict[str, Tlp] = {level: level for level in get_args(Tlp)}
    if tlp not in levels:
        raise InputError(expected=f"--tlp {', '.join(levels)}", found=repr(tlp), fix="choose one of them")
    if not provider.strip():
        raise InputError(expected="--provider NAME: who tells", found="nobody", fix="name yourself")
    memory = _memory(workspace, config)
    told = sharing.findings(judge(memory), memory)
    at = datetime.now(UTC).replace(microsecond=0)
    write_bytes(out, bundle(told, provider.strip(), key, at, days=days, tlp=levels[tlp]), _PRIVATE)
    names = {each.id: campaign_of(each, provider.strip(), key) for each in told}
    value = {"file": str(out), "clusters": list(names), "campaigns": names, "tlp": tlp, "days": days}
    lines = [f"{out}: {len(told)} clusters, TLP {tlp}, valid for {days} days"]
    lines += [f"  {id_} is told as {name[:12]}" for id_, name in names.items()]
    return value, "\n".join(lines)


def _read(
    workspace: Workspace, place: Path, key: SharedKey, config: Path | None
) -> tuple[dict[str, Any], str]:
    from inbond.digest import of_bytes
    from inbond.guard import sharing
    from inbond.guard.detect.judge import judge
    from inbond.guard.sighted import SIGHTED, read
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger

    data = _bytes(place)
    told = read(str(place), data, datetime.now(UTC))
    memory = _memory(workspace, config)
    found = [match.to_json() for match in sharing.matches(told, judge(memory), memory, key)]
    body = {"bundle": of_bytes(data), "sightings": len(told), "matches": found}
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        ledger.record(SIGHTED, body)
    lines = [f"{len(told)} sightings that are valid, {len(found)} like groups here; they move no tier."]
    lines += [
        f"{each['cluster']} (tier {each['tier']}) is like {each['campaign'][:12]}, by its own word of "
        f"{each['provider']}: "
        f"{each['likeness']:.0%} of its template, confidence {each['confidence']}, TLP {each['tlp']}"
        for each in found
    ]
    return body, "\n".join(lines)


def _memory(workspace: Workspace, config: Path | None) -> Memory:
    """What detection remembers."""
    from inbond.guard.detect.memory import from_bytes

    return from_bytes(ask(workspace, config, _remembered, b""))


async def _remembered(state: State) -> bytes:
    return (await state.memory())[1]


def _bytes(place: Path) -> bytes:
    from inbond.guard.operator_files import read_file

    return read_file(place)
