"""``inbond trace``: is this model distilled from that one, by how much, and what follows?"""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Iterator
from typing import Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.ledger import membership
from inbond.ledger.asking import Lineage, read
from inbond.ledger.events import Event
from inbond.ledger.trace import Ancestor, Trace
from inbond.policy import library
from inbond.workspace import Workspace, config_folder

_EXIT = {"yes": 0, "no": 0, "cannot-tell": 3}
_WIDTH = 96
_MOST = 12
"""Ancestors, paths, obligations and open questions that are printed for a person; --json has all."""


def trace(
    target: Annotated[
        str, typer.Argument(help="A model or data: run:NAME, hf:org/name, data:name, or its bare name.")
    ],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Look for this model or data among them.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Say what a model descends from, by how much, and what follows: from records and declarations.

    A bare name (gpt-4o) means its dated versions too. Exit code 0: yes, or no; 3: it cannot be told.

    Examples: inbond trace run:demo; inbond trace run:demo --from gpt-4o
    """
    found = open_lineage(open_workspace(home)).ask(target, from_)
    Output(as_json, quiet).result(found.to_json(), describe(found))
    return _EXIT[found.outcome]


def open_lineage(workspace: Workspace) -> Lineage:
    """All that a workspace knows of lineage; a workspace without a ledger knows only what ships.

    Raises as ``asking.read``.
    """
    return read(workspace, recorded_events(workspace), library.load(config_folder(os.environ)))


def recorded_events(workspace: Workspace) -> list[Event]:
    """The events of a workspace's ledger, none where there is no ledger. Makes nothing. Raises
    TamperedError for an event that cannot be read."""
    if not membership.begun(workspace):
        return []
    reading = membership.open_to_read(workspace, os.environ)
    with contextlib.closing(reading.store):
        return list(reading.events())


# For a person ---------------------------------------------------------------------------------------


def describe(found: Trace) -> str:
    """The answer in one sentence, then the evidence."""
    asked = [ancestor for ancestor in found.ancestors if ancestor.asked]
    shown = asked or found.ancestors
    lines = textwrap.wrap(found.sentence, _WIDTH, break_long_words=False, break_on_hyphens=False)
    if shown:
        lines += ["", "How" if asked else "Ancestors, the nearest first"]
    for ancestor in shown[:_MOST]:
        lines += _ancestor(ancestor, paths=bool(asked))
    lines += _more(len(shown))
    if found.obligations:
        owed = _obligations(found)
        lines += ["", "What the terms on file ask"]
        lines += [line for text in owed[:_MOST] for line in _item(text)] + _more(len(owed))
    if found.unknowns:
        lines += ["", "What is not known"]
        lines += [line for item in found.unknowns[:_MOST] for line in _item(f"{item.about}: {item.what}")]
        lines += _more(len(found.unknowns))
    return "\n".join(
        [*lines, "", "Read from what was recorded and declared; inbond verify checks the records."]
    )


def _obligations(found: Trace) -> list[str]:
    """Each once, with all who it is because of."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for due in found.obligations:
        clause = due.source.partition(", for ")[0]
        grouped.setdefault((due.text, due.kind, clause), []).append(due.ancestor)
    return [
        f"{text} [{kind}; {clause}; because of {', '.join(dict.fromkeys(ancestors))}]"
        for (text, kind, clause), ancestors in grouped.items()
    ]


def _more(count: int) -> list[str]:
    return [f"  ... and {count - _MOST} more (--json lists all)"] if count > _MOST else []


def _ancestor(ancestor: Ancestor, *, paths: bool) -> Iterator[str]:
    hops = f"{ancestor.hops} hop{'s' if ancestor.hops != 1 else ''}"
    stance = f"terms: {ancestor.stance}" if ancestor.stance else "terms not known"
    roles = f", as {' and '.join(ancestor.roles)}" if ancestor.roles else ""
    yield from _item(f"{ancestor.node.id} ({ancestor.edge}, {hops}, {ancestor.evidence}{roles}; {stance})")
    for share in ancestor.shares:
        parts = [("wrote", share.touch.authored.exact), ("touched", share.touch.touched.exact)]
        said = ", ".join(f"{verb} {part:.4g}" for verb, part in parts if part is not None)
        yield from _item(f"{share.unit} in {share.stage.words}: {said or 'part not established'}", deep=True)
    ways = dict.fromkeys(
        "".join(f"{edge.source} -{edge.relation}-> " for edge in path) + path[-1].target
        for path in ancestor.paths.paths
    )
    for way in list(ways)[:_MOST] if paths else ():
        yield from _item(way, deep=True)
    if paths and (ancestor.paths.cut or len(ways) > _MOST):
        yield "      ... there are more ways"


def _item(text: str, *, deep: bool = False) -> list[str]:
    indent = "      " if deep else "  "
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
