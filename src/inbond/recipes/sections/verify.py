"""How answers are verified: the section ``verify``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import Positive, Section


class Verify(Section):
    """Answers are learnt only when a program agrees."""

    kind: Literal["number", "expression", "code", "json", "regex", "function", "briefing"] = Field(
        description="number, expression: by value, by math-verify; code: run against tests in a sandbox; "
        "json: against a schema; regex: found in it; function: your own; briefing: the checks of "
        "inbond briefing make"
    )
    answers: str | None = Field(
        None,
        description="field of a prompt's row with what is expected: a number, tests, a pattern",
    )
    expect: Any = Field(None, description="what is expected of all answers alike, in place of a field")
    function: str | None = Field(None, description="module:name, beside the recipe or installed")
    keep: Literal["all", "best", "first"] = Field(
        "all", description="of a prompt's answers that pass: all, the shortest, or the first"
    )
    timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(5.0, description="for one answer, in seconds")
    memory_mb: Annotated[int, Field(ge=64)] = Field(256, description="for one program, kind code only")
    output_bytes: Positive = Field(65_536, description="what a program may print, kind code only")

    @model_validator(mode="after")
    def _one_expectation(self) -> Verify:
        if self.answers is not None and self.expect is not None:
            raise ValueError("one of answers and expect is enough")
        if (self.kind == "function") != (self.function is not None):
            raise ValueError("kind: function needs function: module:name, and no other kind has one")
        given = self.answers is not None or self.expect is not None
        if self.kind == "briefing" and given:
            raise ValueError("kind: briefing expects what the articles say: no answers, no expect")
        if self.kind not in ("function", "briefing") and not given:
            raise ValueError(f"kind: {self.kind} needs answers (a field of your rows) or expect")
        return self
