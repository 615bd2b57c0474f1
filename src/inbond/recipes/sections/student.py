"""What a student starts from: the section ``student`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import ModelText, Positive, Section

_Part = Annotated[float, Field(gt=0, lt=1)]
"""A share of what the teacher has."""
_Count = Annotated[int, Field(ge=1, strict=True)]
"""1.0 is no number of heads: it would be one head, and read as all of them."""


class Student(Section):
    """What the student starts from."""

    init: Literal["prune", "model", "scratch", "none"] = Field(
        "prune", description="none: no student; the run ends with the records that were kept"
    )
    layers: Positive | None = Field(None, description="prune: layers kept; default: half of the teacher's")
    keep: tuple[int, ...] | None = Field(None, description="prune: exactly these layers, nothing measured")
    heads: _Count | _Part | None = Field(
        None, description="prune: attention heads kept in a layer, or the share of them; null: all"
    )
    neurons: _Count | _Part | None = Field(
        None, description="prune: MLP neurons kept in a layer, or the share of them; null: all"
    )
    vocabulary: _Count | Literal["occurring"] | None = Field(
        None, description="prune: tokens kept, or all that occur in the training records; null: all"
    )
    probe: Positive = Field(8, description="prune: records on which layers are measured")
    base: ModelText | None = Field(
        None, description="model: its name; of the teacher's vocabulary, unless capture.targets is aligned"
    )
    config: dict[str, int | float | bool] = Field(
        {}, description="scratch: fields of the teacher's config to change, such as num_hidden_layers"
    )

    @model_validator(mode="after")
    def _fits_init(self) -> Student:
        if self.init == "model" and self.base is None:
            raise ValueError("init: model needs base, the name of the model to start from")
        if self.init != "model" and self.base is not None:
            raise ValueError(f"base is for init: model, not for init: {self.init}")
        if self.init != "prune" and (self.layers or self.keep):
            raise ValueError(f"layers and keep are for init: prune, not for init: {self.init}")
        narrower = [name for name in ("heads", "neurons", "vocabulary") if getattr(self, name) is not None]
        if self.init != "prune" and narrower:
            raise ValueError(f"{narrower[0]} is for init: prune, not for init: {self.init}")
        if self.init != "scratch" and self.config:
            raise ValueError(f"config is for init: scratch, not for init: {self.init}")
        if self.layers is not None and self.keep is not None:
            raise ValueError("layers and keep exclude each other")
        return self

    @property
    def narrows(self) -> bool:
        """Whether something else than layers is pruned: then all layers may stay."""
        return self.heads is not None or self.neurons is not None or self.vocabulary is not None

    @property
    def widths(self) -> bool:
        """Whether layers are made narrower."""
        return self.heads is not None or self.neurons is not None
