"""Prompts from outside a run's domain: ours or the user's own, put as the run's own prompts are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inbond.digest import Digest, of_value
from inbond.engine import prompts
from inbond.engine.similar import Index, grams, sketch
from inbond.recipes.recipe import Recipe
from inbond.types import Prompt, prompt_to_json, without_system

NEAR = 0.7
"""Character n-gram similarity from which a prompt counts as one of the domain."""


@dataclass(frozen=True)
class Outside:
    """A prompt as the models see it, and what it asks for (empty: not said)."""

    prompt: Prompt
    area: str


def read_outside(recipe: Recipe, folder: Path) -> list[Outside]:
    """All of them, before any is left out. ``folder`` is where relative paths start. Raises InputError."""
    from inbond.evaluate.generality import built_in_prompts

    file = recipe.gates.generality.file
    wording = prompts.Wording(system=recipe.prompts.system, as_chat=recipe.prompts.chat)
    if file is not None:
        return [Outside(prompt, "") for prompt in prompts.read_prompts(folder / file, wording)]
    ours = built_in_prompts()
    asked = prompts.from_list([entry.prompt for entry in ours], wording)
    return [Outside(prompt, entry.area) for prompt, entry in zip(asked, ours, strict=True)]


def digest_of(entries: Sequence[Outside]) -> Digest:
    """Of all that decides what is asked."""
    return of_value([[prompt_to_json(entry.prompt), entry.area] for entry in entries])


def beyond(entries: Sequence[Outside], domain: Iterable[Prompt]) -> list[Outside]:
    """Those that are not near any prompt of the domain."""
    known = Index(NEAR)
    for prompt in domain:
        known.add((sketch(grams(without_system(prompt))),))
    return [entry for entry in entries if not known.near((sketch(grams(without_system(entry.prompt))),))]
