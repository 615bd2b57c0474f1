"""Drawing answers with a green-list mark from a model in this process.

Two ways, with one meaning: ``Marking`` for ``losses.decoding``, ``GreenMark`` for transformers' ``generate``.
Both add the key's delta to the raw logits of green tokens, before temperature and top_p, and leave an
answer's first ``window`` tokens as they are, so that an answer alone, without its prompt, shows its mark.

Legend: B rows of a batch, T tokens so far, V vocabulary (of GreenMark: the head's rows, which may be more
than there are tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from transformers import LogitsProcessor

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.forensics.green import SCHEME, GreenKey
from inbond.forensics.mark_keys import HOW, read_file
from inbond.losses.decoding import Pick


@final
class Marking:
    """Wraps a pick of ``losses.decoding``: green tokens gain the key's delta before it picks."""

    def __init__(self, key: GreenKey, pick: Pick) -> None:
        self._key, self._pick = key, pick
        self._said: dict[int, list[int]] = {}

    def __call__(self, logits_BV: Tensor, rows_B: Tensor, step: int) -> Tensor:
        rows = rows_B.tolist()
        biased_BV = logits_BV
        if step >= self._key.window:
            biased_BV = logits_BV + torch.stack([_gain(self._key, self._said[row]) for row in rows]).to(
                logits_BV
            )
        tokens_B = self._pick(biased_BV, rows_B, step)
        for row, token in zip(rows, tokens_B.tolist(), strict=True):
            self._said.setdefault(row, []).append(token)
        return tokens_B


def marks(key: GreenKey, pick: Any) -> Pick:
    """``pick``, marked with ``key``; for one call of ``decode``."""
    return Marking(key, pick)


@final
class GreenMark(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Marks what one call of ``model.generate`` writes: ``logits_processor=[GreenMark(key)]``. Where answers
    begin it learns from its first call, so each call of ``generate`` needs one of its own.

    transformers runs it before its own temperature, top_k and top_p. It costs a keyed hash and a pass over
    the vocabulary for each token of each row.
    """

    def __init__(self, key: GreenKey) -> None:
        self._key = key
        self._start: int | None = None

    @classmethod
    def from_file(cls, path: Path | str) -> GreenMark:
        """With the key in a file that ``inbond forensics mark key`` wrote. Raises InputError."""
        return cls(green_key_in(Path(path)))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``input_ids`` [B, T] and raw logits ``scores`` [B, V] to logits [B, V]. Changes neither."""
        if self._start is None:
            self._start = input_ids.shape[1]
        if input_ids.shape[1] - self._start < self._key.window:
            return scores
        gain_BV = torch.zeros_like(scores)
        for row, window in enumerate(input_ids[:, -self._key.window :].tolist()):
            gain_BV[row, : self._key.size] = _gain(self._key, window).to(scores)
        return scores + gain_BV


def green_key_in(path: Path) -> GreenKey:
    """The green-list key in a file. Raises InputError, for one of another scheme too."""
    key = read_file(path)
    if isinstance(key, GreenKey):
        return key
    raise InputError(
        expected=f"a key of the scheme {SCHEME} at {path}",
        found=f"a key of another scheme: {key.scheme}",
        fix=f"inbond forensics mark key NEW {HOW[SCHEME]}",
    )


@final
class Green:
    """A green-list mark as a teacher takes it (``teachers.local.Marks``)."""

    def __init__(self, key: GreenKey) -> None:
        self._key = key

    @property
    def id(self) -> Digest:
        return self._key.id

    def processor(self) -> GreenMark:
        """For one answer."""
        return GreenMark(self._key)


def _gain(key: GreenKey, said: Sequence[int]) -> Tensor:
    """What each token's logit gains after these tokens [V]."""
    return torch.from_numpy(key.green_V(said[-key.window :])).float() * key.delta
