"""How sure a model is at each label token of given text, and how much of a surprise the token is to it.

Legend: N label tokens of a chunk, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inbond.losses.batches import by_length, make_batch
from inbond.losses.heads import head_weight, logit_chunks
from inbond.losses.hidden import label_hidden
from inbond.teachers.protocols import TokenSequence
from inbond.train.likelihoods import CHUNK, ROWS

Told = npt.NDArray[np.float64]
LOGP, PLAIN, ENTROPY, TILTED = range(4)
"""Columns of what is told of a token: its log-probability at a temperature, the entropy at temperature 1 and
at the temperature, and from ``TILTED`` on log E[q ** -tilt] for each of ``TILTS``. Nats, over the real
vocabulary."""
TILTS: Final = (-0.4, -0.1, 0.1, 0.4)
COLUMNS: Final = TILTED + len(TILTS)


@torch.inference_mode()
def measure(
    model: Any, vocabulary: int, temperature: float, sequences: Sequence[TokenSequence], pad_id: int
) -> list[Told]:
    """For each sequence float64 [its labels, COLUMNS], not all finite where the model's weights are not. The
    model should be in evaluation mode."""
    found: list[Told] = [np.empty((0, COLUMNS))] * len(sequences)
    head_VH = head_weight(model, vocabulary)
    for places in by_length([len(sequence.ids) for sequence in sequences], ROWS):
        batch = make_batch([sequences[place] for place in places], pad_id, model.device)
        parts = [
            _told(logits_NV, batch.labels_N[start : start + len(logits_NV)], temperature)
            for start, logits_NV in logit_chunks(label_hidden(model, batch), head_VH, CHUNK)
        ]
        whole = np.concatenate([np.empty((0, COLUMNS)), *parts])
        rows = np.split(whole, np.cumsum(batch.lengths)[:-1])
        for place, row in zip(places, rows, strict=True):
            found[place] = row
    return found


def mean_entropy(model: Any, vocabulary: int, sequences: Sequence[TokenSequence], pad_id: int) -> float:
    """At temperature 1, over the tokens of a text and then over all texts that have any."""
    told = measure(model, vocabulary, 1.0, sequences, pad_id)
    means = [float(one[:, PLAIN].mean()) for one in told if len(one)]
    return sum(means) / max(1, len(means))


def _told(logits_NV: Tensor, labels_N: Tensor, temperature: float) -> Told:
    plain_N = _entropy(logits_NV.log_softmax(1))
    logp_NV = (logits_NV / temperature).log_softmax(1)
    label_N = logp_NV.gather(1, labels_N.unsqueeze(1)).squeeze(1)
    tilted = [((1 - tilt) * logp_NV).logsumexp(1) for tilt in TILTS]
    columns = torch.stack([label_N, plain_N, _entropy(logp_NV), *tilted], 1)
    told: Told = columns.double().cpu().numpy()
    return told


def _entropy(logp_NV: Tensor) -> Tensor:
    p_NV = logp_NV.exp()
    return -(p_NV * logp_NV.masked_fill(p_NV == 0, 0.0)).sum(1)  # 0 log 0 is 0
