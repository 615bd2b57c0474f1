"""The answer to a question about descent, in one sentence for a person who is no engineer. Pure.

``yes`` needs a way from the one to the other; ``no`` a graph in which nothing is left open, and a name that
nothing in it may mean; all else cannot be told. Whatever rests on what was declared says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from inbond.ledger.lineage import Evidence, Graph, Unknown, Way
from inbond.ledger.naming import may_mean, named, of_family, same_name, wholly
from inbond.ledger.shares import Share, percent
from inbond.types import Role

if TYPE_CHECKING:
    from inbond.ledger.trace import Ancestor

Outcome = Literal["yes", "no", "cannot-tell"]

WORDS = (
    "wrote: the text is its own; touched: it wrote, changed, chose, judged or scored the text, or a model "
    "that was made from it or taught by it did"
)
"""What two words mean wherever shares are listed."""

_DID: dict[Role, str] = {
    "author": "wrote", "rewriter": "rewrote", "transcriber": "transcribed", "translator": "translated",
    "filter": "chose", "judge": "judged", "verifier": "checked",
}  # fmt: skip
_COPIES = frozenset({"quantized", "revision"})
_MOST = 4
"""Names in one sentence."""


@final
@dataclass(frozen=True)
class Answer:
    """``evidence`` is what the answer rests on; None where it cannot be told."""

    outcome: Outcome
    sentence: str
    evidence: Evidence | None


def answer(
    graph: Graph, target: str, asked: str | None, ancestors: Sequence[Ancestor], unknowns: Sequence[Unknown]
) -> Answer:
    """``graph`` is all that ``target`` descends from, ``unknowns`` what is not known of that."""
    if asked is None:
        return _overview(graph, target, ancestors, unknowns)
    if wholly(asked, graph, target):
        return Answer("yes", f"Yes: {target} is itself what {asked} names.", graph.nodes[target].evidence)
    found = _once(graph, [ancestor for ancestor in ancestors if ancestor.asked])
    if found:
        return Answer("yes", _yes(target, found), found[0].evidence)
    doubt = _doubt(graph, target, asked)
    if doubt:
        return Answer("cannot-tell", f"Cannot tell: {doubt}.", None)
    if unknowns:
        rest = f", and {len(unknowns) - 1} more" if len(unknowns) > 1 else ""
        what = f"{unknowns[0].what} ({unknowns[0].about}){rest}"
        text = f"nothing known says that {target} descends from {asked}, but not everything is known"
        return Answer("cannot-tell", f"Cannot tell: {text}: {what}.", None)
    said = f"everything that {target} was made from is known, and nothing of it is {asked}"
    return _no(graph, said)


def _no(graph: Graph, said: str) -> Answer:
    """Nobody can record that nothing else was there: who declared it is named."""
    # Whoever spoke of a node first closed it: what stands after that is where its licence was read.
    told = [node.source.partition("; ")[0] for node in graph.nodes.values() if node.evidence != "recorded"]
    told += [edge.read for edge in graph.edges if not edge.recorded]
    if not told:
        return Answer("no", f"No: {said}.", "recorded")
    whom = listed(dict.fromkeys(text or "somebody" for text in told))
    return Answer("no", f"No, as declared by {whom}: {said}.", "declared")


def _doubt(graph: Graph, target: str, asked: str) -> str:
    """Why a name that means nothing here for certain may mean something all the same; '' when it may not."""
    above = [id_ for id_ in graph.nodes if id_ != target]
    if perhaps := named(may_mean, asked, graph, above):
        those = "that is" if len(perhaps) == 1 else "one of them is"
        return f"{target} descends from {listed(perhaps)}, and whether {those} {asked} is not said"
    if named(same_name, asked, graph, [target]):
        return (
            f"{target} is called {asked} itself, and no other model of that name is known behind it; "
            "ask for the whole name of the one that you mean"
        )
    if named(may_mean, asked, graph, [target]):
        return f"whether {target} is {asked} itself is not said"
    if family := named(of_family, asked, graph, above):
        its = "whose name only has" if len(family) == 1 else "whose names only have"
        return f"{target} descends from {listed(family)}, {its} {asked} in it; ask for the one that you mean"
    return ""


def _overview(
    graph: Graph, target: str, ancestors: Sequence[Ancestor], unknowns: Sequence[Unknown]
) -> Answer:
    models = _once(graph, [ancestor for ancestor in ancestors if ancestor.node.kind == "model"])
    weights = [model.node.id for model in models if model.edge == "weights"]
    others = [model.node.id for model in models if model.edge != "weights"]
    if models:
        parts = [f"was made from the weights of {listed(weights)}"] if weights else []
        parts += [f"learned from what {listed(others)} had a hand in"] if others else []
        if graph.nodes[target].kind == "data":
            parts = [f"was made with the help of {listed(others)}"]
        sure = {model.evidence != "declared" for model in models}
        tail = "" if sure == {True} else " (as declared, not recorded)"
        if len(sure) == 2:
            tail = " (in part as declared, not recorded)"
        evidence: Evidence = "recorded" if True in sure else "declared"
        return Answer("yes", f"Yes: {target} {', and '.join(parts)}{tail}.", evidence)
    if unknowns:
        what = f"{unknowns[0].what} ({unknowns[0].about})"
        text = f"Cannot tell what models {target} descends from, since not everything is known: {what}."
        return Answer("cannot-tell", text, None)
    return _no(graph, f"{target} descends from no other model")


def _once(graph: Graph, found: Sequence[Ancestor]) -> list[Ancestor]:
    """Without the names of models of which only a certain revision, that is there too, was used."""
    ids = {ancestor.node.id for ancestor in found}
    return [
        ancestor
        for ancestor in found
        if not all(
            edge.relation == "revision" and edge.target in ids for edge in graph.out_of[ancestor.node.id]
        )
    ]


# Yes ------------------------------------------------------------------------------------------------


def _yes(target: str, found: Sequence[Ancestor]) -> str:
    first, *others = found
    path = _way(first)
    also = f"; it descends from {listed(each.node.id for each in others)} too" if others else ""
    return f"Yes: {_descent(target, first, path)}{also}{_declared(path)}."


def _way(ancestor: Ancestor) -> Way:
    """The way to tell of: a recorded one, if there is one; the shortest."""
    paths = ancestor.paths.paths
    recorded = (path for path in paths if all(edge.recorded for edge in path))
    return next(recorded, paths[0])


def _descent(target: str, ancestor: Ancestor, path: Way) -> str:
    id_ = ancestor.node.id
    hands = _hands(ancestor)
    deed = _deed(target, ancestor, itself=hands == [id_])
    if ancestor.node.kind == "data":
        return f"{target} descends from {id_}" + (f", which {deed}" if deed else "")
    between = [edge.target for edge in path[:-1]]
    if ancestor.edge == "weights":
        copies = all(edge.relation in _COPIES for edge in path[:-1])
        made = f"{target} was made from the weights of {id_}"
        if between:
            made += f", through {'its copy ' if copies and len(between) == 1 else ''}{listed(between)}"
        if not deed:
            return made
        return (
            f"{made}, which {deed}"
            if hands == [(between or [id_])[-1]]
            else f"{made}; {_who(ancestor)} {deed}"
        )
    if hands == [id_]:
        return f"{target} descends from {id_}, which {deed or _unsaid(path)}"
    if deed:
        none = f"; {_short(id_)} itself wrote none of them" if _wrote_none(ancestor) else ""
        return f"{target} descends from {id_}: {_who(ancestor)} {deed}{none}"
    through = listed(hands or between)
    return f"{target} descends from {id_} through {through}; how much that comes to is not known"


def _hands(ancestor: Ancestor) -> list[str]:
    """Who had the hand in what the target learnt from, whichever way one goes: the last model on each that
    spoke for itself."""
    last = (
        next((edge.source for edge in reversed(path) if edge.relation in ("generated", "scored")), None)
        for path in ancestor.paths.paths
    )
    return list(dict.fromkeys(hand for hand in last if hand is not None))


def _who(ancestor: Ancestor) -> str:
    """The hands as they are told apart from the ancestor: what is behind a hand did not lift it."""
    hands, id_ = _hands(ancestor), ancestor.node.id
    if hands == [id_]:
        return "it"
    others = [hand for hand in hands if hand != id_]
    kind = _kin(ancestor, others)
    words = f"a model {kind}, {others[0]}," if len(others) == 1 else f"models {kind}, {listed(others)},"
    return f"it and {words}" if id_ in hands else words


def _kin(ancestor: Ancestor, hands: Sequence[str]) -> str:
    """What the hands are to the ancestor."""
    ways = (path for path in ancestor.paths.paths if any(edge.source in hands for edge in path))
    taught = any(edge.kind == "outputs" for path in ways for edge in _before(path, hands))
    return "taught by it" if taught else "made from it"


def part_words(ancestor: Ancestor, share: Share, *, brief: bool = False) -> str:
    """A share in words, as ``Share.words``: of what stands behind a hand alone, that another lifted it."""
    data, hands = ancestor.node.kind == "data", _hands(ancestor)
    said = share.words(of_data=data, brief=brief)
    if not said or data or not hands or ancestor.node.id in hands:
        return said
    models = "a model" if len(hands) == 1 else "models"
    none = ", and wrote none of them"
    itself = "; it wrote none of them itself" if said.endswith(none) else ""
    return f"{models} {_kin(ancestor, hands)} {said.removesuffix(none)}{itself}"


def _before(path: Way, hands: Sequence[str]) -> Way:
    at = next((number for number, edge in enumerate(path) if edge.source in hands), 0)
    return path[:at]


def _deed(target: str, ancestor: Ancestor, *, itself: bool) -> str:
    """What was done to how much: in the first stage in which that is established."""
    stages: dict[tuple[str, str], list[Share]] = {}
    for share in ancestor.shares:
        if share.touch.touched.exact is not None:
            stages.setdefault((share.stage.of, share.stage.name), []).append(share)
    if not stages:
        return ""
    first, *rest = stages.values()
    data = ancestor.node.kind == "data"
    said: dict[tuple[str, str], list[Share]] = {}
    for share in first:
        said.setdefault(("is behind", "") if data else _verb(share, itself=itself), []).append(share)
    told = " and ".join(f"{verb} {_amount(shares)}{tail}" for (verb, tail), shares in said.items())
    more = f", and had a part in {len(rest)} more stage{'s' if len(rest) > 1 else ''}" if rest else ""
    return f"{told} {_where(first[0], target)}{more}"


def _wrote_none(ancestor: Ancestor) -> bool:
    """Whether it is established that no text that the target learnt is the ancestor's own."""
    return all(share.touch.authored.exact == 0 for share in ancestor.shares)


