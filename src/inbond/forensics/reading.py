"""What a suspect whose weights are at hand makes of given texts: what it would say next at every place, and
how likely it finds what stands there.

Legend: N label tokens of a batch, H hidden width, V real vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.forensics.shown import Progress, quietly
from inbond.losses.heads import head_weight, logit_chunks
from inbond.losses.likelihood import label_logp
from inbond.losses.passes import over_labels
from inbond.teachers.protocols import TokenSequence

CHUNK = 256

Tokens = npt.NDArray[np.int64]
LogP = npt.NDArray[np.float64]


class Reads(Protocol):
    """A model that texts can be shown to, and that says what it thinks of each token. Shows nothing of what
    it is shown to anyone. Raises InputError for a token that is not in its vocabulary; a second call with the
    same sequences says the same. ``on_progress`` gets (sequences done, all of them)."""

    @property
    def name(self) -> str:
        """As people call it."""
        ...

    @property
    def digest(self) -> Digest:
        """Pins its weights."""
        ...

    @property
    def vocabulary(self) -> Digest:
        """Of its tokenizer's vocabulary: sequences of token ids mean nothing to another one."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Of transformers."""
        ...

    def likeliest(self, sequences: Sequence[TokenSequence], on_progress: Progress = quietly) -> list[Tokens]:
        """The likeliest token at each label position of each sequence, given what stands before it."""
        ...

    def log_likelihoods(
        self, sequences: Sequence[TokenSequence], on_progress: Progress = quietly
    ) -> list[LogP]:
        """Log-probability, in nats, of each label token of each sequence, given what stands before it."""
        ...


@final
class Remembered:
    """Another's words, asked for once a sequence: tests of one report look at the same texts. Implements
    Reads."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._tokens: dict[TokenSequence, Tokens] = {}
        self._logps: dict[TokenSequence, LogP] = {}

    @property
    def name(self) -> str:
        return self._reads.name

    @property
    def digest(self) -> Digest:
        return self._reads.digest

    @property
    def vocabulary(self) -> Digest:
        return self._reads.vocabulary

    @property
    def tokenizer(self) -> Any:
        return self._reads.tokenizer

    def likeliest(self, sequences: Sequence[TokenSequence], on_progress: Progress = quietly) -> list[Tokens]:
        """See Reads."""
        return _kept(self._tokens, self._reads.likeliest, sequences, on_progress)

    def log_likelihoods(
        self, sequences: Sequence[TokenSequence], on_progress: Progress = quietly
    ) -> list[LogP]:
        """See Reads."""
        return _kept(self._logps, self._reads.log_likelihoods, sequences, on_progress)


def _kept(
    known: dict[TokenSequence, Any],
    read: Callable[[Sequence[TokenSequence], Progress], list[Any]],
    sequences: Sequence[TokenSequence],
    on_progress: Progress,
) -> list[Any]:
    new = [one for one in dict.fromkeys(sequences) if one not in known]
    if new:
        known.update(zip(new, read(new, on_progress), strict=True))
    return [known[one] for one in sequences]


@final
class Reader:
    """A model in this process. Implements Reads."""

    def __init__(
        self, name: str, digest: Digest, vocabulary: Digest, model: Any, tokenizer: Any, pad_id: int
    ) -> None:
        self.name, self.digest, self.vocabulary = name, digest, vocabulary
        self.model, self.tokenizer, self._pad_id = model, tokenizer, pad_id
        self._size = len(tokenizer)

    def likeliest(self, sequences: Sequence[TokenSequence], on_progress: Progress = quietly) -> list[Tokens]:
        """See Reads."""
        head_VH = head_weight(self.model, self._size)

        def look(hidden_NH: Tensor, _labels_N: Tensor) -> Tensor:
            chunks = [logits.argmax(1) for _, logits in logit_chunks(hidden_NH, head_VH, CHUNK)]
            return torch.cat(chunks) if chunks else torch.empty(0, dtype=torch.int64)

        return over_labels(self.model, self._known(sequences), self._pad_id, look, on_progress)

    def log_likelihoods(
        self, sequences: Sequence[TokenSequence], on_progress: Progress = quietly
    ) -> list[LogP]:
        """See Reads."""
        head_VH = head_weight(self.model, self._size)

        def look(hidden_NH: Tensor, labels_N: Tensor) -> Tensor:
            return label_logp(hidden_NH, head_VH, labels_N, CHUNK).double()

        return over_labels(self.model, self._known(sequences), self._pad_id, look, on_progress)

    def _known(self, sequences: Sequence[TokenSequence]) -> Sequence[TokenSequence]:
        most = max((max(sequence.ids) for sequence in sequences), default=0)
        if most >= self._size:
            raise InputError(
                expected=f"token ids below {self._size:,}, the vocabulary of {self.name}",
                found=f"{most:,}",
                fix="cut the texts with the suspect's own tokenizer",
            )
        return sequences
