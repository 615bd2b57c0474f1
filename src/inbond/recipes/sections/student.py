"""What a student starts from: the section ``student`` of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import ModelText, Positive, Section


class Student(Section):
    """What the student starts from."""

    init: Literal["prune", "model", "scratch", "none"] = Field(
        "prune", description="none: no student; the run ends with the records that were kept"
    )
    layers: Positive | None = Field(None, description="prune: layers kept; default: half of the teacher's")
    keep: tuple[int, ...] | None = Field(None, description="prune: exactly these layers, nothing measured")
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
        if self.init != "scratch" and self.config:
            raise ValueError(f"config is for init: scratch, not for init: {self.init}")
        if self.layers is not None and self.keep is not None:
            raise ValueError("layers and keep exclude each other")
        return self
