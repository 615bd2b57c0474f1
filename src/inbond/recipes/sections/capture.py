"""Which targets the teacher gives: the section ``capture`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import ModelText, Positive, Section


class Capture(Section):
    """The teacher's targets: its likeliest tokens with the rest as one event, a fair sample of its
    distribution, or all of it, asked while training (nothing is stored); or what the host of a teacher
    behind an API says of its likeliest tokens (remote). With aligned the student has another vocabulary: the
    likeliest tokens are carried over where both models have a border in the text."""

    targets: Literal["top-k", "sampled", "online", "remote", "aligned"] = Field(
        "top-k", description="what is kept of the teacher's distribution; see above"
    )
    k: Positive = Field(
        64, description="top-k, remote, aligned: likeliest tokens kept at each label position"
    )
    draws: Annotated[int, Field(ge=1, le=255)] = Field(16, description="sampled: tokens kept at each of them")
    seed: int = Field(0, description="sampled: what the draw depends on")
    shard: Positive = Field(256, description="records a shard")
    reference: ModelText | None = Field(
        None, description="remote: weights of the same teacher here, to check its host's word against"
    )
    probe: Positive = Field(8, description="remote: prompts asked first, to check the host on")
    probe_limit: Annotated[float, Field(gt=0)] = Field(
        0.1, description="remote: most nats a token that the host may be off"
    )

    @model_validator(mode="after")
    def _fits_targets(self) -> Capture:
        if self.reference is not None and self.targets != "remote":
            raise ValueError(f"reference is for targets: remote, not for targets: {self.targets}")
        if self.reference is not None and self.reference.startswith("api:"):
            raise ValueError("reference must name weights that are here, not another API")
        return self
