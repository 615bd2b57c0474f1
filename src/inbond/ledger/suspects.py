"""Which findings are about which model: by the digest of what was tested, by its name alone where there is
none. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from inbond.ledger.beside import By
from inbond.ledger.findings import Filed, Report
from inbond.ledger.lineage import Graph, Node
from inbond.ledger.naming import whole_name
from inbond.ledger.scopes import on_disk


@final
@dataclass(frozen=True)
class Tested:
    """The reports about a node, each with how its suspect is known to be that; how many are about other
    weights under its name; and how many about each of its ancestors."""

    reports: tuple[tuple[Report, By], ...] = ()
    others: int = 0
    ancestors: tuple[tuple[str, int], ...] = ()


def tested(filed: Filed, graph: Graph, target: str, ancestors: Collection[str]) -> Tested:
    """What was found of ``target``, a node's id."""
    node, above = graph.nodes[target], Counter[str]()
    owners = {digest: id_ for id_ in ancestors for digest in graph.nodes[id_].digests}
    names = [target, *(name for name, id_ in graph.names.items() if id_ == target)]
    found: list[tuple[Report, By]] = []
    others = 0
    for (name, digest), reports in filed.suspects.items():
        if digest is not None and digest in node.digests:
            found += [(report, "digest") for report in reports]
        elif digest is not None and digest in owners:
            above[owners[digest]] += len(reports)
        elif not _is_called(name, graph, names):
            if (known := graph.find(name)) is not None and known.id in ancestors:
                above[known.id] += len(reports) if _may_be(digest, known) else 0
        elif _may_be(digest, node):
            found += [(report, "name") for report in reports]
        else:
            others += len(reports)
    return Tested(tuple(found), others, tuple(item for item in above.items() if item[1]))


def _may_be(digest: str | None, node: Node) -> bool:
    return digest is None or not node.digests


def _is_called(name: str, graph: Graph, names: Sequence[str]) -> bool:
    """Whether a suspect's name is the whole name of the node that has these ``names``, of which the first is
    its id. A path that is not whole begins in the current folder."""
    known = graph.find(name)
    if known is not None:
        return known.id == names[0]
    meant = (name, on_disk(name, Path.cwd()))
    return any(whole_name(text, each) for text in meant for each in names)
