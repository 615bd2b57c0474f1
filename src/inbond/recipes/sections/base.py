"""What all sections of a recipe are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inbond.types import parse_model_name


def _readable(name: str) -> str:
    parse_model_name(name)
    return name


Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
ModelText = Annotated[str, AfterValidator(_readable)]
"""A model's name."""


class Section(BaseModel):
    """Frozen, and strict about names: a misspelt field must never be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
