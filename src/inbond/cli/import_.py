"""``inbond import``: what cards, configurations, GGUF files and BOMs declare about lineage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError
from inbond.ledger import asking, declaration, importing, lineage_file, weaving
from inbond.ledger.attest import KeyStore
from inbond.ledger.declaration import Declared
from inbond.ledger.events import Event
from inbond.ledger.ledger import Ledger
from inbond.ledger.lineage import Edge
from inbond.workspace import Workspace

_MOST = 20
_Key = tuple[str, str, str]


def import_(
    path: Annotated[
        Path, typer.Argument(help="A file, or a folder with a model or data set.", metavar="FILE|DIR")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="What it is about: hf:org/name, data:org/name, ... Default: what its place says."),
    ] = None,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Take back what was imported from it, or about a model of that name."),
    ] = False,
    batch: Annotated[
        str | None,
        typer.Option(
            help="FILE holds the results, or the errors, of this recipe's batch (inbond export batch): keep "
            "them as its teacher's answers.",
            metavar="RECIPE",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the --batch recipe. May be repeated.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Take what a file says of lineage into the ledger, as declared evidence, for inbond trace.

    Reads model and data set cards, config.json, adapter_config.json, GGUF headers, CycloneDX and SPDX in
    JSON, and lineage files. Nothing is fetched. What is malformed, or contradicts what is known, is refused.

    Examples: inbond import README.md --name hf:org/name; inbond import olmo.lineage.toml; inbond import
    README.md --forget
    """
    workspace, output = open_workspace(home), Output(as_json, quiet)
    if batch is not None:
        return _batch(workspace, path, batch, tuple(changes or ()), output)
    if changes:
        raise InputError(expected="--set with --batch alone", found="--set without it", fix="leave it out")
    if forget:
        return _forget(workspace, path, name, output)
    found = importing.read_path(path, name)
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        told = list(ledger.events())
        passed = _check(workspace, told, found)
        known = {item.key: item for item in declaration.in_force(told)}
        new = [item for item in found if item.key not in known or known[item.key].digest != item.digest]
        ledger.record_many([(declaration.DECLARED, item.to_body()) for item in new])
    old = {item.key: known[item.key] for item in new if item.key in known}
    value = {"imported": [_summary(item, new=item in new, replaces=item.key in old) for item in found]}
    if passed:
        value["passed_over"] = [edge.to_json() for edges in passed.values() for edge in edges]
    output.result(value, "\n".join([*_describe(found, new, old), *_passed_over(passed)]))
    return 0


def _batch(workspace: Workspace, path: Path, recipe: str, changes: tuple[str, ...], output: Output) -> int:
    """Answers out of a batch's results file go where answers go: into the journal."""
    from inbond.recipes.batching import read_batch
    from inbond.recipes.reading import load

    loaded, folder = load(recipe, changes)
    read = read_batch(loaded, folder, workspace, path)
    words = f"{path.name}: {read.answers:,} answers and {read.failures:,} failures of {loaded.name}"
    again = [f"{read.known:,} were known"] if read.known else []
    again += [f"{read.repeated:,} lines said the same again"] if read.repeated else []
    lines = [", ".join([words, *again]), f"  ${read.cost_usd:.4f}"]
    lines += [f"  {read.missing:,} without an answer yet: inbond run {recipe}"] if read.missing else []
    output.result({"run": loaded.name, "read": str(path), **asdict(read)}, "\n".join(lines))
    return 0


def _forget(workspace: Workspace, path: Path, name: str | None, output: Output) -> int:
    """Withdraws what is in force of a file, of a folder, or about a name."""
    if name is not None:
        raise InputError(
            expected="a file, a folder or a name to forget", found=f"--name {name} too", fix="leave it out"
        )
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        known = declaration.in_force(ledger.events())
        places = importing.places_of(path)
        gone = [item for item in known if not places.isdisjoint(_called(item))]
        if not gone:
            names = ", ".join(sorted({item.place or item.read for item in known})[:8])
            raise InputError(
                expected="a file, a folder or a name of which something was imported",
                found=str(path),
                fix=f"imported are: {names}" if names else "nothing was imported here",
            )
        ledger.record_many([(declaration.WITHDRAWN, item.withdrawal()) for item in gone])
    lines = [f"{item.read} ({item.form}){_about(item)}: forgotten" for item in gone]
    output.result({"forgotten": [item.withdrawal() for item in gone]}, "\n".join(lines))
    return 0


