"""What a session is opened with: the question, who sits, how many rounds, how long. From options or YAML.

A session's file::

    question: AIに対する蒸留攻撃は許されるか
    options: [はい, いいえ]
    language: ja                # told from the question where it is left out
    allow_abstain: true         # left out: true, or false where seats are only counted
    rounds: 2                   # 1 or 2
    timeout_s: 120              # one seat's whole round, in seconds; left out: 120, or 600 for local models
    seats:                      # or a number: so many seats of local models; left out: three
      - Ada=api:localhost:8080/my-model
      - name: Kai
        uri: gguf:model.gguf
        persona: sceptic        # one of personas.toml, or a sentence of one's own
        temperature: 0.4
        max_tokens: 1500
    writer: api:localhost:8080/my-model   # or "code"; left out: the first seat's model, for local models code

Pure but for ``read_agenda``, which reads the file.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, final

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from inbond import strict_yaml
from inbond.engine import languages
from inbond.engine.wrong_language import written_in
from inbond.errors import InputError, MissingExtraError
from inbond.roundtable.personas import persona_text, personas
from inbond.roundtable.places import EMBEDDED, check_table, embedded_seats, make_seat, split_seat, writer_seat
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat

ROUNDS: Final = 2
TIMEOUT_S: Final = 120.0
LOCAL_TIMEOUT_S: Final = 600.0
"""Of seats that are only counted: they share one machine's processor."""
MOST_TIMEOUT_S: Final = 86_400.0
BY_CODE: Final = "code"
"""In place of a writer's model: the summary is put together by code."""
MOST_BYTES: Final = 1 << 20
_CODE: Final = re.compile(r"[a-z]{2}")


@final
@dataclass(frozen=True)
class Agenda:
    """``writer`` is None where the summary shall be put together by code."""

    question: Question
    seats: tuple[Seat, ...]
    writer: Seat | None
    rounds: int = ROUNDS
    timeout_s: float = TIMEOUT_S


@final
class SeatText(BaseModel):
    """A seat in a session's file; ``NAME=URI`` may stand for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    uri: str
    persona: str = ""
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.7
    max_tokens: Annotated[int, Field(ge=16, le=100_000)] = 1500

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            name, uri = split_seat(value)
            return {"name": name, "uri": uri}
        if not isinstance(value, dict):
            raise InputError(
                expected="NAME=URI, or name: and uri:", found=f"{value!r:.80}", fix="name it and its model"
            )
        return value


def _count_or_list(value: Any) -> str:
    return "count" if isinstance(value, int | float) else "list"


@final
class AgendaText(BaseModel):
    """A session's file, or the options of the command line, before they are understood. ``seats`` may be the
    number of seats of local models; ``allow_abstain``, ``timeout_s`` and ``writer`` that are left out depend
    on it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question: str
    options: list[str]
    language: str = ""
    allow_abstain: bool | None = None
    rounds: Literal[1, 2] = 2
    timeout_s: Annotated[float, Field(gt=0, le=MOST_TIMEOUT_S, allow_inf_nan=False)] | None = None
    seats: Annotated[
        Annotated[int, Tag("count")] | Annotated[list[SeatText], Tag("list")], Discriminator(_count_or_list)
    ] = EMBEDDED
    writer: str = ""

    @field_validator("language")
    @classmethod
    def _is_code(cls, value: str) -> str:
        if value and not _CODE.fullmatch(value):
            raise InputError(
                expected="a language's code of two letters (ISO 639-1)",
                found=value,
                fix="for example ja or en",
            )
        return value


