"""Capture: the teacher's targets at label positions, in shards, once.

Files ``targets-00000.shard``, ..., in the format of ``train.shards``. What a shard is about (its teacher,
the vocabulary, what is kept, which sequences) stands in it, so that targets of another teacher, another
tokenizer or other records are never taken for these: capture makes such a shard anew, training refuses
it. Shards appear whole or not at all; a crash costs at most the shard in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from inbond.digest import Digest, of_bytes
from inbond.errors import InputError, TamperedError
from inbond.teachers.protocols import Keep, Scores, ScoresTokens, TokenSequence
from inbond.train import shards
from inbond.workspace import write_bytes, writing


@dataclass(frozen=True)
class Expected:
    """Whose targets, of what, for which sequences. ``teacher`` is an identity, see ScoresTokens."""

    teacher: str
    vocabulary: Digest
    keep: Keep
    sequences: Sequence[TokenSequence]

    @staticmethod
    def of(teacher: ScoresTokens, keep: Keep, sequences: Sequence[TokenSequence]) -> Expected:
        return Expected(teacher.identity, teacher.vocabulary, keep, sequences)

    def about(self, span: range) -> dict[str, Any]:
        """What the shard of these sequences says of itself."""
        return {
            "teacher": self.teacher,
            "vocabulary": self.vocabulary,
            "keep": self.keep.to_json(),
            "sequences": {
                "first": span.start,
                "count": len(span),
                "digest": _sequences_digest(self.sequences[span.start : span.stop]),
            },
        }


@dataclass(frozen=True)
class Part:
    """What one shard is made from."""

    sequences: Sequence[TokenSequence]
    keep: Keep
    about: Mapping[str, Any]


Elsewhere = Callable[[Sequence[Part]], Iterator[bytes]]
"""The bytes of each part's shard, in their order."""


def _sequences_digest(sequences: Sequence[TokenSequence]) -> Digest:
    """Over every token, and where each sequence and its labels begin."""
    flat = [[len(sequence.ids), sequence.prompt_length, *sequence.ids] for sequence in sequences]
    return of_bytes(b"".join(np.array(numbers, dtype="<i8").tobytes() for numbers in flat))


def shard_spans(count: int, size: int) -> list[range]:
    """The sequence numbers of each shard."""
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def shard_path(folder: Path, number: int) -> Path:
    """The file of one shard."""
    return folder / f"targets-{number:05d}.shard"


def capture(
    teacher: ScoresTokens,
    sequences: Sequence[TokenSequence],
    keep: Keep,
    folder: Path,
    *,
    shard_size: int,
    on_progress: Callable[[int, int], None],
    elsewhere: Elsewhere | None = None,
) -> int:
    """Scores all sequences, ``shard_size`` of them a shard; returns the number of shards.

    Shards that are whole and hold these very targets are kept, so a second call goes on where a
    crash stopped the first; all others are made anew or removed. ``elsewhere`` makes the bytes of those
    that are missing in other processes: they are the same. Raises InputError as
    ``ScoresTokens.score`` does, UnwritableError. ``on_progress`` gets (label tokens done, of all).
    """
    expected = Expected.of(teacher, keep, sequences)
    total = sum(sequence.labels for sequence in sequences)
    done = 0
    spans = shard_spans(len(sequences), shard_size)
    parts = {
        shard_path(folder, number): Part(sequences[span.start : span.stop], keep, expected.about(span))
        for number, span in enumerate(spans)
    }
    missing = {path: part for path, part in parts.items() if not _holds(path, part.about)}
    made = (elsewhere or partial(_made_here, teacher))(list(missing.values()))
    for path, part in parts.items():
        if path in missing:
            write_bytes(path, next(made))
        done += sum(sequence.labels for sequence in part.sequences)
        on_progress(done, total)
    _remove_others(folder, {shard_path(folder, number) for number in range(len(spans))})
    return len(spans)


def shard_bytes(teacher: ScoresTokens, part: Part) -> bytes:
    """One whole shard. Raises InputError."""
    scores = teacher.score(part.sequences, part.keep)
    _check_finite(scores)
    return shards.encode(scores, [sequence.labels for sequence in part.sequences], part.about)


def _made_here(teacher: ScoresTokens, parts: Sequence[Part]) -> Iterator[bytes]:
    return (shard_bytes(teacher, part) for part in parts)


def _holds(path: Path, about: Mapping[str, Any]) -> bool:
    """Whether the shard is there, whole, of this format and about just this."""
    try:
        return shards.unseal(path.read_bytes(), str(path)).about == about
    except (OSError, TamperedError):
        return False


def _remove_others(folder: Path, mine: set[Path]) -> None:
    with writing(folder):
        for path in set(folder.glob("targets-*")) - mine:
            path.unlink()


def _check_finite(scores: Scores) -> None:
    if not np.isfinite(scores.logp_NK).all():
        raise InputError(
            expected="finite log-probabilities from the teacher",
            found="NaN or infinity",
            fix="the teacher's weights are broken: check its file, or load it in another precision",
        )


def load_targets(folder: Path, expected: Expected) -> list[Scores]:
    """All targets, one Scores a sequence, in the order of ``expected.sequences``.

    Raises InputError when a shard is of another teacher, another tokenizer, other records, or keeps
    something else; TamperedError when it is missing, cut short, damaged or of another format.
    """
    scores: list[Scores] = []
    number = 0
    while len(scores) < len(expected.sequences):
        path = shard_path(folder, number)
        try:
            sealed = shards.unseal(path.read_bytes(), str(path))
        except FileNotFoundError as error:
            raise shards.broken(str(path), "none: it is missing") from error
        _check_about(sealed, expected, len(scores))
        shard = shards.decode(sealed)
        scores += shard.scores.split(shard.lengths)
        number += 1
    return scores


_DIFFERENCES = {
    "teacher": "a target shard of another teacher",
    "vocabulary": "a target shard of another tokenizer",
    "keep": "a target shard that keeps something else",
    "sequences": "a target shard of other sequences",
}


def _check_about(sealed: shards.Sealed, expected: Expected, first: int) -> None:
    """Raises InputError that says what differs from the shard that should begin at sequence ``first``."""
    about = sealed.about
    try:
        count = int(about["sequences"]["count"])
    except (KeyError, TypeError, ValueError):
        count = 1
    wanted = expected.about(range(first, min(first + max(count, 1), len(expected.sequences))))
    for name, said in _DIFFERENCES.items():
        if about.get(name) != wanted[name]:
            raise InputError(
                expected=f"{name} {_told(wanted[name])} in {sealed.where}",
                found=f"{said}: {_told(about.get(name))}",
                fix="remove the targets folder and run the recipe again: generation is not repeated",
            )


def _told(value: Any) -> str:
    pairs = value.items() if isinstance(value, Mapping) else ()
    return ", ".join(f"{key} {entry}" for key, entry in pairs) or str(value)
