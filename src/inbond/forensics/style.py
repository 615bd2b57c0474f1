"""How a text is written rather than what of: frequent words and marks as they are, others by their shape and
ending alone, then runs of these. For any language; where no spaces part words, characters stand for them.

"Who Taught You That" (Wadhwa et al., arXiv:2502.06659) uses templates of parts of speech; these need no
tagger. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

_ITEM = re.compile(r"\n+|[^\W\d_]+|\d+|[^\w\s]|_+", re.UNICODE)
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
FREQUENT = 150
"""So many of the commonest words and characters stand as they are: mostly function words."""
RUN = 3


def items_of(text: str) -> list[str]:
    """Words, numbers, marks and line ends, in order; characters of scripts that are written without
    spaces."""
    found = list[str]()
    for item in _ITEM.findall(text):
        if item[0].isalpha() and any(_unspaced(letter) for letter in item):
            found += item
        else:
            found.append("\n" * min(2, len(item)) if item[0] == "\n" else item)
    return found


@lru_cache(maxsize=65_536)
def _unspaced(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(_UNSPACED)


def frequent(texts: Iterable[str]) -> frozenset[str]:
    """The commonest items of all texts, lower case, counted once a text: what a topic repeats counts
    little."""
    counts = Counter(item for text in texts for item in {item.lower() for item in items_of(text)})
    ranked = sorted(counts, key=lambda item: (-counts[item], item))
    return frozenset(ranked[:FREQUENT])


def runs_of(text: str, known: frozenset[str]) -> Counter[tuple[str, ...]]:
    """All runs of one to ``RUN`` items, those that are not ``known`` by their shape."""
    shapes = ["<", *(_shape(item, known) for item in items_of(text)), ">"]
    return Counter(_runs(shapes))


def _runs(shapes: Sequence[str]) -> Iterable[tuple[str, ...]]:
    for length in range(1, RUN + 1):
        for start in range(len(shapes) - length + 1):
            yield tuple(shapes[start : start + length])


def _shape(item: str, known: frozenset[str]) -> str:
    """``Walking`` is X-ing, 2024 is 0000, an ideograph is itself only where it is frequent."""
    capital = item[:1].isupper()
    if item.lower() in known:
        return f"^{item.lower()}" if capital else item
    if item.isdigit():
        return "0" * min(4, len(item))
    if not item.isalpha():
        return item
    if len(item) == 1:
        return unicodedata.name(item, "?").split(" ")[0]
    return f"{'X' if capital else 'x'}-{item[-2:].lower()}"
