"""What a model thinks of the label tokens, captured once: their log-probabilities, in shards.

Files ``likelihoods-00000.safetensors``, ...: one float32 tensor ``logp``, the label tokens of the shard's
sequences one after another; the metadata entry ``about`` (canonical JSON) says of which model, vocabulary
and sequences, and the digest of the tensor's bytes. A shard appears whole or not at all; one about anything
else is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from inbond.digest import Digest, canonical, of_bytes
from inbond.errors import InputError, TamperedError
from inbond.losses.heads import head_weight
from inbond.losses.likelihood import label_logp
from inbond.losses.passes import over_labels
from inbond.teachers.protocols import Keep, TokenSequence
from inbond.train.capture import Expected, shard_spans
from inbond.workspace import write_bytes

CHUNK = 256
LogP = npt.NDArray[np.float32]


def capture_logp(
    model: Any,
    identity: str,
    vocabulary: tuple[int, Digest],
    sequences: Sequence[TokenSequence],
    folder: Path,
    *,
    pad_id: int,
    shard_size: int,
    on_progress: Callable[[int, int], None],
) -> list[LogP]:
    """Label log-probabilities of each sequence under ``model``, which ``identity`` names, over a
    ``vocabulary`` (size, digest). Whole shards about just this are kept, so that a second call goes on where
    a crash stopped the first. ``on_progress`` as in ``capture``.

    Raises InputError when they are not finite, UnwritableError.
    """
    expected = Expected(identity, vocabulary[1], Keep(size=1), sequences)
    total, done = sum(sequence.labels for sequence in sequences), 0
    found: list[LogP] = []
    for number, span in enumerate(shard_spans(len(sequences), shard_size)):
        part, about = sequences[span.start : span.stop], _about(expected, span)
        path = folder / f"likelihoods-{number:05d}.safetensors"
        flat_N = _read(path, about)
        if flat_N is None:
            measured = measure_logp(model, vocabulary[0], part, pad_id)
            flat_N = np.concatenate([np.empty(0, np.float32), *measured])
            write_bytes(path, _encode(flat_N, about))
        found += np.split(flat_N, np.cumsum([sequence.labels for sequence in part])[:-1])
        done += len(flat_N)
        on_progress(done, total)
    return found


def load_logp(
    identity: str, vocabulary: Digest, sequences: Sequence[TokenSequence], folder: Path, *, shard_size: int
) -> list[LogP]:
    """What ``capture_logp`` captured. Raises TamperedError when a shard is missing, damaged, or about
    anything else."""
    expected = Expected(identity, vocabulary, Keep(size=1), sequences)
    found: list[LogP] = []
    for number, span in enumerate(shard_spans(len(sequences), shard_size)):
        path = folder / f"likelihoods-{number:05d}.safetensors"
        flat_N = _read(path, _about(expected, span))
        if flat_N is None:
            raise TamperedError(
                expected=f"log-probabilities of these very sequences at {path}",
                found="none, or a file that is damaged or about something else",
                fix=f"remove {folder} and run the recipe again",
            )
        found += np.split(flat_N, np.cumsum([s.labels for s in sequences[span.start : span.stop]])[:-1])
    return found


def _about(expected: Expected, span: range) -> dict[str, Any]:
    """As a target shard says it, less what is kept."""
    return {name: value for name, value in expected.about(span).items() if name != "keep"}


def _encode(flat_N: LogP, about: dict[str, Any]) -> bytes:
    told = {**about, "logp": of_bytes(flat_N.tobytes())}
    data: bytes = save({"logp": flat_N}, {"about": canonical(told).decode()})
    return data


def _read(path: Path, about: dict[str, Any]) -> LogP | None:
    """The shard's values; None unless it is whole and about just this."""
    try:
        data = path.read_bytes()
        flat_N: LogP = load(data)["logp"]
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return flat_N if data == _encode(flat_N, about) else None


def measure_logp(model: Any, vocabulary: int, sequences: Sequence[TokenSequence], pad_id: int) -> list[LogP]:
    """Label log-probabilities of each sequence, float32 [its labels], now and without a file. Raises
    InputError when they are not finite."""
    head_VH = head_weight(model, vocabulary)

    def look(hidden_NH: Tensor, labels_N: Tensor) -> Tensor:
        logp_N = label_logp(hidden_NH, head_VH, labels_N, CHUNK)
        if not bool(torch.isfinite(logp_N).all()):
            raise InputError(
                expected="finite log-probabilities of the label tokens",
                found="NaN or infinity",
                fix="the model's weights are broken: check their file, or load it in another precision",
            )
        return logp_N.float()

    return over_labels(model, sequences, pad_id, look)
