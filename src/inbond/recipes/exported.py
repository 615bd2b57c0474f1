"""Reads what an export is made from: lineage, manifests and results, all checked against the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from inbond import __version__
from inbond.digest import Digest, of_bytes
from inbond.errors import InputError, TamperedError
from inbond.ledger import asking, envelope, membership
from inbond.ledger.asking import Lineage
from inbond.ledger.flow import own_duties, silences
from inbond.ledger.inventory import Inventory
from inbond.ledger.lineage import Graph
from inbond.ledger.recorded import LEARNT, Kept, Run, data_id
from inbond.ledger.texts import terms_of
from inbond.ledger.told import Told
from inbond.ledger.trace import find_target
from inbond.policy import foreign
from inbond.recipes.plan import my_library
from inbond.report.exports.facts import Exported, Measured, Step
from inbond.report.exports.notice import asks_for_one, notice
from inbond.workspace import Workspace

_CARD = "README.md"
_GENERATE, _CAPTURE, _TRAIN = "generate", "capture", "train"


def gather(workspace: Workspace, target: str, *, as_data: bool = False) -> Exported:
    """All that is known of ``target``; with ``as_data``, of the data that a run's student learnt from.

    Raises InputError when the target is unknown, TamperedError when something recorded was changed.
    """
    told = Told.of(membership.events_in(workspace, os.environ))
    return gathered(workspace, told, asking.joined(workspace, told, my_library()), target, as_data=as_data)


def gathered(
    workspace: Workspace, known: Told, lineage: Lineage, target: str, *, as_data: bool = False
) -> Exported:
    """As ``gather``, of what the ledger told and the lineage that was read from it."""
    id_ = find_target(target, lineage.graph)
    run = _run_of(lineage, id_, target)
    if as_data and run is not None:
        id_ = lineage.graph.names.get(run.data, run.data)
    told = descended(lineage, id_)
    steps = tuple(_steps(lineage, told.graph, known))
    ended = [step.completed for step in steps if step.makes == id_]
    if not ended and not known.at:
        raise InputError(
            expected="a workspace that recorded or imported something",
            found=f"no ledger in {workspace.home}",
            fix="inbond run RECIPE, or inbond import FILE",
        )
    measured = _measured(workspace, known.inventory, run) if run is not None and not as_data else Measured()
    at = max(ended) if ended else _seconds(_time(known.at))
    return replace(told, at=at, steps=steps, measured=measured)


def descended(lineage: Lineage, target: str, at: str = "") -> Exported:
    """What is known of the lineage of ``target``, a node's id, and nothing of how a run made it."""
    graph, known = lineage.graph.within(target), lineage.library
    node = graph.nodes[target]
    terms, on_file = known.terms.get(node.licence or ""), terms_of(node, known)[1]
    return Exported(
        graph, lineage.ask(target), at, __version__,
        card_names=terms.names if terms is not None else (),
        licence_on_file=on_file or node.licence is None,
        own=own_duties(graph, target, known), silences=silences(graph, target, known),
    )  # fmt: skip


def notice_of(workspace: Workspace, run: str) -> str | None:
    """The NOTICE to put beside a run's student, from all that is known when it is made; None where nothing
    asks for one. Raises as ``gather``."""
    events = membership.events_in(workspace, os.environ)
    lineage = asking.read(workspace, events, my_library())
    told = descended(lineage, find_target(f"run:{run}", lineage.graph), _seconds(_time(events[-1].at)))
    return notice(told) if asks_for_one(told) else None


def statements(workspace: Workspace, target: str) -> bytes:
    """The signed statements that lie beside a run's student, as they were written.

    Raises InputError when there are none, TamperedError when they are not those that the ledger recorded.
    """
    events = membership.events_in(workspace, os.environ)
    lineage = asking.read(workspace, events, my_library())
    id_ = find_target(target, lineage.graph)
    run = _run_of(lineage, id_, target)
    claim = run.student.claim if run is not None else None
    if run is None or claim is None or claim.attestation is None:
        raise InputError(
            expected="a run whose student was handed out with signed statements",
            found=f"{id_}, which has none",
            fix="name a run that went through its gates, such as run:demo",
        )
    return _checked(run.student.folder / envelope.NAME, claim.attestation, claim.event)


def _run_of(lineage: Lineage, id_: str, asked: str) -> Run | None:
    """The run whose student is the node ``id_``; of several with the same bytes, the one that was named."""
    runs = [run for run in lineage.makers([id_]) if lineage.made(run, run.student) == id_]
    named = [run for run in runs if run.model == asked]
    return next(iter(named or runs), None)


# Steps ----------------------------------------------------------------------------------------------


def _steps(lineage: Lineage, graph: Graph, told: Told) -> Iterator[Step]:
    """The stages that led to the graph's nodes, in the order in which they were recorded."""
    for run in lineage.makers(graph.nodes):
        makes = {kept.stage: lineage.made(run, kept) for kept in run.kept.values()}
        wanted = _behind(run, [stage for stage, node in makes.items() if node in graph.nodes])
        for kept in run.kept.values():
            if kept.stage in wanted:
                made = makes[kept.stage]
                yield _step(run, kept, lineage, graph, told, made if made in graph.nodes else None)


