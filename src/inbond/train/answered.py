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
from inbond.train.entropies import LOGP, PLAIN, Told, measure

GAP: Final = 0.3
"""Nats a token by which answers may be more, or less, of a surprise to the student than its own are: what
rounding to eight bits does is far below it."""
DOUBT: Final = 6.0
"""Standard errors: by chance alone answers are as far off once in 10^8 times."""


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


def _check_drawn(tokens_N4: Told) -> None:
    """Given all before it, -log q of a token that was drawn from q is its entropy on average: over all tokens
    the differences add up to what chance allows, unless somebody else, or something greedier, drew them."""
    if not np.isfinite(tokens_N4).all():
        raise InputError(
            expected="finite log-probabilities of the student's own answers",
            found="NaN or infinity",
            fix="set train.lr lower; run the recipe again: it goes on from its last checkpoint",
        )
    logp_N, _, entropy_N, variance_N = tokens_N4.T
    total = float((-logp_N - entropy_N).sum())
    gap = total / len(logp_N)
    spread = math.sqrt(float(variance_N.sum()) + 1e-6)
    if abs(gap) > GAP and abs(total) > DOUBT * spread:
        raise _refused(
            f"answers that are {abs(gap):.2f} nats a token {'more' if gap > 0 else 'less'} of a surprise to "
            f"it than its own would be ({abs(total) / spread:.0f} standard errors): an older copy, another "
            "model, or other sampling"
        )