def _called(item: Declared) -> set[str]:
    """What it can be forgotten by; its folder among it."""
    return {item.subject, item.place, item.read, str(Path(item.place).parent)} - {"", "."}


def _check(workspace: Workspace, told: Sequence[Event], found: Sequence[Declared]) -> dict[str, list[Edge]]:
    """The edges that are passed over because they end in what a run recorded, by what that is. Raises
    InputError when it cannot be true together with what is known already: before it is kept."""
    from inbond.recipes.plan import my_library  # here: it is not light

    lineage = asking.read(workspace, told, my_library(), found)
    graph = lineage.graph
    passed: dict[str, list[Edge]] = {}
    for item in found:
        for edge in item.graph.edges:
            there = graph.names.get(edge.target, edge.target)
            if not weaving.is_settled(_ending(edge, there), graph.nodes):
                continue
            if item.form == lineage_file.FORM:
                raise _is_recorded(item, edge, there)
            passed.setdefault(there, []).append(edge)
    for item in (item for item in found if item.form == lineage_file.FORM):
        for id_ in item.graph.nodes:
            name = id_.partition("@")[0]
            if name.startswith("run:") and not _is_run(name, lineage):
                raise InputError(
                    expected=f"a run {name} in {workspace.home}, which {item.read} names",
                    found="no such run",
                    fix="correct the name, or choose the run's workspace with --home",
                )
    return passed


def _ending(edge: Edge, target: str) -> Edge:
    return Edge(edge.source, target, edge.relation)


def _is_recorded(item: Declared, edge: Edge, there: str) -> InputError:
    same = "" if there == edge.target else f", which is {there} by its bytes"
    return InputError(
        expected=f"edges in {item.read} that end in what this workspace did not make",
        found=f"{edge.source} -> {edge.target}{same}; all that it was made from was recorded",
        fix="leave the edge out; inbond trace shows what was recorded",
    )


def _is_run(name: str, lineage: asking.Lineage) -> bool:
    run = lineage.book.runs.get(name.removeprefix("run:"))
    return run is not None and run.trained


def _summary(item: Declared, *, new: bool, replaces: bool) -> dict[str, Any]:
    return {
        "read": item.read,
        "place": item.place,
        "form": item.form,
        "subject": item.subject or None,
        "digest": item.digest,
        "new": new,
        "replaces": replaces,
        "nodes": len(item.graph.nodes),
        "edges": len(item.graph.edges),
        "unknowns": [unknown.to_json() for unknown in item.graph.unknowns],
    }


def _about(item: Declared) -> str:
    return f" about {item.subject}" if item.subject else ""


def _describe(
    found: Sequence[Declared], new: Sequence[Declared], old: Mapping[_Key, Declared]
) -> Iterator[str]:
    for item in found:
        state = "declared" if item in new else "known already"
        if item.key in old:
            state += f"; replaces what {old[item.key].read} said before"
        yield f"{item.read} ({item.form}){_about(item)}: {state}"
        yield from (f"  {edge.source} -{edge.relation}-> {edge.target}" for edge in item.graph.edges[:_MOST])
        if len(item.graph.edges) > _MOST:
            yield f"  ... and {len(item.graph.edges) - _MOST} more"
        yield from (
            f"  not known: {unknown.about}: {unknown.what}" for unknown in item.graph.unknowns[:_MOST]
        )


def _passed_over(passed: Mapping[str, Sequence[Edge]]) -> Iterator[str]:
    for there, edges in passed.items():
        called = edges[0].target
        same = "" if called == there else f", which is {there}"
        count = f"{len(edges)} edges" if len(edges) > 1 else "an edge"
        yield f"  passed over: {count} into {called}{same}: what that was made from was recorded here"