def _behind(run: Run, stages: Sequence[str]) -> set[str]:
    """These stages of a run with all of its stages whose artifacts went into them."""
    if not stages:
        return set()
    by_id = {kept.manifest.id: kept.stage for kept in run.kept.values()}
    found, waiting = set[str](), list(stages)
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found.add(stage)
            inputs = run.kept[stage].manifest.identity.inputs.values()
            waiting += [by_id[digest] for digest in inputs if digest in by_id]
    return found


def _step(run: Run, kept: Kept, lineage: Lineage, graph: Graph, told: Told, makes: str | None) -> Step:
    ended, folder = _time(told.completed[kept.claim.folder]), kept.claim.folder
    took = float(kept.manifest.facts.get("seconds", 0.0))
    rows = kept.manifest.facts.get("rows", kept.manifest.facts.get("answers"))
    return Step(
        run.name,
        kept.stage,
        folder,
        kept.manifest.id,
        kept.manifest.digest,
        _seconds(ended - timedelta(seconds=took)),
        _seconds(ended),
        tuple(node for node in _used(run, kept, lineage) if node in graph.nodes),
        dict(kept.manifest.identity.inputs),
        {
            name: digest
            for name, digest in kept.manifest.files.items()
            if f"{folder}/{name}" not in told.inventory.erased
        },
        rows if isinstance(rows, int) else None,
        makes,
    )


def _used(run: Run, kept: Kept, lineage: Lineage) -> list[str]:
    """The models and data that a stage was given. Lineage notes who made a record with the records that
    were kept, and whose probabilities were learnt with the weights that learnt them: what belongs to
    generating is told apart here from filtering, and capturing from training."""
    graph, data = lineage.graph, run.data
    into = graph.into.get(graph.names.get(data, data), ())
    student = graph.read_in.get(_read_in(run.kept[_TRAIN]), ())
    scored = [edge.source for edge in student if edge.relation == "scored"]
    if kept.stage == _GENERATE:
        makers = [node for node in lineage.book.makers.get(kept.manifest.id, ()) if _is_model(node)]
        found = makers + [edge.source for edge in into if edge.relation == "prompted"]
    elif kept.stage == LEARNT:
        mine = data_id(kept)  # not what was learnt, where that is pairs of it
        into = graph.into.get(graph.names.get(mine, mine), ())
        found = [edge.source for edge in into if edge.relation == "derived"]
    elif kept.stage == _CAPTURE:
        found = scored
    elif kept.stage == _TRAIN:
        found = [edge.source for edge in student if edge.relation != "scored"]
        found += [] if _CAPTURE in run.kept else scored
    else:
        found = [edge.source for edge in graph.read_in.get(_read_in(kept), ())]
    return list(dict.fromkeys(graph.names.get(node, node) for node in found))


def _read_in(kept: Kept) -> str:
    """How lineage names an artifact's event as the place where an edge was read."""
    return f"{kept.claim.event}, {kept.claim.folder}"


def _is_model(node: str) -> bool:
    return not node.startswith("data:")


def _time(at: str) -> datetime:
    return datetime.fromisoformat(at)


def _seconds(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


# What was measured ----------------------------------------------------------------------------------


def _measured(workspace: Workspace, found: Inventory, run: Run) -> Measured:
    files = run.student.manifest.files
    config: Mapping[str, Any] = {}
    if "config.json" in files:
        config = json.loads(
            _checked(run.student.folder / "config.json", files["config.json"], "the manifest")
        )
    place = f"runs/{run.name}/result.json"
    claim = found.files.get(place)
    metrics: Mapping[str, Any] = {}
    if claim is not None and place not in found.erased:
        metrics = json.loads(_checked(workspace.home / place, claim.digest, claim.event))["metrics"]
    numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    parameters = numbers.pop("student_params", None)
    return Measured(
        next(iter(config.get("architectures") or ()), None),
        config.get("model_type"),
        int(parameters) if parameters is not None else None,
        numbers,
        run.verdict,
        _hub(run),
    )


def _hub(run: Run) -> Mapping[str, Any]:
    """What the card in a student's folder says to the Hub; nothing where there is no such card."""
    files = run.student.manifest.files
    if _CARD not in files:
        return {}
    values = foreign.front_matter(_checked(run.student.folder / _CARD, files[_CARD], "the manifest")) or {}
    return {str(name): value for name, value in values.items() if name != "inbond"}


def _checked(path: Path, expected: Digest, by: str) -> bytes:
    """A recorded file's bytes. Raises TamperedError when they are others, or gone."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TamperedError(
            expected=f"{path} as {by} recorded it",
            found=error.strerror or "it cannot be read",
            fix="inbond verify names what was changed; put back a copy",
        ) from error
    if of_bytes(data) != expected:
        raise TamperedError(
            expected=f"{path} as {by} recorded it",
            found="other bytes",
            fix="inbond verify names what was changed; put back a copy",
        )
    return data
