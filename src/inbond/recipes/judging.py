"""The quality gates of a run: what is measured for each, the verdicts, whether they let the student out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inbond.digest import of_value
from inbond.errors import DecisionNeededError, DeniedError, InbondError
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row
from inbond.recipes import comparison, mixture
from inbond.recipes.accepting import STOPPING, reason_for, words
from inbond.recipes.compared import Compared
from inbond.recipes.learning import Bench
from inbond.recipes.measuring import prompts_of, read_evaluation
from inbond.recipes.outside import Outside, beyond, digest_of
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Made
from inbond.recipes.training import CURVE, MEASURED
from inbond.teachers.protocols import TokenSequence
from inbond.types import Reason, Verdict
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.evaluate.advice import Learning
    from inbond.evaluate.diversity import Answers

JUDGE_VERSION = 2
GATES = "gates.json"
ACCEPTED = "judgement.accepted"
NAMES = ("diversity", "generality", "capacity")


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
        return self.accepted is None and self.outcome in STOPPING.get(self.action, ())


def judge(models: Compared, evaluation: Artifact) -> Artifact:
    """Measures and decides every gate that is on. What follows from a verdict is no part of it: another
    action judges nothing anew."""
    bench, gates = models.bench, models.bench.recipe.gates
    settings = {name: getattr(gates, name).model_dump(mode="json") for name in NAMES}
    asked = {name: value for name, value in settings.items() if value.pop("action") != "off"}
    config = {"gates": asked, "teacher": bench.teacher.pinned, "sampling": _sampling(bench.recipe)}
    inputs = {"trained": models.trained.id, "start": models.begun.id, "evaluation": evaluation.id}
    if "generality" in asked:
        asked["generality"].pop("file")  # by what is in it, not by where it lies
        inputs["outside"] = digest_of(bench.outside)
    identity = Identity("judge", JUDGE_VERSION, config, inputs)

    def make(folder: Path) -> Made:
        verdicts = {}
        for done, name in enumerate(asked):
            bench.trail.watcher.advance("judge", done, len(asked), f"{name} is measured")
            measure = _MEASURES[name] if bench.comparable else _without_teacher(name, across=bench.across)
            verdicts[name] = measure(models, evaluation)
        write_json(folder / GATES, verdicts)
        return Made({name: entry["verdict"]["outcome"] for name, entry in verdicts.items()})

    return bench.trail.stage("judge", "gates", identity, make)


def accept(ledger: Ledger, recipe: Recipe, judged: Artifact, reason: str) -> None:
    """A person hands the student out in spite of the gates that ``reason`` names. Only verdicts with which an
    earlier run was stopped, report and all, can be accepted: nobody can take upon themselves what nobody has
    seen. Raises InputError without a reason."""
    shown = comparison.stopped_by(recipe.name, ledger)
    for gate in read_judged(recipe, judged, ledger):
        facts = gate.verdict["facts"]
        if not gate.stops or shown.get(gate.name) != facts:
            continue
        given = reason_for(gate.name, reason, "handing out a student that its gates keep in")
        if given is not None:
            body = {"run": recipe.name, "gate": gate.name, "facts": facts, "outcome": gate.outcome}
            ledger.record(ACCEPTED, {**body, "reason": given})


def read_judged(recipe: Recipe, artifact: Artifact, ledger: Ledger) -> tuple[Judged, ...]:
    """The gates with what the recipe does about them, and which of them a person has accepted."""
    kept = json.loads((artifact.folder / GATES).read_bytes())
    accepted = {
        (event.body["gate"], event.body["facts"]): event.body["reason"]
        for event in ledger.events(ACCEPTED)
        if event.body["run"] == recipe.name
    }
    return tuple(
        Judged(
            name,
            getattr(recipe.gates, name).action,
            entry["verdict"],
            entry["found"],
            entry.get("limit"),
            tuple(entry.get("advice", ())),
            accepted.get((name, entry["verdict"]["facts"])),
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
        fix=f"{advice}read {report}; to hand the student out all the same, run it again with "
        f"{words([gate.name for gate in stopping])}",
    )


def _without_teacher(name: str, *, across: bool) -> _Measure:
    rule, finding = (
        "no-teacher",
        "The teacher's weights are not on this machine: its student cannot be compared with it.",
    )
    if across:
        rule = "another-vocabulary"
        finding = "Teacher and student have different vocabularies: this gate compares them token by token."
    return lambda models, _: _not_measured(models, name, rule, finding)


def _not_measured(models: Compared, gate: str, rule: str, finding: str) -> dict[str, Any]:
    """Cannot tell, with nothing measured. The facts are those of this very student: another one's verdict is
    not accepted with it."""
    facts = {"gate": gate, "trained": models.trained.manifest.digest, "teacher": models.bench.teacher.pinned}
    verdict = Verdict(
        "cannot-tell",
        (Reason(f"{gate}.{rule}", finding, f"docs/gates.md#{gate}"),),
        of_value({**facts, "rule": rule}),
        f"inbond.{gate}/{JUDGE_VERSION}",
    )
    return {"verdict": verdict.to_json(), "found": {}}


def _sampling(recipe: Recipe) -> dict[str, float]:
    """How both models are sampled: as the training data was, but never greedily."""
    warm = recipe.generate.temperature or 1.0
    return {"temperature": warm, "top_p": recipe.generate.top_p, "seed": recipe.generate.seed}


def _learning(recipe: Recipe) -> Learning:
    """What advice has to know of the recipe."""
    from inbond.evaluate.advice import Learning

    narrowing = tuple(name for name in _NARROWING if getattr(recipe.train, name) > 0)
    return Learning(recipe.train.epochs, narrowing, recipe.generate.temperature, recipe.generate.samples)


def distinct(rows: Sequence[Row]) -> list[Row]:
    """The first row of each prompt: a prompt that was answered several times is asked once."""
    return list({row.record.prompt_id: row for row in reversed(rows)}.values())[::-1]


def _diversity(models: Compared, _evaluation: Artifact) -> dict[str, Any]:
    from inbond.evaluate import advice, diversity

    bench, settings = models.bench, models.bench.recipe.gates.diversity
    asked = distinct(bench.held_out)[: settings.prompts]
    teacher, student = (
        _sampled(bench, model, [sequence.ids[: sequence.prompt_length] for sequence in sequences])
        for model, sequences in (
            (models.teacher, bench.encode_for_teacher(asked)),
            (models.after, bench.encode(asked)),
        )
    )
    sampling = {**_sampling(bench.recipe), "max_new_tokens": settings.tokens}
    found = diversity.measure(teacher, student, sampling)
    verdict = diversity.decide(found, diversity.Limits(min_ratio=settings.min_ratio))
    advised = advice.for_diversity(found, verdict.outcome, _learning(bench.recipe))
    return {"verdict": verdict.to_json(), "found": found.to_json(), "advice": list(advised)}


def _sampled(bench: Bench, model: Any, prompts: Sequence[Sequence[int]]) -> Answers:
    """What a model says to each prompt, as often as the gate asks."""
    from inbond.evaluate.samples import sample_answers

    settings, sampling = bench.recipe.gates.diversity, _sampling(bench.recipe)
    return sample_answers(
        model,
        bench.tokenizer,
        prompts,
        settings.samples,
        max_new_tokens=settings.tokens,
        temperature=sampling["temperature"],
        top_p=sampling["top_p"],
        seed=int(sampling["seed"]),
    )


def _generality(models: Compared, evaluation: Artifact) -> dict[str, Any]:
    from inbond.evaluate import advice, agreement, generality
    from inbond.evaluate.intervals import RecordSums

    bench, settings = models.bench, models.bench.recipe.gates.generality
    outside = _answered(models)
    if not outside:
        finding = "Too few prompts: none is from outside the domain; each is near one of the run's own."
        return _not_measured(models, "generality", "too-few", finding)
    held = agreement.prepare(models.teacher, [sequence for _, sequence in outside], **bench.tokens)
    before, after = (agreement.measure(held, model).records for model in (models.before, models.after))
    inside = read_evaluation(evaluation)["agreement"]
    assert bench.recipe.student.init != "none", "there is a student to judge"
    found = generality.Generality(
        before,
        after,
        RecordSums.from_json(inside["before"]["records"]),
        RecordSums.from_json(inside["after"]["records"]),
        bench.recipe.student.init,
        bench.tokens["vocabulary"],
        tuple(entry.area for entry, _ in outside),
    )
    verdict = generality.decide(
        found, generality.Limits(max_ratio=settings.max_ratio, max_gap=settings.max_gap)
    )
    advised = advice.for_generality(found, verdict.outcome, _learning(bench.recipe))
    return {"verdict": verdict.to_json(), "found": found.to_json(), "advice": list(advised)}


def _answered(models: Compared) -> list[tuple[Outside, TokenSequence]]:
    """Prompts from outside the domain with the teacher's own greedy answers, where it says anything."""
    from inbond.evaluate.samples import greedy_sequences
    from inbond.teachers.tokens import encode_prompt

    bench, tokens = models.bench, models.bench.recipe.gates.generality.tokens
    outside = beyond(bench.outside, (row.record.prompt for row in (*bench.train_rows, *bench.held_out)))
    if not outside:
        return []
    prompts = [encode_prompt(bench.tokenizer, entry.prompt) for entry in outside]
    answers = greedy_sequences(models.teacher, bench.tokenizer, prompts, tokens)
    found = ((entry, TokenSequence(*answer)) for entry, answer in zip(outside, answers, strict=True))
    return [(entry, sequence) for entry, sequence in found if sequence.labels]


