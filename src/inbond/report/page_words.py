"""What pages say of themselves, in several languages, from tables of ours among the templates. Pure but for
reading these."""

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
    """The language of a page's own words for readers of ``language``: English where we have no other."""
    base = language.partition("-")[0].lower()
    return base if base in LANGUAGES else LANGUAGES[0]


def words_in(name: str, language: str) -> Words:
    """The phrases of the table in that file, for readers of ``language``."""
    chosen = language_for(language)
    return lambda phrase, **fields: table_in(name)[phrase][chosen].format(**fields)


@cache
def table_in(name: str) -> Mapping[str, Mapping[str, str]]:
    """Every phrase of a table by its name, then by language."""
    place = resources.files("inbond.report").joinpath("templates", name)
    return tomllib.loads(place.read_text(encoding="utf-8"))
