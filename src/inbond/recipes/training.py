"""The training itself: a run's student, its lessons and how it is measured, opened from whole artifacts.

Done in the run's own process, or in each of several (``recipes.crew``) that all do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from inbond.digest import Digest
from inbond.recipes import across, beginning, own_answers, teaching
from inbond.recipes.examples import examples_of
from inbond.recipes.lengths import check_lengths
from inbond.recipes.objective import divergence, lora
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.recipes.watch import time_left
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.train.checkpoint import TrainState
    from inbond.train.examples import Objectives
    from inbond.train.loop import Plan, TrainProgress
    from inbond.train.processes import Processes

CURVE, MEASURED = "curve.json", "held-out-curve.json"


@final
@dataclass(frozen=True)
class Ground:
    """The artifacts that a training stands on, beside the bench's: how the student begins, its teacher's
    targets, and what the student as it begins thinks of pairs."""

    begun: Artifact
    targets: Artifact | None
    reference: Artifact | None


def train(
    bench: Bench,
    ground: Ground,
    run: Digest,
    folder: Path,
    join: Callable[[Any], Processes] | None = None,
) -> Made:
    """The trained student with its tokenizer and curves in ``folder``. Resumes from the newest checkpoint of
    ``run``. ``join``: given the student, the processes that train it together; then the first one fills the
    folder, and the others leave it as it is. Raises as ``loop.train``."""
    from inbond.train import loop
    from inbond.train.processes import Copies

    student, plan = _Student.beginning(bench, ground), _plan(bench.recipe)
    together = (join or Copies)(student.model)
    lessons = _teaching(bench, ground, plan)
    check_lengths(bench, student.model, lessons.sequences)
    state = loop.train(
        student.model,
        lessons.lessons,
        lessons.criterion,
        plan,
        pad_id=bench.tokens["pad_id"],
        run=run,
        folder=bench.trail.work / "checkpoints",
        on_progress=_meter(bench.trail),
        measure=_held_out_kl(bench),
        processes=together,
    )
    weights = together.release(student.model)
    if together.index > 0:
        return Made()
    if weights is not None:
        student = _Student.beginning(bench, ground)
        student.model.load_state_dict(weights)
    parameters = _save(bench, student.trained(), state, folder)
    told = {"label_tokens": state.label_tokens, "parameters": parameters}
    facts = {"steps": state.step, **told, **lessons.facts}
    return Made(facts | {"training_seconds": state.seconds, "prefix_tokens_shared": state.shared})


@final
@dataclass(frozen=True)
class _Student:
    """``model`` is trained; ``adapted`` is the same as peft sees it, where adapters are learnt."""

    model: Any
    adapted: Any = None

    @classmethod
    def beginning(cls, bench: Bench, ground: Ground) -> _Student:
        """The same every time it is made."""
        from inbond.recipes.learning import fresh_student
        from inbond.train import adapters

        model, recipe = fresh_student(bench, ground.begun), bench.recipe
        if recipe.train.lora is None:
            return cls(model)
        return cls(model, adapters.attach(model, lora(recipe), recipe.train.seed))

    def trained(self) -> Any:
        """The plain model, with its adapters in its weights."""
        from inbond.train import adapters

        return self.model if self.adapted is None else adapters.merge(self.adapted)


def _save(bench: Bench, model: Any, state: TrainState, folder: Path) -> int:
    """Everything that is kept of a training; gives the number of the student's parameters."""
    model.save_pretrained(folder)
    bench.tokenizer.save_pretrained(folder)
    write_json(folder / CURVE, [asdict(point) for point in state.curve])
    write_json(folder / MEASURED, [asdict(point) for point in state.measured])
    if state.noted:
        write_json(folder / own_answers.NOTED, [asdict(point) for point in state.noted])
    return beginning.parameters(model)


def _teaching(bench: Bench, ground: Ground, plan: Plan) -> teaching.Teaching:
    """The lessons, what is minimised on them, and what is told of them afterwards."""
    if bench.across:
        return across.teach(bench, ground.targets, _objectives(bench), plan)
    examples = examples_of(bench, ground.targets)
    taught = teaching.teach(bench, examples, _objectives(bench), plan, ground.reference)
    left = len(teaching.rows(bench)) - len(examples)
    return replace(taught, facts={**taught.facts, **({"left_out": left} if left else {})})


def _held_out_kl(bench: Bench) -> Callable[[Any], Mapping[str, Any]] | None:
    """Measures KL on some held-out records while training; None where there is no teacher to compare with."""
    settings = bench.recipe.gates.capacity
    if not bench.comparable or settings.action == "off":
        return None
    from inbond.evaluate import agreement

    held = bench.prepared(bench.held_out[: settings.records])
    return lambda model: agreement.measure(held, model).records.to_json()


def _objectives(bench: Bench) -> Objectives:
    from inbond.train.examples import Aim, Objectives

    recipe = bench.recipe
    settings = recipe.train
    squared = settings.temperature_scale == "squared"
    aim = Aim(divergence(settings), settings.temperature, squared)
    online = recipe.capture.targets == "online" and recipe.train.divergence > 0
    return Objectives(aim, len(bench.tokenizer), bench.local.model if online else None)


def _plan(recipe: Recipe) -> Plan:
    from inbond.train.loop import Plan

    settings = recipe.train.model_dump(include=set(Plan.__dataclass_fields__))
    return Plan(**settings, measurements=measurements(recipe)["points"])


def measurements(recipe: Recipe) -> dict[str, int]:
    """How often held-out KL is measured while training, and on how many records; never where nothing judges
    it."""
    gate = recipe.gates.capacity
    return (
        {"points": 0, "records": 0}
        if gate.action == "off"
        else gate.model_dump(include={"points", "records"})
    )


def _meter(trail: Trail) -> Callable[[TrainProgress], None]:
    def show(progress: TrainProgress) -> None:
        note = f"loss {progress.loss:.3f}, {progress.label_tokens_per_s:,.0f} label tokens/s, "
        note += time_left(progress.seconds_left)
        trail.watcher.advance("train", progress.step, progress.steps, note)

    return show
