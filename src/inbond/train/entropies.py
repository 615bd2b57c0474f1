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

from inbond.losses.heads import head_weight, logit_chunks
from inbond.losses.passes import over_labels
from inbond.teachers.protocols import TokenSequence
from inbond.train.likelihoods import CHUNK

Told = npt.NDArray[np.float64]
LOGP, PLAIN, ENTROPY, TILTED = range(4)
"""Columns of what is told of a token: its log-probability at a temperature, the entropy at temperature 1 and
at the temperature, and from ``TILTED`` on log E[q ** -tilt] for each of ``TILTS``. Nats, over the real
vocabulary."""
TILTS: Final = (-0.4, -0.1, 0.1, 0.4)
COLUMNS: Final = TILTED + len(TILTS)


def measure(
    model: Any, vocabulary: int, temperature: float, sequences: Sequence[TokenSequence], pad_id: int
) -> list[Told]:
    """For each sequence float64 [its labels, COLUMNS], not all finite where the model's weights are not. The
    model should be in evaluation mode."""
    head_VH = head_weight(model, vocabulary)

    def look(hidden_NH: Tensor, labels_N: Tensor) -> Tensor:
        parts = [
            _told(logits_NV, labels_N[start : start + len(logits_NV)], temperature)
            for start, logits_NV in logit_chunks(hidden_NH, head_VH, CHUNK)
        ]
        return torch.cat(parts) if parts else torch.empty((0, COLUMNS), dtype=torch.float64)

    return over_labels(model, sequences, pad_id, look)


def mean_entropy(model: Any, vocabulary: int, sequences: Sequence[TokenSequence], pad_id: int) -> float:
    """At temperature 1, over the tokens of a text and then over all texts that have any."""
    told = measure(model, vocabulary, 1.0, sequences, pad_id)
    means = [float(one[:, PLAIN].mean()) for one in told if len(one)]
    return sum(means) / max(1, len(means))


def _told(logits_NV: Tensor, labels_N: Tensor, temperature: float) -> Tensor:
    plain_N = _entropy(logits_NV.log_softmax(1))
    logp_NV = (logits_NV / temperature).log_softmax(1)
    label_N = logp_NV.gather(1, labels_N.unsqueeze(1)).squeeze(1)
    tilted = [((1 - tilt) * logp_NV).logsumexp(1) for tilt in TILTS]
    columns = torch.stack([label_N, plain_N, _entropy(logp_NV), *tilted], 1)
    return columns.double()


def _entropy(logp_NV: Tensor) -> Tensor:
    p_NV = logp_NV.exp()
    return -(p_NV * logp_NV.masked_fill(p_NV == 0, 0.0)).sum(1)  # 0 log 0 is 0
