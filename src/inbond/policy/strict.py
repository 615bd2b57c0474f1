"""How the policy reads what people wrote: strict models, strict dates, and one line for what is wrong. Pure.

A misspelt field is refused and never ignored, a number is no date, and no key counts twice.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from inbond import strict_json
from inbond.errors import InputError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Strict(BaseModel):
    """Frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        return date.fromisoformat(value)
    raise ValueError("give a day as YYYY-MM-DD")


Day = Annotated[date, BeforeValidator(_day)]
"""A day of the calendar: a TOML date, or the text YYYY-MM-DD. Never a number of seconds."""


def toml_values(data: bytes) -> dict[str, Any]:
    """What a TOML file says. Raises ValueError."""
    return tomllib.loads(data.decode("utf-8-sig"))


def values(data: bytes) -> Any:
    """What a file says that is JSON if it begins with a brace, and else TOML. Raises ValueError, also for a
    key that stands twice in one JSON object, and, for TOML, RecursionError."""
    text = data.decode("utf-8-sig")
    if not text.lstrip().startswith("{"):
        return tomllib.loads(text)
    try:
        return strict_json.parse(text)
    except strict_json.RepeatedNameError as error:
        raise ValueError(f"{error.name}: given twice") from None


def first_fault(error: Exception) -> str:
    """The first thing wrong, for the ``found`` of an InputError: the field, and why."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        return f"{field}: {first['msg']}"
    if isinstance(error, InputError):
        return f"{error.found} instead of {error.expected}"
    return str(error)
