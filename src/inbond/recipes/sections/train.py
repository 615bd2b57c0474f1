"""How a student learns: the section ``train`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import Positive, Section, Share
from inbond.types import DIVERGENCES


class Lora(Section):
    """Low-rank adapters: the student's weights stay as they are, pairs of small matrices are learnt and
    added to them at the end."""

    rank: Positive = Field(16, description="rank of the pairs")
    alpha: Positive = Field(32, description="the pairs' product is scaled by alpha / rank")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="share of the pairs' inputs left out at each step"
    )
    targets: tuple[str, ...] = Field((), description="linear layers by name, such as q_proj; none: all")


_Weight = Annotated[float, Field(ge=0)]


class Dpo(Section):
    """Learn from the run's preference pairs (direct preference optimisation). The other terms of the
    objective, where they weigh anything, then take part on the chosen answers alone, each pair as one."""

    weight: Annotated[float, Field(gt=0)] = Field(1.0, description="weight beside the other terms")
    beta: Annotated[float, Field(gt=0)] = Field(
        0.1, description="how much a log-ratio counts: the smaller, the further from the reference"
    )
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="share of pairs believed to be the wrong way round (cDPO)"
    )
    normalise: Literal["sum", "average"] = Field(
        "sum", description="an answer counts by the sum (the paper) or the average over its tokens"
    )


class Train(Section):
    """How the student learns: the weighted sum of divergences from the teacher and cross-entropy on the
    text, over a step's label tokens, divided by the sum of their weights: only ratios of weights count."""

    kl: _Weight = Field(1.0, description="weight of KL(teacher || student)")
    reverse_kl: _Weight = Field(0.0, description="weight of KL(student || teacher)")
    jsd: _Weight = Field(0.0, description="weight of the generalised Jensen-Shannon divergence")
    skew_kl: _Weight = Field(0.0, description="weight of KL(teacher || alpha teacher + (1-alpha) student)")
    skew_reverse_kl: _Weight = Field(
        0.0, description="weight of KL(student || alpha student + (1-alpha) teacher)"
    )
    adaptive_kl: _Weight = Field(0.0, description="weight of forward and reverse KL by where the gap is")
    ce: _Weight = Field(0.0, description="weight of cross-entropy on the text, always at temperature 1")
    likelihood: _Weight = Field(
        0.0, description="aligned: weight of agreeing how likely each stretch of text is"
    )
    likelihood_heat: Annotated[float, Field(ge=1, le=1e4)] = Field(
        100.0, description="likelihood: probabilities of stretches are taken to the power of 1 / heat"
    )
    beta: Share = Field(0.5, description="jsd: share of the teacher in the mixture; 0: kl, 1: reverse_kl")
    alpha: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="skew: see there")
    mu: Share = Field(0.5, description="adaptive_kl: teacher's mass that is the head")
    temperature: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="divides the logits of both models in all divergences"
    )
    temperature_scale: Literal["none", "squared"] = Field(
        "none", description="squared: divergences times temperature^2 (Hinton); none: as TRL and Liger do"
    )
    dpo: Dpo | None = Field(None, description="learn from preference pairs; null: from answers")
    lora: Lora | None = Field(None, description="learn low-rank adapters; null: all weights")
    epochs: Positive = Field(2, description="times that each record is learnt from")
    batch: Positive = Field(16, description="records a micro-batch")
    accumulate: Positive = Field(1, description="micro-batches an optimiser step")
    lr: Annotated[float, Field(gt=0)] = Field(5e-4, description="highest learning rate")
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        10, description="steps over which the learning rate rises to it"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="of the optimiser, AdamW")
    chunk: Positive = Field(256, description="label tokens whose logits exist at once")
    share_prefix: bool = Field(True, description="compute what a batch's records all begin with once")
    seed: int = Field(0, description="what the order of records depends on")
    checkpoint_seconds: Annotated[float, Field(gt=0)] = Field(
        60, description="time between checkpoints, in seconds"
    )

    @property
    def divergence(self) -> float:
        """Weight of all terms that need the teacher's probabilities."""
        return float(sum(getattr(self, name) for name in DIVERGENCES))

    @property
    def taught(self) -> float:
        """Weight of all terms that need the teacher's word on the text, and not the text alone."""
        return self.divergence + self.likelihood

    @model_validator(mode="after")
    def _some_objective(self) -> Train:
        if self.taught + self.ce == 0 and self.dpo is None:
            raise ValueError("every term of the objective weighs 0: nothing would be learnt")
        return self
