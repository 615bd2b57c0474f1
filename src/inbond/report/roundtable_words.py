"""What the page of a roundtable says of itself, in the languages of ``roundtable_words.toml``. Pure but for
reading that table of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from inbond.report.page_words import LANGUAGES, Words, language_for, table_in, words_in

__all__ = ["LANGUAGES", "Words", "language_for", "table", "words_for"]

_NAME: Final = "roundtable_words.toml"


def words_for(language: str) -> Words:
    """The phrases in a question's language."""
    return words_in(_NAME, language)


def table() -> Mapping[str, Mapping[str, str]]:
    """Every phrase by its name, then by language."""
    return table_in(_NAME)
