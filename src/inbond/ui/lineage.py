"""The lineage of a workspace for the site: it follows the ledger beside the pages, and every page asks it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from inbond.errors import InputError, TamperedError
from inbond.ledger import asking
from inbond.ledger.asking import Lineage
from inbond.ledger.following import Following, Mark, mark_of
from inbond.ledger.lineage import Edge, Graph
from inbond.ledger.told import Told
from inbond.recipes.exported import gathered
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
@dataclass(frozen=True)
class Known:
    """The lineage as of a state of the ledger. ``names`` are its models and data in the order of ``names``;
    ``behind``: the ledger has gone on since, and that is being read."""

    lineage: Lineage
    told: Told
    names: Sequence[str]
    mark: Mark | None
    behind: bool = False


@final
@dataclass(frozen=True)
class Loading:
    """Nothing can be answered yet: so many events of so many were looked at; 0 of 0 before it is known."""

    done: int
    total: int


@final
class Descents:
    """A workspace's lineage, kept in memory and brought up to date by a thread beside the pages. Safe to use
    from several threads.

    A page waits ``patience_s`` seconds for what is new; then it gets what was known before, and says so.
    """

    def __init__(self, workspace: Workspace, patience_s: float) -> None:
        self._workspace = workspace
        self._patience_s = patience_s
        self._following = Following(workspace)
        self._turn = threading.Lock()
        self._reader: threading.Thread | None = None
        self._known: Known | None = None
        self._error: Exception | None = None
        self._seen = (0, 0)

    def begin(self) -> threading.Thread:
        """Reads what is new beside; the thread that does."""
        with self._turn:
            if self._reader is None or not self._reader.is_alive():
                self._reader = threading.Thread(target=self._read, name="lineage", daemon=True)
                self._reader.start()
            return self._reader

    def known(self) -> Known | Loading:
        """What the ledger says by now, or said a little ago. Raises as ``ledger.asking.read``."""
        mark, known = mark_of(self._workspace), self._known
        if known is None or known.mark != mark:
            self.begin().join(self._patience_s)
            known, error = self._known, self._error
            if error is not None:
                self._error = None
                raise error
        if known is None:
            return Loading(*self._seen)
        return replace(known, behind=known.mark != mark)

    def _read(self) -> None:
        try:
            try:
                self._take()
            except (InputError, TamperedError):
                self._take()  # a run may have put an artifact in its place meanwhile
        except Exception as error:
            self._error = error

    def _take(self) -> None:
        told, before = self._following.read_on(self._look), self._known
        mark = self._following.mark
        if before is not None and self._following.fresh == 0:
            self._known = replace(before, told=told, mark=mark)
            return
        lineage = asking.joined(self._workspace, told, my_library())
        self._known = Known(lineage, told, names(lineage.graph), mark)

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
