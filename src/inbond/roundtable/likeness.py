"""When two texts read the same to a person, and when they look the same. Pure.

What is not seen (a space of no width, a mark of direction, a selector of a variant) tells nothing apart; nor
do width, case and white space. Letters of other alphabets that look like Latin ones are a further step: they
are not the same letter, but nobody can tell by looking.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that show nothing, besides what Unicode calls a format character."""
_JOINERS: Final = "\u200c\u200d"
"""Not seen, but spelling in Persian, in Indian scripts and in pictures of several persons."""
_GREEK_AND_CYRILLIC: Final = "αβεικνορτυχγσаеорсухіјѕьԁԛԝһвкмнт"
_AS_LATIN: Final = "abeikvoptuxyoaeopcyxijsbdqwhbkmht"
_LOOKS: Final = str.maketrans(_GREEK_AND_CYRILLIC, _AS_LATIN)


def is_unseen(letter: str) -> bool:
    """Whether a character shows nothing of its own: format characters, selectors of variants, fillers."""
    code = ord(letter)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    return selector or letter in _UNSEEN or unicodedata.category(letter) == "Cf"


def is_hidden(letter: str) -> bool:
    """Whether a character has no place in a line of text: it breaks the line, turns it around, is half of a
    letter, or is not seen and no part of spelling."""
    if letter in _JOINERS or 0xFE00 <= ord(letter) <= 0xFE0F:
        return False
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or is_unseen(letter)


def seen(text: str) -> str:
    """The text in full width's plain form (NFKC), without what is not seen."""
    return "".join(each for each in unicodedata.normalize("NFKC", text) if not is_unseen(each))


def same(text: str) -> str:
    """What two texts that read the same come to: width, case, white space and what is not seen do not
    count."""
    return " ".join(seen(text).casefold().split())


def shape(text: str) -> str:
    """The text as it looks, white space kept: Greek and Cyrillic letters with the shape of a Latin one are
    that one."""
    return seen(text).casefold().translate(_LOOKS)


AROUND: Final = " \t*_`\"'.。!！“”「」[]()<>"
"""What may stand around a vote on a line of its own, besides the vote."""


def inner(text: str) -> str:
    """The text without what may stand around it."""
    return text.strip(AROUND)


def look(text: str) -> str:
    """What two texts that look the same come to."""
    return same(text).translate(_LOOKS)
