"""Puts a question about lineage to a workspace: what was recorded there and what was declared, as one graph.

Reads only what the question needs: of all record sets, those that the target descends from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from inbond.ledger import drawing
from inbond.ledger.declaration import Declared, in_force
from inbond.ledger.events import Event
from inbond.ledger.flow import Duty
from inbond.ledger.lineage import Graph
from inbond.ledger.recorded import Workbook, data_id
from inbond.ledger.sets import count
from inbond.ledger.tally import Counted
from inbond.ledger.texts import enrich
from inbond.ledger.trace import Known, Trace, find_target, trace
from inbond.ledger.weaving import build, join
from inbond.policy.library import Library
from inbond.workspace import Workspace


@final
@dataclass(frozen=True)
class Lineage:
    """All that a workspace knows of lineage. ``book`` is what was recorded, artifact by artifact."""

    graph: Graph
    book: Workbook
    library: Library

    def ask(self, target: str, asked: str | None = None) -> Trace:
        """Traces a target, and in it a name. Raises InputError when the target is unknown, TamperedError
        when a record set cannot be read."""
        id_ = find_target(target, self.graph)
        counted = self.counted(id_)
        return trace(Known(_busy(self.graph, counted), self.library, counted, self._asked()), id_, asked)

    def counted(self, target: str) -> dict[str, Counted]:
        """The tallies of the recorded data behind a target, by the node of the data; for a target that is
        data, of itself."""
        wanted = {target, *self.graph.hops(target)}
        found = {}
        for kept in self.book.artifacts.values():
            data = self.graph.names.get(data_id(kept), data_id(kept))
            learnt = any(edge.relation == "trained-on" for edge in self.graph.out_of.get(data, ()))
            if data in wanted and (learnt or data == target) and kept.manifest.id in self.book.makers:
                found[data] = count(kept, self.book)
        return found

    def _asked(self) -> dict[str, tuple[Duty, ...]]:
        """What the recorded verdicts ask for, by the run that they let pass."""
        return {
            run.model: tuple(self._duty(due, run.model) for due in run.verdict.get("obligations", []))
            for run in self.book.runs.values()
        }

    def _duty(self, due: Mapping[str, Any], run: str) -> Duty:
        kind, text, when, source = (str(due.get(name)) for name in ("kind", "text", "when", "from"))
        because = str(due.get("because") or run)
        return Duty(kind, text, when, source, self.graph.names.get(because, because), "direct", "yes")


def _busy(graph: Graph, counted: Mapping[str, Counted]) -> Graph:
    """The graph without whoever has no hand in any record that was kept of a set."""
    idle = {(graph.names.get(node, node), data) for data, found in counted.items() for node in found.idle()}
    edges = (edge for edge in graph.edges if (edge.source, edge.target) not in idle or not edge.recorded)
    return build(graph.nodes.values(), edges, graph.unknowns, graph.names) if idle else graph


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
    told = list(events)
    book = drawing.read(workspace, told)
    own = build(book.nodes, book.edges, book.unknowns)
    declared = {item.key: item for item in (*in_force(told), *more)}
    graph = join([own, *(item.graph for item in declared.values())])
    return Lineage(enrich(graph, library), book, library)
