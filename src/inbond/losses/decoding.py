"""Decoding: many answers to many prompts, one token at a time, whatever picks the tokens.

Runs the prompts once and not once a sample, stops rows that have ended, and never picks a row that only pads
the head. Legend: P prompts, S samples, B rows of a batch, T positions, V real vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor

from inbond.losses.batches import by_length
from inbond.losses.heads import head_weight
from inbond.losses.hidden import can_share

ROWS = 96
"""Rows decoded together: bounds the memory of keys, values and logits."""

STILL_GOING = 0.75
"""Rows that have ended are dropped once no more than this share goes on: dropping copies the others."""

Pick = Callable[[Tensor, Tensor, int], Tensor]
"""(logits [B, V], rows [B] of all P * S, step) to token ids [B]."""


@dataclass
class Answer:
    """An answer as it grows; ``end`` is the token that ended it, which ``tokens`` do not have. ``entropy`` is
    summed over ``steps`` tokens, in nats at temperature 1."""

    tokens: list[int]
    entropy: float = 0.0
    steps: int = 0
    end: int | None = None

    @property
    def ended(self) -> bool:
        return self.end is not None


@torch.inference_mode()
def decode(
    model: Any,
    vocabulary: int,
    ends: Set[int],
    prompts: Sequence[Sequence[int]],
    samples: int,
    max_new_tokens: int,
    pick: Pick,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> list[Answer]:
    """``samples`` answers to each prompt, prompt by prompt. Prompts of like length run together."""
    assert all(len(prompt) for prompt in prompts), "a prompt token comes first"
    weight_VH = head_weight(model, vocabulary)
    answers = [Answer([]) for _ in range(len(prompts) * samples)]
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


def _note(answers: Sequence[Answer], tokens_B: Tensor, entropy_B: Tensor, ends: Set[int]) -> None:
    for answer, token, entropy in zip(answers, tokens_B.tolist(), entropy_B.tolist(), strict=True):
        if answer.ended:
            continue
        answer.entropy += entropy
        answer.steps += 1
        if token in ends:
            answer.end = token
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
