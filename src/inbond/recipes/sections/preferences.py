"""Which answer is preferred to which: the section ``preferences`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from inbond.recipes.sections.base import ModelText, Positive, Section, Share

DEFAULT = "default"
"""The constitution that comes with Inbond."""
_JudgeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,39}$")]


class Preferences(Section):
    """Pairs of a chosen and a rejected answer to one prompt, in ``data/pairs``: from judges that compare the
    teacher's samples, from its own critique and revision of its answers, from answers that a verifier passed
    and that it failed, or from a file."""

    source: Literal["judges", "revision", "verified", "file"] = Field(
        description="where the pairs come from; see above"
    )
    constitution: str = Field(
        DEFAULT, description="judges, revision: YAML file of principles; default: helpful, honest, harmless"
    )
    principles: Positive = Field(1, description="revision: principles drawn for each answer")
    judges: dict[_JudgeName, ModelText] = Field({}, description="judges: each one's name and model")
    both_orders: bool = Field(True, description="judges: ask in both orders, drop who goes by the place")
    judge_tokens: Positive = Field(1024, description="judges: most tokens of a judge's reply")
    pairs_a_prompt: Positive = Field(1, description="judges, verified: most pairs of one prompt's samples")
    file: str | None = Field(None, description="file: JSONL of preferences; relative to the recipe's folder")
    licence: str | None = Field(None, description="file: its licence; own: it is yours")
    seed: int = Field(0, description="revision: what the draw of principles depends on")
    margin_least: Share = Field(0.0, description="least margin by which an answer is preferred")
    most_length_ratio: Annotated[float, Field(ge=1)] | None = Field(
        2.0, description="most that the longer answer may be of the shorter, in characters; null: any"
    )
    weigh: bool = Field(False, description="a pair counts by its margin; off: all the same")
    balance: bool = Field(
        False, description="drop pairs until the longer answer is chosen as often as the shorter"
    )

    @model_validator(mode="after")
    def _fits_source(self) -> Preferences:
        if self.source == "judges" and not self.judges:
            raise ValueError("source: judges needs judges, such as {ann: api:host/model}")
        if self.source != "judges" and self.judges:
            raise ValueError(f"judges are for source: judges, not for source: {self.source}")
        if self.source == "file" and self.file is None:
            raise ValueError("source: file needs file, a JSONL file of preferences")
        if self.source != "file" and (self.file is not None or self.licence is not None):
            raise ValueError(f"file and licence are for source: file, not for source: {self.source}")
        return self
