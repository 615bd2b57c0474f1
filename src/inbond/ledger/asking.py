"""Puts a question about lineage to a workspace: what was recorded there and what was declared, as one graph.

Reads only what the question needs: of all record sets, those that the target descends from.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

from inbond.ledger import drawing, findings, holdings
from inbond.ledger.beside import Beside
from inbond.ledger.comparing import Behind, compare
from inbond.ledger.declaration import Declared, in_force
from inbond.ledger.events import Event
from inbond.ledger.findings import Filed
from inbond.ledger.flow import Duty
from inbond.ledger.lineage import Graph, positions
from inbond.ledger.recorded import Kept, Run, Workbook, data_id
from inbond.ledger.sets import count
from inbond.ledger.suspects import Tested, tested
from inbond.ledger.tally import Counted
from inbond.ledger.texts import enrich
from inbond.ledger.told import Told
from inbond.ledger.trace import Known, Trace, find_target, trace
from inbond.ledger.weaving import build, join
from inbond.policy.library import Library
from inbond.workspace import Workspace


@final
@dataclass(frozen=True)
class Lineage:
    """All that a workspace knows of lineage. ``book`` is what was recorded, artifact by artifact; ``filed``
    what forensic tests found."""

    graph: Graph
    book: Workbook
    library: Library
    filed: Filed = field(default_factory=Filed)

    def ask(self, target: str, asked: str | None = None) -> Trace:
        """Traces a target, and in it a name. Raises InputError when the target is unknown, TamperedError
        when a record set cannot be read."""
        id_ = find_target(target, self.graph)
        counted = self.counted(id_)
        part = _busy(self.graph, counted, id_)
        found = trace(Known(part, self.library, counted, self._asked), id_, asked)
        return replace(found, beside=self._beside(found, part))

    def _beside(self, found: Trace, part: Graph) -> Beside:
        """The findings about a target, beside its trace: they know it, and it knows nothing of them."""
        filed, ancestors = self.filed, frozenset(each.node.id for each in found.ancestors)
        about = tested(filed, self.graph, found.target, ancestors)
        notes = tuple([*_notes(about, found.target), *filed.unread])
        if not about.reports:
            return Beside(notes=notes)
        graph = _with_others(part, self.graph)
        weights = frozenset(each.node.id for each in found.ancestors if each.edge == "weights")
        behind = Behind(graph.nodes[found.target], ancestors, weights, _left_open(graph, found))
        spoken = [each.about for report, _ in about.reports for each in report.findings]
        marks, sets = (
            {each["id"] for each in spoken if each.get("kind") == kind and "id" in each}
            for kind in ("mark", "records")
        )
        held = holdings.find(self.book, graph, {found.target, *ancestors}, marks, sets)
        return Beside(compare(about.reports, behind, graph, held), notes, not behind.open)

    def counted(self, target: str) -> dict[str, Counted]:
        """The tallies of the recorded data behind a target, by the node of the data; for a target that is
        data, of itself."""
        found = {}
        for place in sorted(
            place for id_ in (target, *self.graph.hops(target)) for place in self._sets.get(id_, ())
        ):
            kept = self._kept[place]
            data = self._node(data_id(kept))
            learnt = any(edge.relation == "trained-on" for edge in self.graph.out_of.get(data, ()))
            if learnt or data == target:
                found[data] = count(kept, self.book)
        return found

    def prepare(self) -> None:
        """Works out ahead what every question needs, which takes longer than most questions do."""
        self.graph.prepare()
        _ = self._sets, self._makers, self._asked

    def made(self, run: Run, kept: Kept) -> str:
        """The node that a run's artifact is."""
        return self._node(run.model if kept is run.student else data_id(kept))

    def makers(self, ids: Iterable[str]) -> list[Run]:
        """The runs that trained, of which an artifact is one of these nodes, in the order of their record."""
        places = {place for id_ in ids for place in self._makers.get(id_, ())}
        return [self._trained[place] for place in sorted(places)]

    def _node(self, name: str) -> str:
        return self.graph.names.get(name, name)

    @cached_property
    def _kept(self) -> Sequence[Kept]:
        return [kept for kept in self.book.artifacts.values() if kept.manifest.id in self.book.makers]

    @cached_property
    def _sets(self) -> Mapping[str, Sequence[int]]:
        """Where the record sets of each node of data stand in ``_kept``."""
        return positions(self._node(data_id(kept)) for kept in self._kept)

    @cached_property
    def _trained(self) -> Sequence[Run]:
        return [run for run in self.book.runs.values() if run.trained]

    @cached_property
    def _makers(self) -> Mapping[str, Sequence[int]]:
        """Where the runs stand in ``_trained`` that made each node."""
        found: dict[str, list[int]] = {}
        for place, run in enumerate(self._trained):
            for kept in run.kept.values():
                found.setdefault(self.made(run, kept), []).append(place)
        return found

    @cached_property
    def _asked(self) -> dict[str, tuple[Duty, ...]]:
        """What the recorded verdicts ask for, by the run that they let pass."""
        return {
            run.model: tuple(self._duty(due, run.model) for due in _listed(run.verdict.get("obligations")))
            for run in self.book.runs.values()
        }

    def _duty(self, due: Mapping[str, Any], run: str) -> Duty:
        kind, text, when, source = (str(due.get(name)) for name in ("kind", "text", "when", "from"))
        because = str(due.get("because") or run)
        return Duty(kind, text, when, source, self.graph.names.get(because, because), "direct", "yes")


