"""What edges say of parts, when several files say it: the same thing once, and what disagrees as a range.
Pure.

Edges that differ only in who says it are one. Parts of a mixture (what a stage was trained on, what data was
derived from) exclude one another, and so come to at most all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from inbond.errors import InputError
from inbond.ledger.lineage import Edge, Relation, Unit, Unknown
from inbond.ledger.shares import ANY, CLOSE, Range, percent

Flow = tuple[Edge, Range]
"""An edge, which stands for all that say the same, and the part that comes over it."""

_MIXING: Final[frozenset[Relation]] = frozenset({"trained-on", "derived"})
_MOST = 8
"""Parts that a sentence names."""


def flows(edges: Iterable[Edge], unit: Unit, stage: str) -> list[Flow]:
    """Each different edge with its part of the unit of the stage. Sources that disagree leave a range, and so
    do parts of a mixture that come to more than all of it: then some are too large, and nobody knows which.
    """
    found = [(group[0], _range(_said(group, unit, stage))) for group in _alike(edges)]
    mixed = sum(part.low for edge, part in found if edge.relation in _MIXING)
    if mixed <= 1 + CLOSE:
        return found
    return [(edge, Range(0, part.high) if edge.relation in _MIXING else part) for edge, part in found]


def refuse_overfull(edges: Iterable[Edge], read: str) -> None:
    """Raises InputError when one file's parts of a mixture come to more than all of it."""
    for (target, unit, stage), parts in _mixtures(edges).items():
        total = sum(part.low for _, part in parts)
        if total > 1 + CLOSE:
            raise InputError(
                expected=f"parts of {_whole(unit, stage)} of {target} that come to at most 100% in {read}",
                found=f"{percent(total)}: "
                + _listed(f"{edge.source} {_words(part)}" for edge, part in parts),
                fix="correct the shares; leave out those that are not known",
            )


def disputes(edges: Iterable[Edge]) -> Iterator[Unknown]:
    """What several files say of parts that cannot all be true."""
    told = list(edges)
    for group in _alike(told):
        for unit, stage in dict.fromkeys((part.unit, part.stage) for edge in group for part in edge.parts):
            said = _said(group, unit, stage)
            if len(said) > 1:
                where = f"{_whole(unit, stage)} of {group[0].target} {_over(group[0])}"
                each = _listed(f"{percent(share)} ({', '.join(read)})" for share, read in said.items())
                yield Unknown(group[0].target, f"what part of {where}: {each}")
    for (target, unit, stage), parts in _mixtures(told).items():
        total = sum(part.low for _, part in parts)
        if total > 1 + CLOSE:
            each = _listed(f"{edge.source} {_words(part)} ({edge.read})" for edge, part in parts)
            what = f"which parts of {_whole(unit, stage)} are too large: they come to {percent(total)}"
            yield Unknown(target, f"{what}: {each}")


def _alike(edges: Iterable[Edge]) -> Iterator[list[Edge]]:
    groups: dict[tuple[object, ...], list[Edge]] = {}
    for edge in edges:
        alike = (edge.source, edge.target, edge.relation, edge.stage, frozenset(edge.roles))
        groups.setdefault(alike, []).append(edge)
    yield from groups.values()


def _said(group: Sequence[Edge], unit: Unit, stage: str) -> dict[float, list[str]]:
    """Each different share that was said, with who says it."""
    said = sorted(
        (part.share, edge.read)
        for edge in group
        for part in edge.parts
        if part.unit == unit and part.stage == stage
    )
    shares = groupby(said, key=lambda one: round(one[0], 9))
    return {share: list(dict.fromkeys(read for _, read in each)) for share, each in shares}


def _range(said: Mapping[float, object]) -> Range:
    return Range(min(said), max(said)) if said else ANY


def _mixtures(edges: Iterable[Edge]) -> dict[tuple[str, Unit, str], list[Flow]]:
    """The declared parts of each mixture, by target, unit and stage."""
    found: dict[tuple[str, Unit, str], list[Flow]] = {}
    for group in _alike(edge for edge in edges if edge.relation in _MIXING):
        for unit, stage in dict.fromkeys((part.unit, part.stage) for edge in group for part in edge.parts):
            part = _range(_said(group, unit, stage))
            found.setdefault((group[0].target, unit, stage), []).append((group[0], part))
    return found


def _whole(unit: Unit, stage: str) -> str:
    return f"the {unit} of {stage}" if stage else f"the {unit}"


def _over(edge: Edge) -> str:
    """How the part comes over the edge."""
    if edge.relation == "scored":
        return f"the probabilities of {edge.source} taught"
    roles = f" as {' and '.join(edge.roles)}" if edge.roles else ""
    return f"{edge.source} made{roles}" if edge.relation == "generated" else f"is {edge.source}"


def _words(part: Range) -> str:
    return percent(part.low) + (f" to {percent(part.high)}" if part.exact is None else "")


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    return ", ".join(every[:_MOST]) + (f", and {len(every) - _MOST} more" if len(every) > _MOST else "")
