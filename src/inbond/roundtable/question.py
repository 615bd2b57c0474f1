"""The question that is put to a table, and the options it can be answered with. Pure.

Options have opaque ids (a letter and a digit that say nothing of an order, drawn from the question itself),
since models favour the first letter and the first place. What a person wrote is a label, and data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.digest import of_value, to_raw
from inbond.errors import InputError
from inbond.roundtable.likeness import inner, is_hidden, look, same

MOST_OPTIONS: Final = 20
MOST_LABEL: Final = 200
MOST_TEXT: Final = 20_000
ABSTAIN: Final = "abstain"
"""What a vote says that is for none of the options."""
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_DIGITS: Final = "23456789"


@final
@dataclass(frozen=True)
class Option:
    """``label`` is what people read, ``id`` what a vote names."""

    id: str
    label: str


@final
@dataclass(frozen=True)
class Question:
    """``language`` is an ISO 639-1 code, "" where it is not known."""

    text: str
    language: str
    options: tuple[Option, ...]
    allow_abstain: bool = True

    @classmethod
    def make(
        cls, text: str, labels: Sequence[str], language: str = "", *, allow_abstain: bool = True
    ) -> Question:
        """Checks, and gives the options their ids. Raises InputError."""
        text = text.strip()
        if not 0 < len(text) <= MOST_TEXT:
            raise InputError(
                expected=f"a question of 1 to {MOST_TEXT:,} characters",
                found=f"{len(text):,}",
                fix="say what is to be decided, in a sentence or two",
            )
        labels = [label.strip() for label in labels]
        _check_labels(labels)
        if allow_abstain:
            _check_abstain(labels)
        return cls(text, language, _with_ids(text, labels), allow_abstain)

    def option(self, id_: str) -> Option:
        """By its id."""
        return next(option for option in self.options if option.id == id_)

    def order(self, seat: int) -> tuple[Option, ...]:
        """As the seat of this number sees them: turned by one place for each, so that over as many seats as
        there are options each stands in each place once."""
        turn = seat % len(self.options)
        return self.options[turn:] + self.options[:turn]

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "language": self.language,
            "options": [{"id": option.id, "label": option.label} for option in self.options],
            "allow_abstain": self.allow_abstain,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Question:
        """Reads ``to_json``."""
        options = tuple(Option(each["id"], each["label"]) for each in value["options"])
        return cls(value["text"], value["language"], options, value["allow_abstain"])


def _check_labels(labels: Sequence[str]) -> None:
    fix = "give each option once, with --option LABEL"
    if len(labels) < 2:
        found = "none" if not labels else f"one, {labels[0]!r}"
        raise InputError(expected="at least two options to choose from", found=found, fix=fix)
    if len(labels) > MOST_OPTIONS:
        raise InputError(expected=f"at most {MOST_OPTIONS} options", found=str(len(labels)), fix="drop some")
    for label in labels:
        if not 0 < len(label) <= MOST_LABEL or not same(label) or any(map(is_hidden, label)):
            raise InputError(
                expected=f"an option of 1 to {MOST_LABEL} characters on one line, all of which are seen",
                found=ascii(label[:60]) if any(map(is_hidden, label)) else repr(label[:60]),
                fix="shorten it, or type it anew; the question is the place for explanations",
            )
    shown: dict[str, str] = {}
    for label in labels:
        other = shown.get(look(label))
        if other is not None:
            found = f"{other!r} and {label!r}, which read the same"
            raise InputError(expected="options that differ", found=found, fix=fix)
        shown[look(label)] = label


def _check_abstain(labels: Sequence[str]) -> None:
    taken = next((label for label in labels if look(inner(label)) == ABSTAIN), None)
    if taken is not None:
        raise InputError(
            expected=f"no option called {ABSTAIN!r}, which is what a seat says that votes for none",
            found=repr(taken),
            fix="drop it, since every seat may abstain; or put it in other words",
        )


def _with_ids(text: str, labels: Sequence[str]) -> tuple[Option, ...]:
    """A consonant and a digit for each, distinct, no letter twice, so that none can be taken for a word, an
    initial or a rank; and none is what any label says, so that a vote names one option only."""
    raw = to_raw(of_value([text, *sorted(labels)]))
    letters = sorted(_LETTERS, key=lambda letter: to_raw(of_value([raw.hex(), letter])))
    taken = {look(said) for label in labels for said in (label, inner(label))}
    return tuple(
        Option(_free(letter, raw[i] % len(_DIGITS), taken), label)
        for i, (letter, label) in enumerate(zip(letters, labels, strict=False))
    )


def _free(letter: str, start: int, taken: set[str]) -> str:
    """The first id of this letter that is no label: more of them than there can be labels."""
    digits = _DIGITS[start:] + _DIGITS[:start]
    every = [letter + digit for digit in digits] + [letter + one + two for one in digits for two in digits]
    return next(id_ for id_ in every if look(id_) not in taken)
