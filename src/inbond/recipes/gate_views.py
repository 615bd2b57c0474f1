"""A run's gates as the report shows them: from what was measured to measures, curves and words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from inbond.recipes.judging import Judged
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact
from inbond.recipes.training import CURVE
from inbond.report.data import GateMeasure, GateView, Series

_QUESTIONS = {
    "diversity": "Does the student still say as many different things as its teacher?",
    "generality": "Did training make the student worse where nobody looked?",
    "capacity": "Is the student limited by its size, its data or its training?",
}
_LIMITED = {
    "size": "Limited by its size, as far as can be told",
    "data": "Limited by its data",
    "training": "Limited by its training",
    "none": "Limited by nothing noticeable",
    "unclear": "What limits it cannot be told",
}


def gate_views(recipe: Recipe, judged: Sequence[Judged], trained: Artifact) -> tuple[GateView, ...]:
    """Every gate, those that are off too."""
    known = {gate.name: gate for gate in judged}
    return tuple(
        _view(recipe, known[name], trained)
        if name in known
        else GateView(cast(Any, name), question, {}, "off")
        for name, question in _QUESTIONS.items()
    )


def _view(recipe: Recipe, gate: Judged, trained: Artifact) -> GateView:
    measures: tuple[GateMeasure, ...] = ()
    series: tuple[Series, ...] = ()
    how = headline = ""
    if gate.found:
        measures, how = {"diversity": _diversity, "generality": _generality, "capacity": _capacity}[
            gate.name
        ](gate.found, recipe)
    if gate.found and gate.name == "capacity":
        series = _curves(gate.found, recipe, trained)
        kl = gate.found["held_out"]["kl"]
        headline = f"{_LIMITED[gate.limit or 'unclear']}; held-out KL {kl:.2f} nats a token"
    return GateView(
        cast(Any, gate.name),
        _QUESTIONS[gate.name],
        gate.verdict,
        cast(Any, gate.action),
        gate.stops,
        measures,
        series,
        advice=gate.advice,
        how=how,
        accepted=gate.accepted,
        headline=headline,
    )


def _diversity(found: Mapping[str, Any], recipe: Recipe) -> tuple[tuple[GateMeasure, ...], str]:
    measures = tuple(
        GateMeasure(
            entry["name"],
            entry["teacher_mean"],
            None,
            entry["student_mean"],
            entry["ratio"],
            entry["low"],
            entry["high"],
            "nats" if entry["name"] == "entropy" else "",
            f"{entry['label']}; {entry['prompts']} prompts",
            recipe.gates.diversity.min_ratio,
            "below",
            "of the teacher’s",
        )
        for entry in found["measures"]
    )
    sampling = found["sampling"]
    how = (
        f"{found['samples']} answers of teacher and student to each of {found['prompts']} held-out prompts, "
        f"at most {sampling['max_new_tokens']} tokens, temperature {sampling['temperature']:g}, top_p "
        f"{sampling['top_p']:g}, the same random numbers for both; distinct-n at equal numbers of n-grams; "
        "paired bootstrap over prompts."
    )
    return measures, how


def _generality(found: Mapping[str, Any], recipe: Recipe) -> tuple[tuple[GateMeasure, ...], str]:
    def measure(label: str, side: str, ratio: str, limit: float | None) -> GateMeasure:
        before, after = (found[f"{when}_{side}"]["mean_kl"] for when in ("before", "after"))
        note = f"{len(found[f'after_{side}']['records']['kl'])} prompts"
        return GateMeasure(
            label, None, before, after, *_ratio(found[ratio]), "nats a token", note, limit, "above"
        )

    limits = recipe.gates.generality
    measures = (
        measure("KL outside, after ÷ before", "outside", "change", limits.max_ratio),
        measure("KL inside, after ÷ before", "inside", "change_inside", None),
        _gap(found, limits.max_gap),
    )
    how = (
        "The teacher's own greedy answers to prompts outside the domain, none near a prompt of the run; "
        "forward KL over the whole vocabulary before and after training; paired bootstrap over prompts."
    )
    return measures, how


def _gap(found: Mapping[str, Any], limit: float | None) -> GateMeasure:
    ratio, low, high = _ratio(found["gap"])
    return GateMeasure(
        "KL outside ÷ inside, after",
        ratio=ratio,
        low=low,
        high=high,
        note="larger: narrower",
        limit=limit,
        fails="above",
    )


def _ratio(found: Mapping[str, float] | None) -> tuple[float | None, float | None, float | None]:
    return (found["value"], found["low"], found["high"]) if found else (None, None, None)


def _capacity(found: Mapping[str, Any], _recipe: Recipe) -> tuple[tuple[GateMeasure, ...], str]:
    def measure(label: str, name: str, note: str) -> GateMeasure:
        ratio, low, high = _ratio(found[name])
        return GateMeasure(label, ratio=ratio, low=low, high=high, note=note)

    measures = (
        measure("KL learnt ÷ held out", "learnt", "1: no gap that more data could close"),
        measure("KL at the end ÷ a third before", "left", "1: it fell no more"),
    )
    how = (
        f"Held-out KL on {len(found['points'][-1]['records']['kl'])} prompts at {len(found['points'])} "
        f"points of training, and at the end on {len(found['train']['records']['kl'])} learnt ones; "
        "bootstrap over prompts."
    )
    return measures, how


def _curves(found: Mapping[str, Any], recipe: Recipe, trained: Artifact) -> tuple[Series, ...]:
    """Held-out KL, KL on learnt records at the end, and the training loss where it is a KL too."""
    held_out = tuple((float(point["step"]), point["kl"]) for point in found["points"])
    end = float(found["steps"])
    drawn = (
        Series("held out", held_out, "held-out"),
        Series("learnt records", ((end, found["train"]["kl"]),), "train"),
    )
    if not _loss_is_kl(recipe):
        return drawn
    loss = json.loads((trained.folder / CURVE).read_bytes())
    return (*drawn, Series("training loss", _smoothed([(p["step"], p["loss"]) for p in loss]), "before"))


def _loss_is_kl(recipe: Recipe) -> bool:
    """Whether what was minimised is KL(teacher || student) at temperature 1 and nothing else: anything else
    has no place on an axis of KL. Own data is learnt as text."""
    train = recipe.train
    if train.dpo is not None or recipe.on_policy is not None:
        return False
    return train.kl == train.divergence and not train.ce and train.temperature == 1 and not recipe.own_data


def _smoothed(points: Sequence[tuple[float, float]], width: int = 8) -> tuple[tuple[float, float], ...]:
    """Means of up to ``width`` neighbouring steps: single steps jump."""
    groups = [points[start : start + width] for start in range(0, len(points), width)]
    return tuple((group[-1][0], sum(y for _, y in group) / len(group)) for group in groups)
