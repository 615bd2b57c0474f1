"""One pass of a model over many sequences, and what is made of its hidden states at each one's labels.

Legend: N label tokens of a batch, H hidden width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inbond.losses.batches import Labelled, by_length, make_batch
from inbond.losses.hidden import label_hidden

ROWS = 16
"""Sequences read at once."""

Look = Callable[[Tensor, Tensor], Tensor]
"""(hidden states of label positions [N, H], their labels [N]) -> a value for each [N]."""


@torch.inference_mode()
def over_labels(
    model: Any,
    sequences: Sequence[Labelled],
    pad_id: int,
    look: Look,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> list[npt.NDArray[Any]]:
    """What ``look`` says of each sequence's labels, in the order given; read by length, so that little is
    padding. ``on_progress`` gets (sequences done, all of them)."""
    found: list[npt.NDArray[Any]] = [np.empty(0)] * len(sequences)
    done = 0
    for places in by_length([len(sequence.ids) for sequence in sequences], ROWS):
        batch = make_batch([sequences[place] for place in places], pad_id, model.device)
        values_N = look(label_hidden(model, batch), batch.labels_N).cpu().numpy()
        parts = np.split(values_N, np.cumsum(batch.lengths)[:-1])
        for place, part in zip(places, parts, strict=True):
            found[place] = part
        done += len(places)
        on_progress(done, len(sequences))
    return found
