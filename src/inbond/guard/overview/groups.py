"""Groups of accounts: who is drawn, and what is said of them all at once. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from inbond.guard.detect.judge import Cluster
from inbond.guard.detect.memory import WINDOW_S
from inbond.guard.detect.words import GROUPS
from inbond.guard.overview.accounts import History, known_moments
from inbond.guard.overview.evidence import (
    NAMES,
    TONES,
    Reasons,
    curve,
    groups_of,
    of_source,
    reasons_of,
    said,
)
from inbond.guard.overview.numbers import Sources
from inbond.report.guard_pictures import MOST_DRAWN
from inbond.report.guard_view import Drawn, Link, Node

MOST_GROUPS: Final = 8
Recorded = Mapping[str, Mapping[int, Reasons]]
"""The reasons that a group gave, by its id and the second since 1970."""


def of_interest(sources: Sources) -> list[Cluster]:
    """The groups past tier 0, or those of the one account that is asked about: the highest tiers first, those
    of one kind together."""
    found = [each for each in sources.clusters if sources.only is None or sources.only in each.members]
    return sorted(found, key=lambda each: (-each.tier, each.kind, -each.size, each.id))


def recorded(sources: Sources, names: Sequence[str], history: History) -> Recorded:
    """What the verdicts of these accounts said of their groups, when."""
    found: dict[str, dict[int, Reasons]] = {}
    for name in names:
        for each in known_moments(sources, name, history[name]):
            for group in groups_of(each.reasons):
                found.setdefault(group, {})[each.at] = of_source(each.reasons, group)
    return found


def link(number: int, cluster: Cluster) -> Link:
    """Where a group is told of, and how it stands in a line."""
    words = f"{cluster.size:,} {GROUPS[cluster.kind]}: {_standing(cluster)}"
    return Link(anchor(number), words)


def anchor(number: int) -> str:
    """Its place in the page."""
    return f"group-{number}"


def decided(sources: Sources, shown: Sequence[tuple[int, Cluster]]) -> dict[str, str]:
    """The anchor of the group whose commands decide of an account, by account: the first that it shows itself
    to be of. None where one account is asked about, which has its own."""
    found: dict[str, str] = {}
    for number, cluster in shown if sources.only is None else ():
        for name in filter(sources.held_back, cluster.members):
            found.setdefault(name, anchor(number))
    return found


def _commands(sources: Sources, cluster: Cluster) -> Iterator[tuple[str, str]]:
    of = f"--group {shlex.quote(cluster.id)} --by NAME --reason WHY"
    proposed = sum(map(sources.proposed, cluster.members))
    if proposed:
        what = f"Sign the suspensions that are proposed, {proposed:,} by now, if you agree"
        yield what, sources.command(f"suspend {of}")
    yield f"Lift all {len(cluster.members):,} for 30 days", sources.command(f"lift {of}")


def drawn(
    number: int,
    cluster: Cluster,
    sources: Sources,
    names: Sequence[str],
    told: Mapping[int, Reasons],
    decided: Mapping[str, str],
) -> Drawn:
    """A group with at most MOST_DRAWN of its members, those first that ``names`` are told of, and its
    recorded evidence, to which the one of now is added. It has commands where any is ``decided`` of here."""
    decides = anchor(number) in decided.values()
    place = {name: index for index, name in enumerate(names)}
    order = sorted(cluster.members, key=lambda name: (place.get(name, len(place)), -sources.tier(name), name))
    nodes = tuple(_node(sources, name) for name in order[:MOST_DRAWN])
    reasons = reasons_of(cluster.verdict.to_json())
    table = sorted({**told, sources.memory.window + WINDOW_S: of_source(reasons, cluster.id)}.items())
    known = (sources.memory.accounts.get(name) for name in cluster.members)
    began = min((each.first for each in known if each is not None), default=table[0][0])
    return Drawn(
        anchor(number), cluster.id, GROUPS[cluster.kind], TONES[cluster.tier], _standing(cluster), nodes,
        len(cluster.members) - len(nodes), cluster.size - len(cluster.members), said(reasons),
        curve("Evidence of the group", began, table),
        tuple(_commands(sources, cluster)) if decides else (),
    )  # fmt: skip


def _node(sources: Sources, name: str) -> Node:
    tier = sources.tier(name)
    return Node(name, tier, "suspended" if sources.suspended(name) else f"tier {tier}, {NAMES[tier]}")


def _standing(cluster: Cluster) -> str:
    return f"tier {cluster.tier}, {NAMES[cluster.tier]}"
