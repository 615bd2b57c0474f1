"""What part of a model's training an ancestor wrote, and what part it touched. Pure.

For a stage of training, an ancestor X, and a unit (records, or tokens of their completions):

- *authored*: the part whose own origin has the role author and the teacher X, or a file that X wrote;
- *touched*: the part where the origin of a record, or of any record that it descends from, names X as its
  teacher, or a teacher that descends from X; by role, in the role that this origin names.

Recorded sets are counted, declared parts are added up; what was not declared leaves a range, and a range is
never shown as a number. Shares of different stages, units or roles are never added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

from inbond.ledger.lineage import UNITS, Edge, Evidence, Graph, Unit, Unknown
from inbond.ledger.tally import Counted
from inbond.ledger.tally import Amount
from inbond.types import ROLES, Role

_CLOSE = 1e-9


def percent(part: float, digits: int = 1) -> str:
    """A part (0..1) in words: .504 -> ``50.4%``, with at least one digit below 10%. What is not quite nothing
    or all is never said to be."""
    digits = max(digits, 1) if part < 0.0995 else digits
    text = f"{part:.{digits}%}"
    if part > 0 and not float(text[:-1]):
        return f"less than {10**-digits:.{digits}f}%"
    if part < 1 and float(text[:-1]) >= 100:
        return f"more than {100 - 10**-digits:.{digits}f}%"
    return text.replace(".0%", "%")


@final
@dataclass(frozen=True)
class Range:
    """A part (0..1) that lies somewhere from ``low`` to ``high``."""

    low: float = 0.0
    high: float = 0.0

    @property
    def exact(self) -> float | None:
        """The part, when it is established."""
        return round(self.high, 6) if self.high - self.low < _CLOSE else None

    @property
    def words(self) -> str:
        """In percent, when it is established."""
        return "not established" if self.exact is None else percent(self.exact)

    def of(self, part: Range) -> Range:
        """This part of ``part``."""
        return Range(self.low * part.low, self.high * part.high)

    def beside(self, other: Range) -> Range:
        """Both, when they have nothing in common."""
        return Range(min(1.0, self.low + other.low), min(1.0, self.high + other.high))

    def over(self, other: Range) -> Range:
        """Both, when nobody knows how far they overlap."""
        if not other.high:
            return self
        return Range(max(self.low, other.low), min(1.0, self.high + other.high))


NONE, ALL, ANY = Range(), Range(1.0, 1.0), Range(0.0, 1.0)


@final
@dataclass(frozen=True)
class Touch:
    """One ancestor's part in some data."""

    authored: Range = NONE
    touched: Range = NONE
    by_role: Mapping[Role, Range] = field(default_factory=dict)

    def scaled(self, part: Range) -> Touch:
        """The part in that part of the data."""
        roles = {role: found.of(part) for role, found in self.by_role.items()}
        return Touch(self.authored.of(part), self.touched.of(part), roles)

    def beside(self, other: Touch) -> Touch:
        """With its part in other data."""
        return self._with(other, Range.beside)

    def over(self, other: Touch) -> Touch:
        """With another part in the same data."""
        return self._with(other, Range.over)

    def _with(self, other: Touch, both: Callable[[Range, Range], Range]) -> Touch:
        if not (self.touched.high and other.touched.high):
            return self if self.touched.high else other
        roles = {
            role: both(self.by_role.get(role, NONE), other.by_role.get(role, NONE))
            for role in ROLES
            if role in self.by_role or role in other.by_role
        }
        return Touch(both(self.authored, other.authored), both(self.touched, other.touched), roles)


@final
@dataclass(frozen=True)
class Stage:
    """A stage of training: the model that was trained, and the stage's name; for data, itself and ''."""

    of: str
    name: str

    @property
    def words(self) -> str:
        return f"{self.name} of {self.of}" if self.name else self.of


