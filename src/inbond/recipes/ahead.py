"""The gate ahead of a pipeline: every stage's plan is judged before the first one runs.

What a later stage descends from is known from the pipeline itself: its stages are drawn as the runs they will
be, and judged with the same rules. So nothing is paid for that a later stage forbids. When a stage's turn
comes it is judged once more, by what is then recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inbond.ledger.ledger import Ledger
from inbond.ledger.lineage import Edge, Graph, Node, Relation
from inbond.ledger.weaving import build
from inbond.policy import gate as policy_gate
from inbond.policy import licences
from inbond.policy.decide import Decision, decide
from inbond.policy.facts import Facts, LicenceFinding
from inbond.policy.library import Library
from inbond.recipes import gate
from inbond.recipes.pipeline import Pipeline
from inbond.recipes.plan import facts_of, my_library, plan_of
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.data import records_of
from inbond.workspace import Workspace


@dataclass(frozen=True)
class Judged:
    """A stage with what it was judged on."""

    recipe: Recipe
    facts: Facts
    decision: Decision


@dataclass
class Drawing:
    """The stages that were judged, as runs: their students' licences, and who is behind them."""

    findings: dict[str, LicenceFinding] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    @property
    def graph(self) -> Graph:
        return build(self.nodes, self.edges)

    def add(self, judged: Judged) -> None:
        """The stage as the run that it will be."""
        recipe, facts = judged.recipe, judged.facts
        data, model = records_of(recipe.name), f"run:{recipe.name}"
        self._node(data, "data", None, made=True)
        self._model(facts.weights, facts.teacher)
        self._edge(facts.teacher, data, "generated", facts.channel, (recipe.generate.role,))
        for each in facts.beside:
            self._model(each.weights, each.teacher)
            self._edge(each.teacher, data, "generated", each.channel, ("author",))
        for item in facts.data:
            id_ = item.uri if item.uri.startswith("data:") else f"data:{item.uri}"
            self._node(id_, "data", item.licence)
            self._edge(id_, data, "derived")
        if recipe.student.init == "none":
            return
        self.findings[model] = outgoing(judged)
        self._node(model, "model", self.findings[model].licence, made=True)
        self._edge(data, model, "trained-on")
        if facts.base_is_teacher:
            self._edge(facts.teacher, model, "pruned")
        elif facts.base is not None:
            self._model(facts.base, facts.base.subject)
            self._edge(facts.base.subject, model, "initialised")

    def _model(self, found: LicenceFinding, name: str) -> None:
        self._node(name, "model", found.licence)
        for base in found.bases:
            self._model(base, base.subject)
            self._edge(base.subject, name, "initialised")

    def _node(self, id_: str, kind: Any, licence: str | None, *, made: bool = False) -> None:
        if all(node.id != id_ for node in self.nodes):
            self.nodes.append(Node(id_, kind, licence, frozenset(), "recorded", "the pipeline", made))

    def _edge(
        self, source: str, target: str, relation: Relation, channel: str | None = None, roles: Any = ()
    ) -> None:
        self.edges.append(Edge(source, target, relation, roles, "", (), channel, "recorded", "the pipeline"))


def outgoing(judged: Judged) -> LicenceFinding:
    """The licence under which a stage's student will be handed out."""
    start = judged.facts.start
    texts = [start.licence if start else None, *judged.decision.bound_by]
    licence = licences.all_of_texts([text for text in texts if text is not None])
    source = f"the plan of the stage {judged.recipe.name}"
    return LicenceFinding(f"run:{judged.recipe.name}", licence, "declared" if licence else "none", source)


def judge(pipeline: Pipeline, folder: Path, workspace: Workspace, known: Library) -> Iterator[Judged]:
    """Judges the stages in order. Pure but for looking up what they name. Raises as ``facts_of``."""
    drawing = Drawing()
    for recipe in pipeline.stages:
        facts = facts_of(plan_of(recipe, folder), workspace, known, drawing)
        judged = Judged(recipe, facts, decide(facts, known.terms))
        yield judged
        drawing.add(judged)


def pass_all(
    pipeline: Pipeline, folder: Path, workspace: Workspace, ledger: Ledger, accept: str | None
) -> list[str]:
    """Lets the pipeline begin, and returns the stages' outcomes. Raises DeniedError, or DecisionNeededError
    when a person must decide and none has, naming the stage."""
    outcomes = []
    for judged in judge(pipeline, folder, workspace, my_library()):
        body = policy_gate.decided(judged.facts, judged.decision)
        who = f"stage {judged.recipe.name} of {pipeline.name}"
        body |= {
            "pipeline": pipeline.name,
            "stage": judged.recipe.name,
            "question": f"{who}: {body['question']}",
        }
        gate.let_through(judged.recipe, judged.facts, judged.decision, body, ledger, accept)
        outcomes.append(judged.decision.verdict.outcome)
    return outcomes
