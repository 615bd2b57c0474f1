"""What is measured, and what a student must pass: the sections ``evaluate`` and ``gates``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inbond.recipes.sections.base import Positive, Section, Share


class Evaluate(Section):
    """What is measured on the held-out records."""

    samples: Annotated[int, Field(ge=0)] = Field(6, description="held-out prompts answered side by side")
    sample_tokens: Positive = Field(40, description="longest sample, in tokens")


Action = Literal["off", "warn", "stop", "strict"]


class DiversityGate(Section):
    """Does the student still say as many different things as its teacher?"""

    action: Action = Field(
        "stop", description="off; warn; stop: a fail ends the run; strict: doubt ends it too"
    )
    min_ratio: Share = Field(0.8, description="least share of its teacher's variety, in each measure")
    prompts: Annotated[int, Field(ge=1)] = Field(16, description="held-out prompts asked")
    samples: Annotated[int, Field(ge=2)] = Field(8, description="answers to each")
    tokens: Positive = Field(24, description="most tokens of an answer")


class GeneralityGate(Section):
    """Did training make the student worse where nobody looked?"""

    action: Action = Field(
        "stop", description="off; warn; stop: a fail ends the run; strict: doubt ends it too"
    )
    max_ratio: Annotated[float, Field(gt=0)] = Field(
        1.0, description="most that KL outside the domain may be, as a multiple of what it was before"
    )
    max_gap: Annotated[float, Field(gt=0)] | None = Field(
        None, description="most that KL outside may be, as a multiple of KL inside; null: only reported"
    )
    file: str | None = Field(None, description="your own prompts from outside the domain (JSONL); null: ours")
    tokens: Positive = Field(32, description="most tokens of the teacher's answers to them")


class CapacityGate(Section):
    """Is the student limited by its size, its data or its training?"""

    action: Action = Field(
        "warn", description="off; warn; stop: a fail ends the run; strict: doubt ends it too"
    )
    max_kl: Annotated[float, Field(gt=0)] | None = Field(
        None, description="most held-out KL in nats a token that will do; null: only the finding"
    )
    points: Positive = Field(6, description="times held-out KL is measured in training")
    records: Positive = Field(24, description="held-out records, and as many learnt ones, it is measured on")


class Gates(Section):
    """What a student must pass before it is handed out. They need the teacher's weights."""

    diversity: DiversityGate = DiversityGate()
    generality: GeneralityGate = GeneralityGate()
    capacity: CapacityGate = CapacityGate()
