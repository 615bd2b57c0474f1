"""What models say: greedy answers to judge with one's own eyes, sampled answers to count.

One decoding loop for both. It runs the prompts once and not once a sample, stops rows that have ended,
never picks a row that only pads the head, and takes nothing from a model's generation settings but the
tokens that end an answer, so that two models are asked in exactly the same way.
Legend: P prompts, S samples, B rows of a batch, T positions, V real vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor

from inbond.errors import InputError
from inbond.evaluate.diversity import Answers
from inbond.losses.batches import by_length
from inbond.losses.heads import head_weight
from inbond.losses.hidden import can_share
from inbond.teachers.tokens import end_ids

ROWS = 96
"""Rows decoded together: bounds the memory of keys, values and logits."""
LIKELIEST = 256
"""Tokens looked at first when the nucleus is sought; sorting the whole vocabulary is far slower."""

STILL_GOING = 0.75
"""Rows that have ended are dropped once no more than this share goes on: dropping copies the others."""

Pick = Callable[[Tensor, Tensor, int], Tensor]
"""(logits [B, V], rows [B] of all P * S, step) to token ids [B]."""


@dataclass
class _Answer:
    """An answer as it grows."""

    tokens: list[int]
    entropy: float = 0.0
    steps: int = 0
    ended: bool = False


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
) -> Answers:
    """``samples`` answers to each prompt (token ids). The seed alone decides each place's random number:
    batches do not, and two models asked with one seed share them, which takes noise out of a comparison.

    ``on_progress`` gets (answers done, of all). Raises InputError at a temperature of 0, or for fewer than
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

    answers = _decode(model, tokenizer, prompts, samples, max_new_tokens, pick, on_progress)
    grouped = [answers[start : start + samples] for start in range(0, len(answers), samples)]
    return Answers(
        tuple(tuple(tuple(answer.tokens) for answer in group) for group in grouped),
        tuple(tuple(_text(tokenizer, answer) for answer in group) for group in grouped),
        tuple(tuple(answer.entropy / max(answer.steps, 1) for answer in group) for group in grouped),
        tuple(tuple(answer.ended for answer in group) for group in grouped),
    )