@final
@dataclass(frozen=True)
class Share:
    """An ancestor's part in a stage, in one unit. None: it is not established."""

    stage: Stage
    unit: Unit
    touch: Touch
    evidence: Evidence

    @property
    def whole(self) -> str:
        """What it is a part of: ``the tokens in SFT of run:demo``."""
        return f"the {self.unit} in {self.stage.words}"

    def words(self, *, of_data: bool = False, brief: bool = False) -> str:
        """``wrote 34% of the tokens in SFT of run:demo``, or ``touched 50% of ... as judge, and wrote none of
        them``; what is not established is left out, and ``""`` when nothing is. ``of_data``: the ancestor is
        data, which writes nothing. ``brief`` says ``touched 50% of SFT tokens``, for where room is little."""
        touched, authored = self.touch.touched, self.touch.authored
        if touched.exact is None:
            return ""
        where = f"{self.stage.name} {self.unit}".strip() if brief else self.whole
        if of_data:
            return f"is behind {touched.words} of {where}"
        if authored.exact == touched.exact:
            return f"wrote {touched.words} of {where}"
        roles = [role for role, found in self.touch.by_role.items() if found.high > 0]
        as_ = f" as {' and '.join(roles)}" if roles else ""
        told = f"touched {touched.words} of {where}{as_}"
        if brief or authored.exact is None:
            return told
        return f"{told}, and wrote {authored.words if authored.high else 'none of them'}"

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage.name,
            "of": self.stage.of,
            "unit": self.unit,
            "authored": self.touch.authored.exact,
            "touched": self.touch.touched.exact,
            "by_role": {role: found.exact for role, found in self.touch.by_role.items()},
            "evidence": self.evidence,
        }


