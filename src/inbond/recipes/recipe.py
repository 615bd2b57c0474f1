"""The recipe: everything that decides what a run does, in one frozen value.

Written as YAML or made in Python; unknown fields are refused; every field is read by something, which
a test makes sure of. Defaults are what a careful person would choose; ``name`` and ``teacher`` have none.
Its sections are in ``sections``, one file a topic.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from inbond.recipes.sections.base import ModelText, Section
from inbond.recipes.sections.capture import Capture
from inbond.recipes.sections.data import Filters, Generate, OwnData, Prompts
from inbond.recipes.sections.export import Export
from inbond.recipes.sections.gates import Evaluate, Gates
from inbond.recipes.sections.on_policy import OnPolicy
from inbond.recipes.sections.preferences import Preferences
from inbond.recipes.sections.purpose import Purpose
from inbond.recipes.sections.student import Student
from inbond.recipes.sections.teachers import FurtherTeacher, Weight
from inbond.recipes.sections.train import Train
from inbond.recipes.sections.verify import Verify


class Recipe(Section):
    """One distillation."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")] = Field(
        description="the run's name: small letters, digits, dot, dash, underscore"
    )
    teacher: ModelText = Field(
        description="hf:org/name, path:dir, gguf:file, pypi:..., api:host/model, run:name"
    )
    channel: str | None = Field(None, description="the host it is reached by; default: what its name says")
    weight: Weight = Field(1.0, description="what a token of its answers weighs beside those of teachers")
    teachers: tuple[FurtherTeacher, ...] = Field((), description="further teachers, each for a skill")
    prompts: Prompts
    purpose: Purpose = Purpose()
    own_data: tuple[OwnData, ...] = ()
    generate: Generate = Generate()
    verify: Verify | None = Field(None, description="learn only from answers that a program finds right")
    filters: Filters = Filters()
    held_out: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="share of prompts held out")
    preferences: Preferences | None = Field(None, description="pairs of answers, one preferred; null: none")
    capture: Capture = Capture()
    student: Student = Student()
    train: Train = Train()
    on_policy: OnPolicy | None = Field(None, description="learn from the student's own answers; null: never")
    evaluate: Evaluate = Evaluate()
    gates: Gates = Gates()
    export: Export = Export()

    @model_validator(mode="after")
    def _has_one_kind_of_lessons(self) -> Recipe:
        if self.capture.targets == "aligned" and (self.on_policy or self.train.dpo):
            raise ValueError("capture.targets: aligned is for records alone, not for on_policy or train.dpo")
        if self.on_policy is None:
            return self
        if self.prompts.contextual:
            raise ValueError("on_policy and a context of prompts exclude each other: own answers have none")
        if self.train.dpo is not None:
            raise ValueError("on_policy and train.dpo exclude each other: make two runs, one from the other")
        if self.on_policy.objective == "divergence" and self.train.divergence == 0:
            raise ValueError("on_policy.objective: divergence needs a divergence in train")
        return self

    @model_validator(mode="after")
    def _fits_articles(self) -> Recipe:
        if self.prompts.articles is None:
            if self.verify is not None and self.verify.kind == "briefing":
                raise ValueError("verify.kind: briefing judges what is said of prompts.articles")
            return self
        if self.own_data or self.teachers:
            raise ValueError("prompts.articles holds out whole articles: no own_data, no further teachers")
        if self.verify is not None and self.verify.answers is not None:
            raise ValueError("prompts.articles has no rows with answers: verify.kind: briefing, or an expect")
        if self.capture.targets == "remote" and self.prompts.articles.form == "held":
            raise ValueError("capture.targets: remote needs prompts.articles.form: told")
        return self

    @model_validator(mode="after")
    def _has_no_articles_elsewhere(self) -> Recipe:
        if any(each.prompts is not None and each.prompts.articles for each in self.teachers):
            raise ValueError("articles are asked about by the first teacher: teachers.N.prompts has none")
        return self

    @model_validator(mode="after")
    def _has_pairs(self) -> Recipe:
        if self.train.dpo is not None and self.preferences is None:
            raise ValueError("train.dpo learns from pairs: add the section preferences, which makes them")
        if self.train.dpo is not None and self.capture.targets == "remote" and self.train.divergence:
            raise ValueError("train.dpo with capture.targets: remote needs divergences of weight 0")
        return self

    @model_validator(mode="after")
    def _has_samples_to_compare(self) -> Recipe:
        section = self.preferences
        if section is not None and self.student.init == "none":
            raise ValueError("student.init: none ends with the records: it makes no pairs, drop preferences")
        if section is None or section.source not in ("judges", "verified"):
            return self
        if section.source == "verified" and self.verify is None:
            raise ValueError("preferences.source: verified needs the section verify")
        if self.generate.samples < 2:
            raise ValueError(
                f"preferences.source: {section.source} compares samples: generate.samples must be 2 or more, "
                f"not {self.generate.samples}"
            )
        return self

    @model_validator(mode="after")
    def _some_teacher(self) -> Recipe:
        if self.weight + sum(each.weight for each in self.teachers) == 0:
            raise ValueError("every teacher weighs 0 (weight, teachers.N.weight): nothing would be learnt")
        return self
