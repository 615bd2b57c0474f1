"""Token sequences to padded tensors. Legend: B sequences, T positions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Labelled(Protocol):
    """What a batch needs of a token sequence: its ids, and where its labels begin."""

    @property
    def ids(self) -> tuple[int, ...]: ...

    @property
    def prompt_length(self) -> int: ...


def pad_batch(sequences: Sequence[Labelled], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(ids_BT int64, label_BT bool), padded on the right to the longest. No sequence may be without
    a prompt token: its first label would have nothing to be predicted from."""
    assert all(sequence.prompt_length >= 1 for sequence in sequences), "a prompt token comes first"
    width = max(len(sequence.ids) for sequence in sequences)
    ids_BT = torch.full((len(sequences), width), pad_id, dtype=torch.int64)
    label_BT = torch.zeros((len(sequences), width), dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        ids_BT[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
        label_BT[row, sequence.prompt_length : len(sequence.ids)] = True
    return ids_BT.to(device), label_BT.to(device)


def by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Batches of at most ``size`` indices, of like length, so that little is padding."""
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    return [order[start : start + size] for start in range(0, len(order), size)]


def epoch_batches(lengths: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """One epoch's batches: shuffled, sorted by length within windows of 8 batches, shuffled again.

    The same arguments always give the same batches, which is what makes a resumed run the same run.
    """
    generator = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    generator.shuffle(order)
    batches = []
    for start in range(0, len(order), size * 8):
        window = sorted(order[start : start + size * 8], key=lambda index: lengths[index])
        batches += [window[first : first + size] for first in range(0, len(window), size)]
    generator.shuffle(batches)
    return batches
