"""What a test of a suspect is given besides the suspect: keys, marked records, texts, alternatives, a parent.

Files are read as everywhere (``engine.prompts``); what is wrong in one is said with its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from inbond.digest import Digest, of_file
from inbond.engine import prompts
from inbond.engine.interchange import shapes
from inbond.engine.interchange.files import read_file
from inbond.engine.interchange.lines import refuse
from inbond.engine.interchange.marks import planted_of
from inbond.errors import InputError
from inbond.forensics.alternatives import Alternatives
from inbond.forensics.green import GreenKey
from inbond.forensics.lots import LotKey
from inbond.forensics.mark_keys import MarkKeys
from inbond.ledger import records
from inbond.ledger.holdings import marks_of
from inbond.recipes.handing import record_set
from inbond.teachers.opening import Weights
from inbond.types import Prompt, Record
from inbond.workspace import Workspace

_ASKED: Final = ("prompt", "messages", "conversations", "instruction")
RUN: Final = "run:"
CANARIES: Final = 20
"""How many are looked for, unless another number is given."""


@final
@dataclass(frozen=True)
class Said:
    """A text, and the prompt that it answers, None where that is not known."""

    text: str
    prompt: Prompt | None = None


@final
@dataclass(frozen=True)
class Records:
    """Records at hand. ``marks`` holds, for each, the id of the key that marked it as its origin, or its
    row of a file, says; None where that says nothing."""

    name: str
    digest: Digest
    records: tuple[Record, ...]
    marks: tuple[str | None, ...]

    def of(self, key: str) -> list[Record]:
        """Those that the key with this id marked; all of them where no origin says which are."""
        if not any(self.marks):
            return list(self.records)
        return [record for record, mark in zip(self.records, self.marks, strict=True) if mark == key]


@final
@dataclass(frozen=True)
class Given:
    """All of it, read. Keys by their names; so many of each canary key's ``canaries``."""

    keys: Mapping[str, GreenKey | LotKey] = field(default_factory=dict)
    records: Records | None = None
    texts: tuple[Said, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    alternatives: Alternatives | None = None
    canaries: int = CANARIES
    parent: Weights | None = None
    tokenizer: Weights | None = None
    reference: Weights | None = None
    same_as: Weights | None = None
    candidates: Mapping[str, tuple[Said, ...]] = field(default_factory=dict)
    stages: Mapping[str, Weights] = field(default_factory=dict)
    """What the suspect was after each earlier stage of its making, in order."""

    @property
    def green(self) -> dict[str, GreenKey]:
        return {name: key for name, key in self.keys.items() if isinstance(key, GreenKey)}

    @property
    def run(self) -> str | None:
        """The run whose records are at hand."""
        if self.records is None or not self.records.name.startswith(RUN):
            return None
        return self.records.name.removeprefix(RUN)

    def lots(self, scheme: str) -> dict[str, LotKey]:
        """The keys of CHOICE or CANARY."""
        found = {name: key for name, key in self.keys.items() if isinstance(key, LotKey)}
        return {name: key for name, key in found.items() if key.scheme == scheme}


def read_keys(names: Sequence[str], keys: MarkKeys) -> dict[str, GreenKey | LotKey]:
    """Raises InputError as ``MarkKeys.read``."""
    return {name: keys.read(name) for name in dict.fromkeys(names)}


def read_records(where: str, workspace: Workspace) -> Records:
    """Records of a file; or those that a run learnt from (``run:NAME``), a record set (``data:...``). Raises
    InputError, TamperedError."""
    if not where.startswith((RUN, "data:")):
        path = Path(where)
        found = prompts.read_records(path)
        planted = [planted_of(row) for _, row in read_file(path)]
        return Records(
            where, _digest(path), tuple(found), tuple(None if one is None else one["id"] for one in planted)
        )
    kept = record_set(workspace, where)
    rows = records.read_rows(kept.folder)
    marks = tuple(next(iter(marks_of(row.origin.sampling)), None) for row in rows)
    return Records(where, kept.manifest.id, tuple(row.record for row in rows), marks)


def _digest(path: Path) -> Digest:
    """Of a file; a folder of files has none, and is refused."""
    if path.is_dir():
        raise InputError(
            expected="a file of records", found=f"{path}, a folder", fix="name one of the files in it"
        )
    return of_file(path)


def read_said(path: Path) -> tuple[Said, ...]:
    """Texts of a file: rows with a prompt and its answer, or ``{"text": ...}``, or ``{"completion": ...}``
    alone. Raises InputError that names file and line."""
    found = [_said(row, place) for place, row in read_file(path)]
    if not found:
        raise InputError(expected=f"at least one text in {path}", found="none", fix="add some, one a line")
    return tuple(found)


def _said(row: Mapping[str, Any], place: str) -> Said:
    if any(row.get(name) is not None for name in _ASKED):
        with shapes.at(place):
            record = shapes.read_record(row)
        return Said(record.completion, record.prompt)
    text = row.get("completion") if row.get("text") is None else row.get("text")
    if not isinstance(text, str) or not text.strip():
        raise refuse(
            place,
            'a text: {"text": "..."}, or a prompt with its completion',
            f"{text!r:.80}" if text is not None else f"fields {', '.join(map(repr, row)) or 'none'}",
            "write what was said as text, with its prompt where that is known",
        )
    return Said(text)


def read_candidates(named: Sequence[str]) -> dict[str, tuple[Said, ...]]:
    """Texts of candidate teachers, each ``NAME=FILE``. Raises InputError."""
    pairs = named_pairs(named, "--candidate NAME=FILE", "--candidate qwen=qwen-answers.jsonl")
    return {name: read_said(Path(path)) for name, path in pairs.items()}


def named_pairs(given: Sequence[str], form: str, example: str) -> dict[str, str]:
    """Each ``NAME=VALUE``, in order. Raises InputError for what is none, and for a name that comes twice."""
    found = dict[str, str]()
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.strip() or not value or name in found:
            raise InputError(
                expected=f"{form}, each name once", found=repr(each)[:80], fix=f"for example {example}"
            )
        found[name] = value
    return found
