"""A finished briefing: what was said of an article, each part with what it rests on. Pure.

Format ``inbond.briefing/1``. Whoever reads one back may rely on it: ids lead to blocks that there are, quotes
stand in the blocks that they cite, the score is that of the axes, and every block is either translated or
told as failed. What no reply was right for is ``left_out``; the part is then "", () or None.
"""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self, final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from inbond.briefing import checks
from inbond.briefing.blocks import Block, Kind
from inbond.errors import InputError
from inbond.ledger.formats import refuse_newer

FORMAT: Final = "inbond.briefing/1"
ID: Final = re.compile(r"[0-9a-f]{16}")

DigestText = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
BlockId = Annotated[str, StringConstraints(pattern=r"^b[1-9][0-9]{0,5}$")]
Axis = Annotated[int, Field(ge=0, le=checks.MOST)]
Count = Annotated[int, Field(ge=0)]


def is_day(text: str) -> bool:
    """Whether it is YYYY-MM-DD, a day that there was."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _day(text: str) -> str:
    if text and not is_day(text):
        raise ValueError("give a day as YYYY-MM-DD")
    return text


class _Part(BaseModel):
    """Frozen, and strict about names and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


@final
class Model(_Part):
    """Who wrote it: the name that was given, and the identity that pins the weights where they are held."""

    uri: str
    identity: str


@final
class Source(_Part):
    """Where the article is from. ``from_`` is an address, or a file's name without its folder; ``licence`` is
    what was declared, as an SPDX expression; "" for what is not known."""

    from_: str = Field(alias="from")
    title: str
    author: str
    date: Annotated[str, AfterValidator(_day)]
    site: str
    url: Annotated[str, StringConstraints(pattern=r"^(https?://.*)?$")]
    language: str
    digest: DigestText
    minutes: Count
    notices: tuple[str, ...]
    licence: str = ""


@final
class Axes(_Part):
    """What the score is the mean of, each a whole number from 0 to 5."""

    novelty: Axis
    reach: Axis
    evidence: Axis


@final
class Point(_Part):
    """A key point: a fact, the block that it rests on, and words of that block."""

    heading: str
    sentence: str
    block: BlockId
    quote: str


@final
class Impact(_Part):
    """What may follow, in a model's opinion, and from which blocks it says so."""

    text: str
    blocks: tuple[BlockId, ...]


@final
class NumberedBlock(_Part):
    """A block of the article, as it is written."""

    id: BlockId
    kind: Kind
    text: str
    level: Annotated[int, Field(ge=0, le=100)] = 0

    @property
    def block(self) -> Block:
        return Block(self.id, self.kind, self.text, self.level)


@final
class Failed(_Part):
    """A block that stays in the original: which check its translations did not pass, and why."""

    block: str
    check: str
    why: str


@final
class LeftOut(_Part):
    """A part of the briefing that no reply was right for, or of which something is missing."""

    part: Literal["title", "summary", "tags", "axes", "points", "impact", "comment"]
    why: str


@final
class Related(_Part):
    """Another briefing on what seems to be the same matter."""

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    title: str
    date: str
    site: str


@final
class Asked(_Part):
    """What it took: questions that were answered, how many of them by the journal at the last making, tokens
    and US dollars over all makings."""

    calls: Count
    from_journal: Count
    prompt_tokens: Count
    completion_tokens: Count
    cost_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@final
class Briefing(_Part):
    """The whole. ``made_at`` is UTC, as 2026-11-23T09:00:00Z; ``language`` that of the reader (ISO 639-1)."""

    format: Literal["inbond.briefing/1"]
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    identity: DigestText
    made_at: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z$")]
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
    model: Model
    prompts: DigestText
    source: Source
    title: str
    summary: str
    tags: tuple[str, ...]
    axes: Axes | None
    score: str | None
    points: tuple[Point, ...]
    impact: tuple[Impact, ...]
    comment: str
    blocks: tuple[NumberedBlock, ...]
    translation: dict[BlockId, str]
    failed: tuple[Failed, ...]
    left_out: tuple[LeftOut, ...]
    related: tuple[Related, ...]
    asked: Asked

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if wrong := next(_wrong(self), None):
            raise ValueError(wrong)
        return self

    @cached_property
    def by_id(self) -> dict[str, Block]:
        """The article's blocks by their ids."""
        return {each.id: each.block for each in self.blocks}

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out, and no block in the original."""
        return not self.left_out and not self.failed

    @property
    def shown_title(self) -> str:
        """The translated title; that of the source, or its name, where there is none."""
        return self.title or self.source.title or self.source.from_

    def to_json(self) -> dict[str, Any]:
        """``from_json`` reads it."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_json(cls, value: Any, where: str = "the briefing") -> Briefing:
        """Raises InputError for what is no briefing, or does not hold together; NewerFormatError for one
        that a newer Inbond wrote. ``where`` is what to call it."""
        said = value.get("format") if isinstance(value, dict) else None
        refuse_newer(said, FORMAT, "a briefing")
        if said != FORMAT:
            raise _no_briefing(where, f"format {said!r:.60}" if said else "no format named")
        try:
            return cls.model_validate_json(json.dumps(value))
        except (ValidationError, ValueError, RecursionError) as error:
            raise _no_briefing(where, _first(error)) from None


def _wrong(found: Briefing) -> Any:
    """What does not hold together, in words, one after the other."""
    ids = [each.id for each in found.blocks]
    if len(set(ids)) < len(ids):
        yield "a block's id stands twice"
    if not found.identity.removeprefix("sha256:").startswith(found.id):
        yield "the id is not the beginning of the identity"
    score = None if found.axes is None else str(checks.score(found.axes.model_dump()))
    if score != found.score:
        yield f"the score is {found.score}, that of its axes {score}"
    failed = {each.block for each in found.failed}
    if set(found.translation) & failed or set(found.translation) | failed != set(ids):
        yield "not every block is either translated or told as failed"
    blocks = found.by_id
    for point in found.points:
        if problems := checks.quote(point.quote, blocks.get(point.block), point.block):
            yield f"a key point: {problems[0]}"
    if any(each not in blocks for impact in found.impact for each in impact.blocks):
        yield "an impact cites a block that there is not"


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        return f"{place}: {first['msg']}"[:300]
    return f"{error}"[:300]


def _no_briefing(where: str, found: str) -> InputError:
    return InputError(
        expected=f"{where} in the format {FORMAT}",
        found=found,
        fix="make it again with inbond briefing make",
    )
