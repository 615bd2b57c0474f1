"""The lineage of a workspace for the site: it follows the ledger beside the pages, and every page asks it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from inbond.errors import InputError, TamperedError
from inbond.ledger import asking
from inbond.ledger.asking import Lineage
from inbond.ledger.following import Following, mark_of
from inbond.ledger.lineage import Edge, Graph
from inbond.ledger.told import Told
from inbond.recipes.exported import gathered
from inbond.recipes.plan import my_library
from inbond.report.exports import facts
from inbond.report.exports.forms import FORMS, FormName, check_kind
from inbond.ui.beside import Beside
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
@dataclass(frozen=True)
class Known:
    """The lineage as of a state of the ledger, what the ledger told, and all names in the order of ``names``;
    ``behind``: the ledger has gone on since, and that is being read."""

    lineage: Lineage
    told: Told
    names: Sequence[str]
    behind: bool = False


@final
@dataclass(frozen=True)
class Loading:
    """Nothing can be answered yet: so many events of so many were looked at; 0 of 0 before it is known."""

    done: int
    total: int


@final
class Descents:
    """A workspace's lineage, kept in memory and brought up to date beside the pages."""

    def __init__(self, workspace: Workspace, patience_s: float) -> None:
        self._workspace = workspace
        self._following = Following(workspace)
        self._last: Known | None = None
        self._told: Told | None = None
        self._seen = (0, 0)
        self._beside = Beside(lambda: mark_of(workspace), self._read, patience_s)

    def begin(self) -> None:
        """Begins to read."""
        self._beside.begin()

    def known(self) -> Known | Loading:
        """What the ledger says by now, or said a little ago. Raises as ``ledger.asking.read``."""
        found = self._beside.now()
        return Loading(*self._seen) if found is None else replace(found.value, behind=found.behind)

    def told(self) -> Told | None:
        """What the ledger told of lineage, also where its artifacts are not what they were; None before it
        was read. Raises as ``membership.open_to_read``."""
        with contextlib.suppress(TamperedError, InputError):
            self.known()
        return self._told

    def _read(self) -> tuple[object, Known]:
        told, last = self._following.read_on(self._look), self._last
        self._told = told
        if last is not None and self._following.fresh == 0:
            self._last = replace(last, told=told)
        else:
            self._last = None
            lineage = asking.joined(self._workspace, told, my_library())
            lineage.prepare()
            self._last = Known(lineage, told, names(lineage.graph))
        return self._following.mark, self._last

    def _look(self, done: int, total: int) -> None:
        self._seen = (done, total)

    def bom(self, form: FormName, target: str) -> bytes | Loading:
        """A bill of materials, as ``inbond export`` writes it. Raises as ``recipes.exported.gather``."""
        known = self.known()
        if isinstance(known, Loading):
            return known
        exported = gathered(self._workspace, known.told, known.lineage, target)
        check_kind(form, exported)
        made = FORMS[form].values
        assert made is not None, "a bill of materials is made as values"
        return facts.as_json(made(exported)).encode()


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
