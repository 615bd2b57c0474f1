"""``inbond trace``: is this model distilled from that one, by how much, and what follows?"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from inbond import __version__
from inbond.cli.output import (
    HomeOption,
    JsonOption,
    Output,
    QuietOption,
    check_place,
    open_workspace,
)
from inbond.digest import Digest, of_file
from inbond.errors import InputError
from inbond.ledger import membership, pins
from inbond.ledger.answer import WORDS, part_words
from inbond.ledger.asking import Lineage, read
from inbond.ledger.beside import APART, Beside, flagged_words
from inbond.ledger.trace import Ancestor, Trace, find_target
from inbond.report.owed import owed
from inbond.report.trace_view import View, view, ways
from inbond.workspace import Workspace, write_bytes

_EXIT = {"yes": 0, "no": 0, "cannot-tell": 3}
_PUBLIC: Final = 0o644
_WIDTH = 96
_MOST = 12
"""Ancestors, paths, obligations and open questions that are printed for a person; --json has all."""


def trace(
    target: Annotated[
        str,
        typer.Argument(
            help="A model or data: run:NAME, hf:org/name, its bare name, its folder, a file or a SHA-256."
        ),
    ],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Look for this model or data among them.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="Write it as a page too (HTML).", show_default=False),
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Write the picture alone too (SVG).", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Say what a model descends from, by how much, and what follows: from records and declarations.

    A bare name (gpt-4o) means its dated versions too. Exit code 0: yes, or no; 3: it cannot be told.

    Examples: inbond trace run:demo; inbond trace run:demo --from gpt-4o --page lineage.html
    """
    workspace = open_workspace(home)
    places = {option: place for option, place in (("--page", page), ("--svg", svg)) if place is not None}
    _check_places(places, workspace)
    lineage = open_lineage(workspace)
    found = lineage.ask(_target(target, lineage), from_)
    if places:
        _write(places, view(found, lineage.graph.nodes[found.target], from_))
    written = {option.lstrip("-"): str(place) for option, place in places.items()}
    lines = [f"{option} {place}" for option, place in written.items()]
    Output(as_json, quiet).result(
        {**found.to_json(), **written}, "\n".join([describe(found), *(f"Written: {line}" for line in lines)])
    )
    return _EXIT[found.outcome]


def _target(name: str, lineage: Lineage) -> str:
    """A name as it is, where it names something; else, of a folder or a file, the model that its bytes are.
    Raises InputError for neither."""
    try:
        return find_target(name, lineage.graph)
    except InputError as error:
        place = Path(name)
        if not place.exists():
            raise _tested(error, lineage, name, frozenset()) from error
    digests = _digests(place)
    for id_, node in lineage.graph.nodes.items():
        if digests & node.digests:
            return id_
    unknown = InputError(
        expected="a folder or a file with weights whose lineage is known",
        found=f"{name}, with {', '.join(sorted(digests)) or 'no weights'}, which no model here is known by",
        fix=f"inbond import {name} reads what it says of itself; inbond trace NAME takes a name",
    )
    raise _tested(unknown, lineage, name, digests)


def _tested(error: InputError, lineage: Lineage, name: str, digests: frozenset[Digest]) -> InputError:
    """Says as well that what has no lineage here was tested here."""
    found = [each for each in lineage.filed.reports if each.suspect == name or each.suspect_digest in digests]
    if not found:
        return error
    told = f"{error.found}; there are forensic findings about it, and no lineage to hold them against"
    return InputError(expected=error.expected, found=told, fix=error.fix)


def _digests(place: Path) -> frozenset[Digest]:
    """What the model in a folder, or in one file, is known by. Raises InputError."""
    try:
        if place.is_file():
            return frozenset({of_file(place)})
        files = [path for path in place.iterdir() if pins.decides(path.name) and path.is_file()]
        has_weights = any(place.glob(pins.WEIGHTS))
        return pins.names({path.name: of_file(path) for path in files}) if has_weights else frozenset()
    except OSError as error:
        raise InputError(
            expected=f"{place} to be readable", found=str(error), fix="allow reading it, or give a name"
        ) from error


def _write(places: Mapping[str, Path], shown: View) -> None:
    from inbond.report.trace_page import render_trace_page, render_trace_svg

    for option, place in places.items():
        text = render_trace_svg(shown) if option == "--svg" else render_trace_page(shown, __version__)
        write_bytes(place, text.encode(), _PUBLIC)


