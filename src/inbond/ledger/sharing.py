"""The shares of everything that one target descends from (``shares`` says what a share is). Pure.

An ancestor is followed into all data at once, sources first: an answer takes time with the ancestors times
the data, and no record is looked at that its set's tally has not counted already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter
from typing import final

from inbond.ledger.lineage import UNITS, Edge, Evidence, Graph, Relation, Unit, Unknown
from inbond.ledger.parts import Flow, disputes, flows
from inbond.ledger.shares import ALL, ANY, CLOSE, NONE, Range, Share, Stage, Touch, percent
from inbond.ledger.tally import Amount, Counted
from inbond.types import ROLES, Role


@final
@dataclass(frozen=True)
class Sharing:
    """Answers about a graph that ``target`` descends from. ``counted`` are the recorded sets that were
    tallied, by the data's node."""

    graph: Graph
    counted: Mapping[str, Counted]
    target: str

    @cached_property
    def stages(self) -> list[Stage]:
        """The stages in which the target was trained, those of weights that it began as included."""
        if self.graph.nodes[self.target].kind == "data":
            return [Stage(self.target, "")]
        models = [self.target, *sorted(self.graph.by_weights(self.target))]
        learnt: tuple[Relation, ...] = ("trained-on", "scored")
        into = (edge for model in models for edge in self.graph.into[model] if edge.relation in learnt)
        return list(dict.fromkeys(Stage(edge.target, edge.stage) for edge in into))

    def shares(self, ancestor: str) -> list[Share]:
        """The parts of an ancestor in each stage that it has a part in."""
        below = {ancestor, *self.graph.below(ancestor)}
        data: dict[Unit, dict[str, Touch]] = {}
        found = []
        for stage in self.stages:
            if stage.of not in below or stage.of == ancestor:
                continue
            for unit in self._learning(stage).units:
                if unit not in data:
                    data[unit] = self._in_data(ancestor, below, unit)
                touch = self._in_stage(ancestor, below, stage, unit, data[unit])
                if touch.touched.high > 0 or self._learning(stage).taught_by(below):
                    found.append(Share(stage, unit, touch, self._learning(stage).evidence(below)))
        return found

    def unknowns(self) -> Iterator[Unknown]:
        """What is not known of the parts of the stages, and what was said of parts that cannot all be so."""
        for stage in self.stages:
            yield from self._learning(stage).unknowns()
        yield from disputes(self.graph.edges)

    @cached_property
    def _all_learning(self) -> dict[Stage, _Learning]:
        return {stage: _Learning(stage, self.graph, self.counted) for stage in self.stages}

    def _learning(self, stage: Stage) -> _Learning:
        return self._all_learning[stage]

    @cached_property
    def _order(self) -> list[str]:
        """The data that parts of stages follow from, sources first."""
        above: dict[str, list[str]] = {}
        waiting = [data for stage in self.stages for data in self._learning(stage).data]
        while waiting:
            data = waiting.pop()
            if data not in above:
                into = [] if data in self.counted else self.graph.into[data]
                above[data] = [edge.source for edge in into if edge.relation == "derived"]
                waiting += above[data]
        return list(TopologicalSorter(above).static_order())

    @cached_property
    def _flows(self) -> dict[tuple[str, Unit], list[Flow]]:
        """What each data is made of, by unit."""
        return {
            (data, unit): flows(
                (edge for edge in self.graph.into[data] if edge.relation in ("derived", "generated")),
                unit,
                "",
            )
            for data in self._order
            if data not in self.counted
            for unit in UNITS
        }

    def _in_data(self, ancestor: str, below: Collection[str], unit: Unit) -> dict[str, Touch]:
        """An ancestor's part in the data behind the stages. Not recursive: a declared chain may be long."""
        found: dict[str, Touch] = {}
        for data in self._order:
            if data == ancestor:
                found[data] = Touch(ANY, ALL)
            elif data not in below:
                found[data] = _NOTHING
            elif data in self.counted:
                found[data] = self._count(ancestor, below, self.counted[data], unit, None)
            else:
                found[data] = self._declared(ancestor, below, data, unit, found)
        return found

    def _declared(
        self, ancestor: str, below: Collection[str], data: str, unit: Unit, found: Mapping[str, Touch]
    ) -> Touch:
        mixed, generated = Touch(), Touch()
        for edge, part in self._flows[data, unit]:
            if edge.relation == "derived":
                mixed = mixed.beside(found[edge.source].scaled(part))
            elif edge.source in below:
                generated = generated.over(_made(edge, part, itself=edge.source == ancestor))
        return generated.over(mixed)

    def _in_stage(
        self, ancestor: str, below: Collection[str], stage: Stage, unit: Unit, found: Mapping[str, Touch]
    ) -> Touch:
        learning = self._learning(stage)
        scored = [(edge, part) for edge, part in learning.scored(unit) if edge.source in below]
        recorded = [part for edge, part in scored if edge.recorded]
        whole = Touch()
        for data, part in learning.mixture(unit):
            touch = found[data]
            if recorded and data in learning.recorded and data != ancestor:
                touch = self._count(ancestor, below, self.counted[data], unit, recorded[0])
            whole = whole.beside(touch.scaled(part))
        if self.graph.nodes[ancestor].kind == "data" and whole.touched.high and not whole.authored.low:
            whole = replace(whole, authored=ANY)  # data holds what others wrote
        for edge, part in scored:
            if edge.recorded and learning.recorded:
                whole = replace(whole, scored=part)  # counted with the records
            else:
                whole = whole.taught(part)
        return whole

    def _count(
        self, ancestor: str, below: Collection[str], counted: Counted, unit: Unit, scored: Range | None
    ) -> Touch:
        """Its part in a tallied set; ``scored``: with what was learnt by its probabilities."""
        hands = [(self.graph.names.get(node, node), role) for node, role in counted.hands]
        followed = {node for node, role in hands if role is None}
        sure: dict[int, Role | None] = {}
        perhaps: set[int] = set()
        for bit, (node, role) in enumerate(hands):
            if node == ancestor or (node in below and not node.startswith("data:")):
                sure[bit] = role
            elif node in below and node not in followed:
                perhaps.add(bit)  # a file that it had a hand in: which of its records is not recorded
        if scored is not None and scored.exact is not None:
            sure[counted.taught] = None
        elif scored is not None:
            perhaps.add(counted.taught)
        own = (
            bit for bit, (node, role) in enumerate(hands) if role == "author" and self._wrote(ancestor, node)
        )

        def part(bits: Iterable[int], *, authored: bool = False) -> Range:
            mask = _mask(bits)
            found = counted.tally.authored(mask) if authored else counted.tally.touched(mask)
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


