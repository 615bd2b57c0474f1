"""A recipe's mark: the key that its answers are marked with, what is said of it, and which sample it chooses.

The key is read from the user's own folder, apart from every workspace. What stands in artifacts, journal and
ledger is its public description and its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from inbond.digest import Digest
from inbond.engine.results import Failure
from inbond.errors import InputError
from inbond.forensics.alternatives import FILE, Choice, different, write_alternatives
from inbond.forensics.green import SCHEME as GREEN
from inbond.forensics.green import GreenKey
from inbond.forensics.lots import CANARY, CHOICE, LotKey
from inbond.forensics.mark_keys import HOW, Key, MarkKeys, descriptor
from inbond.recipes.reasoning import said
from inbond.recipes.recipe import Recipe
from inbond.teachers.protocols import Reply
from inbond.types import MARK, Prompt


def key_of(recipe: Recipe) -> Key | None:
    """The key that a recipe names; None where it marks nothing. Raises InputError as ``MarkKeys.read``, and
    for a key that marks no answers, or not as the recipe asks for them."""
    name = recipe.generate.mark
    if name is None:
        return None
    key = MarkKeys.default().read(name)
    if isinstance(key, LotKey):
        _check_lots(recipe, name, key)
    return key


def unmarked(recipe: Recipe) -> Recipe:
    """The recipe for whoever draws no answers, and so needs no key: the other processes of a training."""
    return recipe.model_copy(update={"generate": recipe.generate.model_copy(update={"mark": None})})


def _check_lots(recipe: Recipe, name: str, key: LotKey) -> None:
    generate, section = recipe.generate, recipe.preferences
    if key.scheme != CHOICE:
        raise InputError(
            expected=f"a key of the scheme {GREEN} or {CHOICE} for generate.mark",
            found=f"{name}, a key of another scheme: {CANARY}",
            fix=f"inbond forensics mark canaries {name} --count 20 --out canaries.jsonl writes records for "
            "own_data; for answers make a key with --teacher URI or --choice 4",
        )
    if generate.samples != key.size:
        raise InputError(
            expected=f"generate.samples = {key.size}, as the key {name} chooses one answer of {key.size}",
            found=f"generate.samples = {generate.samples}",
            fix=f"set generate.samples={key.size}",
        )
    if section is not None and section.source in ("judges", "verified"):
        raise InputError(
            expected="several answers to a prompt among the records, as preferences.source = "
            f"{section.source} compares them",
            found=f"generate.mark = {name}, of whose choice one answer to a prompt is left",
            fix=f"take a green list (mark key NEW {HOW[GREEN]}), or leave out the mark or the preferences",
        )


def check_green(recipe: Recipe, *, here: bool) -> None:
    """Raises InputError for a teacher whose sampler a green list cannot reach. ``here``: its weights are."""
    name, generate = recipe.generate.mark, recipe.generate
    if not here:
        raise InputError(
            expected=f"a teacher whose weights are on this machine, since the key {name} is a green list, "
            "which changes how each token is drawn",
            found=f"{recipe.teacher}, which another machine runs",
            fix=f"make a key that chooses among whole answers (inbond forensics mark key NEW {HOW[CHOICE]}) "
            "and ask with generate.samples=4; or, if the server is yours, let it draw with "
            "inbond.forensics.marking.GreenMark (docs/marks.md)",
        )
    if generate.runtime == "embedded":
        raise InputError(
            expected=f"generate.runtime = auto or local, since the key {name} is a green list",
            found="generate.runtime = embedded: llama.cpp draws by itself and cannot be marked",
            fix="set generate.runtime=auto: the GGUF file is converted and drawn from under transformers",
        )


def check_vocabulary(key: GreenKey, vocabulary: Digest, teacher: str) -> None:
    """Raises InputError for a key of another tokenizer."""
    if key.vocabulary != vocabulary:
        raise InputError(
            expected=f"a green list over the tokens of {teacher} (vocabulary {vocabulary[:19]})",
            found=f"a key for another tokenizer (vocabulary {key.vocabulary[:19]})",
            fix=f"inbond forensics mark key NEW --teacher {teacher}",
        )


def noted(key: Key | None) -> dict[str, Any]:
    """For an origin's sampling and a stage's config; nothing without a key."""
    return {} if key is None else {MARK: descriptor(key)}


def drawn_with(key: Key | None) -> dict[str, Any]:
    """The same for text that is drawn once: a choice marks none of it."""
    return noted(key) if isinstance(key, GreenKey) else {}


def id_in(config: Mapping[str, Any]) -> Digest | None:
    """The id of the key in a stage's config, for the requests that it asked."""
    found = config.get(MARK)
    return None if found is None else Digest(found["id"])


def in_words(recipe: Recipe, key: Key | None) -> list[str]:
    """What is said of the mark before anything is asked."""
    if key is None:
        return []
    name = f"mark: {recipe.generate.mark} ({key.id[:19]})"
    if isinstance(key, LotKey):
        return [
            f"{name} chooses one of {key.size} answers to each prompt; the others are asked for and paid "
            f"for, never learnt, and kept in data/answers/{FILE} for the test"
        ]
    words = [
        f"{name} is a green list: gamma {key.gamma:g}, delta {key.delta:g}, window {key.window}; the teacher "
        "answers under transformers"
    ]
    if recipe.student.init != "none" and recipe.train.ce == 0:
        words.append(
            "mark: train.ce is 0, so that the student learns the teacher's unmarked probabilities at marked "
            "text, and little of the mark itself; a student of others, who learns the text, learns the mark"
        )
    return words


@final
@dataclass(frozen=True)
class Picked:
    """Which outcomes become records, by their place among all; and of a choice what it was made among.
    ``incomplete`` counts prompts that have too few answers to choose among, and so no record."""

    places: tuple[int, ...]
    choices: tuple[Choice, ...] | None = None
    incomplete: int = 0

    def write(self, folder: Path, key: Key | None) -> dict[str, Any]:
        """Keeps the alternatives beside the records; gives the facts of them. Raises UnwritableError."""
        if self.choices is None or key is None:
            return {}
        write_alternatives(folder / FILE, descriptor(key), self.choices)
        return {"alternatives": {"choices": len(different(self.choices)), "incomplete": self.incomplete}}


def pick(
    key: Key | None, asked: Sequence[Prompt], outcomes: Sequence[Reply | Failure], reasoning: str
) -> Picked:
    """All replies, or with a key of CHOICE one to each prompt that has all its answers. ``outcomes`` holds
    the samples of each prompt, one prompt after the other; ``reasoning`` is as in the recipe."""
    if not isinstance(key, LotKey):
        return Picked(tuple(place for place, one in enumerate(outcomes) if isinstance(one, Reply)))
    places, choices = [], []
    for number, prompt in enumerate(asked):
        samples = outcomes[number * key.size : (number + 1) * key.size]
        replies = [one for one in samples if isinstance(one, Reply)]
        if len(replies) == key.size:
            choice = Choice(prompt, tuple(said(one, reasoning) for one in replies))
            choices.append(choice)
            places.append(number * key.size + key.planted(choice.name))
    return Picked(tuple(places), tuple(choices), len(asked) - len(choices))
