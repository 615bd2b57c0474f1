"""What a teacher of another vocabulary says of a student's tokens.

Where both models have a border in the text, both say what comes next: the teacher's likeliest tokens are
carried over to the tokens with which the student begins to say the same. And of each stretch between two
such borders, both say how likely it is. Legend: N label tokens of the student, M of the teacher, K kept
tokens, C chunks, V the teacher's vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt

from inbond.losses.alignment import Chunk, Ends, align
from inbond.losses.targets import ABSENT
from inbond.teachers.protocols import Scores, TokenSequence
from inbond.teachers.spelling import Place, Speller, first_tokens


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
    return _chunks(_read(text, *teacher), _read(text, *student))


@dataclass(frozen=True)
class _Read:
    """An answer as one model reads it. ``ends``: where its tokens end, the end of the turn as one more byte;
    ``given``: how many of them are no labels; ``spaced`` as in Spelt; ``ended``: whether the last one is an
    end-of-turn token."""

    ends: Ends
    given: int
    spaced: bool
    ended: bool


def _read(text: str, speller: Speller, sequence: TokenSequence) -> _Read:
    spelt, labels = speller.spell(text), sequence.ids[sequence.prompt_length :]
    more = len(labels) - len(spelt.ids)
    ended = more > 0 or (more == 0 and labels != spelt.ids)
    given = len(spelt.ids) + ended - len(labels)
    assert labels[: len(labels) - ended] == spelt.ids[given:], "the answer as encode_record has it"
    ends = (*spelt.ends, len(text.encode()) + 1) if ended else spelt.ends
    return _Read(ends, given, spelt.spaced, ended)


def _chunks(first: _Read, second: _Read) -> list[Chunk]:
    return [
        Chunk(_less(chunk.first, first.given), _less(chunk.second, second.given))
        for chunk in align(first.ends, second.ends)
        if chunk.first[0] >= first.given and chunk.second[0] >= second.given
    ]


def _less(span: tuple[int, int], by: int) -> tuple[int, int]:
    return span[0] - by, span[1] - by


@final
class Carrier:
    """Carries scores over from a teacher's vocabulary to a student's. Raises InputError for tokenisers whose
    tokens' bytes are not known."""

    def __init__(self, teacher: Speller, student: Speller) -> None:
        self.teacher, self.student = teacher, student
        self._maps: dict[Place, _Map] = {}

    def carry(
        self,
        texts: Sequence[str],
        theirs: Sequence[tuple[TokenSequence, Scores]],
        own: Sequence[TokenSequence],
    ) -> list[Carried]:
        """Each answer's scores for the student's tokens. ``theirs`` are the teacher's tokens with their
        scores, each label itself among those that are kept; ``texts`` what both have as labels."""
        met = np.unique(
            np.concatenate([np.zeros(0, np.int32), *(scores.ids_NK.ravel() for _, scores in theirs)])
        )
        self._map(Place()).learn(met)  # all at once: tokenisers are faster so
        return [
            self._one(text, sequence, scores, mine)
            for text, (sequence, scores), mine in zip(texts, theirs, own, strict=True)
        ]

    def _map(self, place: Place) -> _Map:
        if place not in self._maps:
            self._maps[place] = _Map(self.teacher, self.student, place)
        return self._maps[place]

    def _one(self, text: str, sequence: TokenSequence, scores: Scores, mine: TokenSequence) -> Carried:
        read = _read(text, self.teacher, sequence), _read(text, self.student, mine)
        chunks = _chunks(*read)
        labels_M = np.array(sequence.ids[sequence.prompt_length :], dtype=np.int64)
        labels_N = mine.ids[mine.prompt_length :]
        size = min(scores.ids_NK.shape[1], len(self.student.tokenizer))
        ids_NK = np.tile(np.arange(size, dtype=np.int32), (mine.labels, 1))
        logp_NK = np.full((mine.labels, size), ABSENT, dtype=np.float32)
        chunk_N = np.full(mine.labels, -1, dtype=np.int64)
        for number, chunk in enumerate(chunks):
            chunk_N[slice(*chunk.second)] = number
            row, at = chunk.first[0], chunk.second[0]
            begins = row == at == 0 and not (read[0].given or read[1].given)
            place = Place(read[0].spaced, read[1].spaced) if begins else Place()
            own_K = self._map(place).of(np.append(scores.ids_NK[row], labels_M[row]))
            if own_K[-1] == labels_N[at]:
                _row(own_K[:-1], scores.logp_NK[row], ids_NK[at], logp_NK[at])
        said_M = _said(scores, labels_M, self.teacher.ends if read[0].ended else ())
        logp_C = np.array([said_M[slice(*chunk.first)].sum() for chunk in chunks], dtype=np.float32)
        return Carried(Scores(ids_NK, logp_NK), chunk_N, logp_C)


