"""One run, from top to bottom: gate, generate, verify, filter, capture, train, evaluate, export, attest."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbond.engine.prompts import LeftOut
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.recipes import (
    accelerated,
    answers,
    articles,
    comparison,
    formats,
    judging,
    kept,
    learning,
    measuring,
    mixture,
    narrowing,
    passing,
    planting,
    preferring,
    probing,
    reasoning,
    sources,
    summary,
    verifying,
)
from inbond.recipes.accelerated import Accelerated
from inbond.recipes.attesting import attestation
from inbond.recipes.compared import Compared
from inbond.recipes.context import with_context
from inbond.recipes.existing import source_records
from inbond.recipes.exported import notice_of
from inbond.recipes.finished import Finished
from inbond.recipes.gate import pass_gate
from inbond.recipes.judges_gate import pass_judges
from inbond.recipes.learning import Bench
from inbond.recipes.models import find_teacher, find_weights, weight_files
from inbond.recipes.objective import alternatives
from inbond.recipes.outside import read_outside
from inbond.recipes.own import read_own
from inbond.recipes.own_answers import NOTED
from inbond.recipes.plan import RESULT
from inbond.recipes.planned import Planned
from inbond.recipes.preferring import Setting
from inbond.recipes.ray_cluster import spread_over
from inbond.recipes.recipe import Recipe
from inbond.recipes.telling import telling
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.recipes.training import CURVE, MEASURED
from inbond.recipes.watch import Watcher
from inbond.report.card import render_card
from inbond.report.page import render_page
from inbond.teachers.opening import Weights
from inbond.types import parse_model_name
from inbond.workspace import Workspace, alone, write_bytes

EXPORT_VERSION = 3
REPORT, NOTICE, STUDENT = "report.html", "NOTICE", "student"


@dataclass(frozen=True)
class Options:
    """How to run. ``fresh`` makes every artifact anew (answers that were paid for are still not asked
    again); ``accept`` is the reason with which a person takes upon themselves a review, or, where it names
    them (``diversity: REASON``), the verdicts of gates that an earlier run was stopped by. ``ray``: a
    cluster's address, or local:N, over which work is spread; ``accelerate``: a file of accelerate's that says
    by which processes the student is trained; with both, what comes out is the same."""

    fresh: bool = False
    accept: str | None = None
    ray: str | None = None
    accelerate: Path | None = None

    def by_processes(self, *recipes: Recipe) -> Accelerated | None:
        """How students are trained; None: by this process. Raises InputError for a configuration that
        cannot be, here or with one of these recipes."""
        if self.accelerate is None:
            return None
        how = accelerated.read(self.accelerate)
        for recipe in recipes:
            accelerated.check(how, recipe)
        accelerated.check_machine(how)
        return how


def run_recipe(
    recipe: Recipe, folder: Path, workspace: Workspace, options: Options, watcher: Watcher
) -> dict[str, Any]:
    """Runs a recipe and returns its result. Relative paths of the recipe start at ``folder``.

    What is complete is not made again; what is not is resumed. Raises any InbondError; whatever is
    raised, and when killed, complete artifacts and received answers are kept.
    """
    recipe = with_context(recipe, folder)
    how = options.by_processes(recipe)
    planting.key_of(recipe)  # whether it is there is asked before anything else
    left_out = LeftOut()
    questions = articles.read(recipe.prompts, folder)
    asked = questions.prompts if questions else sources.read_prompts(recipe, folder, workspace, left_out)
    own = read_own(recipe, folder, workspace)
    for name, fields in ((recipe.prompts.named, left_out), *((o.data.named, o.left_out) for o in own)):
        if words := sources.in_words(name, fields):
            watcher.say(words)
    outside = read_outside(recipe, folder)
    file = sources.file_of(recipe.prompts, folder, workspace)
    checks = verifying.read_checks(recipe, folder, asked, file, questions)
    with (
        Ledger.open(workspace, KeyStore.default()) as ledger,
        alone(workspace, recipe.name),
        spread_over(options.ray) as spread,
        telling(workspace.run(recipe.name), watcher) as watcher,
    ):
        gate = pass_gate(recipe, folder, workspace, ledger, options.accept)
        judges = pass_judges(recipe, folder, workspace, ledger, options.accept)
        watcher.say(f"gate: {gate.decision.verdict.outcome}")
        recipe = reasoning.resolved(recipe, gate.facts)
        teacher = find_teacher(recipe, workspace)
        for words in planting.in_words(recipe, teacher.mark):
            watcher.say(words)
        base, reference = (
            _named(name, workspace) for name in (recipe.student.base, recipe.capture.reference)
        )
        mixed = mixture.parts(recipe, folder, workspace)
        plan = Planned(recipe, teacher, base, reference, tuple(part.source for part in mixed), questions)
        plan.check()
        trail = Trail(workspace, ledger, recipe.name, watcher, spread)
        if options.fresh:
            trail.discard()

        probing.probe(trail, plan, asked, options.accept)
        existing = source_records(trail, recipe, asked, file)
        answered = answers.generate(trail, plan, asked, gate.decision.verdict.facts, file, existing)
        verified = verifying.verify(trail, answered, checks)
        further = mixture.ask(trail, mixed, gate.decision.verdict.facts)
        if recipe.student.init == "none":
            records = answers.filter_alone(trail, plan, verified, own, further)
            return kept.finish(
                kept.Kept(
                    trail, recipe, gate.decision, gate.accepted, answered, records,
                    tuple(each.answers for each in further),
                )
            )  # fmt: skip
        data = answers.filter_and_split(trail, plan, answered, own, verified, further)
        terms = gate.decision.verdict.facts
        pairs = preferring.prefer(Setting(trail, plan, data, terms, judges, folder))
        tokens = narrowing.choose(trail, recipe, teacher, data)
        bench = Bench(trail, recipe, teacher, base, data, outside, pairs, tokens, mixed, how)
        targets = learning.capture(bench)
        if alternatives(recipe):
            answers.retain(trail, recipe)
        begun = learning.start(bench)
        trained = learning.train(bench, begun, targets)
        compared = Compared(bench, begun, trained)
        evaluation = measuring.evaluate(compared)
        passing.measure(compared, checks)
        judged = judging.judge(compared, evaluation)
        if options.accept is not None:
            judging.accept(ledger, recipe, judged, options.accept)
        finished = Finished(
            trail, recipe, teacher, base, gate.facts, gate.decision, gate.accepted, answered, data, targets,
            begun, trained, evaluation, judged,
        )  # fmt: skip
        stopped = judging.stopped(recipe, finished.gates, trail.folder / REPORT)
        if stopped is not None:
            formats.withdraw_all(trail)
            trail.withdraw(STUDENT)
            _attest(finished, None)
            raise stopped
        student = _export(finished)
        refused = formats.make_all(trail, recipe.export)
        done = _attest(finished, student)
        if refused is not None:  # the student and the other files stand all the same
            raise refused
        return done


def _named(name: str | None, workspace: Workspace) -> Weights | None:
    return find_weights(parse_model_name(name), workspace) if name else None


def _export(finished: Finished) -> Artifact:
    """The student's folder: weights, tokenizer, card, the licence and notice that go with them, and signed
    statements about all of these."""
    identity = Identity(
        "export",
        EXPORT_VERSION,
        {
            "facts": finished.decision.verdict.facts,
            "decider": finished.decision.verdict.decider,
            "accepted": {gate.name: gate.accepted for gate in finished.gates if gate.accepted},
        },
        {
            "trained": finished.trained.id,
            "evaluation": finished.evaluation.id,
            "judged": finished.judged.id,
        },
    )

    def make(folder: Path) -> Made:
        for name in sorted(finished.trained.manifest.files):
            if name not in (CURVE, MEASURED, NOTED):
                _link(finished.trained.folder / name, folder / name)
        data = summary.report_data(finished)
        write_bytes(folder / "README.md", render_card(data).encode())
        came_with = _came_with(finished)
        for licence in (path for path in came_with if path.name != NOTICE):
            shutil.copyfile(licence, folder / licence.name)
        for licence in _teachers_terms(finished):
            shutil.copyfile(licence, folder / f"TEACHER-{licence.name}")
        notices = [
            notice_of(finished.trail.workspace, finished.recipe.name),
            *(path.read_text("utf-8") for path in came_with if path.name == NOTICE),
        ]
        if any(notices):
            write_bytes(folder / NOTICE, "\n".join(filter(None, notices)).encode())
        return Made({"weights": [path.name for path in weight_files(folder)]})

    def attest(student: Manifest) -> bytes:
        return attestation(finished, student)

    return finished.trail.stage("export", STUDENT, identity, make, attest=attest)


def _link(source: Path, target: Path) -> None:
    """The same bytes under a second name where the file system can, else a copy."""
    target.parent.mkdir(exist_ok=True, parents=True)  # some tokenizers have folders
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _came_with(finished: Finished) -> list[Path]:
    """Licence texts and the notice that came with the weights the student starts from."""
    start = finished.teacher.weights if finished.facts.base_is_teacher else finished.base
    return _papers(start) if start is not None else []


def _teachers_terms(finished: Finished) -> list[Path]:
    """The texts that came with a teacher whose terms ask for a copy of them, though the student starts from
    other weights."""
    teacher, name = finished.teacher.weights, str(finished.teacher.name)
    due = (due.to_json() for due in finished.decision.obligations)
    asked = any(one["kind"] == "licence-copy" and one["because"] == name for one in due)
    if teacher is None or finished.facts.base_is_teacher or not asked:
        return []
    return [path for path in _papers(teacher) if path.stem != NOTICE]


def _papers(weights: Weights) -> list[Path]:
    folder = weights.path if weights.kind == "folder" else weights.path.parent
    return sorted(path for path in folder.iterdir() if path.stem in ("LICENSE", "LICENCE", NOTICE))


def _attest(finished: Finished, student: Artifact | None) -> dict[str, Any]:
    """Result, report and the last event; a run that found everything complete adds nothing. ``student`` is
    None when a gate keeps it in."""
    trail = finished.trail
    result_path, report_path = trail.folder / RESULT, trail.folder / REPORT
    result = summary.result(finished, student)
    written = trail.is_recorded(result_path) and trail.is_recorded(report_path)
    completed = summary.completed(finished, student)
    told = comparison.last(trail.run, trail.ledger) == completed  # not so after a kill just before it
    if trail.all_found and written and told and _keeps(result_path, result):
        return result
    trail.write_file(result_path, (json.dumps(result, ensure_ascii=False, indent=2) + "\n").encode())
    trail.write_file(report_path, render_page(summary.report_data(finished)).encode())
    trail.ledger.record(comparison.COMPLETED, completed)
    return result


def _keeps(path: Path, result: dict[str, Any]) -> bool:
    """Whether the kept result is this one; where the workspace lies now does not matter."""
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    places = {"student": None, "report": None}
    return bool({**kept, **places} == {**result, **places})
