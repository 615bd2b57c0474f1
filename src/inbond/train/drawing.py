"""Samples of the student: who draws them, and how they are drawn in this process.

Legend: R samples, T tokens of a sample, B rows decoded together, V vocabulary.
"""

from __future__ import annotations

import random
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, final

import torch
from torch import Tensor

from inbond.losses.decoding import decode
from inbond.teachers.protocols import TokenSequence
from inbond.train.likelihoods import LogP


@dataclass(frozen=True)
class Drawing:
    """How samples are drawn: ``samples`` answers to each prompt, of at most ``max_tokens`` tokens."""

    vocabulary: int
    ends: Set[int]
    max_tokens: int = 64
    temperature: float = 1.0
    samples: int = 1


@dataclass(frozen=True)
class Sample:
    """One answer of the student's; ``behaviour`` holds the log-probability with which each label token was
    drawn, ``entropy`` is the mean of its tokens' in nats at temperature 1."""

    sequence: TokenSequence
    behaviour: LogP
    entropy: float
    ended: bool

    @property
    def text_ids(self) -> tuple[int, ...]:
        """Its tokens without the one that ended it."""
        ids = self.sequence.ids[self.sequence.prompt_length :]
        return ids[:-1] if self.ended else ids


class Draws(Protocol):
    """Whoever draws the student's answers."""

    @property
    def drawing(self) -> Drawing: ...

    def draw(self, model: Any, prompts: Sequence[Sequence[int]], step: int) -> list[Sample]:
        """``drawing.samples`` answers to each prompt (token ids, at least one), prompt by prompt, of the
        student as it is before ``step``. Leaves the model in training mode; random numbers depend on the step
        alone. Raises InputError when there are no answers, or answers that are not the student's."""


@final
@dataclass(frozen=True)
class Here:
    """Draws in this process, between the steps. The same call gives the same samples. Implements Draws."""

    drawing: Drawing
    seed: int

    def draw(self, model: Any, prompts: Sequence[Sequence[int]], step: int) -> list[Sample]:
        """See Draws."""
        return draw(model, prompts, self.drawing, seed_of(self.seed, step))


def seed_of(seed: int, step: int) -> int:
    """The seed of a step's samples: the same whenever the step is taken."""
    return random.Random(f"{seed}/samples/{step}").getrandbits(63)


def draw(model: Any, prompts: Sequence[Sequence[int]], drawing: Drawing, seed: int) -> list[Sample]:
    """``drawing.samples`` answers to each prompt (token ids), prompt by prompt, from the student's whole
    distribution. Leaves the model in training mode."""
    rows = len(prompts) * drawing.samples
    chances_RT = torch.rand(
        (rows, drawing.max_tokens), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    logp_RT = torch.zeros(rows, drawing.max_tokens, dtype=torch.float32)
    pick = partial(_pick, drawing.temperature, chances_RT, logp_RT)
    model.eval()
    answers = decode(
        model, drawing.vocabulary, drawing.ends, prompts, drawing.samples, drawing.max_tokens, pick
    )
    model.train()
    samples = []
    for row, answer in enumerate(answers):
        prompt = prompts[row // drawing.samples]
        ids = (*prompt, *answer.tokens, *([] if answer.end is None else [answer.end]))
        behaviour = logp_RT[row, : len(ids) - len(prompt)].numpy()
        entropy = answer.entropy / max(1, answer.steps)
        samples.append(Sample(TokenSequence(ids, len(prompt)), behaviour, entropy, answer.ended))
    return samples


def _pick(
    temperature: float, chances_RT: Tensor, logp_RT: Tensor, logits_BV: Tensor, rows_B: Tensor, step: int
) -> Tensor:
    """One token a row by inverting its cumulative distribution; notes its log-probability in ``logp_RT``."""
    logp_BV = (logits_BV / temperature).log_softmax(1)
    mass_BV = logp_BV.double().exp().cumsum(1)
    goal_B1 = (chances_RT[rows_B, step].to(mass_BV.device) * mass_BV[:, -1]).unsqueeze(1)
    tokens_B1 = torch.searchsorted(mass_BV, goal_B1, right=True).clamp_(max=mass_BV.shape[1] - 1)
    logp_RT[rows_B, step] = logp_BV.gather(1, tokens_B1).squeeze(1).cpu()
    return tokens_B1.squeeze(1)
