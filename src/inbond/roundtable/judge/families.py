"""Which family a model is of, by its name and its host: judges do not judge their own. Pure but for reading
our tables.

A name is evidence and no proof: a host can serve anything under any name, and a tuned model may hide what it
was tuned from. A maker's own host tells where the name does not. What neither tells is said to be unknown,
never taken for another family. What a person says of a family adds to what the name tells, and must be one
that is known: a family misspelt would let a judge judge its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from inbond import strict_yaml
from inbond.errors import InputError
from inbond.roundtable.naming import bare
from inbond.types import parse_model_name

if TYPE_CHECKING:
    from inbond.roundtable.judge.pairs import Pair, Side

FILE: Final = "families.yaml"
OTHER: Final = "other:"
"""Before the name of a family that the table does not have."""
_PACKAGE: Final = "inbond.roundtable.judge"


@lru_cache(maxsize=1)
def table() -> Mapping[str, Sequence[str]]:
    """Words of each family, as ``families.yaml`` lists them."""
    found: dict[str, list[str]] = strict_yaml.parse((resources.files(_PACKAGE) / FILE).read_bytes())
    return found


@lru_cache(maxsize=1)
def first_party() -> Mapping[str, str]:
    """The family of each host that serves its owner's models alone, as ``first_party.yaml`` lists them."""
    found: dict[str, str] = strict_yaml.parse((resources.files(_PACKAGE) / "first_party.yaml").read_bytes())
    return found


def families_of(name: str) -> frozenset[str]:
    """The families that the host and the words in a model's name tell; none where it is not known."""
    text, found = bare(name).casefold(), _of_host(name)
    for pattern, family in _patterns():
        text, count = pattern.subn(" ", text)
        if count:
            found |= {family}
    return found


def _of_host(name: str) -> frozenset[str]:
    try:
        host = parse_model_name(name).host or ""
    except InputError:
        return frozenset()
    family = first_party().get(host.casefold().partition(":")[0].rstrip("."))
    return frozenset() if family is None else frozenset({family})


def families_told(text: str) -> frozenset[str]:
    """The families that a person names, one or several with commas between: each a family of the table, a
    model whose name tells one, or ``other:NAME`` for one that the table does not have. Raises InputError for
    a name that tells none."""
    parts = [part.strip().casefold() for part in text.split(",")]
    return frozenset().union(*map(_told, parts))


def _told(name: str) -> frozenset[str]:
    if name in table() or (name.startswith(OTHER) and name.removeprefix(OTHER).strip()):
        return frozenset({name})
    found = families_of(name)
    if found:
        return found
    words = {word: family for family, each in table().items() for word in (family, *each)}
    near = get_close_matches(name, words, n=1)
    guess = f"did you mean {words[near[0]]}? " if near else ""
    raise InputError(
        expected=f"a family that is in {FILE}, a model of it, or {OTHER}NAME",
        found=f"{name!r:.80}",
        fix=f"{guess}The families are: {', '.join(table())}. For another write {OTHER}NAME, of judges and "
        "candidates alike",
    )


def writers(pair: Pair) -> dict[Side, frozenset[str]]:
    """The families of a pair's candidates, by side, for each side of which anything was said: those that the
    name tells, and those that are given; an empty set where none is told. Raises as ``families_told``."""
    found: dict[Side, frozenset[str]] = {side: families_of(name) for side, name in pair.models.items()}
    for side, text in pair.families.items():
        found[side] = found.get(side, frozenset()) | families_told(text)
    return found


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    words = [(word, family) for family, each in table().items() for word in each]
    return tuple((_pattern(word), family) for word, family in sorted(words, key=lambda item: -len(item[0])))


def _pattern(word: str) -> re.Pattern[str]:
    """By itself: ``phi`` is not in ``philosophy``, and ``o1`` not in ``o12``."""
    after = r"(?![a-z0-9])" if word[-1].isdigit() else r"(?![a-z])"
    return re.compile(rf"(?<![a-z0-9]){re.escape(word)}{after}")
