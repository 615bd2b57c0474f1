"""Which of a workspace's record sets carry a mark, or are the records that a finding speaks of.

Reads origins, and record ids of sets behind a target, where a finding asks for them; no text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger import records
from inbond.ledger.lineage import Graph
from inbond.ledger.recorded import Kept, Workbook, data_id, parents_of
from inbond.types import MARK


@final
@dataclass(frozen=True)
class Held:
    """Records that a finding speaks of. ``names`` is what to call the sets, ``nodes`` those that the graph
    has, ``makers`` the models that wrote them; ``same``: how many of the records other sets behind the target
    hold, under another origin."""

    names: tuple[str, ...]
    nodes: frozenset[str]
    makers: tuple[str, ...] = ()
    same: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Holdings:
    """By a mark's key id, and by a digest of records. ``unread``: sets whose origins cannot be read, so that
    it is not known which marks they carry."""

    marks: Mapping[str, Held] = field(default_factory=dict)
    records: Mapping[str, Held] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


def find(
    book: Workbook, graph: Graph, behind: Collection[str], marks: Collection[str], sets: Collection[str]
) -> Holdings:
    """What the workspace knows of these marks and sets. ``behind``: the target's node and its ancestors'."""
    search = _Search(book, graph, frozenset(behind))
    marked = search.marked(frozenset(marks)) if marks else {}
    return Holdings(marked, search.sets(frozenset(sets)) if sets else {}, tuple(search.unread))


def marks_of(sampling: Mapping[str, Any]) -> list[str]:
    """The key ids of the marks that records of an origin carry."""
    said = sampling.get(MARK)
    each = said if isinstance(said, list) else [said]
    return [str(item["id"]) for item in each if isinstance(item, Mapping) and "id" in item]


@final
class _Search:
    def __init__(self, book: Workbook, graph: Graph, behind: frozenset[str]) -> None:
        self._book, self._graph, self._behind = book, graph, behind
        self._kept = [kept for kept in book.artifacts.values() if kept.manifest.records_root is not None]
        self.unread: list[str] = []

    def marked(self, wanted: frozenset[str]) -> dict[str, Held]:
        found: dict[str, list[tuple[Kept, int]]] = {}
        for kept in self._kept:
            try:
                origins = kept.origins
            except TamperedError:
                self.unread.append(kept.claim.folder)
                continue
            for place, origin in enumerate(origins):
                for id_ in wanted.intersection(marks_of(origin.sampling)):
                    found.setdefault(id_, []).append((kept, place))
        return {id_: self._marked(places) for id_, places in found.items()}

    def _marked(self, places: Sequence[tuple[Kept, int]]) -> Held:
        by_set: dict[Digest, list[int]] = {}
        for kept, place in places:
            by_set.setdefault(kept.manifest.id, []).append(place)
        sets = [self._book.artifacts[id_] for id_ in by_set]
        makers = tuple(dict.fromkeys(self._maker(kept, place) for kept, place in places))
        ids = ((kept, by_set[kept.manifest.id]) for kept in sets)
        return self._held(sets, sets, makers, ids)

    def _maker(self, kept: Kept, place: int) -> str:
        known = self._book.makers.get(kept.manifest.id)
        name = known[place] if known else kept.origins[place].teacher
        return self._graph.names.get(name, name)

    def sets(self, wanted: frozenset[str]) -> dict[str, Held]:
        known: dict[str, list[Kept]] = {}
        for kept in self._kept:
            for digest in wanted.intersection(_digests(kept)):
                known.setdefault(digest, []).append(kept)
        found = {
            id_: self._held(sets, self._made_of(sets), (), ((kept, None) for kept in sets))
            for id_, sets in known.items()
        }
        for node in self._graph.nodes.values():
            for digest in wanted.intersection(node.digests) if node.kind == "data" else ():
                if digest not in found:
                    found[digest] = Held((node.id,), frozenset({node.id}))
        return found

    def _held(
        self,
        sets: Sequence[Kept],
        holders: Sequence[Kept],
        makers: tuple[str, ...],
        ids: Iterator[tuple[Kept, list[int] | None]],
    ) -> Held:
        nodes = frozenset(node for node in map(self._node, holders) if node is not None)
        same = {} if nodes & self._behind else self._same(ids)
        return Held(tuple(dict.fromkeys(data_id(kept) for kept in sets)), nodes, makers, same)

    def _node(self, kept: Kept) -> str | None:
        id_ = data_id(kept)
        id_ = self._graph.names.get(id_, id_)
        return id_ if id_ in self._graph.nodes else None

    def _made_of(self, sets: Sequence[Kept]) -> list[Kept]:
        """These sets, and all that were made of their records."""
        found = {kept.manifest.id: kept for kept in sets}
        waiting = deque(found)
        while waiting:
            for kept in self._children.get(waiting.popleft(), ()):
                if kept.manifest.id not in found:
                    found[kept.manifest.id] = kept
                    waiting.append(kept.manifest.id)
        return list(found.values())

    @cached_property
    def _children(self) -> Mapping[Digest, list[Kept]]:
        """The sets that have rows of a set as parents."""
        made: dict[Digest, list[Kept]] = {}
        for kept in self._kept:
            for parent in parents_of(kept, self._book.artifacts):
                if isinstance(parent, Kept):
                    made.setdefault(parent.manifest.id, []).append(kept)
        return made

    @cached_property
    def _above(self) -> Mapping[str, pa.Array]:
        """The ids of the records behind the target, by their node."""
        nodes = ((self._node(kept), kept) for kept in self._kept)
        return {node: _ids(kept) for node, kept in nodes if node is not None and node in self._behind}

    def _same(self, sets: Iterator[tuple[Kept, list[int] | None]]) -> dict[str, int]:
        """How many of the records stand in sets behind the target. A set that cannot be read counts for
        none: ``verify`` tells of it."""
        wanted = pa.concat_arrays([_ids(kept, origins) for kept, origins in sets])
        counts = {
            node: pc.sum(pc.is_in(ids, value_set=wanted)).as_py() or 0 for node, ids in self._above.items()
        }
        return {node: count for node, count in counts.items() if count}


def _digests(kept: Kept) -> set[str]:
    """All that a set of records may be named by: the artifact, its manifest, its root, its files."""
    files = (kept.manifest.files.get(name) for name in (records.TEXT, records.LINEAGE))
    named = (kept.manifest.id, kept.claim.manifest, kept.manifest.records_root, *files)
    return {str(digest) for digest in named if digest is not None}


def _ids(kept: Kept, origins: Sequence[int] | None = None) -> pa.Array:
    """The ids of a set's records, or of those from these origins."""
    try:
        table = pq.read_table(kept.folder / records.LINEAGE, columns=["id", "origin"])
    except (OSError, pa.ArrowException):
        return pa.array([], pa.binary(32))
    if origins is not None:
        table = table.filter(pc.is_in(table["origin"], value_set=pa.array(origins, pa.int16())))
    ids: pa.Array = table["id"].combine_chunks()
    return ids if isinstance(ids, pa.Array) else pa.concat_arrays(ids.chunks)
