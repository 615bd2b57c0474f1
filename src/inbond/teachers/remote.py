"""A served teacher's top_logprobs as targets.

``RemoteScores`` implements ScoresTokens for just the sequences of the replies it was made from, so that
capture needs no second way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np

from inbond.digest import Digest, of_bytes
from inbond.errors import InputError
from inbond.teachers.mapping import Row, Scored, map_reply
from inbond.teachers.pieces import Pieces
from inbond.teachers.protocols import Keep, Reply, Scores, TokenSequence
from inbond.teachers.tokens import vocabulary_digest
from inbond.types import Prompt, Record


@final
@dataclass(frozen=True)
class RemoteScores:
    """What a host said of its own answers. Implements ScoresTokens for just those answers' sequences.

    ``mapped`` has one entry a reply, in order; None where it was dropped, with the reasons counted in
    ``dropped``; ``records`` the ids of the records that prompts and texts make. ``size`` is how many tokens
    a place has at most; ``teacher`` the identity that was asked.
    """

    teacher: str
    vocabulary: Digest
    vocabulary_size: int
    size: int
    mapped: tuple[Scored | None, ...]
    records: tuple[Digest, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    reserve: tuple[int, ...] = ()

    @classmethod
    def from_replies(
        cls, teacher: str, tokenizer: Any, answers: Iterable[tuple[Prompt, Reply]], size: int
    ) -> RemoteScores:
        """Maps every reply. ``size`` is the number of alternatives that were asked for.

        Raises InputError when no reply can be used, or when the host gave fewer alternatives in every
        place: targets are never silently coarser than the recipe says.
        """
        pieces = Pieces.of(tokenizer)
        dropped: Counter[str] = Counter()
        mapped: list[Scored | None] = []
        records: list[Digest] = []
        most = 0
        for prompt, reply in answers:
            most = max(most, *(len(place.top) for place in reply.top_logprobs), 0)
            one = map_reply(pieces, tokenizer, prompt, reply, size)
            records.append(Record(prompt, reply.text).id)
            mapped.append(one if isinstance(one, Scored) else None)
            if not isinstance(one, Scored):
                dropped[one] += 1
        if mapped and not any(mapped):
            raise _none_usable(teacher, dropped)
        if most < size and mapped:
            raise fewer(teacher, size, most)
        reserve = _reserve(pieces, tokenizer, 2 * size)
        return cls(
            teacher, vocabulary_digest(tokenizer), len(tokenizer), size, tuple(mapped), tuple(records),
            dict(sorted(dropped.items())), reserve,
        )  # fmt: skip

    @property
    def sequences(self) -> tuple[TokenSequence | None, ...]:
        """One a reply, in order; None where it was dropped."""
        return tuple(one.sequence if one else None for one in self.mapped)

    def sequence_of(self, record: Record) -> TokenSequence | None:
        """The sequence of a record whose completion is the text of a reply to its prompt, as it came."""
        scored = self._by_record.get(record.id)
        return scored.sequence if scored else None

    @property
    def silent(self) -> int:
        """Label tokens without any distribution: nothing is learnt there by divergence."""
        return sum(not row for one in self.mapped if one for row in one.rows)

    @property
    def unknown_share(self) -> float:
        """Mean probability a label token of alternatives that are not tokens of ours."""
        labels = sum(len(one.rows) for one in self.mapped if one)
        return sum(one.unknown_mass for one in self.mapped if one) / max(labels, 1)

    @cached_property
    def identity(self) -> str:
        """The teacher that was asked, and a digest of all that it answered: nothing else pins it."""
        state = [of_bytes(repr((one.sequence, one.rows)).encode()) if one else "" for one in self.mapped]
        return f"{self.teacher} {of_bytes(' '.join(state).encode())} remote"

    @cached_property
    def _by_sequence(self) -> dict[TokenSequence, Scored]:
        # The same tokens drawn twice have the same scores; the first draw's are taken.
        return {one.sequence: one for one in reversed(self.mapped) if one}

    @cached_property
    def _by_record(self) -> dict[Digest, Scored]:
        pairs = zip(reversed(self.records), reversed(self.mapped), strict=True)
        return {record: one for record, one in pairs if one}

    def score(self, sequences: Sequence[TokenSequence], keep: Keep) -> Scores:
        """See ScoresTokens: the host's own scores, none computed. A place with fewer than ``keep.size`` is
        filled up with improbable ids that are not in it, at ``ABSENT``, so that the tail takes the rest.

        Raises InputError for a sequence that no reply had, and for what top_logprobs cannot say: more
        than ``size`` tokens, a fair sample, another temperature.
        """
        from inbond.losses.targets import ABSENT  # here: torch is not needed to probe a host

        if keep.kind != "top-k" or keep.temperature != 1.0 or not 1 <= keep.size <= self.size:
            raise _cannot_keep(self.teacher, keep, self.size)
        ids, logps = [], []
        for sequence in sequences:
            scored = self._by_sequence.get(sequence)
            if scored is None:
                raise InputError(
                    expected=f"text that {self.teacher} itself answered, as only that has its scores",
                    found=f"a sequence of {len(sequence.ids)} tokens that is no reply's",
                    fix="learn other text by train.ce, or use a teacher whose weights are on this machine",
                )
            for row in scored.rows:
                ids.append(self._filled(row[: keep.size], keep.size))
                logps.append([logp for _, logp in row[: keep.size]] + [ABSENT] * (keep.size - len(row)))
        shape = (-1, keep.size)
        return Scores(np.array(ids, np.int32).reshape(shape), np.array(logps, np.float32).reshape(shape))

    def _filled(self, row: Row, size: int) -> list[int]:
        kept = [id_ for id_, _ in row]
        spare = (id_ for id_ in self.reserve if id_ not in kept)
        return kept + [next(spare) for _ in range(size - len(kept))]


def _reserve(pieces: Pieces, tokenizer: Any, count: int) -> tuple[int, ...]:
    """Ids to fill rows up with: those that an answer hardly ever has."""
    special = sorted(pieces.special - {tokenizer.eos_token_id})
    rest = (id_ for id_ in range(len(tokenizer) - 1, -1, -1) if id_ not in pieces.special)
    return (*special[:count], *(next(rest) for _ in range(count - len(special))))


def _none_usable(teacher: str, dropped: Mapping[str, int]) -> InputError:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
    return InputError(
        expected=f"answers of {teacher} whose tokens can be found in the student's tokenizer",
        found=f"none ({reasons})",
        fix="use the teacher's own tokenizer for the student, or learn from its text alone (train.ce)",
    )


def fewer(teacher: str, asked: int, came: int) -> InputError:
    """The error for a host that gives fewer alternatives than were asked for and does not say so."""
    return InputError(
        expected=f"{asked} alternatives a token from {teacher}",
        found=f"{came} at most",
        fix=f"set capture.k={came} and top_logprobs: {came} for this host in hosts.yaml"
        if came
        else "this host gives no log-probabilities: learn from its text alone (train.ce)",
    )


def _cannot_keep(teacher: str, keep: Keep, size: int) -> InputError:
    return InputError(
        expected=f"targets that top_logprobs can give: top-k of at most {size} tokens at temperature 1",
        found=f"{keep.kind} of {keep.size} at temperature {keep.temperature:g} for {teacher}",
        fix=f"set capture.k={size} and leave kind and temperature at their defaults",
    )