@final
@dataclass(frozen=True)
class _Learning:
    """What a stage learnt from: data, and the probabilities of teachers. Of data as a stage, itself."""

    stage: Stage
    graph: Graph
    counted: Mapping[str, Counted]

    @property
    def _is_data(self) -> bool:
        return self.graph.nodes[self.stage.of].kind == "data"

    def _edges(self, relation: Relation) -> list[Edge]:
        into = self.graph.into[self.stage.of]
        return [edge for edge in into if edge.relation == relation and edge.stage == self.stage.name]

    @cached_property
    def _data(self) -> list[Edge]:
        return self._edges("trained-on")

    @cached_property
    def _scored(self) -> list[Edge]:
        return self._edges("scored")

    @cached_property
    def recorded(self) -> list[str]:
        """The data of a recorded stage, which is all of it: a run records what it learns from."""
        told = (edge.source for edge in self._data if edge.recorded)
        return list(dict.fromkeys(data for data in told if data in self.counted))

    @cached_property
    def data(self) -> list[str]:
        return [self.stage.of] if self._is_data else self.recorded or [edge.source for edge in self._data]

    @cached_property
    def units(self) -> list[Unit]:
        """The units in which something is known: records alone when nothing is."""
        if self.recorded or self.stage.of in self.counted:
            return list(UNITS)
        edges = self.graph.into[self.stage.of] if self._is_data else [*self._data, *self._scored]
        declared = {part.unit for edge in edges for part in edge.parts}
        return [unit for unit in UNITS if unit in declared] or ["records"]

    @cached_property
    def _mixtures(self) -> dict[Unit, list[tuple[str, Range]]]:
        if self._is_data or self.recorded:
            return {unit: [(data, ALL) for data in self.data] for unit in UNITS}
        mixed = {unit: flows(self._data, unit, self.stage.name) for unit in UNITS}
        return {unit: [(edge.source, part) for edge, part in parts] for unit, parts in mixed.items()}

    def mixture(self, unit: Unit) -> list[tuple[str, Range]]:
        """The data with its part of the stage; of data, all of itself."""
        return self._mixtures[unit]

    @cached_property
    def _teachers(self) -> dict[Unit, list[Flow]]:
        recorded = [edge for edge in self._scored if edge.recorded]
        declared = [edge for edge in self._scored if not edge.recorded]
        return {
            unit: [
                *((edge, self._counted_part(edge, unit)) for edge in recorded),
                *flows(declared, unit, self.stage.name),
            ]
            for unit in UNITS
        }

    def scored(self, unit: Unit) -> list[Flow]:
        """Teachers, with the part of the stage that was learnt by their probabilities."""
        return self._teachers[unit]

    def _counted_part(self, edge: Edge, unit: Unit) -> Range:
        """All that was answered in the run; of what came from a host it is not recorded which answers came
        with probabilities."""
        if len(self.recorded) != 1:
            return ANY
        counted = self.counted[self.recorded[0]]
        part = _measured(counted.tally.touched(1 << counted.taught), counted.tally.whole, unit)
        return part if edge.channel is None else Range(0.0, part.high)

    def taught_by(self, below: Collection[str]) -> bool:
        """Whether one of these is a teacher whose probabilities were learnt, be it of none of the records."""
        return any(edge.source in below for edge in self._scored)

    def evidence(self, below: Collection[str]) -> Evidence:
        """Of the part of an ancestor with these descendants."""
        told = all(edge.recorded for edge in self._scored if edge.source in below)
        whole = self.stage.of in self.counted if self._is_data else self.recorded or not self._data
        return "recorded" if told and whole else "declared"

    def unknowns(self) -> Iterator[Unknown]:
        if self._is_data:
            return
        for data in self.recorded:
            whole = self.counted[data].tally.whole
            if whole.uncounted:
                what = f"{whole.uncounted:,} of the {whole.records:,} records have no token count"
                yield Unknown(data, f"{what}, so shares of tokens are not established")
        for edge in self._data:
            if self.recorded and edge.source not in self.recorded:
                what = (
                    f"why {edge.read or 'a declaration'} counts {edge.source} among the data of {self._name}"
                )
                yield Unknown(self.stage.of, f"{what}: what is recorded there is all of it")
        for unit in self.units:
            yield from self._open_parts(unit)

    @property
    def _name(self) -> str:
        return self.stage.name or "its training"

    def _open_parts(self, unit: Unit) -> Iterator[Unknown]:
        where = f"the {unit} of {self._name}"
        for edge, part in self.scored(unit):
            if part == ANY or (edge.channel is not None and edge.recorded):
                what = f"what part of {where} the probabilities of {edge.source} taught"
                yield Unknown(self.stage.of, what)
        if self.recorded:
            return
        parts = self.mixture(unit)
        for data, part in parts:
            if part == ANY:
                yield Unknown(self.stage.of, f"what part of {where} is {data}")
        rest = 1.0 - sum(part.low for _, part in parts)
        if parts and rest > CLOSE and all(part.exact is not None for _, part in parts):
            yield Unknown(self.stage.of, f"where {percent(rest)} of {where} are from")


_NOTHING = Touch()


def _made(edge: Edge, part: Range, *, itself: bool) -> Touch:
    """What a model's making of ``part`` of some data comes to. Without a word on roles, any may be."""
    possible = Range(0.0, part.high)
    roles: dict[Role, Range] = {role: part if len(edge.roles) == 1 else possible for role in edge.roles}
    authored = roles.get("author", NONE) if edge.roles else possible
    return Touch(authored if itself else NONE, part, roles)


def _measured(amount: Amount, whole: Amount, unit: Unit) -> Range:
    if unit == "records":
        part = amount.records / whole.records if whole.records else 0.0
        return Range(part, part)
    if not whole.tokens or whole.uncounted:
        return NONE if not amount.records else ANY
    return Range(amount.tokens / whole.tokens, amount.tokens / whole.tokens)


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in bits)
