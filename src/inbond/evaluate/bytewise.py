"""How well a model knows a text, in bits a byte: the one measure that models of different vocabularies share.

The end-of-turn token is no part of the text and does not count. On a teacher's own answers, drawn at
temperature 1, what a student needs more than its teacher estimates the KL between them, spread over the
bytes. Legend: N label tokens of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from inbond.losses.batches import Labelled, by_length, make_batch
from inbond.losses.heads import head_weight
from inbond.losses.hidden import label_hidden
from inbond.losses.likelihood import label_logp

BATCH = 16
CHUNK = 256


@dataclass(frozen=True)
class Likelihood:
    """Each text's nats under a model, and its bytes."""

    nats: tuple[float, ...]
    sizes: tuple[int, ...]

    @property
    def bits_per_byte(self) -> float:
        """Over all texts together, not the mean of their means."""
        return sum(self.nats) / math.log(2) / max(1, sum(self.sizes))


@torch.inference_mode()
def measure(
    model: Any, sequences: Sequence[Labelled], texts: Sequence[str], *, vocabulary: int, pad_id: int
) -> Likelihood:
    """What ``model`` thinks of the texts, which are the labels of the sequences in its own tokens."""
    nats = [0.0] * len(sequences)
    for rows in by_length([len(sequence.ids) for sequence in sequences], BATCH):
        batch = make_batch([sequences[row] for row in rows], pad_id, model.device)
        hidden_NH, head_VH = label_hidden(model, batch), head_weight(model, vocabulary)
        logp_N = label_logp(hidden_NH, head_VH, batch.labels_N, CHUNK).double()
        for row, own in zip(rows, torch.split(logp_N, list(batch.lengths)), strict=True):
            nats[row] = -float(own.sum())
    return Likelihood(tuple(nats), tuple(len(text.encode()) for text in texts))
