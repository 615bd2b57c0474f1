"""What a teacher's host said of its own tokens, out of the journal, as the targets of training records.

Format ``inbond.remote-tokens/1``: ``remote-tokens.json`` beside the shards, with the identity of the scores,
the vocabulary, and for each training record its prompt's length and its tokens as the host made them, or
null where nothing is known of them. Tokens are text: the file is erased with it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inbond.digest import Digest
from inbond.engine.erasure import TOKENS
from inbond.engine.journal import Journal
from inbond.errors import InputError
from inbond.ledger.records import Row
from inbond.recipes import answers, planting
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact
from inbond.teachers.protocols import Keep, Reply, Scores, TokenSequence
from inbond.teachers.remote import RemoteScores
from inbond.teachers.tokens import vocabulary_digest
from inbond.types import Prompt, Record
from inbond.workspace import write_json

FORMAT = "inbond.remote-tokens/1"
_ROWS = 32
"""Records whose replies are read at once: with 20 alternatives a token they are large."""


@dataclass(frozen=True)
class HostScores:
    """A host's scores of training records. ``sequences`` has one entry a record; None: nothing is known.

    ``dropped`` counts the teacher's records without scores, by reason: those of ``teachers.mapping``, and
    ``not-a-reply`` for text that is none of its replies.
    """

    scores: RemoteScores
    sequences: tuple[TokenSequence | None, ...]
    dropped: dict[str, int]

    @property
    def known(self) -> list[TokenSequence]:
        """The sequences that have scores."""
        return [sequence for sequence in self.sequences if sequence]

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest says of them."""
        return {
            "scores": self.scores.identity,
            "records": len(self.known),
            "dropped": self.dropped,
            "silent": self.scores.silent,
            "unknown_share": self.scores.unknown_share,
        }

    def write(self, folder: Path) -> None:
        """Writes what training needs beside the shards. Raises UnwritableError."""
        rows = [[one.prompt_length, list(one.ids)] if one else None for one in self.sequences]
        value = {"format": FORMAT, "teacher": self.scores.identity, "vocabulary": self.scores.vocabulary}
        write_json(folder / TOKENS, {**value, "rows": rows})

    def in_words(self) -> str:
        """What was lost, for whoever watches."""
        lost = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
        taught = f"log-probabilities of the host for {len(self.known)} records"
        silent = f"{self.scores.silent:,} tokens of them without any" if self.scores.silent else ""
        return "; ".join(filter(None, (taught, silent, f"dropped: {lost}" if lost else "")))


def gather(
    journal: Path, recipe: Recipe, answered: Artifact, rows: Sequence[Row], tokenizer: Any
) -> HostScores:
    """The scores of the teacher's own answers among ``rows``, from the replies that were kept.

    Raises InputError when a reply's text was erased, or when none can be used.
    """
    dropped: Counter[str] = Counter()
    teacher, mark = str(answered.facts["identity"]), planting.id_in(answered.manifest.identity.config)
    with Journal.open(journal) as opened:
        said = [row for row in rows if not row.origin.own]
        replies = _replies(opened, recipe, teacher, mark, said, dropped)
        scores = RemoteScores.from_replies(teacher, tokenizer, replies, recipe.capture.k)
    sequences = tuple(scores.sequence_of(row.record) if not row.origin.own else None for row in rows)
    if not any(sequences):
        raise InputError(
            expected=f"answers of {recipe.teacher} among the training records",
            found=f"none that it gave itself ({len(rows)} records)",
            fix="add prompts, or look at why answers are dropped and adjust filters",
        )
    return HostScores(scores, sequences, {**scores.dropped, **dropped})


def _replies(
    journal: Journal,
    recipe: Recipe,
    teacher: str,
    mark: Digest | None,
    rows: Sequence[Row],
    dropped: Counter[str],
) -> Iterator[tuple[Prompt, Reply]]:
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        asked = [answers.requests_for(recipe, teacher, row.record.prompt, mark) for row in part]
        found = journal.find({request.id for requests in asked for request in requests})
        for row, requests in zip(part, asked, strict=True):
            entries = [found.get(request.id) for request in requests]
            replies = (entry.reply for entry in entries if entry and entry.reply)
            reply = next((one for one in replies if _is(row.record, one)), None)
            if reply is not None:
                yield row.record.prompt, reply
            elif all(entry and entry.state != "erased" for entry in entries):
                dropped["not-a-reply"] += 1
            else:
                raise _erased(recipe)


def _is(record: Record, reply: Reply) -> bool:
    return Record(record.prompt, reply.text).id == record.id


def _erased(recipe: Recipe) -> InputError:
    return InputError(
        expected=f"the replies of {recipe.teacher} in the journal: its log-probabilities stand there alone",
        found="replies whose text was erased",
        fix="run it with --fresh, which asks the teacher again for what was erased; generate.retain_days "
        "erases only once they were captured",
    )


def taught(
    folder: Path, rows: Sequence[Row], tokenizer: Any, keep: Keep, *, ends: bool
) -> list[tuple[TokenSequence, Scores] | None]:
    """What was captured for each training record; None where nothing is known. With ``ends`` every whole
    answer ends in the end-of-turn token. Raises InputError, TamperedError as ``read`` and
    ``load_targets``."""
    from inbond.train.capture import Expected, load_targets

    vocabulary = vocabulary_digest(tokenizer)
    teacher, sequences = read(folder, vocabulary)
    known = [one for one in sequences if one]
    scores = iter(load_targets(folder, Expected(teacher, vocabulary, keep, known)))
    end = tokenizer.eos_token_id if ends else None
    return [
        ended(one, next(scores), None if row.finish == "length" else end) if one else None
        for row, one in zip(rows, sequences, strict=True)
    ]


def ended(sequence: TokenSequence, scores: Scores, end: int | None) -> tuple[TokenSequence, Scores]:
    """The same with ``end`` as one more label, unless it is None or there. A host that says nothing of the
    token that ended an answer would never teach to stop. Nothing but itself is known of it, so that
    cross-entropy learns it and no divergence does."""
    if end is None or sequence.ids[-1] == end:
        return sequence, scores
    from inbond.losses.targets import ABSENT

    size = scores.ids_NK.shape[1]
    ids_NK = np.vstack([scores.ids_NK, np.arange(size, dtype=np.int32)])
    logp_NK = np.vstack([scores.logp_NK, np.full(size, ABSENT, np.float32)])
    return TokenSequence((*sequence.ids, end), sequence.prompt_length), Scores(ids_NK, logp_NK)


def read(folder: Path, vocabulary: Digest) -> tuple[str, tuple[TokenSequence | None, ...]]:
    """The identity of the scores, and each training record's tokens as ``HostScores.sequences``.

    Raises InputError when they were erased, or are of another tokenizer.
    """
    try:
        value = json.loads((folder / TOKENS).read_bytes())
    except FileNotFoundError:
        raise InputError(
            expected=f"the host's tokens of the training records in {folder / TOKENS}",
            found="none: they were erased",
            fix="run it with --fresh, which asks the teacher again for what was erased",
        ) from None
    if value["vocabulary"] != vocabulary:
        raise InputError(
            expected=f"targets of the student's tokenizer in {folder}",
            found=f"another vocabulary, {value['vocabulary']}",
            fix="remove the targets folder and run the recipe again: generation is not repeated",
        )
    sequences = tuple(TokenSequence(tuple(row[1]), row[0]) if row else None for row in value["rows"])
    return str(value["teacher"]), sequences
