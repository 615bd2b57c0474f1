"""Which family a model is of, by its name: judges do not judge their own. Pure but for reading the table.

A name is evidence and no proof: a host can serve anything under any name, and a tuned model may hide what it
was tuned from. What no word of the table tells is said to be unknown, never taken for another family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Final

from inbond import strict_yaml
from inbond.roundtable.judge.pairs import Pair, Side
from inbond.roundtable.naming import bare

_TABLE: Final = "families.yaml"


@lru_cache(maxsize=1)
def table() -> Mapping[str, Sequence[str]]:
    """Words of each family, as ``families.yaml`` lists them."""
    found: dict[str, list[str]] = strict_yaml.parse(
        (resources.files("inbond.roundtable.judge") / _TABLE).read_bytes()
    )
    return found


def families_of(name: str) -> frozenset[str]:
    """The families that the words in a model's name tell; none where it is not known."""
    text, found = bare(name).casefold(), set()
    for pattern, family in _patterns():
        text, count = pattern.subn(" ", text)
        if count:
            found.add(family)
    return frozenset(found)


def writers(pair: Pair) -> dict[Side, frozenset[str]]:
    """The families of a pair's candidates, by side, for each side of which anything was said; an empty set
    where the name tells no family."""
    told: dict[Side, frozenset[str]] = {side: families_of(name) for side, name in pair.models.items()}
    given: dict[Side, frozenset[str]] = {
        side: frozenset({family.casefold()}) for side, family in pair.families.items()
    }
    return {**told, **given}


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    words = [(word, family) for family, each in table().items() for word in each]
    return tuple((_pattern(word), family) for word, family in sorted(words, key=lambda item: -len(item[0])))


def _pattern(word: str) -> re.Pattern[str]:
    """By itself: ``phi`` is not in ``philosophy``, and ``o1`` not in ``o12``."""
    after = r"(?![a-z0-9])" if word[-1].isdigit() else r"(?![a-z])"
    return re.compile(rf"(?<![a-z0-9]){re.escape(word)}{after}")
