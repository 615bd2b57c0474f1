"""Prompts and the user's own records, read from where people keep them.

Files are those of ``interchange.files``, rows have one of the shapes of ``interchange.shapes``, or, with a
template, the fields that it names; ``"id"`` is optional and unique. What is wrong is refused with its
line or row, and nothing is skipped in silence: fields that are not taken are counted by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from inbond.engine.interchange import shapes
from inbond.engine.interchange.files import read_file
from inbond.engine.interchange.lines import refuse
from inbond.engine.interchange.marks import Mark, mark_of, planted_of
from inbond.errors import InputError, need_extra
from inbond.types import Message, Prompt, Record

_FIELD = re.compile(r"[^\W\d]\w*")
LeftOut = Counter[str]
"""In how many rows a field said something that was not taken."""


@dataclass(frozen=True)
class Wording:
    """How rows become prompts. ``template`` ("Define {word}.") is filled from a row's fields;
    ``system`` comes first and makes every prompt a conversation; so does ``as_chat`` alone."""

    template: str | None = None
    system: str | None = None
    as_chat: bool = False


PLAIN = Wording()


def read_prompts(
    path: Path, wording: Wording = PLAIN, *, split: str | None = None, left_out: LeftOut | None = None
) -> list[Prompt]:
    """Reads a file, or a folder, of which ``split`` is taken. ``left_out`` is added to. Raises InputError
    naming file and line."""
    return _prompts(read_file(path, split), wording, str(path), left_out)


def from_list(
    items: Sequence[Any], wording: Wording = PLAIN, *, left_out: LeftOut | None = None
) -> list[Prompt]:
    """Prompts out of a recipe's own list: strings, lists of messages, or objects as in a JSONL line.

    Raises InputError naming the item.
    """
    rows = ((f"item {i}", _row_of(item, f"item {i}")) for i, item in enumerate(items, 1))
    return _prompts(rows, wording, "the list of prompts", left_out)


def from_dataset(
    name: str,
    *,
    split: str = "train",
    limit: int | None = None,
    wording: Wording = PLAIN,
    left_out: LeftOut | None = None,
) -> list[Prompt]:
    """Prompts out of a dataset on the Hub, or in its local cache. Rows are as in a JSONL file.

    Raises MissingExtraError without the ``datasets`` package, InputError when the dataset cannot be
    had (no network, no such name) or a row cannot be read.
    """
    rows = ((f"row {i}", _row_of(row, f"row {i}")) for i, row in enumerate(_dataset(name, split, limit)))
    return _prompts(rows, wording, f"the dataset {name} ({split})", left_out)


def read_rows(
    file: Path | None, items: Sequence[Any] | None, dataset: str | None, split: str, limit: int | None
) -> list[tuple[str, dict[str, Any]]]:
    """The rows that prompts are made of, with their places, in the order of the prompts: what else they hold
    is for others. One of the three sources is given. Raises as the functions above."""
    if file is not None:
        return list(read_file(file, split))[:limit]
    rows = items if items is not None else _dataset(dataset or "", split, limit)
    return [(f"row {i}", _row_of(row, f"row {i}")) for i, row in enumerate(rows, 1)][:limit]


@dataclass(frozen=True)
class OwnRow:
    """One of the user's own examples: what it says of where it was, and by which key it is marked."""

    record: Record
    mark: Mark | None
    planted: Mapping[str, str] | None


def read_records(path: Path) -> list[Record]:
    """The user's own examples: rows with a prompt and its answer. Raises InputError naming file and line."""
    return [row.record for row in read_marked(path)]


def read_marked(path: Path, left_out: LeftOut | None = None) -> list[OwnRow]:
    """As ``read_records``, with what a row says of itself. ``left_out`` is added to."""
    rows = []
    for place, row in _unique(read_file(path), str(path)):
        rows.append(OwnRow(_record_of(row, place), mark_of(row), planted_of(row)))
        if left_out is not None:
            left_out.update(shapes.left_out(row))
    return _not_empty(rows, str(path))


def marked_sets(path: Path) -> list[str]:
    """The record sets, as the lineage names them, that rows of a file say they are of; none of a file that
    cannot be read, which is said by whoever needs it."""
    try:
        marks = [mark_of(row) for _, row in read_file(path)]
    except InputError:
        return []
    return [f"data:{data}" for data in dict.fromkeys(mark.data for mark in marks if mark is not None)]


# Rows to prompts ------------------------------------------------------------------------------------


def _prompts(
    rows: Iterable[tuple[str, dict[str, Any]]], wording: Wording, where: str, left_out: LeftOut | None
) -> list[Prompt]:
    if wording.template is not None:
        template_fields(wording.template)
    found = []
    for place, row in _unique(rows, where):
        found.append(_prompt_of(row, place, wording))
        if left_out is not None and wording.template is None:  # a template says what it takes
            left_out.update(shapes.left_out(row))
    return _not_empty(found, where)


def _unique(rows: Iterable[tuple[str, dict[str, Any]]], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    first: dict[str | int, str] = {}
    for place, row in rows:
        id_ = row.get("id")
        if id_ is not None:
            if isinstance(id_, bool) or not isinstance(id_, (str, int)):
                raise refuse(
                    place, '"id": a string or a whole number', f"{id_!r:.80}", "correct it or leave it out"
                )
            if id_ in first:
                raise refuse(
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
        with shapes.at(place):
            prompt = shapes.read_prompt(row)
    _says_something(prompt, place)
    return as_conversation(prompt, wording)


def _says_something(prompt: Prompt, place: str) -> None:
    empty = not prompt.strip() if isinstance(prompt, str) else not any(m.content.strip() for m in prompt)
    if empty:
        raise refuse(
            place, "a prompt that says something", "nothing but white space", "remove it or fill it in"
        )


def _record_of(row: Mapping[str, Any], place: str) -> Record:
    with shapes.at(place):
        record = shapes.read_record(row)
    _says_something(record.prompt, place)
    return record


def as_conversation(prompt: Prompt, wording: Wording) -> Prompt:
    """A prompt as it is asked: a text becomes a user's turn, and the system message comes first."""
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
            raise refuse(
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
    raise refuse(
        place, "a string, a list of messages or an object", f"{item!r:.80}", "write it as one of these"
    )


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
