"""A recipe with the models it names: what can be found wrong before a teacher is asked, let alone paid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from inbond.engine.filters import FilterConfig
from inbond.errors import InputError
from inbond.recipes.models import TeacherSource, Weights
from inbond.recipes.recipe import Recipe


@dataclass(frozen=True)
class Planned:
    """``base`` is the model that the student starts from, None unless student.init is model."""

    recipe: Recipe
    teacher: TeacherSource
    base: Weights | None

    @property
    def filters(self) -> FilterConfig:
        """The recipe's filters, for the engine."""
        return FilterConfig(**self.recipe.filters.model_dump())

    def check(self) -> None:
        """Raises InputError for an objective or a start that needs weights which are not at hand. Cheap."""
        recipe = self.recipe
        if self.teacher.weights is None and (recipe.train.divergence > 0 or recipe.student.init != "model"):
            raise InputError(
                expected="a recipe that learns from text alone, "
                f"since only the API of {self.teacher.name} is at hand",
                found=f"divergences weigh {recipe.train.divergence:g}, student.init = {recipe.student.init}",
                fix="set train.kl=0 train.ce=1 student.init=model student.base=NAME",
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
