"""Where each token of a text ends, in bytes, for tokenisers of any kind, and which token of another
vocabulary says what a token says. Needs tokenisers, not torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

from inbond.losses.alignment import Ends, ends_of_pieces, ends_of_spans
from inbond.teachers.pieces import Pieces


@dataclass(frozen=True)
class Spelt:
    """A text as tokens: their ids, and where they end in its UTF-8 bytes."""

    ids: tuple[int, ...]
    ends: Ends


@final
class Speller:
    """One tokeniser with the bytes of its tokens. Raises InputError when those cannot be known."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.pieces = Pieces.of(tokenizer)

    @property
    def end(self) -> int | None:
        """The token that ends an answer."""
        end: int | None = self.tokenizer.eos_token_id
        return end

    def spell(self, text: str) -> Spelt:
        """The text as the models see a completion: no special tokens are added to it. Text that looks like a
        special token becomes that token, and has its bytes."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        ends = ends_of_pieces([self.pieces.spelt(id_) for id_ in ids], text.encode())
        if ends is None:
            spans = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            ends = ends_of_spans(spans["offset_mapping"], text)
        return Spelt(tuple(ids), ends)


def first_tokens(teacher: Speller, student: Speller, ids: Iterable[int]) -> dict[int, int]:
    """For tokens of the teacher, the token with which the student begins to say the same; those for which
    none is known are left out.

    A token of the teacher that the student lacks is longer than what the student has for it: the student
    begins with its first piece. So the sum of the teacher's probabilities of all tokens that begin alike is
    what the teacher gives to the student's token. End-of-turn tokens stand for each other.
    """
    wanted = sorted(set(ids))
    ends = {teacher.end: student.end}
    found = {id_: ends[id_] for id_ in wanted if ends.get(id_) is not None}
    texts: dict[int, str] = {}
    for id_ in wanted:
        raw = teacher.pieces.bytes_of(id_)
        if id_ in found or not raw:
            continue
        exact = student.pieces.id_of(raw)
        text = _text(raw)
        if exact is not None:
            found[id_] = exact
        elif text is not None:
            texts[id_] = text
    said = student.tokenizer(list(texts.values()), add_special_tokens=False)["input_ids"] if texts else []
    for (id_, text), pieces in zip(texts.items(), said, strict=True):
        begun = student.pieces.bytes_of(pieces[0]) if pieces else b""
        if begun and text.encode().startswith(begun):
            found[id_] = pieces[0]
    return {id_: int(own) for id_, own in found.items() if own is not None}


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
