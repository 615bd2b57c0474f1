"""A run whose student learns from its own answers too: its lessons, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.on_policy import OnPolicy
from inbond.recipes.trail import Artifact
from inbond.teachers.protocols import Keep, TokenSequence

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.recipes.teaching import Teaching
    from inbond.train.examples import Example, Objectives
    from inbond.train.loop import Plan
    from inbond.train.on_policy import Drawing, Marks

NOTED = "own-answers.json"
"""In the folder of what was trained: what was noted of own answers, by step."""


def teach(bench: Bench, examples: Sequence[Example], given: Objectives, plan: Plan) -> Teaching:
    """The lessons of such a run. Raises InputError when there is nothing to learn from."""
    from inbond.recipes.teaching import Teaching
    from inbond.train.collapse import Floors
    from inbond.train.lessons import Fixed
    from inbond.train.on_policy import Course, OnPolicy, OnPolicyCriterion

    settings = bench.recipe.on_policy
    assert settings is not None, "asked for"
    floors = Floors(settings.collapse.entropy_floor, settings.collapse.distinct_floor)
    course = Course(
        settings.share, settings.cold_start, settings.reuse, settings.seed, floors, settings.collapse.action
    )
    asked = [not row.origin.own for row in bench.train_rows]
    lessons = OnPolicy(
        Fixed(examples, plan),
        asked,
        _drawing(bench, settings),
        _marks(bench, settings, online=given.teacher is not None),
        course,
        bench.trail.watcher.say,
    )
    longest = [_longest(example.sequence, settings.max_tokens) for example in examples]
    sequences = [*(example.sequence for example in examples), *longest]
    return Teaching(lessons, OnPolicyCriterion(given, _own(given, settings)), sequences)


def _drawing(bench: Bench, settings: OnPolicy) -> Drawing:
    from inbond.teachers.tokens import end_ids
    from inbond.train.on_policy import Drawing

    ends = end_ids(bench.local.model, bench.tokenizer)
    how = settings.max_tokens, settings.temperature, settings.samples
    return Drawing(bench.tokens["vocabulary"], ends, *how)


def _marks(bench: Bench, settings: OnPolicy, *, online: bool) -> Marks:
    """Likeliest tokens of the teacher, or its whole distribution where that is what train learns from."""
    from inbond.train.on_policy import MarksByLikelihood, MarksByScores

    if settings.objective == "policy-gradient":
        return MarksByLikelihood(bench.local.model, **bench.tokens)
    keep = Keep("top-k", bench.recipe.capture.k, _temperature(bench.recipe))
    return MarksByScores(None if online else bench.local, keep)


def _own(given: Objectives, settings: OnPolicy) -> Objectives:
    from inbond.losses.divergences import ReverseKL
    from inbond.train.examples import Aim, Objectives

    if settings.objective == "divergence":
        return given
    return Objectives(Aim(ReverseKL()), given.vocabulary, given.teacher)


def _temperature(recipe: Recipe) -> float:
    """At which own answers' targets are kept: reverse KL is learnt at 1."""
    assert recipe.on_policy is not None, "asked for"
    return recipe.train.temperature if recipe.on_policy.objective == "divergence" else 1.0


def _longest(sequence: TokenSequence, max_tokens: int) -> TokenSequence:
    """As long as an own answer to the same prompt may become."""
    prompt = sequence.ids[: sequence.prompt_length]
    return TokenSequence((*prompt, *[prompt[-1]] * max_tokens), len(prompt))


def noted(trained: Artifact) -> dict[int, Mapping[str, float]]:
    """What was noted of own answers, by step; nothing where there were none."""
    path = trained.folder / NOTED
    if not path.exists():
        return {}
    found: list[dict[str, Any]] = json.loads(path.read_bytes())
    return {point["step"]: point["found"] for point in found}


def told(recipe: Recipe, notes: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    """For the result: steps with own answers, how their variety went, and whether it fell below a floor."""
    from inbond.train.collapse import WINDOW, Floors, collapse

    assert recipe.on_policy is not None, "asked for"
    floors = recipe.on_policy.collapse
    series = [notes[step] for step in sorted(notes)]

    def means(part: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {
            name: round(sum(one[name] for one in part) / len(part), 4)
            for name in ("entropy", "distinct", "similarity", "tokens")
        }

    return {
        "steps": len(series),
        "first": means(series[:WINDOW]) if series else {},
        "last": means(series[-WINDOW:]) if series else {},
        "collapse": collapse(series, Floors(floors.entropy_floor, floors.distinct_floor)),
    }


def in_words(settings: OnPolicy) -> str:
    """How own answers are learnt, for the report."""
    by = {
        "divergence": "by the same divergences",
        "reverse-kl": "by KL(student ‖ teacher) at temperature 1",
        "policy-gradient": "by policy gradient of KL(student ‖ teacher), the drawn token alone",
    }[settings.objective]
    stale = f"; a drawing serves {settings.reuse} steps" if settings.reuse > 1 else ""
    return (
        f"with a chance of {settings.share:g} after the first {settings.cold_start:.0%} of steps, the "
        f"student’s own answers, {by}{stale}"
    )
