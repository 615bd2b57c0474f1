"""Texts: sentences, questions, passages and programs out of grammars and word lists of our own. Pure.

A pattern is a text with ``[a|b]``, decided once by whoever wrote it (the dice of its ``shape``), and
``{slot}``, filled anew in every request. What is written means little; what matters is what repeats, and
between whom.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

from inbond.guard.simulate.dice import Dice
from inbond.guard.simulate.reading import read_data

Part = str | tuple[str, ...] | int
"""A literal; alternatives; the place of a slot in ``SLOTS``."""

SLOTS = (
    "n", "v", "a", "d", "w", "sentence", "question", "passage", "document", "code", "tongue",
)  # fmt: skip
_MARKS = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]|\{(\w+)\}")


@lru_cache(maxsize=4_096)
def parsed(pattern: str) -> tuple[Part, ...]:
    """A pattern's parts. An unknown slot is our own mistake: ValueError."""
    parts: list[Part] = []
    end = 0
    for found in _MARKS.finditer(pattern):
        parts.append(pattern[end : found.start()])
        parts.append(tuple(found[1].split("|")) if found[1] is not None else SLOTS.index(found[2]))
        end = found.end()
    parts.append(pattern[end:])
    return tuple(part for part in parts if part != "")


@final
@dataclass(frozen=True)
class Tongue:
    """A language's words. ``joiner`` stands between sentences."""

    code: str
    joiner: str
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    adjectives: tuple[str, ...]
    names: tuple[str, ...]
    sentences: tuple[str, ...]
    questions: tuple[str, ...]
    follow_ups: tuple[str, ...]

    def filled(self, pattern: str, shape: Dice, dice: Dice) -> str:
        """The pattern with its alternatives as ``shape`` has them and its slots as ``dice`` have them."""
        out: list[str] = []
        for part in parsed(pattern):
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, tuple):
                out.append(shape.pick(part))
            else:
                out.append(self._slot(SLOTS[part], dice))
        return "".join(out)

    def sentence(self, dice: Dice) -> str:
        return self.filled(dice.pick(self.sentences), dice, dice)

    def question(self, dice: Dice) -> str:
        return self.filled(dice.pick(self.questions), dice, dice)

    def follow_up(self, dice: Dice) -> str:
        return self.filled(dice.pick(self.follow_ups), dice, dice)

    def passage(self, dice: Dice, sentences: int) -> str:
        return self.joiner.join(self.sentence(dice) for _ in range(sentences))

    def _slot(self, name: str, dice: Dice) -> str:
        match name:
            case "n":
                return dice.pick(self.nouns)
            case "v":
                return dice.pick(self.verbs)
            case "a":
                return dice.pick(self.adjectives)
            case "d":
                return str(2 + dice.below(10 ** (1 + dice.below(4))))
            case "w":
                return dice.pick(self.names)
            case "sentence":
                return self.sentence(dice)
            case "question":
                return self.question(dice)
            case "passage":
                return self.passage(dice, 6)
            case "document":
                return self.passage(dice, 14)
            case "code":
                return program(dice)
            case _:
                return dice.pick(_TONGUE_NAMES)


_TONGUE_NAMES = (
    "English", "German", "French", "Spanish", "Chinese", "Japanese", "Korean", "Russian", "Arabic",
)  # fmt: skip
_LINES = (
    "{x} = {y}.{z}({d})", "if {x} > {d}:", "    return {y}({x}, {z})", "for {x} in {y}.{z}():",
    "    {x}.append({y}[{d}])", "assert {x} != {y}, {z}", "{x}, {y} = {z}({d})", "    raise {x}Error({y})",
    "with {x}({y}) as {z}:", "    {x} += {d} * {y}", "while not {x}.{y}:", "log.{x}({y}, {z}={d})",
)  # fmt: skip


def program(dice: Dice) -> str:
    """A dozen lines that look like a program's."""
    words = read_tongues()["en"]
    lines = [f"def {dice.pick(words.verbs)}_{dice.pick(words.nouns)}({dice.pick(words.nouns)}):"]
    for _ in range(8 + dice.below(6)):
        x, y, z = (f"{dice.pick(words.adjectives)}_{dice.pick(words.nouns)}" for _ in range(3))
        lines.append("    " + dice.pick(_LINES).format(x=x, y=y, z=z, d=dice.below(1_000)))
    return "\n".join(lines)


@lru_cache(maxsize=1)
def read_tongues() -> dict[str, Tongue]:
    """All languages, by code."""
    return {code: _tongue(code, found) for code, found in tomllib.loads(read_data("words.toml")).items()}


def _tongue(code: str, found: dict[str, Any]) -> Tongue:
    lists = {name: tuple(found[name].split()) for name in ("nouns", "verbs", "adjectives", "names")}
    patterns = {name: tuple(found[name]) for name in ("sentences", "questions", "follow_ups")}
    return Tongue(code=code, joiner=found["joiner"], **lists, **patterns)


@final
@dataclass(frozen=True)
class Template:
    """What a program sends: two patterns, of which ``system`` may be empty."""

    system: str
    prompt: str


@lru_cache(maxsize=1)
def read_templates() -> dict[str, Template]:
    """All templates of programs, by name."""
    found = tomllib.loads(read_data("templates.toml"))
    return {name: Template(**each) for name, each in found.items() if name != "worn"}


@lru_cache(maxsize=1)
def read_worn() -> dict[str, str]:
    """System prompts that unconnected people share, by name."""
    return dict(tomllib.loads(read_data("templates.toml"))["worn"])


@lru_cache(maxsize=2)
def read_phrasings(held_out: bool) -> dict[str, tuple[str, ...]]:
    """Patterns that coax out hidden reasoning, by kind or language. A kind of the held-out file takes the
    place of the other's; ``audit``, which is lawful, is in one file alone."""
    found = tomllib.loads(read_data("elicitation.toml"))
    if held_out:
        found |= tomllib.loads(read_data("heldout.toml"))
    return {kind: tuple(patterns) for kind, patterns in found.items()}
