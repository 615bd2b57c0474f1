"""Records of a run in the shapes that other tools train on, with their lineage where asked for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

from inbond import digest
from inbond.engine.interchange import marks, shapes, writing
from inbond.engine.interchange.shapes import Shape
from inbond.errors import InputError, TamperedError
from inbond.ledger import asking, membership, records
from inbond.ledger.recorded import LEARNT, Kept
from inbond.recipes.plan import my_library
from inbond.types import MARK
from inbond.workspace import Workspace

RowForm = Literal["chat", "sharegpt", "alpaca", "trl", "datasets"]
WEIGHT, CUT = "what a token of it weighs", "that it was cut off: it does not end where its text does"
ROW_FORMS: tuple[RowForm, ...] = RowForm.__args__  # type: ignore[attr-defined]


@final
@dataclass(frozen=True)
class Handed:
    """What was written: ``data`` is the record set's folder in the workspace, ``raw`` counts texts to be
    continued that became a user's turn, as the form has no other word for them; ``left_out`` counts, by what
    it is, records of which something is known that no form has a word for."""

    data: str
    rows: int
    raw: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    def in_words(self) -> str:
        """What of the records is not in the rows."""
        found = [f"{self.raw:,} were text to be continued, and are a user's turn now"] if self.raw else []
        found += [f"left out of {count:,}: {what}" for what, count in self.left_out.items()]
        return "; ".join(found)


def hand_out(workspace: Workspace, target: str, form: RowForm, path: Path, *, lineage: bool) -> Handed:
    """Writes the records that ``target`` learnt from, or a record set (``data:runs/NAME/data/train``).

    ``datasets`` writes a folder with TRL's columns. Raises InputError for what is no such target or cannot
    be said in the form, TamperedError when a record was changed, UnwritableError; then nothing is written.
    """
    kept = record_set(workspace, target)
    shape: Shape = "trl" if form == "datasets" else form
    as_text = shape == "trl" and all(isinstance(row.record.prompt, str) for row in _rows(kept))
    counted = _Counted()
    rows = _written(kept, shape, counted, as_text=as_text, lineage=lineage)
    write = writing.write_saved if form == "datasets" else writing.write_rows
    count = write(path, rows)
    return Handed(kept.claim.folder, count, 0 if as_text else counted.raw, dict(counted.left_out))


@dataclass
class _Counted:
    raw: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, row: records.Row) -> None:
        self.raw += isinstance(row.record.prompt, str)
        self.left_out.update([WEIGHT] if row.weight != 1 else [])
        self.left_out.update([CUT] if row.finish == "length" else [])


def _written(
    kept: Kept, shape: Shape, counted: _Counted, *, as_text: bool, lineage: bool
) -> Iterator[dict[str, Any]]:
    planted = any(MARK in origin.sampling for origin in kept.origins)
    for number, row in enumerate(_rows(kept)):
        counted.add(row)
        value = shapes.to_row(row.record, shape, as_text=as_text)
        if lineage:
            value[marks.FIELD] = marks.marked(
                kept.claim.folder, number, row.record.id, row.origin, planted=planted
            )
        yield value


def _rows(kept: Kept) -> Iterator[records.Row]:
    """All rows, and after the last an error when they are not those that the ledger speaks of."""
    raw = []
    for row in records.stream_rows(kept.folder):
        raw.append(digest.to_raw(row.record.id))
        yield row
    if digest.merkle_root(raw) != kept.manifest.records_root:
        raise TamperedError(
            expected=f"the records of {kept.claim.folder} as its manifest has them",
            found="others",
            fix="inbond verify names what was changed; put back a copy",
        )


def record_set(workspace: Workspace, target: str) -> Kept:
    """The record set that is meant: itself, or what a run learnt from, also one without a student yet.
    Raises InputError, TamperedError."""
    events = membership.events_in(workspace, os.environ)
    book = asking.read(workspace, events, my_library()).book
    run = book.runs.get(target.removeprefix("run:"))
    if run is not None and LEARNT in run.kept:
        return run.kept[LEARNT]
    wanted = target.removeprefix("data:")
    for kept in book.artifacts.values():
        if kept.claim.folder == wanted and kept.manifest.records_root is not None:
            return kept
    raise InputError(
        expected="a run with data, or a record set such as data:runs/demo/data/train",
        found=f"{target!r} in {workspace.home}",
        fix="inbond trace run:NAME shows the data of a run; known runs: "
        + (", ".join(sorted(book.runs)[:8]) or "none"),
    )
