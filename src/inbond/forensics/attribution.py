"""Which of several candidate teachers are a suspect's texts likest? A score within a closed set, never a
p-value: one of them is always the likest, also where none taught the suspect.

How far the score can be trusted is measured on the candidates' own texts, each judged by what was learnt from
other prompts. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics.exact import interval
from inbond.forensics.finding import Finding
from inbond.forensics.shown import Subject
from inbond.forensics.style import frequent, runs_of

Floats = npt.NDArray[np.float64]
Runs = Counter[tuple[str, ...]]

FOLDS: Final = 5
FEWEST: Final = 10
"""Texts of each candidate below which nothing can be learnt of its style."""
_SMOOTH = 0.5

_ASSUMPTIONS = (
    "the suspect's teacher is among the candidates",
    "the suspect and all candidates answered prompts of the same kind, best the same ones",
)
_LIMITS = (
    "one candidate is always the likest: none may have taught the suspect",
    "likeness of style is no training: models learn from the same texts, and from each other",
    "accuracy is that on the candidates' own texts; on those of their students it is lower",
)


@final
@dataclass(frozen=True)
class Written:
    """Texts and the prompts that they answer: ``units[i]`` is the same number where two candidates answered
    the same prompt, so that none is judged by what was learnt from its own prompt."""

    texts: tuple[str, ...]
    units: tuple[int, ...]


def by_style(
    suspect: Sequence[str], candidates: Mapping[str, Written], subjects: Mapping[str, Subject]
) -> Finding:
    """The finding from texts alone. Raises InputError for fewer than two candidates, or too few texts."""
    _check(suspect, {name: len(one.texts) for name, one in candidates.items()})
    known = frequent(text for one in candidates.values() for text in one.texts)
    runs = {name: [runs_of(text, known) for text in one.texts] for name, one in candidates.items()}
    own = _left_out(runs, {name: one.units for name, one in candidates.items()})
    model = _learn(runs)
    scores = np.array([_score(model, runs_of(text, known)) for text in suspect])
    return _finding(scores, own, list(candidates), subjects, "style")


def by_likelihood(suspect: Floats, own: Mapping[str, Floats], subjects: Mapping[str, Subject]) -> Finding:
    """The finding where the candidates' weights are at hand: log-likelihoods in nats a byte
    (``shown.a_byte``) of the suspect's texts under each candidate [texts, candidates], and of each
    candidate's own texts, candidates always in the order of ``own``."""
    _check(suspect, {name: len(values) for name, values in own.items()})
    return _finding(suspect, own, list(own), subjects, "likelihood")


def _check(suspect: Sequence[object] | Floats, counts: Mapping[str, int]) -> None:
    if len(counts) < 2 or min(counts.values()) < FEWEST or len(suspect) == 0:
        few = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise InputError(
            expected=f"texts of the suspect, and {FEWEST} or more of each of two candidates or more",
            found=f"{len(suspect)} of the suspect; {few or 'no candidates'}",
            fix="ask the candidates the prompts that the suspect answered",
        )


def _finding(
    scores: Floats, own: Mapping[str, Floats], names: Sequence[str], subjects: Mapping[str, Subject], by: str
) -> Finding:
    """``scores`` [texts, candidates]; the largest is the likest."""
    likest = scores.argmax(1)
    shares = {name: float((likest == place).mean()) for place, name in enumerate(names)}
    right = sum(int((own[name].argmax(1) == place).sum()) for place, name in enumerate(names))
    texts = sum(len(values) for values in own.values())
    low, high = interval(right, texts)
    whole = int(scores.mean(0).argmax())
    best = names[whole]
    return Finding(
        test="attribution",
        question=f"of {len(names)} candidates the suspect's texts are likest to those of {best}",
        null="none: a score within a closed set, and no test",
        statistic={
            **{f"share likest to {name}": share for name, share in shares.items()},
            "accuracy on the candidates' own texts": right / texts,
            "accuracy, low": low,
            "accuracy, high": high,
            "accuracy by chance": 1 / len(names),
            "margin": _margin(scores),
        },
        log10_p=None,
        size=len(scores),
        unit="texts",
        needed=None,
        effect="likeness to one candidate more than to the others",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS,
        facts={
            "by": by,
            "candidates": list(names),
            "scores": of_value(scores.tolist()),
            "right": {
                name: [int((own[name].argmax(1) == p).sum()), len(own[name])] for p, name in enumerate(names)
            },
        },
        about=subjects[best].to_json(),
    )


def _margin(scores: Floats) -> float:
    """By how much the best candidate's mean is above the next, in standard errors over texts; 0 for one
    text."""
    first, second = np.argsort(-scores.mean(0))[:2]
    apart = scores[:, first] - scores[:, second]
    error = float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
    return float(apart.mean()) / error if error else 0.0


@dataclass(frozen=True)
class _Styles:
    """For each run how likely each candidate is to write it, as logarithms [candidates]."""

    logs: Mapping[tuple[str, ...], Floats]
    count: int


def _learn(runs: Mapping[str, Sequence[Runs]]) -> _Styles:
    """Multinomial, each run length for itself, smoothed; runs that only one text has say nothing of style."""
    texts = Counter(run for each in runs.values() for one in each for run in one)
    kept = sorted(run for run, count in texts.items() if count > 1)
    totals = [_total(each) for each in runs.values()]
    sizes = np.zeros((max((len(run) for run in kept), default=1) + 1, len(totals)))
    counts = {run: np.array([total[run] for total in totals], float) + _SMOOTH for run in kept}
    for run, found in counts.items():
        sizes[len(run)] += found
    return _Styles({run: np.log(found / sizes[len(run)]) for run, found in counts.items()}, len(totals))


def _total(each: Sequence[Runs]) -> Runs:
    found = Runs()
    for one in each:
        found.update(one)
    return found


def _score(styles: _Styles, runs: Runs) -> Floats:
    """Mean log-likelihood of a text's runs that are known, for each candidate."""
    total, weight = np.zeros(styles.count), 0
    for run, count in runs.items():
        logs = styles.logs.get(run)
        if logs is not None:
            total, weight = total + count * logs, weight + count
    return total / max(1, weight)


def _left_out(runs: Mapping[str, Sequence[Runs]], units: Mapping[str, Sequence[int]]) -> dict[str, Floats]:
    """Scores of the candidates' own texts, each by what was learnt from the prompts of other folds."""
    scores = {name: np.zeros((len(each), len(runs))) for name, each in runs.items()}
    for fold in range(FOLDS):
        rest = {
            name: [one for one, unit in zip(each, units[name], strict=True) if unit % FOLDS != fold]
            for name, each in runs.items()
        }
        styles = _learn(rest)
        for name, each in runs.items():
            for place, unit in enumerate(units[name]):
                if unit % FOLDS == fold:
                    scores[name][place] = _score(styles, each[place])
    return scores
