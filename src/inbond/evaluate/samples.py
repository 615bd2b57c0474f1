"""What models say: greedy answers to judge with one's own eyes, sampled answers to count.

One decoding loop for both (``losses.decoding``). It takes nothing from a model's generation settings but the
tokens that end an answer, so that two models are asked in exactly the same way.
Legend: P prompts, S samples, R = P * S, B rows of a batch, T positions, V real vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inbond.errors import InputError
from inbond.evaluate.diversity import Answers
from inbond.losses.decoding import Answer, Pick, decode
from inbond.teachers.tokens import end_ids

LIKELIEST = 256
"""Tokens looked at first when the nucleus is sought; sorting the whole vocabulary is far slower."""


def sample_answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    samples: int,
    *,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    on_progress: Callable[[int, int], None] = lambda *_: None,
    around: Callable[[Pick], Pick] = lambda pick: pick,
) -> Answers:
    """``samples`` answers to each prompt (token ids). The seed alone decides each place's random number:
    batches do not, and two models asked with one seed share them, which takes noise out of a comparison.

    ``on_progress`` gets (answers done, of all); ``around`` wraps how a token is drawn, from the raw logits.
    Raises InputError at a temperature of 0, or for fewer than
    two samples: then all answers are the same and say nothing of variety.
    """
    if temperature <= 0 or samples < 2:
        raise InputError(
            expected="a temperature above 0 and at least 2 samples a prompt, to measure variety",
            found=f"temperature {temperature:g}, {samples} samples",
            fix="raise the temperature or the number of samples, or turn the diversity gate off",
        )
    generator = torch.Generator().manual_seed(seed)
    chances_RT = torch.rand((len(prompts) * samples, max_new_tokens), generator=generator)

    def pick(logits_BV: Tensor, rows_B: Tensor, step: int) -> Tensor:
        return _draw(logits_BV / temperature, top_p, chances_RT[rows_B, step].to(logits_BV.device))

    answers = decode(
        model,
        len(tokenizer),
        end_ids(model, tokenizer),
        prompts,
        samples,
        max_new_tokens,
        around(pick),
        on_progress,
    )
    grouped = [answers[start : start + samples] for start in range(0, len(answers), samples)]
    return Answers(
        tuple(tuple(tuple(answer.tokens) for answer in group) for group in grouped),
        tuple(tuple(_text(tokenizer, answer) for answer in group) for group in grouped),
        tuple(tuple(answer.entropy / max(answer.steps, 1) for answer in group) for group in grouped),
        tuple(tuple(answer.ended for answer in group) for group in grouped),
    )


def greedy(model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[str]:
    """The likeliest continuation of each prompt (token ids), decoded, special tokens left out."""
    answers = decode(model, len(tokenizer), end_ids(model, tokenizer), prompts, 1, max_new_tokens, _likeliest)
    return [_text(tokenizer, answer).strip() for answer in answers]


def greedy_sequences(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> list[tuple[tuple[int, ...], int]]:
    """Each prompt with the model's own greedy answer, as (ids, prompt length) of a TokenSequence, in the
    order of the prompts. An answer that ended has its end token, as a training record has; one that says
    nothing at all and does not end has no label, which cannot happen with at least one new token."""
    answers = decode(
        model, len(tokenizer), end_ids(model, tokenizer), prompts, 1, max_new_tokens, _likeliest, on_progress
    )
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [
        ((*prompt, *answer.tokens, *(end if answer.ended else [])), len(prompt))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def _text(tokenizer: Any, answer: Answer) -> str:
    text: str = tokenizer.decode(answer.tokens, skip_special_tokens=True)
    return text


def _likeliest(logits_BV: Tensor, _rows_B: Tensor, _step: int) -> Tensor:
    return logits_BV.argmax(1)


def _draw(logits_BV: Tensor, top_p: float, chance_B: Tensor) -> Tensor:
    """One token a row from the nucleus: the fewest likeliest tokens that hold ``top_p`` of the mass.

    By inverting the cumulative distribution at ``chance_B`` (uniform in [0, 1)).
    """
    lse_B1 = logits_BV.logsumexp(1, keepdim=True)
    wide = min(LIKELIEST, logits_BV.shape[1])
    while True:
        top_BK, ids_BK = logits_BV.topk(wide, dim=1)
        mass_BK = (top_BK - lse_B1).exp().double().cumsum(1)
        if wide == logits_BV.shape[1] or bool((mass_BK[:, -1] >= top_p).all()):
            break
        wide = min(8 * wide, logits_BV.shape[1])
    # A token belongs to the nucleus when the mass before it is below top_p.
    inside_BK = torch.cat([torch.zeros_like(mass_BK[:, :1]), mass_BK[:, :-1]], dim=1) < top_p
    last_B1 = inside_BK.sum(1, keepdim=True) - 1
    goal_B1 = chance_B.double().unsqueeze(1) * mass_BK.gather(1, last_B1)
    place_B1 = torch.searchsorted(mass_BK, goal_B1, right=True).minimum(last_B1)
    return ids_BK.gather(1, place_B1).squeeze(1)
