"""What a recipe minimises, on which targets: as values for training, and in words for people.

torch is imported only where a divergence is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.train import Dpo, Train
from inbond.teachers.protocols import Keep
from inbond.types import DIVERGENCES

if TYPE_CHECKING:
    from inbond.losses.divergences import Divergence
    from inbond.train.adapters import Lora


def kept(recipe: Recipe) -> Keep:
    """What capture keeps of the teacher's distribution."""
    settings, temperature = recipe.capture, recipe.train.temperature
    if settings.targets == "sampled":
        forward = recipe.train.kl == recipe.train.divergence
        return Keep(
            "sampled", settings.draws, temperature, settings.seed, drawn="mean" if forward else "each"
        )
    return Keep("top-k", settings.k, temperature, own=settings.targets == "aligned")


def is_across(recipe: Recipe) -> bool:
    """Whether the student has a vocabulary of its own."""
    return recipe.capture.targets == "aligned"


def alternatives(recipe: Recipe) -> int:
    """How many alternatives a token a teacher's host is asked for; 0 unless they are learnt from."""
    learns = recipe.train.divergence > 0 and recipe.student.init != "none"
    wanted = recipe.capture.targets == "remote" and learns
    return recipe.capture.k if wanted else 0


def text_alone(settings: Train) -> str:
    """What to set to learn from the teacher's text alone: the terms that need its probabilities to 0."""
    off = [f"train.{name}=0" for name in (*DIVERGENCES, "likelihood") if getattr(settings, name)]
    return " ".join([*off, *([] if settings.ce else ["train.ce=1"])])


def divergence(settings: Train) -> Divergence:
    """The recipe's divergences as one: their weights are shares, whose sum is each example's weight."""
    from inbond.losses import divergences as known

    parts: dict[str, known.Divergence] = {
        "kl": known.ForwardKL(),
        "reverse_kl": known.ReverseKL(),
        "jsd": known.jsd(settings.beta),
        "skew_kl": known.SkewKL(settings.alpha),
        "skew_reverse_kl": known.SkewReverseKL(settings.alpha),
        "adaptive_kl": known.AdaptiveKL(settings.mu),
    }
    assert set(parts) == set(DIVERGENCES), "one for each field"
    total = settings.divergence or 1.0
    weights = {name: getattr(settings, name) / total for name in parts}
    return known.Mixture(tuple((weights[name], part) for name, part in parts.items() if weights[name]))


def lora(recipe: Recipe) -> Lora:
    """The recipe's adapter, for training; asked only of a recipe that has one."""
    from inbond.train.adapters import Lora

    assert recipe.train.lora is not None, "asked for"
    return Lora(**recipe.train.lora.model_dump())


def in_words(settings: Train) -> str:
    """The objective with its formula, for the report."""
    formulas = {
        "kl": "KL(teacher ‖ student)",
        "reverse_kl": "KL(student ‖ teacher)",
        "jsd": f"JSD with β={settings.beta:g}: β·KL(teacher ‖ m) + (1-β)·KL(student ‖ m), "
        "m = β·teacher + (1-β)·student",
        "skew_kl": f"KL(teacher ‖ {settings.alpha:g}·teacher + {1 - settings.alpha:g}·student)",
        "skew_reverse_kl": f"KL(student ‖ {settings.alpha:g}·student + {1 - settings.alpha:g}·teacher)",
        "adaptive_kl": f"KL in both directions, weighted by the gap in head (μ={settings.mu:g}) and tail",
        "likelihood": "likelihood of each stretch of text that both vocabularies have borders around, "
        f"matched as events at heat {settings.likelihood_heat:g}",
        "ce": "cross-entropy on the text",
    }
    weights = {name: getattr(settings, name) for name in formulas}
    if settings.dpo is not None:
        formulas["dpo"], weights["dpo"] = _dpo_in_words(settings.dpo), settings.dpo.weight
    total = sum(weights.values())
    terms = [
        words if weights[name] == total else f"{weights[name] / total:.3g} × {words}"
        for name, words in formulas.items()
        if weights[name]
    ]
    heat = ""
    if settings.temperature != 1 and settings.divergence:
        factor = "divergences × T²" if settings.temperature_scale == "squared" else "no factor T²"
        heat = f"; divergences at temperature {settings.temperature:g} ({factor})"
    return " + ".join(terms) + heat


def _dpo_in_words(dpo: Dpo) -> str:
    how = f"β={dpo.beta:g}" + (f", {dpo.smoothing:.0%} taken for wrong" if dpo.smoothing else "")
    mean = ", answers by the average of their tokens" if dpo.normalise == "average" else ""
    return f"DPO with {how}{mean}, on preference pairs (other terms on the chosen answers)"


def targets_in_words(recipe: Recipe) -> str:
    """Which targets the divergences are taken on."""
    if recipe.train.taught == 0:
        return "none: the teacher's text alone"
    return {
        "top-k": f"the teacher's {recipe.capture.k} likeliest tokens, and all others as one event",
        "sampled": f"{recipe.capture.draws} tokens a place, a fair sample of the teacher's distribution",
        "online": "the teacher's whole distribution, asked while training",
        "remote": f"the {recipe.capture.k} likeliest tokens that the teacher's host reports, "
        "and all others as one event",
        "aligned": f"the teacher's {recipe.capture.k} likeliest tokens where both vocabularies have a border "
        "in the text, as the student begins to say them, and all others as one event",
    }[recipe.capture.targets]


def adapter_in_words(settings: Train) -> str | None:
    """The adapter, or None when all weights are learnt."""
    lora = settings.lora
    if lora is None:
        return None
    where = ", ".join(lora.targets) or "all linear layers"
    return f"LoRA of rank {lora.rank}, alpha {lora.alpha}, on {where}; merged into the weights"