def greedy(model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[str]:
    """The likeliest continuation of each prompt (token ids), decoded, special tokens left out."""
    answers = _decode(model, tokenizer, prompts, 1, max_new_tokens, _likeliest)
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
    answers = _decode(model, tokenizer, prompts, 1, max_new_tokens, _likeliest, on_progress)
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [
        ((*prompt, *answer.tokens, *(end if answer.ended else [])), len(prompt))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def _text(tokenizer: Any, answer: _Answer) -> str:
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


@torch.inference_mode()
def _decode(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    samples: int,
    max_new_tokens: int,
    pick: Pick,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> list[_Answer]:
    """``samples`` answers to each prompt, prompt by prompt. Prompts of like length run together."""
    assert all(len(prompt) for prompt in prompts), "a prompt token comes first"
    weight_VH, ends = head_weight(model, len(tokenizer)), end_ids(model, tokenizer)
    answers = [_Answer([]) for _ in range(len(prompts) * samples)]
    done = 0
    for places in by_length([len(prompt) for prompt in prompts], max(1, ROWS // samples)):
        rows = [place * samples + sample for place in places for sample in range(samples)]
        reader = _reader(model, [prompts[place] for place in places], samples, max_new_tokens)
        for step in range(max_new_tokens):
            logits_BV = (reader.hidden_BH @ weight_VH.T).float()
            tokens_B = pick(logits_BV, torch.tensor(rows), step)
            _note([answers[row] for row in rows], tokens_B, _entropy(logits_BV), ends)
            going = [place for place, row in enumerate(rows) if not answers[row].ended]
            if step + 1 == max_new_tokens or not going:
                break
            if len(going) <= STILL_GOING * len(rows):
                rows, tokens_B = [rows[place] for place in going], tokens_B[going]
                reader.keep(going)
            reader.read(tokens_B)
        done += len(places) * samples
        on_progress(done, len(answers))
    return answers


def _note(answers: Sequence[_Answer], tokens_B: Tensor, entropy_B: Tensor, ends: set[int]) -> None:
    for answer, token, entropy in zip(answers, tokens_B.tolist(), entropy_B.tolist(), strict=True):
        if answer.ended:
            continue
        answer.entropy += entropy
        answer.steps += 1
        if token in ends:
            answer.ended = True
        else:
            answer.tokens.append(token)


def _entropy(logits_BV: Tensor) -> Tensor:
    """Entropy [B] in nats at temperature 1."""
    logp_BV = logits_BV.log_softmax(1)
    return -(logp_BV.exp() * logp_BV).nan_to_num(0.0).sum(1)


class _Reads(Protocol):
    """Rows that grow by a token each; ``hidden_BH`` predicts the next one."""

    hidden_BH: Tensor

    def keep(self, rows: Sequence[int]) -> None:
        """Goes on with these rows only; ``hidden_BH`` is stale until ``read``."""

    def read(self, tokens_B: Tensor) -> None:
        """Appends one token to each row."""


def _reader(model: Any, prompts: Sequence[Sequence[int]], samples: int, new_tokens: int) -> _Reads:
    plain = can_share(model, max(map(len, prompts)) + new_tokens)
    return (_Cached if plain else _Whole)(model, prompts, samples)


@final
class _Cached:
    """Reads each prompt once, for all its samples, and each new token once. Pads on the left."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], samples: int) -> None:
        from transformers import DynamicCache

        self._decoder = model.get_decoder()
        width = max(map(len, prompts))
        ids = [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._mask_BT = torch.tensor(mask, device=model.device)
        cache: Any = DynamicCache(config=model.config)
        self._cache = cache
        self.hidden_BH = self._run(torch.tensor(ids, device=model.device)).repeat_interleave(samples, 0)
        cache.batch_repeat_interleave(samples)
        self._mask_BT = self._mask_BT.repeat_interleave(samples, 0)

    def keep(self, rows: Sequence[int]) -> None:
        """See _Reads."""
        kept = torch.tensor(rows, device=self._mask_BT.device)
        self._cache.batch_select_indices(kept)
        self._mask_BT = self._mask_BT[kept]

    def read(self, tokens_B: Tensor) -> None:
        """See _Reads."""
        self._mask_BT = torch.cat([self._mask_BT, torch.ones_like(self._mask_BT[:, :1])], dim=1)
        self.hidden_BH = self._run(tokens_B.unsqueeze(1))

    def _run(self, ids_BT: Tensor) -> Tensor:
        places_BT = (self._mask_BT.cumsum(1) - 1).clamp_min(0)[:, -ids_BT.shape[1] :]
        output = self._decoder(
            input_ids=ids_BT, attention_mask=self._mask_BT, position_ids=places_BT,
            past_key_values=self._cache, use_cache=True,
        )  # fmt: skip
        hidden_BTH: Tensor = output.last_hidden_state
        return hidden_BTH[:, -1]


@final
class _Whole:
    """Reads all rows whole at each step: slow, and right for any causal model. Pads on the right."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], samples: int) -> None:
        self._decoder, self._device = model.get_decoder(), model.device
        self._rows = [list(prompt) for prompt in prompts for _ in range(samples)]
        self.hidden_BH = self._run()

    def keep(self, rows: Sequence[int]) -> None:
        """See _Reads."""
        self._rows = [self._rows[row] for row in rows]

    def read(self, tokens_B: Tensor) -> None:
        """See _Reads."""
        for row, token in zip(self._rows, tokens_B.tolist(), strict=True):
            row.append(token)
        self.hidden_BH = self._run()

    def _run(self) -> Tensor:
        width = max(map(len, self._rows))
        ids = [row + [0] * (width - len(row)) for row in self._rows]
        hidden_BTH: Tensor = self._decoder(input_ids=torch.tensor(ids, device=self._device), use_cache=False)[
            0
        ]
        last = [len(row) - 1 for row in self._rows]
        return hidden_BTH[range(len(last)), last]
