"""Capture: the teacher's targets at label positions, in shards, once.

Format ``inbond.targets/1``: ``targets-00000.safetensors``, ..., each with ids (int32 [N, K]), logp
(float32 [N, K], natural, T=1, likeliest first) and lengths (int32 [sequences], label tokens of each),
and metadata {format, key, first}. ``key`` digests teacher, vocabulary, what is kept and every token of
the shard's sequences, so that a shard of other targets is never taken for this one. Shards appear
whole or not at all; a crash costs at most the shard in hand.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from inbond.digest import Digest, of_value
from inbond.errors import InputError, TamperedError
from inbond.teachers.protocols import Keep, Scores, ScoresTokens, TokenSequence
from inbond.workspace import write_bytes

FORMAT = "inbond.targets/1"


def shard_spans(count: int, size: int) -> list[range]:
    """The sequence numbers of each shard."""
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def _key(teacher: ScoresTokens, sequences: Sequence[TokenSequence], keep: Keep) -> Digest:
    tokens = [[list(sequence.ids), sequence.prompt_length] for sequence in sequences]
    return of_value(
        {
            "teacher": teacher.identity,
            "vocabulary": teacher.vocabulary,
            "keep": keep.to_json(),
            "sequences": tokens,
        }
    )


def shard_path(folder: Path, number: int) -> Path:
    """The file of one shard."""
    return folder / f"targets-{number:05d}.safetensors"


def capture(
    teacher: ScoresTokens,
    sequences: Sequence[TokenSequence],
    keep: Keep,
    folder: Path,
    *,
    shard_size: int,
    on_progress: Callable[[int, int], None],
) -> int:
    """Scores all sequences, ``shard_size`` of them a shard; returns the number of shards.

    Shards that are whole and hold these very targets are kept, so a second call goes on where a
    crash stopped the first. Raises InputError as ``ScoresTokens.score`` does, UnwritableError.
    ``on_progress`` gets (label tokens done, of all).
    """
    total = sum(sequence.labels for sequence in sequences)
    done = 0
    spans = shard_spans(len(sequences), shard_size)
    for number, span in enumerate(spans):
        part = [sequences[index] for index in span]
        key = _key(teacher, part, keep)
        path = shard_path(folder, number)
        if not _is_whole(path, key):
            scores = teacher.score(part, keep)
            _check_finite(scores)
            write_bytes(path, _encode(scores, part, key, span.start))
        done += sum(sequence.labels for sequence in part)
        on_progress(done, total)
    return len(spans)


def _check_finite(scores: Scores) -> None:
    if not np.isfinite(scores.logp_NK).all():
        raise InputError(
            expected="finite log-probabilities from the teacher",
            found="NaN or infinity",
            fix="the teacher's weights are broken: check its file, or load it in another precision",
        )


def _encode(scores: Scores, sequences: Sequence[TokenSequence], key: Digest, first: int) -> bytes:
    lengths = np.array([sequence.labels for sequence in sequences], dtype=np.int32)
    data: bytes = save(
        {"ids": scores.ids_NK, "logp": scores.logp_NK, "lengths": lengths},
        metadata={"format": FORMAT, "key": key, "first": str(first)},
    )
    return data


def _metadata(path: Path) -> dict[str, str] | None:
    """The shard's metadata when the file is there, of our format and of full length."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(size, 1 << 20)))
        end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
        metadata: dict[str, str] = header["__metadata__"]
        whole = path.stat().st_size == 8 + size + end
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None
    return metadata if whole and metadata.get("format") == FORMAT else None


def _is_whole(path: Path, key: Digest) -> bool:
    metadata = _metadata(path)
    return metadata is not None and metadata.get("key") == key


def load_targets(folder: Path) -> list[Scores]:
    """All targets, one Scores a sequence, in order.

    Raises TamperedError when a shard is missing, truncated or not of this format.
    """
    scores: list[Scores] = []
    paths = sorted(folder.glob("targets-*.safetensors"))
    for number, path in enumerate(paths):
        metadata = _metadata(path)
        if metadata is None or metadata["first"] != str(len(scores)) or path != shard_path(folder, number):
            raise _broken(path, "it is cut short, of another format, or a shard before it is missing")
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise _broken(path, str(error)) from error
        ends = np.cumsum(tensors["lengths"])[:-1]
        scores += [
            Scores(ids, logp)
            for ids, logp in zip(np.split(tensors["ids"], ends), np.split(tensors["logp"], ends), strict=True)
        ]
    return scores


def _broken(path: Path, found: str) -> TamperedError:
    return TamperedError(
        expected=f"a whole target shard of format {FORMAT} at {path}",
        found=found,
        fix="remove the targets folder and run the recipe again: generation is not repeated",
    )
