"""Articles that the questions of a briefing are asked about: the part ``articles`` of ``prompts``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inbond.recipes.sections.base import Positive, Section

Question = Literal["head", "points", "opinion", "translate"]


class Articles(Section):
    """Each article becomes the questions that ``inbond briefing make`` asks of it first."""

    path: str = Field(
        description="a file (Markdown, text, HTML, PDF), or a folder of them; relative to the recipe"
    )
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] = Field(
        "en", description="of the briefing's readers, as ISO 639-1"
    )
    questions: Annotated[tuple[Question, ...], Field(min_length=1)] = Field(
        ("head", "points", "opinion", "translate"),
        description="head: title, summary, tags, axes; points; opinion; translate: block by block",
    )
    form: Literal["held", "told"] = Field(
        "held", description="held: the teacher is held to the reply's schema; told: it stands in the prompt"
    )
    shown: Annotated[int, Field(ge=500, le=1_000_000)] | None = Field(
        None, description="characters of an article that are shown at once, wide ones twice; null: 12000"
    )
    limit: Positive | None = Field(None, description="take only the first so many articles")
