"""A constitution: the readable list of principles by which answers are compared, one question each.

A YAML file with a title and principles of ``id``, ``text`` and ``weight``; the one that comes with Inbond is
``constitution.yaml`` beside this module, and ``default`` by name. (After Bai et al., "Constitutional AI",
arXiv:2212.08073; principles one by one, since a rubric of one dimension at a time makes judges favour
themselves less, see docs/roundtable-judge.md.)
"""

from __future__ import annotations

import re
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from inbond import strict_yaml
from inbond.digest import Digest, of_value
from inbond.errors import InputError
from inbond.roundtable.likeness import same

DEFAULT: Final = "default"
MOST_PRINCIPLES: Final = 20
_FILE: Final = "constitution.yaml"
_MOST_BYTES: Final = 200_000


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)


@final
class Principle(_Strict):
    """One principle. ``text`` is what a judge reads; ``weight`` how much it counts beside the others.

    For critique and revision (``recipes.revision``): ``critique`` and ``revision`` are what is asked in place
    of the plain wording; ``pattern`` is a regular expression that an answer which keeps it matches.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    text: str = Field(min_length=1, max_length=4000)
    weight: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False, strict=False)] = 1.0
    critique: str | None = Field(None, min_length=1, max_length=4000)
    revision: str | None = Field(None, min_length=1, max_length=4000)
    pattern: str | None = Field(None, min_length=1, max_length=1000)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern


@final
class Constitution(_Strict):
    """Principles in the order of the file, each id and each text once: the same twice would count double."""

    title: str = Field(min_length=1, max_length=200)
    principles: tuple[Principle, ...] = Field(min_length=1, max_length=MOST_PRINCIPLES, strict=False)

    @model_validator(mode="after")
    def _each_once(self) -> Constitution:
        ids = [principle.id for principle in self.principles]
        for id_ in ids:
            if ids.count(id_) > 1:
                raise ValueError(f"the principle {id_!r} stands twice")
        texts: dict[str, str] = {}
        for principle in self.principles:
            first = texts.setdefault(same(principle.text), principle.id)
            if first != principle.id:
                raise ValueError(f"the principles {first!r} and {principle.id!r} say the same")
        return self

    @cached_property
    def digest(self) -> Digest:
        """Of all that a judge may see of it, and of the weights."""
        return of_value(self.model_dump(mode="json", exclude_none=True))


def read_constitution(source: str) -> Constitution:
    """Reads a file, or the one that comes with Inbond by the name ``default``. Raises InputError that names
    the field."""
    if source == DEFAULT:
        return parse((resources.files("inbond.roundtable.judge") / _FILE).read_bytes(), _FILE)
    try:
        data = Path(source).read_bytes()
    except OSError as error:
        raise InputError(
            expected=f"a constitution that can be read at {source}",
            found=error.strerror or str(error),
            fix=f"correct the path, or write --constitution {DEFAULT} for the one that comes with Inbond",
        ) from error
    return parse(data, source)


def parse(data: bytes, where: str) -> Constitution:
    """A constitution from the bytes of its file. Raises InputError."""
    values = _yaml(data, where)
    try:
        return Constitution.model_validate(values)
    except ValidationError as error:
        raise _explained(error, where) from error


def _yaml(data: bytes, where: str) -> Any:
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError(f"{len(data):,} bytes")
        values = strict_yaml.parse(data)
    except ValueError as error:
        raise InputError(
            expected=f"a constitution in YAML of at most {_MOST_BYTES:,} bytes in {where}",
            found=str(error),
            fix="correct the line that it names; docs/roundtable-judge.md shows a whole one",
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            expected=f"a title and principles in {where}",
            found="nothing" if values is None else f"a {type(values).__name__}",
            fix="docs/roundtable-judge.md shows a whole one",
        )
    return values


def _explained(error: ValidationError, where: str) -> InputError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    message = first["msg"].removeprefix("Value error, ")
    given = "nothing" if first["type"] == "missing" else f"{first['input']!r:.80}"
    found = message if not first["loc"] else f"{place} = {given}: {message[0].lower()}{message[1:]}"
    return InputError(
        expected=f"a title and principles with id (a-z, 0-9, -), text and weight in {where}",
        found=found,
        fix=f"correct {place}",
    )
