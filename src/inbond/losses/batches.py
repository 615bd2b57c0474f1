"""Token sequences to batches whose common prefix stands there once.

Legend: B rows (one sequence each), P prefix tokens, T suffix positions, N label tokens of all rows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

WORTH = 32
"""Positions that sharing must save: about what reading all weights a second time costs."""

WINDOW = 16
"""Batches whose sequences are sorted by length together: more means less padding, but also that the same
sequences meet again in the next epoch (docs/run.md)."""


class Labelled(Protocol):
    """What a batch needs of a token sequence: its ids, and where its labels begin."""

    @property
    def ids(self) -> tuple[int, ...]: ...

    @property
    def prompt_length(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Batch:
    """What a model reads of B sequences, and what it is to predict.

    Row b's input is ``prefix_P`` followed by its part of ``ids_BT`` (int64, padded on the right). The
    last token of a sequence is never an input: it predicts nothing. ``predicts_BT`` (bool) is True where
    the next token is a label, ``labels_N`` (int64) holds those labels row by row, and ``lengths`` how
    many of them each row has. Every label is predicted from ``ids_BT``, none from the prefix.
    """

    prefix_P: Tensor
    ids_BT: Tensor
    predicts_BT: Tensor
    labels_N: Tensor
    lengths: tuple[int, ...]

    @property
    def longest(self) -> int:
        """Positions of the longest row, prefix and all."""
        return len(self.prefix_P) + self.ids_BT.shape[1]


def make_batch(
    sequences: Sequence[Labelled], pad_id: int, device: torch.device, *, share: bool = True
) -> Batch:
    """The sequences as one batch. With ``share``, what they all begin with becomes its prefix, unless that
    saves next to nothing; a model for which a prefix cannot be shared exactly reads the batch all the same
    (``losses.hidden``). No sequence may be without a prompt token: its first label would have nothing to
    be predicted from."""
    assert all(sequence.prompt_length >= 1 for sequence in sequences), "a prompt token comes first"
    prefix = _common_prefix(sequences) if share else 0
    if prefix * (len(sequences) - 1) < WORTH:
        prefix = 0
    inputs = [sequence.ids[prefix:-1] for sequence in sequences]
    lengths = tuple(len(sequence.ids) - sequence.prompt_length for sequence in sequences)
    width = max(1, *map(len, inputs))
    ids_BT = torch.full((len(inputs), width), pad_id, dtype=torch.int64)
    predicts_BT = torch.zeros((len(inputs), width), dtype=torch.bool)
    for row, (tokens, labels) in enumerate(zip(inputs, lengths, strict=True)):
        ids_BT[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
        predicts_BT[row, len(tokens) - labels : len(tokens)] = True
    labels_N = torch.tensor(
        [label for sequence in sequences for label in sequence.ids[sequence.prompt_length :]],
        dtype=torch.int64,
    )
    prefix_P = torch.tensor(sequences[0].ids[:prefix], dtype=torch.int64)
    return Batch(prefix_P.to(device), ids_BT.to(device), predicts_BT.to(device), labels_N.to(device), lengths)


def _common_prefix(sequences: Sequence[Labelled]) -> int:
    """Tokens that all sequences begin with, short of the last one of any prompt: it predicts a label."""
    most = min(sequence.prompt_length for sequence in sequences) - 1
    first, *others = (sequence.ids[:most] for sequence in sequences)
    for place, token in enumerate(first):
        if any(other[place] != token for other in others):
            return place
    return most


def by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Batches of at most ``size`` indices, of like length, so that little is padding."""
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    return [order[start : start + size] for start in range(0, len(order), size)]


def epoch_batches(lengths: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """One epoch's batches: shuffled, sorted by length within windows of ``WINDOW`` batches, shuffled again.

    The same arguments always give the same batches, which is what makes a resumed run the same run.
    """
    generator = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    generator.shuffle(order)
    batches = []
    for start in range(0, len(order), size * WINDOW):
        window = sorted(order[start : start + size * WINDOW], key=lambda index: lengths[index])
        batches += [window[first : first + size] for first in range(0, len(window), size)]
    generator.shuffle(batches)
    return batches
