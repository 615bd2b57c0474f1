"""Learning from the student's own answers: the section ``on_policy`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import Positive, Section, Share


class Collapse(Section):
    """When a student that learns from its own answers has come to say the same over and over."""

    action: Literal["off", "warn", "stop"] = "warn"
    entropy_floor: Share = Field(
        0.25, description="least share of the first own answers' entropy of the next token"
    )
    distinct_floor: Share = Field(
        0.5, description="least share of the first own answers' distinct pairs of neighbouring tokens"
    )


class OnPolicy(Section):
    """Some steps of training answer their prompts anew, by the student as it is, and the teacher says what it
    thinks of each token (GKD). The teacher's weights must be here."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="chance that a step after the cold start is one of own answers (lambda)"
    )
    cold_start: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="share of all steps before the first own answers"
    )
    objective: Literal["divergence", "reverse-kl", "policy-gradient"] = Field(
        "reverse-kl",
        description="divergence: those of train; reverse-kl: over the vocabulary; policy-gradient: reverse "
        "KL by the drawn token alone",
    )
    temperature: Annotated[float, Field(gt=0, le=5)] = Field(1.0, description="own answers are drawn at")
    max_tokens: Positive = Field(48, description="most tokens of an own answer")
    samples: Positive = Field(1, description="own answers to each prompt of a step")
    reuse: Positive = Field(
        1,
        description="policy-gradient: steps that one drawing serves; later ones are weighed by how far "
        "the student has moved on",
    )
    seed: int = 0
    collapse: Collapse = Collapse()

    @model_validator(mode="after")
    def _reuses_by_policy_gradient(self) -> OnPolicy:
        if self.reuse > 1 and self.objective != "policy-gradient":
            raise ValueError(f"reuse is for objective: policy-gradient, not for objective: {self.objective}")
        return self
