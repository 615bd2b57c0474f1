"""``inbond import``: what cards, configurations, GGUF files and BOMs declare about lineage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError
from inbond.ledger import asking, declaration, importing, lineage_file
from inbond.ledger.attest import KeyStore
from inbond.ledger.declaration import Declared
from inbond.ledger.events import Event
from inbond.ledger.ledger import Ledger
from inbond.policy import library
from inbond.workspace import Workspace, config_folder


def import_(
    path: Annotated[
        Path, typer.Argument(help="A file, or a folder with a model or data set.", metavar="FILE|DIR")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="What it is about: hf:org/name, data:org/name, ... Default: what its place says."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Take what a file says of lineage into the ledger, as declared evidence, for inbond trace.

    Reads model and data set cards, config.json, adapter_config.json, GGUF headers, CycloneDX and SPDX in
    JSON, and lineage files. Nothing is fetched. What is malformed, or contradicts what is known, is refused.

    Examples: inbond import README.md --name hf:org/name; inbond import olmo.lineage.toml
    """
    found = importing.read_path(path, name)
    workspace = open_workspace(home)
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        told = list(ledger.events())
        _check(workspace, told, found)
        known = {(item.form, item.read, item.subject): item.digest for item in declaration.in_force(told)}
        new = [item for item in found if known.get((item.form, item.read, item.subject)) != item.digest]
        ledger.record_many([(declaration.DECLARED, item.to_body()) for item in new])
    value = {"imported": [_summary(item, new=item in new) for item in found]}
    Output(as_json, quiet).result(value, _describe(found, new))
    return 0


def _check(workspace: Workspace, told: Sequence[Event], found: Sequence[Declared]) -> None:
    """Raises InputError when it cannot be true together with what is known already: before it is kept."""
    lineage = asking.read(workspace, told, library.load(config_folder(os.environ)), found)
    for item in (item for item in found if item.form == lineage_file.FORM):
        for id_ in item.graph.nodes:
            name = id_.partition("@")[0]
            if name.startswith("run:") and not _is_run(name, lineage):
                raise InputError(
                    expected=f"a run {name} in {workspace.home}, which {item.read} names",
                    found="no such run",
                    fix="correct the name, or choose the run's workspace with --home",
                )


def _is_run(name: str, lineage: asking.Lineage) -> bool:
    run = lineage.book.runs.get(name.removeprefix("run:"))
    return run is not None and run.trained


def _summary(item: Declared, *, new: bool) -> dict[str, Any]:
    return {
        "read": item.read,
        "form": item.form,
        "subject": item.subject or None,
        "digest": item.digest,
        "new": new,
        "nodes": len(item.graph.nodes),
        "edges": len(item.graph.edges),
        "unknowns": [unknown.to_json() for unknown in item.graph.unknowns],
    }


def _describe(found: Sequence[Declared], new: Sequence[Declared]) -> str:
    lines = []
    for item in found:
        about = f" about {item.subject}" if item.subject else ""
        state = "declared" if item in new else "known already"
        lines.append(f"{item.read} ({item.form}){about}: {state}")
        lines += [f"  {edge.source} -{edge.relation}-> {edge.target}" for edge in item.graph.edges[:_MOST]]
        if len(item.graph.edges) > _MOST:
            lines.append(f"  ... and {len(item.graph.edges) - _MOST} more")
        lines += [f"  not known: {unknown.about}: {unknown.what}" for unknown in item.graph.unknowns[:_MOST]]
    return "\n".join(lines)


_MOST = 20
