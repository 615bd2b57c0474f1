"""``inbond guard key``: a new key, and its hash where the guard looks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption
from inbond.digest import Digest


def key(
    config: Annotated[
        Path | None,
        typer.Option(
            help="guard.yaml: the hash is written there, or into the file it names.", show_default=False
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            metavar="TENANT/ACCOUNT", help="Whose key. Default: the only account.", show_default=False
        ),
    ] = None,
    _home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Make a key: hand the key out; the guard keeps its hash alone.

    With --config the hash is written into the file, which is made if there is none; a guard that runs takes
    it up within seconds. A key that is lost is made anew.

    Examples: inbond guard key --config guard.yaml; inbond guard key --config guard.yaml --account acme/team-a
    """
    from inbond.guard.callers import hash_of, new_key

    made = new_key()
    hashed = hash_of(made)
    told = {"key": made, "hash": hashed}
    lines = f"key   {made}\nhash  {hashed}"
    if config is not None:
        place, whose = _write(config, account, hashed)
        told |= {"file": str(place), "account": whose}
        lines += f"\nfile  {place}, for {whose}"
    if as_json:
        Output(as_json, quiet).result(told, "")
    else:
        typer.echo(lines)  # no prose that --quiet would hide
    return 0


def _write(config: Path, account: str | None, hashed: Digest) -> tuple[Path, str]:
    """Which file holds the hash now, and for which account."""
    from inbond.guard import key_placing
    from inbond.guard.callers import parse_callers
    from inbond.guard.config import parse_config, people_in
    from inbond.guard.operator_files import read_file
    from inbond.workspace import PRIVATE_FILE, write_bytes

    if not config.exists():
        whose = account or key_placing.FIRST
        text = key_placing.begun(whose, hashed).encode()
        parse_callers(str(config), text, within=True)  # a bad name is refused before anything is written
        write_bytes(config, text, PRIVATE_FILE)
        return config, whose
    settings = parse_config(str(config), read_file(config))
    place = people_in(config, settings)

    def read(name: str) -> bytes:
        return read_file(place.parent / name)

    within = settings.callers is None
    added, whose = key_placing.with_key(str(place), read_file(place), account, hashed, read, within=within)
    write_bytes(place, added, place.stat().st_mode & 0o777)
    return place, whose
