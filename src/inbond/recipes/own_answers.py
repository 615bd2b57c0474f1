"""A run whose student learns from its own answers too: its lessons, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inbond.recipes import serving_copies
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.on_policy import OnPolicy
from inbond.recipes.trail import Artifact
from inbond.teachers.protocols import Keep, TokenSequence

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.recipes.teaching import Teaching
    from inbond.train.collapse import Floors
    from inbond.train.drawing import Draws
    from inbond.train.examples import Example, Objectives
    from inbond.train.loop import Plan
    from inbond.train.on_policy import Marks

NOTED = "own-answers.json"
"""In the folder of what was trained: what was noted of own answers, by step."""
VERSION = 2
"""Of what the same section does."""
ENTROPY_OF = 64
"""Answers of the teacher in which its entropy is measured."""


def teach(bench: Bench, examples: Sequence[Example], given: Objectives, plan: Plan) -> Teaching:
    """The lessons of such a run. Raises InputError when there is nothing to learn from."""
    from inbond.recipes.teaching import Teaching
    from inbond.train.lessons import Fixed
    from inbond.train.on_policy import Course, OnPolicy, OnPolicyCriterion

    settings = bench.recipe.on_policy
    assert settings is not None, "asked for"
    asked = [not row.origin.own for row in bench.train_rows]
    taught = [one.sequence for one, may in zip(examples, asked, strict=True) if may]
    course = Course(
        settings.share,
        settings.cold_start,
        settings.reuse,
        settings.seed,
        _floors(settings),
        settings.collapse.action,
        _teacher_entropy(bench, taught, settings.max_tokens),
    )
    lessons = OnPolicy(
        Fixed(examples, plan),
        asked,
        _draws(bench, settings),
        _marks(bench, settings, online=given.teacher is not None),
        course,
        bench.trail.watcher.say,
    )
    longest = [_longest(example.sequence, settings.max_tokens) for example in examples]
    sequences = [*(example.sequence for example in examples), *longest]
    return Teaching(lessons, OnPolicyCriterion(given, _own(given, settings), settings.cap), sequences)


def decides(recipe: Recipe) -> dict[str, Any]:
    """What of the section decides the student, for the identity of what was trained. Where copies lie and how
    long one waits for them does not; which server draws does."""
    assert recipe.on_policy is not None, "asked for"
    found = recipe.on_policy.model_dump(exclude={"served"})
    if recipe.on_policy.served is not None:
        found["served"] = recipe.on_policy.served.model_dump(exclude={"folder", "timeout_s"})
    return {**found, "k": recipe.capture.k, "version": VERSION}


def _floors(settings: OnPolicy) -> Floors:
    from inbond.train.collapse import Floors

    watched = settings.collapse
    return Floors(watched.entropy_floor, watched.distinct_floor, watched.length_floor)


def _teacher_entropy(bench: Bench, taught: Sequence[TokenSequence], max_tokens: int) -> float:
    """The teacher's in its own answers, on the first few and as far as own answers may go."""
    from inbond.train.entropies import mean_entropy

    few = [
        TokenSequence(one.ids[: one.prompt_length + max_tokens], one.prompt_length)
        for one in taught[:ENTROPY_OF]
    ]
    tokens = bench.tokens
    return mean_entropy(bench.local.model, tokens["vocabulary"], few, tokens["pad_id"])


def _draws(bench: Bench, settings: OnPolicy) -> Draws:
    from inbond.teachers.tokens import end_ids
    from inbond.train.drawing import Drawing, Here

    ends = end_ids(bench.local.model, bench.tokenizer)
    how = settings.max_tokens, settings.temperature, settings.samples
    drawing = Drawing(bench.tokens["vocabulary"], ends, *how)
    if settings.served is None:
        return Here(drawing, settings.seed)
    return serving_copies.open_copies(bench, drawing, settings)


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
    from inbond.train.collapse import WINDOW, collapse

    assert recipe.on_policy is not None, "asked for"
    series = [notes[step] for step in sorted(notes)]

    return {
        "steps": len(series),
        "first": _means(series[:WINDOW], ("entropy", "distinct", "similarity", "tokens")),
        "last": _means(series[-WINDOW:], ("entropy", "distinct", "similarity", "tokens")),
        "beside": _means(
            series[-WINDOW:], ("teacher_entropy", "distinct_beside", "teacher_distinct", "teacher_tokens")
        ),
        "collapse": collapse(series, _floors(recipe.on_policy)),
    }


def _means(part: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float]:
    """Over the notes that have a name; only those that any has."""
    known = {name: [one[name] for one in part if name in one] for name in names}
    return {name: round(sum(values) / len(values), 4) for name, values in known.items() if values}


def in_words(settings: OnPolicy) -> str:
    """How own answers are learnt, for the report."""
    by = {
        "divergence": "by the same divergences",
        "reverse-kl": "by KL(student ‖ teacher) at temperature 1",
        "policy-gradient": "by policy gradient of KL(student ‖ teacher), the drawn token alone",
    }[settings.objective]
    stale = f"; a drawing serves {settings.reuse} steps" if settings.reuse > 1 else ""
    if settings.served is not None:
        where = settings.served.host or f"llama.cpp as {settings.served.type}"
        stale = f"; drawn by copies that {where} served{stale}"
    return (
        f"with a chance of {settings.share:g} after the first {settings.cold_start:.0%} of steps, the "
        f"student’s own answers, {by}{stale}"
    )
