"""What a teacher of another vocabulary says of a student's tokens.

Where both models have a border in the text, both say what comes next: the teacher's likeliest tokens are
carried over to the tokens with which the student begins to say the same. And of each stretch between two
such borders, both say how likely it is. Legend: N label tokens of the student, M of the teacher, K kept
tokens, C chunks, V the teacher's vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from inbond.losses.alignment import Chunk, Ends, align
from inbond.losses.targets import ABSENT
from inbond.teachers.protocols import Scores, TokenSequence
from inbond.teachers.spelling import Speller, first_tokens


@dataclass(frozen=True)
class Carried:
    """A teacher's word on one answer, for the student's N label tokens.

    ``scores`` [N, K]: its likeliest tokens where they could be carried over, all ``ABSENT`` elsewhere: such
    a row teaches nothing. ``chunk_N`` int64: the chunk of each label token, -1 for none. ``logp_C`` float32:
    the teacher's log-probability of each chunk.
    """

    scores: Scores
    chunk_N: npt.NDArray[np.int64]
    logp_C: npt.NDArray[np.float32]

    @property
    def carried(self) -> int:
        """Label tokens that have the teacher's likeliest tokens."""
        return int((self.scores.logp_NK[:, 0] > ABSENT).sum())


def chunks_of(
    text: str, teacher: tuple[Speller, TokenSequence], student: tuple[Speller, TokenSequence]
) -> list[Chunk]:
    """The chunks of an answer, in label tokens of both. End-of-turn tokens are a chunk of their own.

    A token that was given to a model with an empty prompt is no label: its chunk is left out.
    """
    size = len(text.encode())
    pairs = [_ends(text, size, *teacher), _ends(text, size, *student)]
    (first, skip_first), (second, skip_second) = pairs
    return [
        Chunk(_less(chunk.first, skip_first), _less(chunk.second, skip_second))
        for chunk in align(first, second)
        if chunk.first[0] >= skip_first and chunk.second[0] >= skip_second
    ]


def _ends(text: str, size: int, speller: Speller, sequence: TokenSequence) -> tuple[Ends, int]:
    """Where the answer's tokens end, the end of the turn as one more byte; and how many are no labels."""
    spelt, labels = speller.spell(text), sequence.ids[sequence.prompt_length :]
    given = max(0, len(spelt.ids) - len(labels))
    ended = len(labels) + given > len(spelt.ids)
    assert labels[: len(labels) - ended] == spelt.ids[given:], "the answer as encode_record has it"
    return (*spelt.ends, size + 1) if ended else spelt.ends, given


def _less(span: tuple[int, int], by: int) -> tuple[int, int]:
    return span[0] - by, span[1] - by


@final
class Carrier:
    """Carries scores over from a teacher's vocabulary to a student's. Raises InputError for tokenisers whose
    tokens' bytes are not known."""

    def __init__(self, teacher: Speller, student: Speller) -> None:
        self.teacher, self.student = teacher, student
        self._own_V = np.full(len(teacher.tokenizer), -1, dtype=np.int64)
        self._known_V = np.zeros(len(teacher.tokenizer), dtype=bool)

    def carry(
        self,
        texts: Sequence[str],
        theirs: Sequence[tuple[TokenSequence, Scores]],
        own: Sequence[TokenSequence],
    ) -> list[Carried]:
        """Each answer's scores for the student's tokens. ``theirs`` are the teacher's tokens with their
        scores, each label itself among those that are kept."""
        self._learn(theirs)
        return [
            self._one(text, sequence, scores, mine)
            for text, (sequence, scores), mine in zip(texts, theirs, own, strict=True)
        ]

    def _learn(self, theirs: Sequence[tuple[TokenSequence, Scores]]) -> None:
        """Looks up the tokens that were not met before."""
        met = np.unique(
            np.concatenate([np.zeros(0, np.int32), *(scores.ids_NK.ravel() for _, scores in theirs)])
        )
        new = met[~self._known_V[met]].tolist()
        for id_, mine in first_tokens(self.teacher, self.student, new).items():
            self._own_V[id_] = mine
        self._known_V[met] = True

    def _one(self, text: str, sequence: TokenSequence, scores: Scores, mine: TokenSequence) -> Carried:
        chunks = chunks_of(text, (self.teacher, sequence), (self.student, mine))
        labels_M = np.array(sequence.ids[sequence.prompt_length :], dtype=np.int64)
        labels_N = mine.ids[mine.prompt_length :]
        size = min(scores.ids_NK.shape[1], len(self.student.tokenizer))
        ids_NK = np.tile(np.arange(size, dtype=np.int32), (mine.labels, 1))
        logp_NK = np.full((mine.labels, size), ABSENT, dtype=np.float32)
        chunk_N = np.full(mine.labels, -1, dtype=np.int64)
        said_M = _said(scores, labels_M)
        for number, chunk in enumerate(chunks):
            chunk_N[slice(*chunk.second)] = number
            row, at = chunk.first[0], chunk.second[0]
            if self._own_V[labels_M[row]] == labels_N[at]:
                self._row(scores.ids_NK[row], scores.logp_NK[row], ids_NK[at], logp_NK[at])
        logp_C = np.array([said_M[slice(*chunk.first)].sum() for chunk in chunks], dtype=np.float32)
        return Carried(Scores(ids_NK, logp_NK), chunk_N, logp_C)

    def _row(
        self,
        ids_K: npt.NDArray[np.int32],
        logp_K: npt.NDArray[np.float32],
        into_ids_K: npt.NDArray[np.int32],
        into_logp_K: npt.NDArray[np.float32],
    ) -> None:
        """One position: probabilities of tokens that the student begins alike are added up, likeliest
        first."""
        own_K = self._own_V[ids_K]
        known = own_K >= 0
        tokens, place = np.unique(own_K[known], return_inverse=True)
        mass = np.bincount(place, weights=np.exp(logp_K[known].astype(np.float64)), minlength=len(tokens))
        order = np.argsort(-mass, kind="stable")
        kept = len(order)
        into_ids_K[:kept] = tokens[order]
        into_logp_K[:kept] = np.log(np.maximum(mass[order], 1e-30))
        into_ids_K[kept:] = _others(tokens, len(into_ids_K) - kept)


def _said(scores: Scores, labels_M: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The teacher's log-probability of each of its label tokens."""
    own_MK = scores.ids_NK == labels_M[:, None]
    assert own_MK.any(1).all(), "captured with the label itself"
    said_M: npt.NDArray[np.float64] = np.where(own_MK, scores.logp_NK, 0.0).sum(1, dtype=np.float64)
    return said_M


def _others(tokens: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int32]:
    """Ids that fill a row up, none of which it has: each id stands once a row."""
    free = np.setdiff1d(np.arange(count + len(tokens)), tokens)
    return free[:count].astype(np.int32)
