"""Where each token of a text ends, in bytes, for tokenisers of any kind, and which token of another
vocabulary says what a token says. Needs tokenisers, not torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

from tokenizers import Tokenizer

from inbond.losses.alignment import Ends, ends_of_pieces, ends_of_spans
from inbond.teachers.pieces import Pieces
from inbond.teachers.tokens import encode_answer


@dataclass(frozen=True)
class Spelt:
    """A text as tokens: their ids, and where they end in its UTF-8 bytes. ``spaced``: the first token begins
    with a space that the tokeniser put before the text."""

    ids: tuple[int, ...]
    ends: Ends
    spaced: bool = False


@final
class Speller:
    """One tokeniser with the bytes of its tokens, and the tokens with which its model ends an answer: of
    these the tokeniser's own one stands first. Raises InputError when the bytes cannot be known."""

    def __init__(self, tokenizer: Any, ends: Iterable[int] = ()) -> None:
        self.tokenizer = tokenizer
        self.pieces = Pieces.of(tokenizer)
        own = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
        self.ends = tuple(dict.fromkeys([*own, *sorted(ends)]))

    @property
    def end(self) -> int | None:
        """The token that ends an answer that is learnt."""
        end: int | None = self.tokenizer.eos_token_id
        return end

    def spell(self, text: str) -> Spelt:
        """The text as the models see an answer: no special tokens are added to it, and what looks like one is
        text."""
        ids = encode_answer(self.tokenizer, text)
        raw, pieces = text.encode(), [self.pieces.spelt(id_) for id_ in ids]
        ends = ends_of_pieces(pieces, raw)
        if ends is None:
            how = {"add_special_tokens": False, "split_special_tokens": True}
            spans = self.tokenizer(text, return_offsets_mapping=True, **how)
            ends = ends_of_spans(spans["offset_mapping"], text)
        return Spelt(tuple(ids), ends, spaced=bool(pieces) and b"".join(pieces) == b" " + raw)

    def spells(self, text: str) -> bool:
        """Whether its tokens say the very bytes of the text."""
        pieces = [self.pieces.spelt(id_) for id_ in encode_answer(self.tokenizer, text)]
        return ends_of_pieces(pieces, text.encode()) is not None

    def within(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Each text's tokens where other text stands before it: without the space that is put before a whole
        text."""
        return [encoding.ids for encoding in self._within.encode_batch(list(texts), add_special_tokens=False)]

    @cached_property
    def _within(self) -> Tokenizer:
        spec = _without_prefix(json.loads(self.tokenizer.backend_tokenizer.to_str()))
        found = Tokenizer.from_str(json.dumps(spec))
        found.encode_special_tokens = True
        found.no_truncation()
        found.no_padding()
        return found


def _without_prefix(part: Any) -> Any:
    """A tokeniser's settings without those that put a space before a text."""
    if isinstance(part, list):
        return [_without_prefix(each) for each in part if _kind(each) != "Prepend"]
    if not isinstance(part, dict):
        return part
    changed = {
        name: None if _kind(value) == "Prepend" else value if name == "model" else _without_prefix(value)
        for name, value in part.items()
    }
    if _kind(part) == "Metaspace":
        changed = {name: value for name, value in changed.items() if name != "add_prefix_space"}
        changed["prepend_scheme"] = "never"
    elif "add_prefix_space" in changed:
        changed["add_prefix_space"] = False
    return changed


def _kind(part: Any) -> str | None:
    return part.get("type") if isinstance(part, dict) else None


class Place(NamedTuple):
    """Where in an answer a token stands: at its very beginning a tokeniser may have put a space before the
    text, which is none of it. So it is elsewhere for neither model."""

    teacher_spaced: bool = False
    student_spaced: bool = False


def first_tokens(
    teacher: Speller, student: Speller, ids: Iterable[int], place: Place = Place()
) -> dict[int, int]:
    """For tokens of the teacher, the token with which the student begins to say the same; those for which
    none is known are left out.

    A token of the teacher that the student lacks is longer than what the student has for it: the student
    begins with its first piece. So the sum of the teacher's probabilities of all tokens that begin alike is
    what the teacher gives to the student's token. All of the teacher's end-of-turn tokens stand for the
    student's. Half a character is not carried over to a byte of a student that may have the whole of it.
    """
    wanted = sorted(set(ids))
    found: dict[int, int | None] = {id_: student.end for id_ in wanted if id_ in teacher.ends}
    texts: dict[int, str] = {}
    for id_ in wanted:
        raw = teacher.pieces.bytes_of(id_)
        if place.teacher_spaced:
            raw = raw.removeprefix(b" ")
        if id_ in found or not raw:
            continue
        exact = student.pieces.id_of(b" " + raw if place.student_spaced else raw)
        text = _text(raw)
        if exact is not None and (text is not None or not _spelt_out(teacher, id_, student, exact)):
            found[id_] = exact
        elif text is not None:
            texts[id_] = text
    begun = _begun(student, texts, place)
    return {id_: own for id_, own in {**found, **begun}.items() if own is not None}


def _spelt_out(teacher: Speller, id_: int, student: Speller, own: int) -> bool:
    """Whether the student writes with ``own`` only what it has no token for, and the teacher says more with
    half a character: that more of it comes."""
    return own in student.pieces.fallback and id_ not in teacher.pieces.fallback


def _begun(student: Speller, texts: Mapping[int, str], place: Place) -> dict[int, int]:
    """The first of the student's tokens for each text, where it says the beginning of it."""
    if not texts:
        return {}
    said = (
        [encode_answer(student.tokenizer, text) for text in texts.values()]
        if place.student_spaced
        else student.within(list(texts.values()))
    )
    found = {}
    for (id_, text), pieces in zip(texts.items(), said, strict=True):
        first = student.pieces.bytes_of(pieces[0]) if pieces else b""
        whole = text.encode()
        if first and (whole.startswith(first) or (place.student_spaced and (b" " + whole).startswith(first))):
            found[id_] = int(pieces[0])
    return found


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