def read_agenda(path: Path) -> AgendaText:
    """A session's file. Raises InputError that names the field."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            expected=f"a session's file that can be read at {path}",
            found=error.strerror or str(error),
            fix="correct the path",
        ) from error
    return parse_agenda(data, str(path))


def parse_agenda(data: bytes, where: str) -> AgendaText:
    """The bytes of a session's file. Raises InputError that names the field."""
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"{len(data):,} bytes, where {MOST_BYTES:,} are read")
        values = strict_yaml.parse(data)
    except ValueError as error:
        raise InputError(expected=f"YAML in {where}", found=str(error), fix="correct that line") from error
    if not isinstance(values, dict):
        raise InputError(
            expected=f"question: and options: in {where}",
            found="nothing" if values is None else f"a {type(values).__name__}",
            fix="docs/roundtable.md shows a whole file",
        )
    return check_agenda(values, where)


def check_agenda(values: Mapping[str, Any], where: str) -> AgendaText:
    """Plain values, by the fields' names. Raises InputError that names the field."""
    try:
        return AgendaText.model_validate(values)
    except ValidationError as error:
        raise _explained(error, where) from None


def make_agenda(text: AgendaText, models: Sequence[str]) -> Agenda:
    """Understands it. ``models`` are the names of small models on this machine, for seats that are only
    counted. Raises InputError."""
    language = text.language or language_in(text.question)
    local = isinstance(text.seats, int)
    # Where they may, models so small say that they abstain, and give no reason that is one.
    allow_abstain = not local if text.allow_abstain is None else text.allow_abstain
    question = Question.make(text.question, text.options, language, allow_abstain=allow_abstain)
    seats = (
        embedded_seats(text.seats, language, models)
        if isinstance(text.seats, int)
        else check_table([_seat(each, language) for each in text.seats])
    )
    timeout_s = text.timeout_s or (LOCAL_TIMEOUT_S if local else TIMEOUT_S)
    # Models so small word no summary that could be kept, and take minutes to try.
    writer = _writer(text.writer or (BY_CODE if local else ""), seats)
    return Agenda(question, seats, writer, text.rounds, float(timeout_s))


def language_in(text: str) -> str:
    """The ISO 639-1 code of a text's language; "" where it cannot be told."""
    with contextlib.suppress(MissingExtraError):
        if found := languages.tell(text):
            return found
    return written_in(text)


def _seat(given: SeatText, language: str) -> Seat:
    _check_persona(given)
    return make_seat(
        given.name,
        given.uri,
        persona=persona_text(given.persona, language),
        temperature=given.temperature,
        max_tokens=given.max_tokens,
    )


def _check_persona(given: SeatText) -> None:
    """A key that is misspelt would be taken for a persona in a word."""
    keys = [each.key for each in personas("en")]
    near = difflib.get_close_matches(given.persona.casefold(), keys, 1, cutoff=0.8)
    if near and given.persona not in keys:
        raise InputError(
            expected=f"a persona of {given.name}: one of {', '.join(keys)}, or a sentence",
            found=repr(given.persona),
            fix=f"did you mean {near[0]!r}?",
        )


def _writer(given: str, seats: Sequence[Seat]) -> Seat | None:
    return None if given == BY_CODE else writer_seat(given or seats[0].uri)


def _explained(error: ValidationError, where: str) -> InputError:
    found = error.errors(include_url=False)
    # A misspelt field is missing too: that it is misspelt says more.
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    steps = [step for step in first["loc"] if step not in ("count", "list")]
    # Seats and options are counted from one, as people do.
    place = ".".join(str(step + 1) if isinstance(step, int) else step for step in steps)
    if first["type"] == "extra_forbidden":
        known = [*(SeatText if steps[0] == "seats" else AgendaText).model_fields]
        near = difflib.get_close_matches(str(steps[-1]), known, 1)
        fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return InputError(expected=f"only fields that a session has, in {where}", found=place, fix=fix)
    if first["type"] == "missing":
        return InputError(expected=f"{place} in {where}", found="nothing", fix=f"add {place}")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return InputError(expected=f"{place} in {where}: {cause.expected}", found=cause.found, fix=cause.fix)
    return InputError(
        expected=f"{place} in {where}: {first['msg'].removeprefix('Input should be ')}",
        found=f"{place} = {first['input']!r:.80}",
        fix="put it in quotes" if first["type"] == "string_type" else f"correct {place}",
    )
