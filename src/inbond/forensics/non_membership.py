"""Did a suspect go without these records? Two models that have not seen a text rank its tokens more alike
than where one has learnt it (PRISM: Shetty et al., arXiv:2603.22707).

How alike a suspect and a model that is known not to have seen the records would be without learning is not
known by itself: it is measured on control records of the same source that neither saw. What is supposed (the
null) is that the suspect DID learn the records, by at least ``LEAST`` standard deviations, and both of two
numbers must speak against it: how much likelier the suspect finds the records than the other model does, and
how much less alike both rank the tokens of each. So weak numbers end in "cannot tell", never in an all-clear.
The paper's own decision compares correlations; controls by lot, the effect that is named beforehand and the
two numbers together are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics.dataset_inference import Sides, spread
from inbond.forensics.finding import ALPHA, Finding
from inbond.forensics.power import needed_for_gain
from inbond.forensics.ranks import SHUFFLES, Shuffled, correlation, mean_gain
from inbond.forensics.shown import Progress, Shown, Subject, by_text, quietly

Floats = npt.NDArray[np.float64]

LEAST: Final = 0.2
"""What learning the records is supposed to leave at the least, in standard deviations among groups of
them."""
FEWEST: Final = 3
"""Tokens below which a text has no ranks to speak of."""
_EACH = 0.95
"""Chance that one of the two numbers speaks against it, so that both do in nine of ten cases."""

_NULL: Final = (
    "the suspect learnt the records, which made them likelier, or the ranks of their tokens more its own, by "
    "{least:g} standard deviations or more, beside control records that it did not learn"
)
_ASSUMPTIONS = (
    "a lot decided which records are controls, and neither model saw any of these",
    "the reference saw none of the records",
    "learning moves the numbers of all records alike; what it does to single ones may differ",
)
_LIMITS = (
    "learning that leaves less than the effect named is not ruled out: one pass at a low rate, or much "
    "training after it",
    "who learnt a paraphrase or a translation of the records did not learn these texts",
    "it speaks of all records together: a few may have been learnt",
)


def judge(
    gains: tuple[Floats, Floats],
    unlike: tuple[Floats, Floats],
    records: Subject,
    *,
    least: float = LEAST,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    alpha: float = ALPHA,
    models: Mapping[str, str] | None = None,
) -> Finding:
    """The finding, from two numbers for each group: (of the records, of the controls). ``gains``: how much
    likelier the suspect finds it than the reference does; ``unlike``: minus the rank correlation of their
    tokens' log-probabilities. A positive finding says that the suspect did not learn the records."""
    both = {"likelier": gains, "ranked otherwise": unlike}
    found = {name: _against(*each, least, shuffles, seed) for name, each in both.items()}
    log10_p = max(one.log10_p for one in found.values())
    counts = len(gains[0]), len(gains[1])
    return Finding(
        test="non-membership",
        question=f"the suspect did not learn {records.name}, not by {least:g} standard deviations or more",
        null=_NULL.format(least=least),
        statistic={f"{name}, standardised": _effect(*each) for name, each in both.items()},
        log10_p=log10_p,
        size=sum(counts),
        unit="groups of records",
        needed=needed_for_gain(least, counts[0] / sum(counts), alpha, _EACH),
        effect=f"that what learning leaves stays below {least:g} standard deviations",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS,
        facts={
            "values": of_value([[name, list(one), list(other)] for name, (one, other) in both.items()]),
            "models": dict(models or {}),
            "least": least,
            "log10_p": log10_p,
            "shuffles": {name: one.shuffles for name, one in found.items()},
            "seed": seed,
        },
        about=records.to_json(absent="yes"),
    )


def _against(records: Floats, controls: Floats, least: float, shuffles: int, seed: int) -> Shuffled:
    """How often a lot would leave the records so little above the controls, had learning added ``least``
    standard deviations to them."""
    unlearnt = records - least * spread(records, controls)
    return mean_gain(-unlearnt, -controls, shuffles=shuffles, seed=seed)


def _effect(records: Floats, controls: Floats) -> float:
    width = spread(records, controls)
    return float(records.mean() - controls.mean()) / width if width else 0.0


def of(
    sides: Sides,
    suspect: Shown,
    reference: Shown,
    *,
    least: float = LEAST,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    alpha: float = ALPHA,
    on_progress: Progress = quietly,
) -> Finding:
    """``judge`` of a suspect whose weights are at hand. ``sides``: the records, and as held out the controls.
    Both models are shown the same tokens: raises InputError where their vocabularies differ."""
    if suspect.model.vocabulary != reference.model.vocabulary:
        raise InputError(
            expected=f"a reference with the vocabulary of {suspect.model.name}: tokens are ranked one by one",
            found=f"another one, of {reference.model.name}",
            fix="name the suspect's own base, or another model of its family that did not see the records",
        )
    own, theirs = suspect.log_likelihoods(on_progress), reference.log_likelihoods(on_progress)
    enough = [place for place, logp in enumerate(own) if len(logp) >= FEWEST]
    kept = Sides(
        sides.records,
        tuple(sides.units[place] for place in enough),
        tuple(sides.held_out[place] for place in enough),
    )
    alike = np.array([correlation(own[place], theirs[place]) for place in enough])
    gained = (by_text(own) - by_text(theirs))[enough]
    models = {"suspect": suspect.model.digest, "reference": reference.model.digest}
    return judge(
        kept.split(gained),
        kept.split(-alike),
        sides.records,
        least=least,
        shuffles=shuffles,
        seed=seed,
        alpha=alpha,
        models=models,
    )
