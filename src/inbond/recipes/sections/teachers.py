"""Further teachers beside the first: the section ``teachers`` of a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inbond.recipes.sections.base import ModelText, Section
from inbond.recipes.sections.data import Prompts

Weight = Annotated[float, Field(ge=0)]


class FurtherTeacher(Section):
    """A teacher of its own skill: with its own origin, terms and, where its weights are here, targets."""

    teacher: ModelText = Field(description="its name, as in the recipe's own field teacher")
    channel: str | None = Field(None, description="the host it is reached by; default: what its name says")
    weight: Weight = Field(1.0, description="what a token of its answers weighs in the loss; 0: not asked")
    skill: str | None = Field(None, description="what it teaches, for the report")
    prompts: Prompts | None = Field(None, description="its own prompts; null: the recipe's")