@final
class _Map:
    """The student's token for each of the teacher's, at one place in an answer; -1 for none."""

    def __init__(self, teacher: Speller, student: Speller, place: Place) -> None:
        self._look_up = partial(first_tokens, teacher, student, place=place)
        self._own_V = np.full(len(teacher.tokenizer), -1, dtype=np.int64)
        self._known_V = np.zeros(len(teacher.tokenizer), dtype=bool)

    def learn(self, ids: npt.NDArray[Any]) -> None:
        """Looks up the tokens that were not met before."""
        new = np.unique(ids[~self._known_V[ids]]).tolist()
        for id_, mine in self._look_up(new).items():
            self._own_V[id_] = mine
        self._known_V[ids] = True

    def of(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The student's tokens, -1 for none."""
        if not self._known_V[ids].all():
            self.learn(ids)
        found: npt.NDArray[np.int64] = self._own_V[ids]
        return found


def _row(
    own_K: npt.NDArray[np.int64],
    logp_K: npt.NDArray[np.float32],
    into_ids_K: npt.NDArray[np.int32],
    into_logp_K: npt.NDArray[np.float32],
) -> None:
    """One position: probabilities of tokens that the student begins alike are added up, likeliest first.
    Rounded ones that are more than 1 together are taken as shares of 1."""
    known = own_K >= 0
    p_K = np.exp(logp_K.astype(np.float64))
    p_K /= max(1.0, p_K.sum())
    tokens, place = np.unique(own_K[known], return_inverse=True)
    mass = np.bincount(place, weights=p_K[known], minlength=len(tokens))
    order = np.argsort(-mass, kind="stable")
    kept = len(order)
    into_ids_K[:kept] = tokens[order]
    into_logp_K[:kept] = np.log(np.maximum(mass[order], 1e-30))
    into_ids_K[kept:] = _others(tokens, len(into_ids_K) - kept)


def _said(scores: Scores, labels_M: npt.NDArray[np.int64], ends: Sequence[int]) -> npt.NDArray[np.float64]:
    """The teacher's log-probability of each of its label tokens. Where the answer ``ends`` (the tokens that
    do so; none where it was cut) the last one is that of ending at all: a model that closes a turn with
    another token than its tokenizer's own one ends it no less."""
    own_MK = scores.ids_NK == labels_M[:, None]
    assert own_MK.any(1).all(), "captured with the label itself"
    said_M: npt.NDArray[np.float64] = np.where(own_MK, scores.logp_NK, 0.0).sum(1, dtype=np.float64)
    if len(ends) > 1:
        last_K = scores.logp_NK[-1][np.isin(scores.ids_NK[-1], ends)].astype(np.float64)
        said_M[-1] = min(0.0, np.logaddexp.reduce(last_K))
    return said_M


def _others(tokens: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int32]:
    """Ids that fill a row up, none of which it has: each id stands once a row."""
    free = np.setdiff1d(np.arange(count + len(tokens)), tokens)
    return free[:count].astype(np.int32)
