"""How a run's student learnt, as the report shows it: what was minimised, on which targets, at what speed."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import median
from typing import Any

from inbond.evaluate.intervals import RecordSums
from inbond.recipes import own_answers
from inbond.recipes.finished import Finished
from inbond.recipes.objective import adapter_in_words, in_words, targets_in_words
from inbond.recipes.trail import Artifact
from inbond.recipes.training import CURVE, MEASURED
from inbond.report.data import CurvePoint, HostTargets, LearningFacts


def learning(finished: Finished) -> LearningFacts:
    """Of the run's targets and its training."""
    recipe, targets, trained = finished.recipe, finished.targets, finished.trained.facts
    return LearningFacts(
        in_words(recipe.train),
        targets_in_words(recipe),
        targets.facts["bytes"] / targets.facts["label_tokens"] if targets is not None else None,
        recipe.train.temperature,
        trained["prefix_tokens_shared"],
        trained["label_tokens"],
        pace(finished.trained),
        adapter_in_words(recipe.train),
        lessons(finished),
        _host(targets) if targets is not None else None,
    )


def lessons(finished: Finished) -> str | None:
    """What was learnt from that is no training record: own answers, or preference pairs."""
    recipe = finished.recipe
    if recipe.on_policy is not None:
        found = own_answers.told(recipe, own_answers.noted(finished.trained))
        fell = f"; it fell: {found['collapse']}" if found["collapse"] else ""
        steps = f"{found['steps']} of {finished.trained.facts['steps']} steps"
        return f"{own_answers.in_words(recipe.on_policy)} ({steps}{fell})"
    if recipe.train.dpo is not None:
        pairs = finished.trained.facts["pairs"]
        return (
            f"{pairs['pairs']} preference pairs; mean label tokens: {pairs['chosen_tokens']:g} chosen, "
            f"{pairs['rejected_tokens']:g} rejected; the chosen answer is the longer one in "
            f"{pairs['chosen_longer']:.0%}"
        )
    return None


def _host(targets: Artifact) -> HostTargets | None:
    """What is missing of a host's targets; None when the teacher's weights gave them."""
    facts = targets.facts
    if "dropped" not in facts:
        return None
    return HostTargets(facts["dropped"], facts["silent"], facts["unknown_share"])


def pace(trained: Artifact) -> float | None:
    """Label tokens a second of the median step: measuring and saving are not in it, and one slow step does
    not count."""
    rates = [point.label_tokens_per_s for point in _steps(trained) if point.label_tokens_per_s is not None]
    return median(rates) if rates else None


def curves(trained: Artifact) -> tuple[CurvePoint, ...]:
    """Every step, with held-out KL at all steps after which it was measured, the start (step 0) included."""
    points = _steps(trained)
    if not points:
        return ()
    measured: list[dict[str, Any]] = json.loads((trained.folder / MEASURED).read_bytes())
    held_out = {one["step"]: RecordSums.from_json(one["found"]).mean_kl for one in measured}
    start = [CurvePoint(0, 0.0, points[0].loss)] if 0 in held_out else []
    notes = own_answers.noted(trained)
    return tuple(
        replace(
            point,
            held_out_kl=held_out.get(point.step),
            own_entropy=notes.get(point.step, {}).get("entropy"),
            own_distinct=notes.get(point.step, {}).get("distinct"),
        )
        for point in [*start, *points]
    )


def _steps(trained: Artifact) -> list[CurvePoint]:
    return [CurvePoint(**point) for point in json.loads((trained.folder / CURVE).read_bytes())]
