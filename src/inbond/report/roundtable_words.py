"""What the page of a roundtable says of itself, in the languages of ``roundtable_words.toml``. Pure but for
reading that table of ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Final

LANGUAGES: Final = ("en", "ja")

Words = Callable[..., str]
"""``words(name, **fields)``: a phrase, filled in. Raises KeyError for a name that is not in the table."""


def language_for(language: str) -> str:
    """The language of the page's own words for a question in ``language``: English where we have no other."""
    base = language.partition("-")[0].lower()
    return base if base in LANGUAGES else LANGUAGES[0]


def words_for(language: str) -> Words:
    """The phrases in a question's language."""
    chosen = language_for(language)
    return lambda name, **fields: table()[name][chosen].format(**fields)


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Every phrase by its name, then by language."""
    place = resources.files("inbond.report").joinpath("templates", "roundtable_words.toml")
    return tomllib.loads(place.read_text(encoding="utf-8"))
