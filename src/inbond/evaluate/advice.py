"""What to try, in words of the recipe, once it is known what limits a student; said carefully."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from inbond.evaluate.capacity import Capacity
    from inbond.evaluate.diversity import Diversity
    from inbond.evaluate.generality import Generality

Limit = Literal["size", "data", "training", "none", "unclear"]
Answer = Literal["yes", "no", "unclear"]


@dataclass(frozen=True)
class Learning:
    """What the recipe did that advice can change. ``narrowing``: the terms of its objective that reward
    saying only what the teacher is likeliest to say; ``temperature``: that of the answers learnt from."""

    epochs: int
    narrowing: tuple[str, ...]
    temperature: float
    samples: int


def for_diversity(found: Diversity, outcome: str, how: Learning) -> tuple[str, ...]:
    """Recipe fields to try for a student that is, or may be, narrower than its teacher."""
    if outcome == "pass":
        return ()
    if outcome == "cannot-tell":
        return (
            f"gates.diversity.prompts: more than {found.prompts} (with held_out: a larger share, or more "
            "prompts, so that there are as many); four times as many halve the intervals.",
            f"gates.diversity.samples: more than {found.samples} answers to each; that helps less.",
        )
    advice = [
        f"train.{name}: less of it, and train.kl instead, which covers all that the teacher says."
        for name in how.narrowing
    ]
    if how.temperature < 1:
        advice.append(
            f"generate.temperature: nearer to 1 than {how.temperature:g}; answers drawn more freely, and "
            f"generate.samples above {how.samples}, show the student more of what its teacher says."
        )
    elif how.samples == 1:
        advice.append("generate.samples: 4; several answers to a prompt show that there is more than one.")
    if how.epochs > 1:
        advice.append(f"train.epochs: fewer than {how.epochs}; records learnt by heart leave one answer.")
    return (*advice, "prompts: more, and more varied ones.")


def for_generality(found: Generality, outcome: str, how: Learning) -> tuple[str, ...]:
    """Recipe fields to try for a student that got, or may have got, worse outside its domain."""
    if outcome == "pass":
        return ()
    if outcome == "cannot-tell" and not found.enough:
        return (
            "gates.generality.file: at least 8 prompts that are none of the domain; held_out: a larger "
            "share, so that as many are held out.",
        )
    if outcome == "cannot-tell":
        return (
            "gates.generality.file: more prompts from outside than the "
            f"{len(found.after_outside)} asked; four times as many halve the intervals.",
            "gates.generality.max_gap: how far KL outside may lie above KL inside, for a student whose "
            "start is nothing to compare with.",
        )
    advice: tuple[str, ...] = (
        "prompts: add general ones, or own_data of other kinds, so that what lies outside is learnt as well.",
    )
    if how.epochs > 1:
        advice += (f"train.epochs: fewer than {how.epochs}, or a lower train.lr, moves the student less.",)
    larger = {
        "prune": "student.layers: more; a larger student has room for both.",
        "model": "student.base: a larger one, or train.lora: its first weights then stay as they are.",
        "scratch": "student.config: a wider one; a larger student has room for both.",
    }[found.start]
    return (*advice, larger)


def advise(found: Capacity, limit: Limit, training: Answer) -> tuple[str, ...]:
    """Recipe fields to try, likeliest help first, with what may be hoped for."""
    return {
        "data": _for_data,
        "training": _for_training,
        "size": _for_size,
        "none": _for_none,
        "unclear": _for_unclear,
    }[limit](found, training)


def _for_data(found: Capacity, training: Answer) -> tuple[str, ...]:
    best = max(0.0, 1 - found.learnt.value)
    advice: tuple[str, ...] = (
        f"prompts: more of them than behind these {found.examples} records. Held-out KL then moves towards "
        f"that of the training records, which rises to meet it: at the very best {best:.0%} lower, in "
        "practice less.",
        "generate.samples: more answers to each prompt cost no new prompts, and help less than new ones.",
    )
    rose = found.left is not None and found.left.interval()[0] > 1
    if rose and found.epochs > 1:
        advice += (f"train.epochs: fewer than {found.epochs}; held-out KL rose towards the end.",)
    if training == "yes":
        advice += ("train.epochs: more may help too, since held-out KL was still falling.",)
    return advice


def _for_training(found: Capacity, _training: Answer) -> tuple[str, ...]:
    ahead = found.ahead()
    assert ahead is not None, "it was seen to fall"
    longer = (
        f"train.epochs: {2 * found.epochs} instead of {found.epochs}. Another third of such training might "
        f"take {ahead[0]:.0%} to {ahead[1]:.0%} off held-out KL, and each further one less."
    )
    faster = (
        f"train.lr: up to twice its {max(point.lr for point in found.points):.2g}; if the loss then jumps or "
        "ends higher, go back."
    )
    if found.epochs > 1:
        return longer, faster
    return longer, "prompts: more of them train longer too, and no record is seen twice.", faster


def _for_size(found: Capacity, _training: Answer) -> tuple[str, ...]:
    return (
        "student.layers: more (init: model: a larger student.base; init: scratch: a wider student.config), "
        f"now {found.student_parameters:,} of the teacher's {found.teacher_parameters:,} parameters. A run "
        "with more layers and the same data shows whether it was the size: if KL does not fall, it was not.",
        "student.keep: other layers of the same number; which ones stay may matter as much as how many.",
    )


def _for_none(found: Capacity, _training: Answer) -> tuple[str, ...]:
    return (
        f"student.layers: fewer than now ({found.student_parameters:,} parameters) may do as well: faster "
        "and smaller at about the same KL.",
    )


def _for_unclear(found: Capacity, training: Answer) -> tuple[str, ...]:
    advice: tuple[str, ...] = (
        f"held_out: a larger share than the {len(found.held_out)} prompts measured; four times as many halve "
        "the intervals.",
    )
    if training == "unclear":
        advice += (
            f"train.epochs: {2 * found.epochs}; if held-out KL ends clearly lower, it was the training.",
        )
    return advice