def _check_places(places: Mapping[str, Path], workspace: Workspace) -> None:
    """Raises InputError for a file that cannot be written, before anything is."""
    for option, place in places.items():
        check_place(option, place, workspace)
        if not place.parent.is_dir():
            raise InputError(
                expected=f"{option} with a file in a folder that exists",
                found=f"{place}, and no folder {place.parent}",
                fix="make the folder, or name another file",
            )
    if len({place.resolve() for place in places.values()}) < len(places):
        raise InputError(
            expected="two files for --page and --svg", found=f"{places['--page']} for both", fix="name two"
        )


def open_lineage(workspace: Workspace) -> Lineage:
    """All that a workspace knows of lineage; a workspace without a ledger knows only what ships.

    Raises as ``asking.read``.
    """
    from inbond.recipes.plan import my_library  # here: it is not light

    return read(workspace, membership.events_in(workspace, os.environ), my_library())


# For a person ---------------------------------------------------------------------------------------


def describe(found: Trace) -> str:
    """The answer in one sentence, then the evidence."""
    asked = [ancestor for ancestor in found.ancestors if ancestor.asked]
    shown = asked or found.ancestors
    lines = _wrapped(found.sentence)
    if flagged := found.beside.flagged:
        lines += ["", *_wrapped(f"Flagged: {flagged_words(len(flagged))} See the forensic findings below.")]
    if shown:
        lines += ["", "How" if asked else "Ancestors, the nearest first"]
        if any(ancestor.shares for ancestor in shown):
            lines += textwrap.wrap(f"({WORDS})", _WIDTH, initial_indent="  ", subsequent_indent="  ")
    for ancestor in shown[:_MOST]:
        lines += _ancestor(ancestor, paths=bool(asked))
    lines += _more(len(shown))
    if found.obligations:
        duties = [f"{due.text} [{due.told}]" for due in owed(found.obligations)]
        lines += ["", "What the terms on file ask"]
        lines += [line for text in duties[:_MOST] for line in _item(text)] + _more(len(duties))
    if found.conflicts:
        lines += ["", "What cannot share one licence"]
        lines += [line for conflict in found.conflicts for line in _item(conflict.sentence)]
    if found.unknowns:
        lines += ["", "What is not known"]
        lines += [line for item in found.unknowns[:_MOST] for line in _item(f"{item.about}: {item.what}")]
        lines += _more(len(found.unknowns))
    lines += _findings(found.beside)
    return "\n".join(
        [*lines, "", "Read from what was recorded and declared; inbond verify checks the records."]
    )


def _findings(beside: Beside) -> list[str]:
    """Their own section, below all that is lineage."""
    if not beside.findings and not beside.notes:
        return []
    lines = ["", "Forensic findings", *_wrapped(f"({APART})", indent="  ")]
    for each in beside.findings[:_MOST]:
        flag = "FLAGGED: " if each.flagged else ""
        lines += _item(f"{flag}{each.finding.test}, {each.day}: {each.finding.words} ({each.numbers})")
        lines += _item(each.words, deep=True) + _item(f"report {each.report.digest}", deep=True)
    lines += _more(len(beside.findings))
    return lines + [line for note in beside.notes[:_MOST] for line in _item(note)] + _more(len(beside.notes))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _more(count: int) -> list[str]:
    return [f"  ... and {count - _MOST} more (--json lists all)"] if count > _MOST else []


def _ancestor(ancestor: Ancestor, *, paths: bool) -> Iterator[str]:
    hops = f"{ancestor.hops} hop{'s' if ancestor.hops != 1 else ''}"
    stance = f"terms: {ancestor.stance}" if ancestor.stance else "terms not known"
    roles = f", as {' and '.join(ancestor.roles)}" if ancestor.roles else ""
    yield from _item(f"{ancestor.node.id} ({ancestor.edge}, {hops}, {ancestor.evidence}{roles}; {stance})")
    for share in ancestor.shares:
        said = part_words(ancestor, share)
        yield from _item(said or f"its part of {share.whole} is not established", deep=True)
    lines = ways(ancestor.paths.paths)
    for way in lines[:_MOST] if paths else ():
        yield from _item(way, deep=True)
    if paths and (ancestor.paths.cut or len(lines) > _MOST):
        yield "      ... there are more ways"


def _item(text: str, *, deep: bool = False) -> list[str]:
    indent = "      " if deep else "  "
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
