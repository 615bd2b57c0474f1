"""Drawing answers with a green-list mark from a model in this process.

Legend: B rows of a batch, V real vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from inbond.forensics.green import GreenKey
from inbond.losses.decoding import Pick


@final
class Marking:
    """Wraps a pick of ``losses.decoding``: green tokens gain the key's delta before it picks. The first
    ``window`` tokens of an answer are unmarked, so that an answer alone, without its prompt, shows its mark.
    """

    def __init__(self, key: GreenKey, pick: Pick) -> None:
        self._key, self._pick = key, pick
        self._said: dict[int, list[int]] = {}

    def __call__(self, logits_BV: Tensor, rows_B: Tensor, step: int) -> Tensor:
        rows = rows_B.tolist()
        biased_BV = logits_BV
        if step >= self._key.window:
            biased_BV = logits_BV + torch.stack([self._gain(self._said[row]) for row in rows]).to(logits_BV)
        tokens_B = self._pick(biased_BV, rows_B, step)
        for row, token in zip(rows, tokens_B.tolist(), strict=True):
            self._said.setdefault(row, []).append(token)
        return tokens_B

    def _gain(self, said: Sequence[int]) -> Tensor:
        green_V = torch.from_numpy(self._key.green_V(said[-self._key.window :]))
        return green_V.float() * self._key.delta


def marks(key: GreenKey, pick: Any) -> Pick:
    """``pick``, marked with ``key``; for one call of ``decode``."""
    return Marking(key, pick)
