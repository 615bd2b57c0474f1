"""The lineage of a workspace for the site: read once for each state of its ledger, asked by every page."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from inbond.errors import InputError, TamperedError
from inbond.ledger import asking, membership
from inbond.ledger.asking import Lineage
from inbond.ledger.lineage import Edge, Graph
from inbond.recipes.exported import gather
from inbond.recipes.plan import my_library
from inbond.report.exports import facts
from inbond.report.exports.forms import FORMS, FormName, check_kind
from inbond.ui.reading import Unreadable
from inbond.workspace import Workspace

BOMS: Final = (FormName.cyclonedx, FormName.spdx)
MOST_STEPS: Final = 60


@final
@dataclass(frozen=True)
class Step:
    """A neighbour in the graph: its id, and how the two are joined, in words."""

    id: str
    how: str


@final
class Descents:
    """A workspace's lineage. Safe to use from several threads; one of them reads, the others wait."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._turn = threading.Lock()
        self._mark: object = None
        self._read: Lineage | None = None

    def lineage(self) -> Lineage:
        """What the ledger says by now. Raises as ``ledger.asking.read``."""
        with self._turn:
            mark = _mark(self._workspace)
            if self._read is None or mark != self._mark:
                try:
                    self._read = self._fresh()
                except (InputError, TamperedError):
                    self._read = self._fresh()  # a run may have put an artifact in its place meanwhile
                self._mark = mark
            return self._read

    def _fresh(self) -> Lineage:
        return asking.read(self._workspace, membership.events_in(self._workspace, os.environ), my_library())

    def bom(self, form: FormName, target: str) -> bytes:
        """A bill of materials, as ``inbond export`` writes it. Raises as ``recipes.exported.gather``."""
        exported = gather(self._workspace, target)
        check_kind(form, exported)
        made = FORMS[form].values
        assert made is not None, "a bill of materials is made as values"
        return facts.as_json(made(exported)).encode()


def _mark(workspace: Workspace) -> object:
    """What changes with every event."""
    if not membership.begun(workspace):
        return None
    reading = membership.open_to_read(workspace, os.environ)
    try:
        last = reading.store.last()
    finally:
        reading.store.close()
    return last and (last.position, last.digest)


def above(graph: Graph, id_: str) -> Sequence[Step]:
    """What it was made from, by one step."""
    return _steps((edge.source, edge) for edge in graph.into.get(id_, ()))


def below(graph: Graph, id_: str) -> Sequence[Step]:
    """What was made from it, by one step."""
    return _steps((edge.target, edge) for edge in graph.out_of.get(id_, ()))


def _steps(pairs: Iterable[tuple[str, Edge]]) -> Sequence[Step]:
    found: dict[str, Step] = {}
    for other, edge in pairs:
        step = Step(other, _how(edge))
        was = found.get(other)
        found[other] = (
            step if was is None or step.how in was.how else replace(was, how=f"{was.how}; {step.how}")
        )
    return list(found.values())


def _how(edge: Edge) -> str:
    roles = f" as {' and '.join(edge.roles)}" if edge.roles else ""
    return f"{edge.relation}{roles} ({edge.kind}, {edge.evidence})"


def names(graph: Graph) -> Sequence[str]:
    """Of models, then of data; those that a run here made first."""

    def rank(id_: str) -> tuple[bool, bool, str]:
        return graph.nodes[id_].kind == "data", not id_.startswith("run:"), id_

    return sorted(graph.nodes, key=rank)


def form_of(text: str) -> FormName:
    """Raises Unreadable for what is no bill of materials."""
    found = next((form for form in BOMS if form.value == text), None)
    if found is None:
        raise Unreadable(f"no such form: {text:.40}; there is {' and '.join(BOMS)}")
    return found
