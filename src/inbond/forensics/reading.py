"""What a suspect whose weights are at hand would say next, at every place of given texts.

Legend: N label tokens of a batch, H hidden width, V real vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inbond.losses.batches import by_length, make_batch
from inbond.losses.heads import head_weight, logit_chunks
from inbond.losses.hidden import label_hidden
from inbond.teachers.protocols import TokenSequence

ROWS, CHUNK = 16, 256


@torch.inference_mode()
def likeliest(
    model: Any,
    vocabulary: int,
    pad_id: int,
    sequences: Sequence[TokenSequence],
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> list[npt.NDArray[np.int64]]:
    """The likeliest token at each label position of each sequence, given what stands before it."""
    found: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)] * len(sequences)
    head_VH, done = head_weight(model, vocabulary), 0
    for places in by_length([len(sequence.ids) for sequence in sequences], ROWS):
        batch = make_batch([sequences[place] for place in places], pad_id, model.device)
        hidden_NH = label_hidden(model, batch)
        chunks = [logits.argmax(1).cpu() for _, logits in logit_chunks(hidden_NH, head_VH, CHUNK)]
        tokens_N = torch.cat(chunks).numpy() if chunks else np.empty(0, np.int64)
        parts = np.split(tokens_N, np.cumsum(batch.lengths)[:-1])
        for place, part in zip(places, parts, strict=True):
            found[place] = part
        done += len(places)
        on_progress(done, len(sequences))
    return found
