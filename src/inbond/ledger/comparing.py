"""Holds what tests found of a model against what a lineage says is behind it, finding by finding. Pure.

Where there is another explanation than the one that a finding speaks of, it comes first: relatives by weights
show alike, and records can come back under another origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from inbond.ledger.answer import listed
from inbond.ledger.beside import By, Compared, Stands
from inbond.ledger.findings import Finding, Report
from inbond.ledger.holdings import Held, Holdings
from inbond.ledger.lineage import Graph, Node


@final
@dataclass(frozen=True)
class Behind:
    """What a lineage says is behind a target: all ancestors, those of weights, and what of it is not closed
    (the ids of nodes that may have been made from more)."""

    target: Node
    nodes: frozenset[str]
    weights: frozenset[str]
    open: tuple[str, ...]


@final
@dataclass(frozen=True)
class _Position:
    """Where the lineage has what a finding speaks of: among what is behind the target, there in part, not
    there, or nowhere that is known; ``words`` says so, as a part of a sentence."""

    at: Literal["within", "in-part", "outside", "unknown"]
    words: str


_Told = tuple[Stands, str]
_NOTHING: _Told = ("says-nothing", "It says nothing for or against the lineage.")


def compare(
    found: Sequence[tuple[Report, By]], behind: Behind, graph: Graph, holdings: Holdings
) -> tuple[Compared, ...]:
    """All findings of these reports, each held against the lineage, in the order of ``Beside``. ``graph`` is
    all that is known."""
    judge = _Judge(behind, graph, holdings)
    declared = judge.declared()
    told = [
        Compared(report, finding, by, stands, declared, words)
        for report, by in found
        for finding in report.findings
        for stands, words in [judge.stands(finding)]
    ]
    told.sort(key=lambda each: each.report.at, reverse=True)
    return tuple(sorted(told, key=lambda each: not each.flagged))


@final
class _Judge:
    def __init__(self, behind: Behind, graph: Graph, holdings: Holdings) -> None:
        self._behind, self._graph, self._holdings = behind, graph, holdings
        self._me = behind.target.id
        self._positions: dict[tuple[str | None, ...], _Position] = {}

    def declared(self) -> str:
        """What the lineage says, as a sentence."""
        count = len(self._behind.nodes)
        ends = self._left_open() if self._behind.open else "nothing is left open"
        said = f"{count} models and data" if count != 1 else "one model or data"
        return f"The lineage has {said} behind {self._me}; {ends}."

    def stands(self, finding: Finding) -> _Told:
        """How a finding stands to the lineage, and why."""
        if finding.outcome == "cannot-tell":
            return _NOTHING
        positive = finding.outcome == "consistent-with"
        if _is_difference(finding):
            return self._difference(finding) if positive else _NOTHING
        where = self._position(finding)
        absence = finding.about.get("absent") == "yes"
        if absence and not positive:
            return _NOTHING
        if positive and where.at == "unknown":
            return "cannot-be-held", f"It cannot be held against the lineage, because {where.words}."
        if absence or not positive:
            return self._not_seen(where, absence=absence)
        return self._seen(where)

    def _not_seen(self, where: _Position, *, absence: bool) -> _Told:
        if where.at in ("within", "in-part"):
            less = "a test sees less than a lineage may say, so that this is no contradiction"
            return "does-not-show", f"It does not show what the lineage says: {where.words}. But {less}."
        if absence:
            return "agrees", f"The lineage does not say otherwise: {where.words}."
        return _NOTHING

    def _seen(self, where: _Position) -> _Told:
        if where.at == "within":
            return "agrees", f"The lineage says so too: {where.words}."
        if where.at == "in-part":
            return "agrees-in-part", f"The lineage says so in part: {where.words}."
        if self._behind.open:
            return "unexplained", f"The lineage does not explain it: {where.words}. But {self._left_open()}."
        return "contradicts", f"The lineage says otherwise: {where.words}, and nothing is left open."

    def _left_open(self) -> str:
        return f"it is left open what else {listed(self._behind.open)} may come from"

    def _position(self, finding: Finding) -> _Position:
        about = finding.about
        kind, id_, name = about.get("kind"), about.get("id"), about.get("name")
        weights = "derivation" in finding.test
        key = (kind, id_, name, str(weights))
        if key not in self._positions:
            self._positions[key] = self._find(kind, id_, name, weights=weights)
        return self._positions[key]

    def _find(self, kind: str | None, id_: str | None, name: str | None, *, weights: bool) -> _Position:
        if kind == "mark":
            return self._mark(id_ or "")
        if kind == "records":
            return self._records(id_, name)
        if kind == "model":
            node = self._model(id_, name)
            if isinstance(node, _Position):
                return node
            return self._by_weights(node.id) if weights else self._by_words(node.id)
        return _Position("unknown", "it does not say of which mark, records or model it speaks")

    # Marks and records

    def _mark(self, id_: str) -> _Position:
        held, me = self._holdings.marks.get(id_), self._me
        if held is None:
            unread = self._holdings.unread
            more = f", and {listed(unread)} cannot be read" if unread else ""
            return _Position("unknown", f"no records here are known to carry this mark{more}")
        if me in held.nodes:
            return _Position("within", f"{me} holds records with this mark")
        behind = sorted(held.nodes & self._behind.nodes)
        if behind:
            return _Position(
                "within", f"{me} descends from {listed(behind)}, with records that carry this mark"
            )
        if me in held.makers:
            own = (
                f"the records with this mark are from {me} itself, which may have been asked with the mark on"
            )
            return _Position("unknown", own)
        known = [maker for maker in held.makers if maker in self._behind.nodes]
        if known:
            return _Position(
                "in-part",
                f"{listed(known)}, where records with this mark are from, is behind {me}, but those records "
                f"({listed(held.names)}) are not",
            )
        who = f", from {listed(held.makers)}," if held.makers else ""
        text = f"the records with this mark ({listed(held.names)}){who} are not behind {me}"
        return self._again(held) or _Position("outside", text)

    def _records(self, id_: str | None, name: str | None) -> _Position:
        held, me = self._holdings.records.get(id_ or ""), self._me
        if held is None:
            held = self._named_records(id_, name)
        if held is None:
            return _Position("unknown", f"no records here are known as {name or id_ or 'these'}")
        if me in held.nodes:
            return _Position("within", f"{me} is these records, or holds them")
        behind = sorted(held.nodes & self._behind.nodes)
        if behind:
            return _Position("within", f"{me} descends from {listed(behind)}")
        return self._again(held) or _Position("outside", f"{listed(held.names)} is not behind {me}")

    def _named_records(self, id_: str | None, name: str | None) -> Held | None:
        """Data that is known by its name alone."""
        node = self._graph.find(name) if name else None
        if node is None or node.kind != "data" or (id_ and node.digests):
            return None
        return Held((node.id,), frozenset({node.id}))

    def _again(self, held: Held) -> _Position | None:
        if not held.same:
            return None
        parts = listed(f"{count:,} in {node}" for node, count in sorted(held.same.items()))
        whose = f"some of the records of {listed(held.names)} are behind {self._me} under another origin"
        return _Position("in-part", f"{whose} ({parts})")

    # Models

    def _model(self, id_: str | None, name: str | None) -> Node | _Position:
        for node in self._graph.nodes.values():
            if node.kind == "model" and id_ in node.digests:
                return node
        named = self._graph.find(name) if name else None
        if named is None or named.kind != "model":
            return _Position("unknown", f"no model here is known as {name or id_ or 'this'}")
        if id_ and named.digests:
            return _Position("unknown", f"what is known here as {named.id} has other weights")
        return named

    def _by_weights(self, model: str) -> _Position:
        """Neurons stand in one order in a parent, in its children, and in theirs: the test cannot tell which
        of two relatives came first."""
        me, mine = self._me, self._behind.weights
        if model == me:
            return _Position("within", f"{me} is this model")
        if model in mine:
            return _Position("within", f"{me} was made from the weights of {model}")
        its = self._graph.by_weights(model)
        if me in its:
            return _Position("in-part", f"{model} was made from the weights of {me}, which shows alike")
        if shared := sorted(mine & its):
            both = f"{me} and {model} were both made from the weights of {listed(shared)}"
            return _Position("in-part", f"{both}, which shows alike")
        if model in self._behind.nodes:
            text = f"{model} is behind {me} for what it says, and not by its weights"
            return _Position("outside", text)
        return _Position("outside", f"{me} was not made from the weights of {model}")

    def _by_words(self, model: str) -> _Position:
        me, mine = self._me, self._behind.nodes
        if model == me:
            return _Position("within", f"{me} is this model")
        if model in mine:
            return _Position("within", f"{me} descends from {model}")
        its = self._graph.hops(model)
        if me in its:
            return _Position("in-part", f"{model} descends from {me}, and not the other way round")
        models = (id_ for id_ in its if id_ in mine and self._graph.nodes[id_].kind == "model")
        if shared := sorted(models):
            return _Position("in-part", f"{model} is not behind {me}, but {listed(shared)} is behind both")
        return _Position("outside", f"{model} is not behind {me}")

    def _difference(self, finding: Finding) -> _Told:
        """The suspect answers otherwise than a model that was at hand."""
        id_, name = finding.about.get("id"), finding.about.get("name")
        target = self._behind.target
        if id_ is not None and id_ in target.digests:
            known = f"{target.id} is known as the model with the digest {id_}"
            return "contradicts", f"The lineage says otherwise: {known}, and it answers differently."
        if self._graph.find(name or "") == target or name == target.id:
            why = f"{target.id} is not declared to have those weights"
            return "cannot-be-held", f"It cannot be held against the lineage, because {why}."
        other = f"does not say that {target.id} is {name or id_ or 'that model'}"
        return "says-nothing", f"It says nothing against the lineage, which {other}."


def _is_difference(finding: Finding) -> bool:
    """Whether a positive finding says that the suspect is not the model that it speaks of."""
    return finding.about.get("differs") == "yes" or "equality" in finding.test