@final
@dataclass(frozen=True)
class Sharing:
    """Answers about a graph. ``counted`` are the recorded sets that were tallied, by the data's node."""

    graph: Graph
    counted: Mapping[str, Counted]

    @cached_property
    def _cache(self) -> dict[str, frozenset[str]]:
        return {}

    def _above(self, node: str) -> frozenset[str]:
        """A node with all that it descends from; empty for what is no node."""
        if node not in self._cache:
            known = node in self.graph.nodes
            self._cache[node] = frozenset({node, *self.graph.hops(node)}) if known else frozenset()
        return self._cache[node]

    @cached_property
    def _order(self) -> list[str]:
        """All data, sources before what was derived from them."""
        waiting = {id_: len(self.graph.into[id_]) for id_ in self.graph.nodes}
        ready = [id_ for id_, count in waiting.items() if not count]
        for id_ in ready:
            for edge in self.graph.out_of[id_]:
                waiting[edge.target] -= 1
                if not waiting[edge.target]:
                    ready.append(edge.target)
        return [id_ for id_ in ready if self.graph.nodes[id_].kind == "data"]

    def stages(self, target: str) -> list[Stage]:
        """The stages in which a target was trained, those of weights that it began as included."""
        if self.graph.nodes[target].kind == "data":
            return [Stage(target, "")]
        models = [target, *sorted(self.graph.by_weights(target))]
        return list(
            dict.fromkeys(
                Stage(model, edge.stage)
                for model in models
                for edge in self.graph.into[model]
                if edge.relation == "trained-on"
            )
        )

    def shares(self, ancestor: str, stages: Iterable[Stage]) -> list[Share]:
        """The parts of an ancestor in each stage that it has a part in."""
        found = []
        for stage in stages:
            for unit in self.units(stage):
                touch = self._in_stage(ancestor, stage, unit)
                if self.graph.nodes[ancestor].kind == "data" and not touch.authored.low:
                    touch = replace(touch, authored=ANY)  # data holds what others wrote
                if touch.touched.high > 0 and stage.of != ancestor:
                    found.append(Share(stage, unit, touch, self._evidence(stage)))
        return found

    def units(self, stage: Stage) -> list[Unit]:
        """The units in which something is known of a stage: records alone when nothing is."""
        sources = self._sources(stage)
        if any(edge.source in self.counted for edge in sources) or stage.of in self.counted:
            return list(UNITS)
        declared = {part.unit for edge in sources for part in edge.parts}
        if not stage.name:
            declared = {part.unit for edge in self.graph.into[stage.of] for part in edge.parts}
        return [unit for unit in UNITS if unit in declared] or ["records"]

    def unknowns(self, stage: Stage) -> Iterator[Unknown]:
        """What is not known of the parts of a stage."""
        recorded = False
        for edge in self._sources(stage):
            counted = self.counted.get(edge.source)
            if counted is None:
                continue
            recorded = True
            whole = counted.tally.whole
            if whole.uncounted:
                what = f"{whole.uncounted:,} of the {whole.records:,} records have no token count"
                yield Unknown(edge.source, f"{what}, so shares of tokens are not established")
        if recorded or not stage.name:
            return
        for unit in self.units(stage):
            parts = {edge.source: _part(edge, unit, stage.name) for edge in self._sources(stage)}
            for source, part in parts.items():
                if part.exact is None:
                    yield Unknown(stage.of, f"what part of the {unit} of {stage.name} is {source}")
            rest = 1.0 - sum(part.low for part in parts.values())
            if rest > _CLOSE and all(part.exact is not None for part in parts.values()):
                yield Unknown(stage.of, f"where {percent(rest)} of the {unit} of {stage.name} are from")

    def _sources(self, stage: Stage) -> list[Edge]:
        return [
            edge
            for edge in self.graph.into[stage.of]
            if edge.relation == "trained-on" and edge.stage == stage.name
        ]

    def _evidence(self, stage: Stage) -> Evidence:
        sources = [edge.source for edge in self._sources(stage)] or [stage.of]
        return "recorded" if all(source in self.counted for source in sources) else "declared"

    def _in_stage(self, ancestor: str, stage: Stage, unit: Unit) -> Touch:
        found = self._in_data(ancestor, unit)
        if not stage.name:
            return found[stage.of]
        whole = Touch()
        for edge in self._sources(stage):
            part = ALL if edge.source in self.counted else _part(edge, unit, stage.name)
            whole = whole.beside(found[edge.source].scaled(part))
        return whole

    def _in_data(self, ancestor: str, unit: Unit) -> dict[str, Touch]:
        """``ancestor``'s part in every data of the graph. Not recursive: a declared chain may be long."""
        found: dict[str, Touch] = {}
        for data in self._order:
            if data == ancestor:
                found[data] = Touch(ANY, ALL)
            elif ancestor not in self._above(data):
                found[data] = Touch()
            elif data in self.counted:
                found[data] = self._count(ancestor, self.counted[data], unit)
            else:
                found[data] = self._declared(ancestor, data, unit, found)
        return found

    def _declared(self, ancestor: str, data: str, unit: Unit, found: Mapping[str, Touch]) -> Touch:
        mixed, generated = Touch(), Touch()
        for edge in self.graph.into[data]:
            part = _part(edge, unit, "")
            if edge.relation == "derived":
                mixed = mixed.beside(found[edge.source].scaled(part))
            elif edge.relation == "generated" and ancestor in self._above(edge.source):
                generated = generated.over(_made(edge, part, itself=edge.source == ancestor))
        return generated.over(mixed)

    def _count(self, ancestor: str, counted: Counted, unit: Unit) -> Touch:
        hands = [(self.graph.names.get(node, node), role) for node, role in counted.hands]
        followed = {node for node, role in hands if role is None}
        sure: dict[int, Role | None] = {}
        perhaps: set[int] = set()
        for bit, (node, role) in enumerate(hands):
            if ancestor == node or (ancestor in self._above(node) and not node.startswith("data:")):
                sure[bit] = role
            elif ancestor in self._above(node) and node not in followed:
                perhaps.add(bit)  # a file that it had a hand in: which of its records is not recorded
        own = (
            bit for bit, (node, role) in enumerate(hands) if role == "author" and self._wrote(ancestor, node)
        )

        def part(bits: Iterable[int], *, authored: bool = False) -> Range:
            found = counted.tally.authored(_mask(bits)) if authored else counted.tally.touched(_mask(bits))
            return _measured(found, counted.tally.whole, unit)

        by_role = {
            role: part(bit for bit, found in sure.items() if found == role)
            for role in ROLES
            if role in sure.values()
        }
        touched = Range(part(sure).low, 1.0 if counted.unknowns else part({*sure, *perhaps}).high)
        return Touch(part(own, authored=True), touched, by_role)

    def _wrote(self, ancestor: str, node: str) -> bool:
        """Whether a record whose own origin names ``node`` was written by ``ancestor``: as its teacher, or
        as the one author of the file that it came in."""
        if node == ancestor:
            return True
        edges = [edge for edge in self.graph.into.get(node, ()) if edge.relation != "prompted"]
        return len(edges) == 1 and edges[0].source == ancestor and edges[0].roles == ("author",)


def _made(edge: Edge, part: Range, *, itself: bool) -> Touch:
    """What a model's making of ``part`` of some data comes to. Without a word on roles, any may be."""
    possible = Range(0.0, part.high)
    roles: dict[Role, Range] = {role: part if len(edge.roles) == 1 else possible for role in edge.roles}
    authored = roles.get("author", NONE) if edge.roles else possible
    return Touch(authored if itself else NONE, part, roles)


def _part(edge: Edge, unit: Unit, stage: str) -> Range:
    for part in edge.parts:
        if part.unit == unit and part.stage == stage:
            return Range(part.share, part.share)
    return ANY


def _measured(amount: Amount, whole: Amount, unit: Unit) -> Range:
    if unit == "records":
        part = amount.records / whole.records if whole.records else 0.0
        return Range(part, part)
    if not whole.tokens or whole.uncounted:
        return NONE if not amount.records else ANY
    return Range(amount.tokens / whole.tokens, amount.tokens / whole.tokens)


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in bits)
