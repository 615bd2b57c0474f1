"""The user's own examples: read early, and mixed in with what is known of where they are from.

Rows that are those of an earlier record set of this workspace descend from it: the set's own file, or rows
that ``inbond export --lineage`` marked, in any order and any shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

from inbond.digest import Digest, of_value
from inbond.engine import prompts
from inbond.engine.interchange.marks import Mark
from inbond.ledger.records import TEXT, Row, read_rows
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.data import OwnData
from inbond.recipes.sources import file_of
from inbond.recipes.trail import Trail
from inbond.types import MARK, OWN, Origin, Record
from inbond.workspace import Workspace


@final
@dataclass(frozen=True)
class Own:
    """One set of the user's own examples, read from ``path``. ``marks`` says of each row where it was, as
    the file has it, ``planted`` by which key it is marked; they are empty for a file that says nothing of it.
    ``left_out`` counts, by field, the rows that said something which no example holds."""

    data: OwnData
    path: Path
    records: tuple[Record, ...]
    marks: tuple[Mark | None, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    planted: tuple[Mapping[str, str] | None, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What decides which rows it gives."""
        found = {**self.data.model_dump(exclude_none=True), "records": [record.id for record in self.records]}
        marks = [asdict(mark) if mark else None for mark in self.marks]
        found |= {"marks": of_value(marks)} if marks else {}
        return found | ({"planted": of_value(list(self.planted))} if self.planted else {})

    @cached_property
    def origins(self) -> list[Origin]:
        """Of each row, as far as nothing else is known of it."""
        plain = Origin(f"data:{self.data.named}", OWN, "author", {}, None)
        said = self.planted or (None,) * len(self.records)
        return [plain if mark is None else replace(plain, sampling={MARK: mark}) for mark in said]


def read_own(recipe: Recipe, folder: Path, workspace: Workspace) -> list[Own]:
    """The user's own examples. Raises InputError naming file and line: early, before anything is asked."""
    found = []
    for data in recipe.own_data:
        path = file_of(data, folder, workspace)
        assert path is not None, "own data has a file or a run"
        found.append(_read(data, path))
    return found


def _read(data: OwnData, path: Path) -> Own:
    left_out = prompts.LeftOut()
    rows = prompts.read_marked(path, left_out)
    marks, planted = tuple(row.mark for row in rows), tuple(row.planted for row in rows)
    return Own(
        data,
        path,
        tuple(row.record for row in rows),
        marks if any(marks) else (),
        left_out,
        planted if any(planted) else (),
    )


def mix_in(trail: Trail, own: Sequence[Own], above: int) -> tuple[list[Row], list[Digest]]:
    """All own examples as rows, and the record sets that some of them descend from. Parents are counted
    over those sets in their order, from ``above`` on. Raises TamperedError when such a set was changed."""
    rows: list[Row] = []
    sets: list[Digest] = []
    for one in own:
        earlier = _Earlier(trail)
        marks = _own_file(trail, one) or one.marks or (None,) * len(one.records)
        parents = [earlier.find(mark, record) for mark, record in zip(marks, one.records, strict=True)]
        places = {}
        for data in dict.fromkeys(mark.data for mark in marks if mark is not None):
            if any(found is not None and found[0] == data for found in parents):
                places[data] = above
                sets.append(earlier.ids[data])
                above += len(earlier.rows[data])
        for record, origin, found in zip(one.records, one.origins, parents, strict=True):
            row = Row(record, origin, weight=one.data.weight)
            rows.append(row if found is None else _child(row, found[1], places[found[0]] + found[2]))
    return rows, sets


def _own_file(trail: Trail, one: Own) -> tuple[Mark, ...]:
    """The marks of a record set's own text file, row by row; none for any other file."""
    if trail.record_set(one.path) is None:
        return ()
    data = one.path.resolve().parent.relative_to(trail.workspace.home.resolve()).as_posix()
    return tuple(Mark(data, number) for number in range(len(one.records)))


def _child(row: Row, was: Row, number: int) -> Row:
    """Who wrote it, its tokens and how it ended are known."""
    return replace(
        row,
        origin=replace(was.origin, channel=OWN),
        parents=(number,),
        prompt_tokens=was.prompt_tokens,
        completion_tokens=was.completion_tokens,
        finish="length" if was.finish == "length" else None,  # where it was cut off, it does not end
    )


@final
class _Earlier:
    """The record sets that one file's marks name, each read once, where the ledger knows them."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self.ids: dict[str, Digest] = {}
        self.rows: dict[str, list[Row]] = {}

    def find(self, mark: Mark | None, record: Record) -> tuple[str, Row, int] | None:
        """The set, the row and its number, where the very record stands that the mark speaks of."""
        if mark is None:
            return None
        if mark.data not in self.rows:
            self._read(mark.data)
        rows = self.rows[mark.data]
        if mark.row >= len(rows) or rows[mark.row].record.id != record.id:
            return None
        return mark.data, rows[mark.row], mark.row

    def _read(self, data: str) -> None:
        path = self._trail.workspace.home / data / TEXT
        found = self._trail.record_set(path)
        self.rows[data] = [] if found is None else read_rows(path.parent)
        if found is not None:
            self.ids[data] = found.id
