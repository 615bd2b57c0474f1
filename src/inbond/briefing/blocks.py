"""A document as numbered blocks: what is translated, cited and shown is always one of them. Pure.

A block's text is one line of plain text, or several in code and where a line was broken on purpose. Code
within a line stands between backticks; cells of a table's row stand between " | ". No markup of the source is
in it. Ids are b1, b2, ... in the order of the document: the same blocks have the same ids.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from inbond.digest import Digest, of_value

Kind = Literal["heading", "paragraph", "item", "code", "quote", "row"]
KINDS: Final[tuple[Kind, ...]] = ("heading", "paragraph", "item", "code", "quote", "row")
CELL: Final = " | "

WORDS_A_MINUTE: Final = 220
LETTERS_A_MINUTE: Final = 500
"""Of Chinese and Japanese, whose words are not set apart."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff\ud800-\udfff]")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
"""What may stand within a word and is not seen: soft hyphens, joiners, marks of direction and of variants."""
_BLANKS: Final = re.compile(r"[^\S\n]+")
_WIDE_SCRIPTS: Final = ("CJK", "HIRAGANA", "KATAKANA")


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """A block before it has a number. ``level`` is that of a heading (1 to 6) or of an item (1 for the
    outermost); 0 for the others."""

    kind: Kind
    text: str
    level: int = 0


@final
@dataclass(frozen=True, slots=True)
class Block:
    """One numbered block."""

    id: str
    kind: Kind
    text: str
    level: int = 0

    @property
    def is_words(self) -> bool:
        """Whether there is anything to translate: code stays as it is, and so does what has no letter."""
        return self.kind != "code" and any(map(str.isalpha, without_code(self.text)))

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "kind": self.kind, "text": self.text, "level": self.level}


def number(pieces: Iterable[Piece]) -> tuple[Block, ...]:
    """The blocks of these pieces: cleaned, empty ones left out, numbered in their order."""
    cleaned = ((piece, clean(piece.text, piece.kind)) for piece in pieces)
    kept = [(piece, text) for piece, text in cleaned if text]
    return tuple(
        Block(f"b{place}", piece.kind, text, piece.level) for place, (piece, text) in enumerate(kept, 1)
    )


def clean(text: str, kind: Kind = "paragraph") -> str:
    """The text without control characters, halves of letters and white space that says nothing."""
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if kind == "code":
        return "\n".join(line.rstrip() for line in text.expandtabs(4).split("\n")).strip("\n")
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    joined = "\n".join(line for line in lines if line)
    return joined.replace("\n", " ") if kind in ("heading", "row") else joined


def visible(text: str) -> str:
    """The text without what is not seen, for comparing: what is shown keeps it."""
    return _INVISIBLE.sub("", text)


def digest_of(blocks: Sequence[Block]) -> Digest:
    """What two documents with the same blocks have in common, wherever they came from."""
    return of_value([block.to_json() for block in blocks])


def plain(blocks: Iterable[Block]) -> str:
    """The text alone, an empty line between two blocks."""
    return "\n\n".join(block.text for block in blocks)


def characters(blocks: Iterable[Block]) -> int:
    """How long a document is, white space not counted."""
    return sum(len("".join(block.text.split())) for block in blocks)


def reading_minutes(blocks: Iterable[Block]) -> int:
    """Whole minutes to read this aloud to oneself, at least 1: words where words are set apart, letters of
    Chinese and Japanese where they are not. A text of both is the sum."""
    text = "\n".join(block.text for block in blocks)
    wide = sum(1 for letter in text if is_wide(letter))
    narrow = "".join(" " if is_wide(letter) else letter for letter in text)
    words = sum(1 for word in narrow.split() if any(map(str.isalnum, word)))
    return max(1, round(wide / LETTERS_A_MINUTE + words / WORDS_A_MINUTE))


def is_wide(letter: str) -> bool:
    """Whether a character is a letter of a script that sets no space between words."""
    return letter > "\u2e80" and unicodedata.name(letter, "").split(" ")[0].split("-")[0] in _WIDE_SCRIPTS


_NEVER_IN: Final = (
    "\\s<>\"'`«»\u0e00-\u0eff\u1100-\u11ff\u2000-\u206f\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uffef\U00020000-\U0003ffff"
)
_INNER: Final = rf"[^{_NEVER_IN}()\[\]]"
ADDRESS: Final = re.compile(
    rf"https?://(?:{_INNER}|\({_INNER}*\)|\[{_INNER}*\])*"
    rf"(?:[^{_NEVER_IN}()\[\].,;:!?]|\({_INNER}*\)|\[{_INNER}*\])"
)
"""An address within a text, without the punctuation after it. Letters of scripts that set no space, Hangul
and wide punctuation end it: an address that has such letters itself is written with % instead."""
CODE_SPAN: Final = re.compile(r"(?<!`)(`{1,3})(?!`)([^`\n]+?)\1(?!`)")


def code_spans(text: str) -> tuple[str, ...]:
    """What stands between backticks, in its order."""
    return tuple(found[2].strip() for found in CODE_SPAN.finditer(text))


def without_code(text: str) -> str:
    """The text without its code spans."""
    return CODE_SPAN.sub(" ", text)


def unwrapped(text: str) -> str:
    """One line of lines that were only wrapped: with a space between them, but not between two letters of a
    script that sets none."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    found = lines[0] if lines else ""
    for line in lines[1:]:
        found += line if _sets_no_space(found[-1]) and _sets_no_space(line[0]) else " " + line
    return found


def _sets_no_space(letter: str) -> bool:
    return is_wide(letter) or "\u3000" <= letter <= "\u303f" or "\uff00" <= letter <= "\uff60"
