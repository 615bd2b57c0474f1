"""A recipe with the models it names: what can be found wrong before a teacher is asked, let alone paid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from inbond.engine.filters import FilterConfig
from inbond.errors import InputError
from inbond.recipes.models import TeacherSource, Weights
from inbond.recipes.objective import alternatives
from inbond.recipes.recipe import Recipe
from inbond.teachers.probing import MOST


@dataclass(frozen=True)
class Planned:
    """``base`` is the model that the student starts from, None unless student.init is model; ``reference``
    weights to check the teacher's host against, None unless the recipe names some."""

    recipe: Recipe
    teacher: TeacherSource
    base: Weights | None
    reference: Weights | None = None

    @property
    def filters(self) -> FilterConfig:
        """The recipe's filters, for the engine."""
        return FilterConfig(**self.recipe.filters.model_dump())

    def check(self) -> None:
        """Raises InputError for an objective or a start that needs weights which are not at hand. Cheap."""
        recipe, name = self.recipe, self.teacher.name
        if alternatives(recipe):
            _check_remote(recipe, self.teacher)
        if self.teacher.weights is not None:
            return
        if recipe.train.divergence > 0 and not alternatives(recipe):
            raise InputError(
                expected=f"targets that can be had with only the API of {name} at hand",
                found=f"divergences weigh {recipe.train.divergence:g}, "
                f"capture.targets = {recipe.capture.targets}",
                fix=f"set capture.targets=remote capture.k={MOST} to learn from what its host reports of "
                "its tokens, or train.kl=0 train.ce=1 to learn from its text alone",
            )
        if recipe.student.init != "model":
            raise InputError(
                expected=f"weights for the student to start from, since only the API of {name} is at hand",
                found=f"student.init = {recipe.student.init}",
                fix="set student.init=model student.base=NAME",
            )

    def check_models(self) -> None:
        """Looks into the models' folders: k, layers and tokenizers that cannot fit are an InputError now.

        Called once, before the first question; a GGUF file is converted for it, which capture needs anyway.
        """
        self.filters.check()
        if self.teacher.weights is None:
            return
        config = _config(self.teacher.weights)
        _check_k(self.recipe, config)
        if self.recipe.student.init == "prune" and "num_hidden_layers" in config:
            from inbond.train.student import check_layers

            layers = config["num_hidden_layers"]
            settings = self.recipe.student
            keep = settings.keep if settings.keep is not None else range(settings.layers or layers // 2)
            check_layers(keep, layers)
        if self.base is not None:
            from inbond.teachers.local import load_tokenizer
            from inbond.teachers.tokens import vocabulary_digest
            from inbond.train.student import check_same_tokens

            check_same_tokens(
                *(vocabulary_digest(load_tokenizer(w.folder())) for w in (self.teacher.weights, self.base))
            )


def _check_remote(recipe: Recipe, teacher: TeacherSource) -> None:
    """What a host's log-probabilities cannot be asked for."""
    if teacher.weights is not None:
        raise InputError(
            expected="a teacher behind an API (api:host/model), as capture.targets = remote asks its host",
            found=f"{teacher.name}, whose weights are here and say more",
            fix="set capture.targets=top-k",
        )
    if recipe.train.temperature != 1:
        raise InputError(
            expected="train.temperature = 1, as a host's few likeliest tokens tell nothing of another one",
            found=f"train.temperature = {recipe.train.temperature:g} with capture.targets = remote",
            fix="set train.temperature=1",
        )
    if recipe.capture.k > MOST:
        raise InputError(
            expected=f"at most {MOST} alternatives a token, the most that hosts give",
            found=f"capture.k = {recipe.capture.k} with capture.targets = remote",
            fix=f"set capture.k={MOST}",
        )


def _config(weights: Weights) -> dict[str, Any]:
    """config.json as it stands; what is wrong with it is said when the model is loaded."""
    try:
        value = json.loads((weights.folder() / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _check_k(recipe: Recipe, config: dict[str, Any]) -> None:
    vocabulary = config.get("vocab_size")
    if recipe.train.divergence > 0 and isinstance(vocabulary, int) and recipe.capture.k > vocabulary:
        raise InputError(
            expected=f"k from 1 to {vocabulary}, the teacher's vocabulary",
            found=f"k = {recipe.capture.k}",
            fix="set capture.k lower",
        )