def _listed(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects in a list; nothing of what has another form, which no gate wrote."""
    return (each for each in (value if isinstance(value, list) else ()) if isinstance(each, Mapping))


def _left_open(graph: Graph, found: Trace) -> tuple[str, ...]:
    """What behind a target may have been made from more than is known: itself first, then the nearest."""
    asked = {unknown.about for unknown in graph.unknowns}
    near = (found.target, *graph.hops(found.target))
    return tuple(id_ for id_ in near if not graph.nodes[id_].complete or id_ in asked)


def _notes(about: Tested, target: str) -> Iterator[str]:
    if about.others:
        yield f"other weights under the name {target} were tested too ({_reports(about.others)})"
    for id_, number in about.ancestors:
        ask = f"inbond trace {shlex.quote(id_)} shows what was found"
        yield f"{id_}, which is behind {target}, was tested too ({_reports(number)}): {ask}"


def _reports(number: int) -> str:
    return f"{number:,} report{'s' if number != 1 else ''}"


def _busy(graph: Graph, counted: Mapping[str, Counted], target: str) -> Graph:
    """The graph without whoever has no hand in any record that was kept of a set behind the target; where
    there is such, only the part that the target descends from. A workspace may hold very many runs."""
    idle = {(graph.names.get(node, node), data) for data, found in counted.items() for node in found.idle()}
    if not idle:
        return graph
    part = graph.within(target)
    edges = (edge for edge in part.edges if (edge.source, edge.target) not in idle or not edge.recorded)
    return build(part.nodes.values(), edges, part.unknowns, part.names)


def _with_others(part: Graph, whole: Graph) -> Graph:
    """A part of a graph with all that stands elsewhere in it."""
    if part is whole:
        return whole
    others = (edge for edge in whole.edges if edge.target not in part.nodes)
    return replace(whole, edges=(*others, *part.edges))


def read_declared(events: Iterable[Event], library: Library) -> Graph:
    """What was declared alone, without a look at any file. Raises InputError as ``read``."""
    return enrich(join(item.graph for item in in_force(events)), library)


def read(
    workspace: Workspace, events: Iterable[Event], library: Library, more: Iterable[Declared] = ()
) -> Lineage:
    """Reads a workspace's lineage. ``events`` are its ledger's, whole and in order; ``more`` is what is not
    yet in the ledger.

    Raises TamperedError when something recorded was changed, InputError when what was declared cannot be
    joined with it: a cycle, or an end that does not exist.
    """
    return joined(workspace, Told.of(events), library, more)


def joined(workspace: Workspace, told: Told, library: Library, more: Iterable[Declared] = ()) -> Lineage:
    """As ``read``, of what the events told."""
    book = drawing.draw(workspace, told)
    own = build(book.nodes, book.edges, book.unknowns)
    declared = {item.key: item for item in (*in_force(told.said), *more)}
    graph = join([own, *(item.graph for item in declared.values())])
    return Lineage(enrich(graph, library), book, library, findings.read(told.said))
