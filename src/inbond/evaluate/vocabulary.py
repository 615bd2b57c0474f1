"""What a student with fewer tokens than its teacher cannot say: measured against the whole teacher.

The KL of such a student is taken to its teacher given that one of the student's tokens comes next. Beside it
stand the probability that the whole teacher gives to other tokens, and how often both rank the same token
first when the teacher may choose any. Legend: N label tokens, K kept tokens, V the teacher's vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch

from inbond.evaluate.agreement import BATCH, CHUNK
from inbond.losses.batches import Labelled, by_length, make_batch
from inbond.losses.heads import head_weight, logit_chunks
from inbond.losses.hidden import label_hidden


@final
@dataclass(frozen=True)
class LeftOut:
    """Means over label tokens: ``mass`` the whole teacher's probability of tokens that were left out,
    ``agreement`` the share at which the student's likeliest token is the whole teacher's."""

    mass: float
    agreement: float


@final
@dataclass(frozen=True)
class _Read:
    """A sequence in the teacher's ids."""

    ids: tuple[int, ...]
    prompt_length: int


@torch.inference_mode()
def measure(
    models: tuple[Any, Any], keep: Sequence[int], sequences: Sequence[Labelled], pad_id: int
) -> LeftOut:
    """Of (teacher, student) on sequences in the student's ids; ``keep`` has the teacher's id of each."""
    teacher, student = models
    kept_K = torch.tensor(list(keep), device=teacher.device)
    heads = (
        head_weight(teacher, teacher.get_output_embeddings().weight.shape[0]),
        head_weight(student, len(keep)),
    )
    masses, agreed = [], []
    for rows in by_length([len(sequence.ids) for sequence in sequences], BATCH):
        ours = [sequences[row] for row in rows]
        theirs = [_Read(tuple(keep[id_] for id_ in one.ids), one.prompt_length) for one in ours]
        batches = (
            make_batch(theirs, keep[pad_id], teacher.device),
            make_batch(ours, pad_id, student.device),
        )
        hidden = [label_hidden(model, batch) for model, batch in zip(models, batches, strict=True)]
        chunks = (logit_chunks(*pair, CHUNK) for pair in zip(hidden, heads, strict=True))
        for (_, whole_NV), (_, small_NK) in zip(*chunks, strict=True):
            logp_NK = whole_NV.log_softmax(1)[:, kept_K]
            masses.append(1.0 - logp_NK.double().exp().sum(1))
            agreed.append(whole_NV.argmax(1) == kept_K[small_NK.argmax(1)])
    mass = torch.cat(masses).clamp_min(0).mean()
    return LeftOut(float(mass), float(torch.cat(agreed).double().mean()))
