"""Answers that somebody else drew for the student, made its samples: looked at before they are believed, and
their log-probabilities measured anew, since a server's copy of the student is rounded.

Legend: N label tokens of all answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from inbond.errors import InputError
from inbond.teachers.protocols import TokenSequence
from inbond.train.drawing import Drawing, Sample
from inbond.train.entropies import ENTROPY, LOGP, PLAIN, TILTED, TILTS, Told, measure

GAP: Final = 0.3
"""Nats a token by which answers may be more, or less, of a surprise to the student than its own are: what
rounding to eight bits does is far below it."""
ODDS: Final = 8 * math.log(10)
"""By chance alone answers that are the student's are refused less than once in 10^8 drawings."""


@dataclass(frozen=True)
class Answered:
    """One answer's tokens, its end among them where it has one; ``stopped``: whoever drew it says that it
    ended, and was not cut."""

    ids: Sequence[int]
    stopped: bool


def as_samples(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Answered], drawing: Drawing, pad_id: int
) -> list[Sample]:
    """The samples that ``answers`` are, ``drawing.samples`` to each prompt. Leaves the model training.

    ``behaviour`` is what the student as it is now gives each token at the drawing's temperature. Raises
    InputError for tokens that are none, empty, overlong or cut answers, and where this student, with any
    likelihood, drew no such answers.
    """
    assert len(answers) == len(prompts) * drawing.samples, "an answer for each sample"
    rows, ended = [], []
    for row, answer in enumerate(answers):
        ids, end = _checked(answer, drawing)
        prompt = prompts[row // drawing.samples]
        rows.append(TokenSequence((*prompt, *ids), len(prompt)))
        ended.append(end)
    model.eval()
    found = measure(model, drawing.vocabulary, drawing.temperature, rows, pad_id)
    model.train()
    _check_drawn(np.concatenate(found))
    return [
        Sample(row, one[:, LOGP].astype(np.float32), float(one[:, PLAIN].mean()), end)
        for row, one, end in zip(rows, found, ended, strict=True)
    ]


def _checked(answer: Answered, drawing: Drawing) -> tuple[list[int], bool]:
    """Its tokens up to its end, and whether it has one. A server may know of more ends than the student
    does: an answer that stopped at one of those counts as unfinished."""
    ids = list(answer.ids)
    wrong = [id_ for id_ in ids if type(id_) is not int or not 0 <= id_ < drawing.vocabulary]
    if wrong:
        raise _refused(f"the token {wrong[0]!r:.40}, where the student has {drawing.vocabulary:,}")
    end = next((place for place, id_ in enumerate(ids) if id_ in drawing.ends), None)
    if end is not None:
        return ids[: end + 1], True
    if not ids:
        raise _refused("an answer without a token")
    if len(ids) > drawing.max_tokens:
        raise _refused(f"an answer of {len(ids)} tokens, where {drawing.max_tokens} were asked for")
    if len(ids) < drawing.max_tokens and not answer.stopped:
        raise _refused(f"an answer cut after {len(ids)} of {drawing.max_tokens} tokens")
    return ids, False


def _refused(found: str) -> InputError:
    return InputError(
        expected="answers of the student, drawn by the served copy of it",
        found=found,
        fix="see that the server has the newest copy and room for prompt and answer; run the recipe again: "
        "it goes on from its last checkpoint",
    )


def _check_drawn(told: Told) -> None:
    """Given all before it, -log q of a token that was drawn from q is its entropy on average. Whether tokens
    are further off than chance allows is told by bets against it that are fair (of mean 1) where the student
    drew them, however sharp it is: by Markov's inequality all of them together seldom win much."""
    if not np.isfinite(told).all():
        raise InputError(
            expected="finite log-probabilities of the student's own answers",
            found="NaN or infinity",
            fix="set train.lr lower; run the recipe again: it goes on from its last checkpoint",
        )
    logp_N = told[:, LOGP]
    gap = float((-logp_N - told[:, ENTROPY]).mean())
    won = [
        float((-tilt * logp_N - told[:, TILTED + place]).sum()) - math.log(len(TILTS))
        for place, tilt in enumerate(TILTS)
    ]
    odds = float(np.logaddexp.reduce(won))
    if abs(gap) > GAP and odds > ODDS:
        raise _refused(
            f"answers that are {abs(gap):.2f} nats a token {'more' if gap > 0 else 'less'} of a surprise to "
            f"it than its own would be (by chance less than once in 10^{odds / math.log(10):.0f} times): an "
            "older copy, another model, or other sampling"
        )
