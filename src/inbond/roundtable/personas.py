"""Points of view that seats can be given by name, out of ``personas.toml``. Pure but for reading that."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, final


@final
@dataclass(frozen=True)
class Persona:
    """``name`` is what a seat of it is called, ``text`` what its model is told, both in one language."""

    key: str
    name: str
    text: str
    temperature: float


def personas(language: str) -> tuple[Persona, ...]:
    """All, in the language if there are words for it, else in English."""
    return tuple(_persona(row, language) for row in _rows())


def persona_text(given: str, language: str) -> str:
    """What a seat is told: the text of the persona of that key, or what was given itself."""
    return next((each.text for each in personas(language) if each.key == given), given)


def _persona(row: dict[str, Any], language: str) -> Persona:
    words = row["ja" if language == "ja" else "en"]
    return Persona(row["key"], words["name"], words["text"], row["temperature"])


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    text = files("inbond.roundtable").joinpath("personas.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["persona"])
