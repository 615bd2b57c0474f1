"""The question that is put to a table, and the options it can be answered with. Pure.

Options have opaque ids (a letter and a digit that say nothing of an order, drawn from the question itself),
since models favour the first letter and the first place. What a person wrote is a label, and data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.digest import of_value, to_raw
from inbond.errors import InputError

MOST_OPTIONS: Final = 20
MOST_LABEL: Final = 200
MOST_TEXT: Final = 20_000
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
        if not 0 < len(label) <= MOST_LABEL or any(unicodedata.category(each) == "Cc" for each in label):
            raise InputError(
                expected=f"an option of 1 to {MOST_LABEL} characters on one line",
                found=repr(label[:60]),
                fix="shorten it; the question is the place for explanations",
            )
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.get(same(label))
        if other is not None:
            raise InputError(
                expected="options that differ", found=f"{other!r} and {label!r}, which read the same", fix=fix
            )
        seen[same(label)] = label


def same(text: str) -> str:
    """What two texts that read the same come to: width, case and white space do not count."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _with_ids(text: str, labels: Sequence[str]) -> tuple[Option, ...]:
    """A consonant and a digit for each, distinct, no letter twice, so that none can be taken for a word, an
    initial or a rank."""
    raw = to_raw(of_value([text, *sorted(labels)]))
    letters = sorted(_LETTERS, key=lambda letter: to_raw(of_value([raw.hex(), letter])))
    return tuple(
        Option(f"{letter}{_DIGITS[raw[i] % len(_DIGITS)]}", label)
        for i, (letter, label) in enumerate(zip(letters, labels, strict=False))
    )
