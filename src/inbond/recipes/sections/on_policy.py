"""Learning from the student's own answers: the section ``on_policy`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import Positive, Section, Share


class Collapse(Section):
    """When a student that learns from its own answers has come to say the same over and over, or nothing: its
    answers beside the teacher's to the same prompts."""

    action: Literal["off", "warn", "stop"] = Field(
        "warn", description="warn: the report says so; stop: training ends; off: not watched"
    )
    entropy_floor: Share = Field(
        0.25, description="least share of the teacher's entropy of the next token, each in its own answers"
    )
    distinct_floor: Share = Field(
        0.5, description="least share of distinct pairs of neighbouring tokens in the teacher's answers"
    )
    length_floor: Share = Field(0.2, description="least share of the length of the teacher's answers")


class Served(Section):
    """Own answers are drawn by a copy of the student that a server serves: llama.cpp in a process on this
    machine, or a host that loads each copy from a folder. A copy is written for each drawing: see reuse."""

    host: str | None = Field(
        None, description="the host of hosts.yaml that serves the copies; null: llama.cpp, on this machine"
    )
    folder: str | None = Field(
        None, description="host: where copies are put for it, each in a folder by whose name it is asked for"
    )
    type: Literal["f16", "q8_0"] = Field("f16", description="llama.cpp: how the copy's weights are kept")
    parallel: Positive = Field(
        1, description="llama.cpp: answers drawn at once; above 1 a resumed run may end otherwise"
    )
    threads: Positive | None = Field(None, description="llama.cpp: null: as many as training has")
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = Field(
        300, description="longest time that an answer, or loading a copy, may take"
    )

    @model_validator(mode="after")
    def _has_a_folder(self) -> Served:
        if (self.host is None) != (self.folder is None):
            raise ValueError(
                "served.host and served.folder belong together: copies reach the host through it"
            )
        return self


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
    served: Served | None = Field(
        None, description="have a served copy of the student draw; null: drawn here, between the steps"
    )
    reuse: Positive = Field(
        1,
        description="policy-gradient or served: steps that one drawing serves; policy-gradient weighs later "
        "ones by how far the student has moved on",
    )
    cap: Annotated[float, Field(ge=1)] = Field(
        4.0, description="policy-gradient: most that a token counts for having become likelier since"
    )
    seed: int = Field(0, description="what the choice of steps and the draws of own answers depend on")
    collapse: Collapse = Collapse()

    @model_validator(mode="after")
    def _reuses_what_it_can(self) -> OnPolicy:
        if self.reuse > 1 and self.objective != "policy-gradient" and self.served is None:
            raise ValueError(
                f"reuse is for objective: policy-gradient or for served, not for objective: {self.objective}"
            )
        return self