def _capacity(models: Compared, evaluation: Artifact) -> dict[str, Any]:
    from inbond.evaluate import agreement, capacity
    from inbond.evaluate.intervals import RecordSums

    bench, settings = models.bench, models.bench.recipe.gates.capacity
    led = (bench.train_rows[number] for number in mixture.led(bench.train_rows))
    learnt = [row for row in led if not row.origin.own][: settings.records]
    if not learnt:
        finding = "Too few records: no answer of the teacher was learnt, only own data."
        return _not_measured(models, "capacity", "too-few", finding)
    held = bench.prepared(learnt, prompts_of(learnt))
    units = prompts_of(bench.held_out[: settings.records])
    curve = json.loads((models.trained.folder / CURVE).read_bytes())
    measured = json.loads((models.trained.folder / MEASURED).read_bytes())
    found = capacity.Capacity(
        points=tuple(
            capacity.Point(
                point["step"],
                curve[max(point["step"] - 1, 0)]["lr"],
                RecordSums.from_json(point["found"]).by(units),
            )
            for point in measured
        ),
        held_out=RecordSums.from_json(read_evaluation(evaluation)["agreement"]["after"]["records"]),
        train=agreement.measure(held, models.after).records,
        steps=len(curve),
        epochs=bench.recipe.train.epochs,
        examples=len(bench.train_rows),
        student_parameters=models.after.num_parameters(),
        teacher_parameters=models.bench.whole.model.num_parameters(),
    )
    diagnosis = capacity.diagnose(found, capacity.Limits(max_kl=settings.max_kl))
    return {**diagnosis.to_json(), "found": found.to_json()}


_NARROWING = ("reverse_kl", "skew_reverse_kl")
_Measure = Callable[[Compared, Artifact], dict[str, Any]]
_MEASURES: dict[str, _Measure] = {
    "diversity": _diversity,
    "generality": _generality,
    "capacity": _capacity,
}
