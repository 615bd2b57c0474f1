"""Prompts and the user's own records, read from where people keep them.

A JSONL line is ``{"prompt": text}``, ``{"text": text}`` (the same), ``{"messages": [...]}``, or, with a
template, any object with the fields that the template names; ``"id"`` is optional and unique. Text
is UTF-8, with or without a byte order mark; blank lines and CRLF are fine; anything else that is
wrong is refused with its line number, and nothing is skipped in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from inbond import strict_json
from inbond.errors import InputError, need_extra
from inbond.types import Message, Prompt, Record, prompt_from_json

MAX_LINE_BYTES = 16 << 20
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_FIELD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Wording:
    """How rows become prompts. ``template`` ("Define {word}.") is filled from a row's fields;
    ``system`` comes first and makes every prompt a conversation; so does ``as_chat`` alone."""

    template: str | None = None
    system: str | None = None
    as_chat: bool = False


PLAIN = Wording()


def read_prompts(path: Path, wording: Wording = PLAIN) -> list[Prompt]:
    """Reads a JSONL file. Raises InputError naming the file and the line."""
    return _prompts(read_objects(path), wording, str(path))


def from_list(items: Sequence[Any], wording: Wording = PLAIN) -> list[Prompt]:
    """Prompts out of a recipe's own list: strings, lists of messages, or objects as in a JSONL line.

    Raises InputError naming the item.
    """
    rows = ((f"item {i}", _row_of(item, f"item {i}")) for i, item in enumerate(items, 1))
    return _prompts(rows, wording, "the list of prompts")


def from_dataset(
    name: str, *, split: str = "train", limit: int | None = None, wording: Wording = PLAIN
) -> list[Prompt]:
    """Prompts out of a dataset on the Hub, or in its local cache. Rows are as in a JSONL file.

    Raises MissingExtraError without the ``datasets`` package, InputError when the dataset cannot be
    had (no network, no such name) or a row cannot be read.
    """
    rows = ((f"row {i}", _row_of(row, f"row {i}")) for i, row in enumerate(_dataset(name, split, limit)))
    return _prompts(rows, wording, f"the dataset {name} ({split})")


def read_records(path: Path) -> list[Record]:
    """The user's own examples: JSONL lines with a prompt (or messages) and a ``completion``.

    Raises InputError naming the file and the line.
    """
    records = []
    for place, row in _unique(read_objects(path), str(path)):
        completion = row.get("completion")
        if not isinstance(completion, str) or not completion.strip():
            raise _refuse(
                place, '"completion": a non-empty string', f"{completion!r:.80}", "give the answer to learn"
            )
        records.append(Record(_prompt_of(row, place, PLAIN), completion))
    return _not_empty(records, str(path))


# Rows to prompts ------------------------------------------------------------------------------------


def _prompts(rows: Iterable[tuple[str, dict[str, Any]]], wording: Wording, where: str) -> list[Prompt]:
    if wording.template is not None:
        template_fields(wording.template)
    return _not_empty([_prompt_of(row, place, wording) for place, row in _unique(rows, where)], where)


def _unique(rows: Iterable[tuple[str, dict[str, Any]]], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    first: dict[str | int, str] = {}
    for place, row in rows:
        id_ = row.get("id")
        if id_ is not None:
            if isinstance(id_, bool) or not isinstance(id_, (str, int)):
                raise _refuse(
                    place, '"id": a string or a whole number', f"{id_!r:.80}", "correct it or leave it out"
                )
            if id_ in first:
                raise _refuse(
                    place,
                    f"every id once in {where}",
                    f"id {id_!r:.80}, as in {first[id_]}",
                    "rename one of them",
                )
            first[id_] = place
        yield place, row


def _not_empty(items: list[Any], where: str) -> list[Any]:
    if not items:
        raise InputError(expected=f"at least one row in {where}", found="none", fix="add some, one a line")
    return items


def _prompt_of(row: Mapping[str, Any], place: str, wording: Wording) -> Prompt:
    if wording.template is not None:
        prompt: Prompt = _fill(wording.template, row, place)
    else:
        chosen = {key: row[key] for key in ("prompt", "messages") if row.get(key) is not None}
        if not chosen and row.get("text") is not None:
            chosen = {"prompt": row["text"]}
        try:
            prompt = prompt_from_json(chosen)
        except InputError as error:
            found = f"fields {', '.join(map(repr, row)) or 'none'}" if not chosen else error.found
            raise _refuse(place, error.expected, found, error.fix) from error
    empty = not prompt.strip() if isinstance(prompt, str) else not any(m.content.strip() for m in prompt)
    if empty:
        raise _refuse(
            place, "a prompt that says something", "nothing but white space", "remove it or fill it in"
        )
    return _as_conversation(prompt, wording)


def _as_conversation(prompt: Prompt, wording: Wording) -> Prompt:
    if wording.system is None and not wording.as_chat:
        return prompt
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    if wording.system is None or turns[0].role == "system":
        return turns
    return (Message("system", wording.system), *turns)


def template_fields(template: str) -> tuple[str, ...]:
    """The fields that a template names. Only plain names: no attributes, indexes or formats.

    Raises InputError when it names none or is not a template.
    """
    fields = []
    try:
        for _, field, spec, conversion in Formatter().parse(template):
            if field is None:
                continue
            if spec or conversion or not _FIELD.fullmatch(field):
                raise ValueError(f"{{{field}}} is not a plain field name")
            fields.append(field)
        if not fields:
            raise ValueError("no field in it")
    except ValueError as error:
        raise InputError(
            expected='a template such as "Define {word}."',
            found=f"{template!r:.120}: {error}",
            fix="name fields of your rows in braces, and write {{ and }} for braces themselves",
        ) from error
    return tuple(dict.fromkeys(fields))


def _fill(template: str, row: Mapping[str, Any], place: str) -> str:
    values = {}
    for field in template_fields(template):
        value = row.get(field)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            found = "no such field" if field not in row else f"{value!r:.80}"
            raise _refuse(
                place,
                f"text or a number in the template's field {field!r}",
                found,
                "add it, or change the template",
            )
        values[field] = str(value)
    return template.format_map(values)


def _row_of(item: Any, place: str) -> dict[str, Any]:
    if isinstance(item, str):
        return {"prompt": item}
    if isinstance(item, Mapping):
        return dict(item)
    if isinstance(item, (list, tuple)):
        return {"messages": [turn.to_json() if isinstance(turn, Message) else turn for turn in item]}
    raise _refuse(
        place, "a string, a list of messages or an object", f"{item!r:.80}", "write it as one of these"
    )


# JSON lines ------------------------------------------------------------------------------------------


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (``"<file>, line <n>"``, object) for every line that is not blank.

    Raises InputError naming the line: not UTF-8, not one JSON object, a field twice, a number that
    JSON does not have, a NUL character, half a surrogate pair, or more than MAX_LINE_BYTES.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                place = f"{path}, line {number}"
                if number == 1:
                    line = _without_bom(line, place)
                if len(line) > MAX_LINE_BYTES:
                    raise _refuse(
                        place,
                        f"a line of at most {MAX_LINE_BYTES >> 20} MiB",
                        "a longer one",
                        "is it one JSON object a line?",
                    )
                if line.strip():
                    yield place, _parse(line, place)
    except OSError as error:
        raise InputError(
            expected=f"a file that can be read at {path}",
            found=error.strerror or str(error),
            fix="correct the path, or the permissions",
        ) from error


def _without_bom(line: bytes, place: str) -> bytes:
    if line.startswith(_WIDE_BOMS):
        raise _refuse(place, "text in UTF-8", "a file in UTF-16", "save it as UTF-8")
    return line.removeprefix(_BOM)


def _parse(line: bytes, place: str) -> dict[str, Any]:
    if b"\0" in line:
        raise _refuse(
            place, "text in UTF-8", "a NUL byte", "save it as UTF-8; is it a binary file, or UTF-16?"
        )
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at {error.start + 1}, which is not UTF-8"
        raise _refuse(
            place, "text in UTF-8", found, "save it as UTF-8 (it may be Shift_JIS or Latin-1)"
        ) from error
    try:
        value = strict_json.parse(text)
    except json.JSONDecodeError as error:
        found = f"{error.msg} at column {error.colno}"
        raise _refuse(place, "one JSON object", found, "correct the line; every row is one line") from error
    except ValueError as error:
        raise _refuse(place, "one JSON object", _fault(error), "correct the line") from error
    if not isinstance(value, dict):
        raise _refuse(
            place, "one JSON object", f"{type(value).__name__} {value!r:.60}", 'write {"prompt": "..."}'
        )
    _refuse_unwritable(value, text, place)
    return value


def _refuse_unwritable(value: dict[str, Any], text: str, place: str) -> None:
    """Half a surrogate pair or a NUL can only come in through an escape, so most lines cost nothing."""
    if "\\u" not in text:
        return
    plain = json.dumps(value, ensure_ascii=False)
    if any("\ud800" <= char <= "\udfff" for char in plain):
        raise _refuse(
            place, "whole characters", "half a surrogate pair (\\ud8xx)", "write the character itself"
        )
    if "\\u0000" in plain:
        raise _refuse(place, "text without control characters", "\\u0000 (NUL)", "remove it")


def _fault(error: ValueError) -> str:
    match error:
        case strict_json.RepeatedNameError():
            return f"the field {error.name!r:.60} twice"
        case strict_json.NoNumberError():
            return f"{error.text}, which JSON does not have"
        case strict_json.TooDeepError():
            return "brackets nested too deeply"
        case _:
            return str(error)


def _refuse(place: str, expected: str, found: str, fix: str) -> InputError:
    return InputError(expected=expected, found=f"{place}: {found}", fix=fix)


# Datasets of the Hub ---------------------------------------------------------------------------------


def _dataset(name: str, split: str, limit: int | None) -> Iterator[Any]:
    load = _loader()
    try:
        rows = load(name, split=split, streaming=limit is not None)
        for number, row in enumerate(rows):
            if limit is not None and number >= limit:
                return
            yield row
    except InputError:
        raise
    except Exception as error:  # the package raises many unrelated classes for "not found" and "no network"
        raise InputError(
            expected=f"the dataset {name!r} with a split {split!r}",
            found=f"{type(error).__name__}: {error!s:.300}",
            fix="check the name and the network, or save its rows as JSONL and give that file",
        ) from error


def _loader() -> Callable[..., Iterable[Any]]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise need_extra("data", "datasets") from error
    loader: Callable[..., Iterable[Any]] = load_dataset
    return loader
