"""Held-out KL and top-1 agreement, over the full vocabulary, at label positions only.

KL is the forward KL of teacher and student in nats a label token at T=1, mean over all label tokens
of the held-out records (not mean of means). No text of the training split takes part.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inbond.evaluate.intervals import RecordSums
from inbond.losses.batches import Batch, Labelled, by_length, make_batch
from inbond.losses.heads import dense_divergence, head_weight, logit_chunks
from inbond.losses.hidden import label_hidden

BATCH = 16
CHUNK = 256


@dataclass(frozen=True)
class Agreement:
    """KL in nats a token; agreement as a share; label tokens measured.

    ``records`` has the sums of each unit: of each record, or of all records of one prompt where ``prepare``
    was told which those are. ``kl_stderr`` is the standard error of the KL with these units drawn (tokens
    of one record are alike, and so are answers to one prompt). 0 for a single unit.
    """

    kl: float
    kl_stderr: float
    agreement: float
    tokens: int
    records: RecordSums


@dataclass(frozen=True)
class HeldOut:
    """Held-out batches and the teacher's hidden states [N, H] at their labels, computed once
    for all students that are compared with it. ``rows`` are the places, batch by batch, that the
    sequences had when they were given, ``units`` what each belongs to, in the order they were given."""

    batches: tuple[Batch, ...]
    teacher_NH: tuple[Tensor, ...]
    teacher_weight_VH: Tensor
    vocabulary: int
    rows: tuple[int, ...]
    units: tuple[Hashable, ...]


@torch.inference_mode()
def prepare(
    teacher: Any,
    sequences: Sequence[Labelled],
    *,
    vocabulary: int,
    pad_id: int,
    units: Sequence[Hashable] | None = None,
    seen: Sequence[Labelled] | None = None,
) -> HeldOut:
    """Runs the teacher over the held-out sequences, of which there is at least one. ``units`` names what each
    belongs to (its prompt); those with the same name count as one. None: each is a unit. ``seen`` are the
    sequences as the teacher reads them, where that is not as students do: with the same labels."""
    assert sequences, "something to measure on"
    read = sequences if seen is None else seen
    lengths = [[len(each.ids) - each.prompt_length for each in part] for part in (sequences, read)]
    assert lengths[0] == lengths[1], "the same labels on both sides"
    groups = by_length([len(sequence.ids) for sequence in sequences], BATCH)
    batches = tuple(make_batch([sequences[row] for row in rows], pad_id, teacher.device) for rows in groups)
    hidden = tuple(
        label_hidden(teacher, make_batch([read[row] for row in rows], pad_id, teacher.device))
        for rows in groups
    )
    rows = tuple(row for group in groups for row in group)
    return HeldOut(batches, hidden, head_weight(teacher, vocabulary), vocabulary, rows, tuple(units or rows))


@torch.no_grad()  # no inference mode: a student whose layers are gathered within goes on learning
def measure(held_out: HeldOut, student: Any) -> Agreement:
    """Compares a student with the teacher on the held-out text. Deterministic on one machine."""
    weight_VH = head_weight(student, held_out.vocabulary)
    kl, agree = [], []
    for batch, teacher_NH in zip(held_out.batches, held_out.teacher_NH, strict=True):
        student_NH = label_hidden(student, batch)
        kl_N, agree_N = dense_divergence(
            (teacher_NH, held_out.teacher_weight_VH), (student_NH, weight_VH), CHUNK
        )
        kl.append(kl_N)
        agree.append(agree_N)
    all_N, agree_N = torch.cat(kl).double(), torch.cat(agree)
    lengths = [length for batch in held_out.batches for length in batch.lengths]
    records = _sums(all_N, agree_N, lengths, held_out.rows).by(held_out.units)
    return Agreement(float(all_N.mean()), records.stderr, float(agree_N.double().mean()), len(all_N), records)


def _sums(kl_N: Tensor, agree_N: Tensor, lengths: Sequence[int], rows: Sequence[int]) -> RecordSums:
    """Sums by record, put back into the order in which the sequences were given."""
    found = zip(torch.split(kl_N, list(lengths)), torch.split(agree_N, list(lengths)), strict=True)
    by_batch = [(float(kl.sum()), int(agree.sum()), len(kl)) for kl, agree in found]
    ordered = [sums for _, sums in sorted(zip(rows, by_batch, strict=True))]
    kls, agreed, tokens = zip(*ordered, strict=True)
    return RecordSums(kls, agreed, tokens)


@torch.inference_mode()
def text_loss(student: Any, sequences: Sequence[Labelled], *, vocabulary: int, pad_id: int) -> float:
    """Cross-entropy of the held-out text in nats a label token: all that can be said of a teacher whose
    probabilities are not to be had."""
    weight_VH = head_weight(student, vocabulary)
    total, tokens = 0.0, 0
    for rows in by_length([len(sequence.ids) for sequence in sequences], BATCH):
        batch = make_batch([sequences[row] for row in rows], pad_id, student.device)
        hidden_NH = label_hidden(student, batch)
        for start, logits_NV in logit_chunks(hidden_NH, weight_VH, CHUNK):
            wanted_N = batch.labels_N[start : start + logits_NV.shape[0]]
            total += torch.nn.functional.cross_entropy(logits_NV.float(), wanted_N, reduction="sum").item()
        tokens += len(batch.labels_N)
    return total / tokens