def _verb(share: Share, *, itself: bool) -> tuple[str, str]:
    touch = share.touch
    touched, authored = touch.touched.exact, touch.authored.exact
    roles = [role for role, part in touch.by_role.items() if part.high > 0]
    alone = roles[0] if len(roles) == 1 and touch.by_role[roles[0]].exact == touched else None
    if not touched:
        return "touched", ""
    if authored == touched:
        return "wrote", ""
    if not roles and touch.scored.exact == touched:
        return "gave its probabilities for", ""
    if alone is not None and (alone != "author" or not itself):
        return _DID[alone], ""
    if not itself or authored is None:
        return "had a hand in", ""
    return "had a hand in", f" (and wrote {percent(authored) if authored else 'none'} of them)"


def _amount(shares: Sequence[Share]) -> str:
    """In one unit where both say the same."""
    found = {share.unit: share.touch.touched.exact or 0.0 for share in shares}
    parts = {unit: percent(part) if part else "none" for unit, part in found.items()}
    if len(set(parts.values())) == 1:
        return f"{next(iter(parts.values()))} of the {next(iter(parts))}"
    return " and ".join(f"{part} of the {unit}" for unit, part in parts.items())


def _where(share: Share, target: str) -> str:
    stage, mine = share.stage, share.stage.of == target
    if not stage.name:
        return "in it" if mine else f"in {stage.of}"
    if stage.name == "train":
        return f"that {'it' if mine else stage.of} was trained on"
    return f"in {stage.name if mine else stage.words}"


def _unsaid(path: Way) -> str:
    if path[0].relation == "scored":
        return "taught it by its probabilities"
    return "had a hand in data that it learned from; how much that comes to is not known"


def _declared(path: Way) -> str:
    """Which links of a way are only declared."""
    links = [edge for edge in path if not edge.recorded]
    if not links:
        return ""
    if len(links) == len(path):
        return " (as declared, not recorded)"
    if len(links) == 1:
        link = f"{_short(links[0].target)} comes from {_short(links[0].source)}"
        return f" (that {link} is declared, not recorded)"
    return f" ({len(links)} of the {len(path)} links are declared, not recorded)"


def _short(id_: str) -> str:
    return id_.rpartition("#")[2].rpartition("/")[2] or id_


def listed(names: Iterable[str]) -> str:
    """Names in one sentence, at least one; of many the first."""
    *most, last = list(names)
    if len(most) >= _MOST:
        return f"{', '.join(most[: _MOST - 1])} and {len(most) - _MOST + 2} more"
    return f"{', '.join(most)} and {last}" if most else last
