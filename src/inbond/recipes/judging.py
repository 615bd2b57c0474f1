"""The quality gates of a run: what is measured for each, the verdicts, whether they let the student out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbond.digest import of_value
from inbond.errors import DecisionNeededError, DeniedError, InbondError, InputError
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity
from inbond.recipes.learning import CURVE, MEASURED, Bench, fresh_student
from inbond.recipes.measuring import read_evaluation
from inbond.recipes.models import pad_id
from inbond.recipes.outside import beyond, digest_of
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Made
from inbond.teachers.protocols import TokenSequence
from inbond.types import Reason, Verdict
from inbond.workspace import write_json

JUDGE_VERSION = 1
GATES = "gates.json"
ACCEPTED = "judgement.accepted"
NAMES = ("diversity", "generality", "capacity")
_STOPPING = {"stop": ("fail",), "strict": ("fail", "cannot-tell")}


@dataclass(frozen=True)
class Judged:
    """One gate's outcome. ``found`` is what was measured, as the gate's own module says it; ``accepted`` the
    reason of the person who handed the student out all the same."""

    name: str
    action: str
    verdict: Mapping[str, Any]
    found: Mapping[str, Any]
    limit: str | None
    advice: tuple[str, ...]
    accepted: str | None

    @property
    def outcome(self) -> str:
        return str(self.verdict["outcome"])

    @property
    def stops(self) -> bool:
        return self.accepted is None and self.outcome in _STOPPING.get(self.action, ())


def judge(bench: Bench, begun: Artifact, trained: Artifact, evaluation: Artifact) -> Artifact:
    """Measures and decides every gate that is on. What follows from a verdict is no part of it: another
    action judges nothing anew."""
    gates = bench.recipe.gates
    settings = {name: getattr(gates, name).model_dump(mode="json") for name in NAMES}
    asked = {name: value for name, value in settings.items() if value.pop("action") != "off"}
    config = {"gates": asked, "teacher": bench.teacher.pinned, "sampling": _sampling(bench.recipe)}
    inputs = {"trained": trained.id, "start": begun.id, "evaluation": evaluation.id}
    if "generality" in asked:
        asked["generality"].pop("file")  # by what is in it, not by where it lies
        inputs["outside"] = digest_of(bench.outside)
    identity = Identity("judge", JUDGE_VERSION, config, inputs)

    def make(folder: Path) -> Made:
        verdicts = {}
        models = _Models(bench, begun, trained) if bench.teacher.weights is not None else None
        for done, name in enumerate(asked):
            bench.trail.watcher.advance("judge", done, len(asked), f"{name} is measured")
            verdicts[name] = _MEASURES[name](models, evaluation) if models else _without_teacher(name)
        write_json(folder / GATES, verdicts)
        return Made({name: entry["verdict"]["outcome"] for name, entry in verdicts.items()})

    return bench.trail.stage("judge", "gates", identity, make)


def accept(ledger: Ledger, recipe: Recipe, judged: Artifact, reason: str) -> None:
    """A person hands the student out in spite of its gates. Only verdicts that stood before this very run can
    be accepted: nobody can take upon themselves what nobody has seen. Raises InputError without a reason."""
    if judged.status == "made":
        return
    stopping = [gate for gate in read_judged(recipe, judged, ledger) if gate.stops]
    if stopping and not reason.strip():
        raise InputError(
            expected="a reason for handing out a student that its gates keep in",
            found="an empty one",
            fix='--accept "who decided, and why"; it is recorded in the ledger and shown in the report',
        )
    for gate in stopping:
        facts = gate.verdict["facts"]
        body = {"run": recipe.name, "gate": gate.name, "facts": facts, "outcome": gate.outcome}
        ledger.record(ACCEPTED, {**body, "reason": reason.strip()})


def read_judged(recipe: Recipe, artifact: Artifact, ledger: Ledger) -> tuple[Judged, ...]:
    """The gates with what the recipe does about them, and which of them a person has accepted."""
    kept = json.loads((artifact.folder / GATES).read_bytes())
    accepted = {event.body["facts"]: event.body["reason"] for event in ledger.events(ACCEPTED)}
    return tuple(
        Judged(
            name,
            getattr(recipe.gates, name).action,
            entry["verdict"],
            entry["found"],
            entry.get("limit"),
            tuple(entry.get("advice", ())),
            accepted.get(entry["verdict"]["facts"]),
        )
        for name, entry in kept.items()
    )


def stopped(recipe: Recipe, judged: Sequence[Judged], report: Path) -> InbondError | None:
    """The error that keeps the student in, or None when every gate lets it out."""
    stopping = [gate for gate in judged if gate.stops]
    if not stopping:
        return None
    findings = "; ".join(
        f"{gate.name}: {gate.outcome}: {gate.verdict['reasons'][0]['finding']}" for gate in stopping
    )
    advice = next((f"{gate.advice[0]} " for gate in stopping if gate.advice), "")
    kind = DeniedError if any(gate.outcome == "fail" for gate in stopping) else DecisionNeededError
    return kind(
        expected=f"a student of {recipe.name} that passes its gates",
        found=findings,
        fix=f"{advice}read {report}; to hand the student out all the same, run it again with --accept REASON",
    )


def _without_teacher(name: str) -> dict[str, Any]:
    finding = "The teacher's weights are not on this machine: its student cannot be compared with it."
    verdict = Verdict(
        "cannot-tell",
        (Reason(f"{name}.no-teacher", finding, f"docs/gates.md#{name}"),),
        of_value({"teacher": None}),
        f"inbond.{name}/1",
    )
    return {"verdict": verdict.to_json(), "found": {}}


def _sampling(recipe: Recipe) -> dict[str, float]:
    """How both models are sampled: as the training data was, but never greedily."""
    warm = recipe.generate.temperature or 1.0
    return {"temperature": warm, "top_p": recipe.generate.top_p, "seed": recipe.generate.seed}


class _Models:
    """The models that are compared, opened once."""

    def __init__(self, bench: Bench, begun: Artifact, trained: Artifact) -> None:
        from inbond.teachers.local import load_model

        self.bench = bench
        self.trained = trained
        self.teacher = bench.local.model
        self.before = fresh_student(bench, begun).eval()
        self.after = load_model(trained.folder)

    @property
    def tokens(self) -> dict[str, int]:
        return {"vocabulary": len(self.bench.tokenizer), "pad_id": pad_id(self.bench.tokenizer)}


def _diversity(models: _Models, _evaluation: Artifact) -> dict[str, Any]:
    from inbond.evaluate import diversity
    from inbond.evaluate.samples import sample_answers

    bench, settings = models.bench, models.bench.recipe.gates.diversity
    held_out = bench.encode(bench.held_out[: settings.prompts])
    prompts = [sequence.ids[: sequence.prompt_length] for sequence in held_out]
    sampling = _sampling(bench.recipe)
    teacher, student = (
        sample_answers(
            model,
            bench.tokenizer,
            prompts,
            settings.samples,
            max_new_tokens=settings.tokens,
            temperature=sampling["temperature"],
            top_p=sampling["top_p"],
            seed=int(sampling["seed"]),
        )
        for model in (models.teacher, models.after)
    )
    found = diversity.measure(teacher, student, {**sampling, "max_new_tokens": settings.tokens})
    verdict = diversity.decide(found, diversity.Limits(min_ratio=settings.min_ratio))
    return {"verdict": verdict.to_json(), "found": found.to_json()}


def _generality(models: _Models, evaluation: Artifact) -> dict[str, Any]:
    from inbond.evaluate import agreement, generality
    from inbond.evaluate.intervals import RecordSums
    from inbond.evaluate.samples import greedy_sequences
    from inbond.teachers.tokens import encode_prompt

    bench, settings = models.bench, models.bench.recipe.gates.generality
    outside = beyond(bench.outside, (row.record.prompt for row in (*bench.train_rows, *bench.held_out)))
    prompts = [encode_prompt(bench.tokenizer, entry.prompt) for entry in outside]
    answers = greedy_sequences(models.teacher, bench.tokenizer, prompts, settings.tokens)
    sequences = [TokenSequence(*answer) for answer in answers]
    held = agreement.prepare(models.teacher, sequences, **models.tokens)
    before, after = (agreement.measure(held, model).records for model in (models.before, models.after))
    inside = read_evaluation(evaluation)["agreement"]
    found = generality.Generality(
        before,
        after,
        RecordSums.from_json(inside["before"]["records"]),
        RecordSums.from_json(inside["after"]["records"]),
        bench.recipe.student.init,
        models.tokens["vocabulary"],
        tuple(entry.area for entry in outside),
    )
    limits = generality.Limits(max_ratio=settings.max_ratio, max_gap=settings.max_gap)
    return {"verdict": generality.decide(found, limits).to_json(), "found": found.to_json()}


def _capacity(models: _Models, evaluation: Artifact) -> dict[str, Any]:
    from inbond.evaluate import agreement, capacity
    from inbond.evaluate.intervals import RecordSums

    bench, settings = models.bench, models.bench.recipe.gates.capacity
    learnt = [row for row in bench.train_rows if row.parents][: settings.records]
    held = agreement.prepare(models.teacher, bench.encode(learnt), **models.tokens)
    curve = json.loads((models.trained.folder / CURVE).read_bytes())
    measured = json.loads((models.trained.folder / MEASURED).read_bytes())
    found = capacity.Capacity(
        points=tuple(
            capacity.Point(
                point["step"], curve[max(point["step"] - 1, 0)]["lr"], RecordSums.from_json(point["found"])
            )
            for point in measured
        ),
        held_out=RecordSums.from_json(read_evaluation(evaluation)["agreement"]["after"]["records"]),
        train=agreement.measure(held, models.after).records,
        steps=len(curve),
        epochs=bench.recipe.train.epochs,
        examples=len(bench.train_rows),
        student_parameters=models.after.num_parameters(),
        teacher_parameters=models.teacher.num_parameters(),
    )
    diagnosis = capacity.diagnose(found, capacity.Limits(max_kl=settings.max_kl))
    return {**diagnosis.to_json(), "found": found.to_json()}


_MEASURES: dict[str, Callable[[_Models, Artifact], dict[str, Any]]] = {
    "diversity": _diversity,
    "generality": _generality,
    "capacity": _capacity,
}
