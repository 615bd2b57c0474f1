"""A run that is through: everything it has to show, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from inbond.policy import weights
from inbond.policy.decide import Decision
from inbond.policy.facts import Facts
from inbond.recipes.answers import Datasets
from inbond.recipes.judging import Judged, read_judged
from inbond.recipes.models import TeacherSource
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.teachers import FurtherTeacher
from inbond.recipes.trail import Artifact, Trail
from inbond.recipes.verifying import verified_in
from inbond.report.picture import Lineage, LineageEdge, LineageNode
from inbond.report.verified import VerifiedFacts
from inbond.teachers.opening import Weights
from inbond.types import ModelName, parse_model_name

_ASKED = ("generate", "criticise", "revise", "compare")


@dataclass(frozen=True)
class Finished:
    """All that a finished run has to show."""

    trail: Trail
    recipe: Recipe
    teacher: TeacherSource
    base: Weights | None
    facts: Facts
    decision: Decision
    accepted: str | None
    answers: Artifact
    data: Datasets
    targets: Artifact | None
    begun: Artifact
    trained: Artifact
    evaluation: Artifact
    judged: Artifact

    @cached_property
    def gates(self) -> tuple[Judged, ...]:
        """The quality gates with what the recipe does about them."""
        return read_judged(self.recipe, self.judged, self.trail.ledger)

    @property
    def probe(self) -> Artifact | None:
        """The probe of the teacher's host; None when the student does not learn from what a host reports."""
        return next((made for made in self.trail.artifacts if made.stage == "probe"), None)

    @property
    def pairs(self) -> Artifact | None:
        """Chosen and rejected answers; None where the recipe has no preferences."""
        return next((made for made in self.trail.artifacts if made.stage == "pairs"), None)

    @property
    def asked(self) -> tuple[Artifact, ...]:
        """All artifacts that models were asked for, and may have been paid for."""
        return tuple(made for made in self.trail.artifacts if made.stage.split()[0] in _ASKED)

    @property
    def verified(self) -> VerifiedFacts | None:
        """What the verifier found of the answers, and how many were kept; None without one."""
        return verified_in(self.trail)


def label_of(name: ModelName) -> str:
    """The short name that people say."""
    known = weights.shipped().exactly(name)
    return known.title if known else (name.file or name.name).rsplit("/", 1)[-1]


def init_words(finished: Finished) -> str:
    """How the student began."""
    facts = finished.begun.facts
    if facts["init"] == "prune":
        how = "chosen by measured importance" if facts["importance"] else "named in the recipe"
        return f"{len(facts['keep'])} of the teacher's {facts['layers']} layers, {how}" + _narrowed(finished)
    if facts["init"] == "model":
        return str(finished.recipe.student.base)
    return "fresh weights of the teacher's architecture"


def _narrowed(finished: Finished) -> str:
    """What else was pruned."""
    settings = finished.recipe.student
    told = [
        f"{value} {name}" if value >= 1 else f"{value:.0%} of the {name}"
        for name, value in (("heads", settings.heads), ("neurons", settings.neurons))
        if value is not None
    ]
    chosen = next((made for made in finished.trail.artifacts if made.stage == "vocabulary"), None)
    if chosen is not None:
        told.append(f"{chosen.facts['kept']} of {chosen.facts['of']} tokens")
    return "".join(f"; {words}" for words in told)


def lineage(finished: Finished) -> Lineage:
    """The picture: models and data in, records and targets between, the student out."""
    facts, recipe = finished.facts, finished.recipe
    channel = finished.teacher.channel
    nodes = [
        LineageNode(
            "teacher", "teacher", label_of(finished.teacher.name), str(finished.teacher.name),
            (facts.weights.licence or "licence unknown", channel),
        ),
        LineageNode("prompts", "data", "prompts", f"{finished.answers.facts['prompts']} prompts"),
        LineageNode("answers", "records", "answers", f"{finished.answers.facts['answers']} records"),
        LineageNode("train", "records", "training records", f"{finished.data.train.facts['rows']} records"),
        LineageNode("student", "student", recipe.name, init_words(finished)),
    ]  # fmt: skip
    edges = [
        LineageEdge("prompts", "answers", "data", "asked"),
        LineageEdge("teacher", "answers", "outputs", recipe.generate.role),
        LineageEdge("answers", "train", "outputs", "filtered, split"),
        LineageEdge("train", "student", "outputs", "learnt from"),
    ]
    if finished.verified is not None:
        nodes.append(LineageNode("verifier", "data", finished.verified.tool, "a program, not a model"))
        edges.append(LineageEdge("verifier", "train", "data", "verifier"))
    for number, (each, said) in enumerate(zip(_asked(recipe), finished.data.further, strict=True)):
        name = parse_model_name(each.teacher)
        weight = (f"weight {each.weight:g}", *([each.skill] if each.skill else []))
        nodes += [
            LineageNode(f"teacher{number}", "teacher", label_of(name), str(name), weight),
            LineageNode(f"answers{number}", "records", "its answers", f"{said.facts['answers']} records"),
        ]
        edges += [
            LineageEdge(f"teacher{number}", f"answers{number}", "outputs", "author"),
            LineageEdge(f"answers{number}", "train", "outputs", "filtered, split"),
        ]
    for number, own in enumerate(recipe.own_data):
        nodes.append(LineageNode(f"own{number}", "data", own.named, f"weight {own.weight:g}", (own.licence,)))
        edges.append(LineageEdge(f"own{number}", "train", "data", "mixed in"))
    if finished.targets is not None:
        nodes.append(LineageNode("targets", "targets", "teacher targets", _kept_words(finished.targets)))
        edges += [
            LineageEdge("teacher", "targets", "outputs", "scored"),
            LineageEdge("train", "targets", "outputs", "records scored"),
            LineageEdge("targets", "student", "outputs", "learnt from"),
        ]
    if facts.base_is_teacher:
        edges.append(LineageEdge("teacher", "student", "weights", _start_words(recipe)))
    elif facts.base is not None:
        base = parse_model_name(facts.base.subject)
        nodes.append(
            LineageNode(
                "base", "model", label_of(base), str(base), (facts.base.licence or "licence unknown",)
            )
        )
        edges.append(LineageEdge("base", "student", "weights", _start_words(recipe)))
    return Lineage(tuple(nodes), tuple(edges))


def _asked(recipe: Recipe) -> list[FurtherTeacher]:
    return [each for each in recipe.teachers if each.weight]


def _kept_words(targets: Artifact) -> str:
    """What is known of the teacher at each token, by what was captured and not by what was asked for."""
    size, tokens = targets.facts["size"], f"{targets.facts['label_tokens']:,} tokens"
    return (
        f"{tokens}, {size} sampled a token" if targets.facts["kind"] == "sampled" else f"{tokens}, top {size}"
    )


def _start_words(recipe: Recipe) -> str:
    """How the weights were taken over. Adapters are merged into them: the student is no adapter."""
    verb = "pruned from" if recipe.student.init == "prune" else "started from"
    return f"{verb}, LoRA merged in" if recipe.train.lora else verb
