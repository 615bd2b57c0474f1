"""Records and their lineage on disk.

Format ``inbond.records/1``, three files in an artifact's folder, row i of one is row i of the other:

- ``records.jsonl``: one record a line, canonical JSON. Erasing text removes this file alone.
- ``lineage.parquet``: id (32 bytes), origin (row number in origins.json), parents (row numbers in
  the parent artifact), prompt_tokens, completion_tokens, weight, finish (how the answer ended, or null).
- ``origins.json``: the few origins that the rows point to.

A record set is committed to by the Merkle root over its ids in row order (RFC 9162 hashing).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from inbond import digest
from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.types import Origin, Record, prompt_from_json
from inbond.workspace import opened, replacing, write_json

TEXT, LINEAGE, ORIGINS = "records.jsonl", "lineage.parquet", "origins.json"
_BATCH_ROWS = 65_536
_STREAMED_ROWS = 1024
SCHEMA = pa.schema(
    [
        ("id", pa.binary(32)),
        ("origin", pa.int16()),
        ("parents", pa.list_(pa.int32())),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("weight", pa.float32()),
        ("finish", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One record with its lineage. Token counts are those its teacher reported, 0 when unknown;
    ``finish`` is how its teacher ended the answer (stop, length, ...), None for text of other origin."""

    record: Record
    origin: Origin
    parents: tuple[int, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    weight: float = 1.0
    finish: str | None = None


@dataclass(slots=True)
class _Columns:
    """Rows gathered until they fill a batch."""

    ids: list[bytes] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    parents: list[tuple[int, ...]] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)
    completion_tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    finishes: list[str | None] = field(default_factory=list)

    def to_batch(self) -> pa.RecordBatch:
        columns = (
            self.ids, self.origins, self.parents, self.prompt_tokens, self.completion_tokens, self.weights,
            self.finishes,
        )  # fmt: skip
        arrays = [pa.array(column, type_) for column, type_ in zip(columns, SCHEMA.types, strict=True)]
        return pa.record_batch(arrays, schema=SCHEMA)


def write_rows(folder: Path, rows: Sequence[Row] | Iterator[Row]) -> Digest:
    """Writes a record set and returns its Merkle root. Raises UnwritableError; then no file is changed
    half-way, and the manifest, written later by the caller, is what makes the set count."""
    origins: dict[Digest, int] = {}
    kept: list[Origin] = []
    roots: list[bytes] = []
    columns = _Columns()
    with (
        replacing(folder / LINEAGE) as lineage_path,
        replacing(folder / TEXT) as text_path,
        pq.ParquetWriter(lineage_path, SCHEMA, compression="zstd") as lineage,
        text_path.open("wb") as text,
    ):
        for row in rows:
            if row.origin.id not in origins:
                origins[row.origin.id] = len(kept)
                kept.append(row.origin)
            raw = digest.to_raw(row.record.id)
            roots.append(raw)
            _append(columns, row, raw, origins[row.origin.id])
            text.write(digest.canonical(row.record.to_json()) + b"\n")
            if len(columns.ids) >= _BATCH_ROWS:
                lineage.write_batch(columns.to_batch())
                columns = _Columns()
        lineage.write_batch(columns.to_batch())
    write_json(folder / ORIGINS, [origin.to_json() for origin in kept])
    return digest.merkle_root(roots)


def _append(columns: _Columns, row: Row, raw: bytes, origin: int) -> None:
    columns.ids.append(raw)
    columns.origins.append(origin)
    columns.parents.append(row.parents)
    columns.prompt_tokens.append(row.prompt_tokens)
    columns.completion_tokens.append(row.completion_tokens)
    columns.weights.append(row.weight)
    columns.finishes.append(row.finish)


def read_origins(folder: Path) -> list[Origin]:
    """The origins that the rows point to, by row number. Raises OSError, ValueError and TypeError."""
    with opened(folder / ORIGINS) as file:
        return [_origin(value) for value in json.load(file)]


def _origin(value: Mapping[str, Any]) -> Origin:
    origin = Origin(**value)
    texts = (origin.teacher, origin.channel, origin.role, origin.terms or "")
    if not all(isinstance(text, str) for text in texts) or not isinstance(origin.sampling, Mapping):
        raise TypeError("an origin with a value of another kind")
    return origin


def read_ids(folder: Path) -> list[bytes]:
    """The ids alone, 32 bytes each: all that is left, and all that is needed, once text is erased."""
    ids: list[bytes] = pq.read_table(folder / LINEAGE, columns=["id"])["id"].to_pylist()
    return ids


def read_rows(folder: Path) -> list[Row]:
    """Reads a record set back. Raises TamperedError when a record's text is not that of its id,
    or the text was erased."""
    table = pq.read_table(folder / LINEAGE).to_pydict()
    origins = read_origins(folder)
    try:
        lines = (folder / TEXT).read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    if len(lines) != len(table["id"]):
        raise TamperedError(
            expected=f"{len(table['id'])} records in {folder / TEXT}",
            found=f"{len(lines)} (was the text erased?)",
            fix="run the recipe again with --fresh to make the data anew",
        )
    for number, (line, raw) in enumerate(zip(lines, table["id"], strict=True)):
        if digest.to_raw(digest.of_bytes(line)) != raw:
            raise TamperedError(
                expected=f"a record with the id {digest.from_raw(raw)} in {folder / TEXT}",
                found=f"another text in record {number}",
                fix="put back a copy, or run the recipe again with --fresh to make the data anew",
            )
    return [
        Row(
            parse_record(line),
            origins[table["origin"][i]],
            tuple(table["parents"][i]),
            table["prompt_tokens"][i],
            table["completion_tokens"][i],
            table["weight"][i],
            table["finish"][i],
        )
        for i, line in enumerate(lines)
    ]


def stream_rows(folder: Path) -> Iterator[Row]:
    """As ``read_rows``, one after another: a set of any size in bounded memory."""
    origins = read_origins(folder)
    try:
        with pq.ParquetFile(folder / LINEAGE) as table, (folder / TEXT).open("rb") as text:
            for batch in table.iter_batches(_STREAMED_ROWS):
                for values in batch.to_pylist():
                    line = text.readline().removesuffix(b"\n")
                    if digest.to_raw(digest.of_bytes(line)) != values["id"]:
                        raise _changed(folder, "another text, or none (was it erased?)", values["id"])
                    yield _row(line, origins, values)
            if text.readline():
                raise _changed(folder, "more lines than records", b"\0" * 32)
    except FileNotFoundError as error:
        raise _changed(folder, "no such file (was the text erased?)", b"\0" * 32) from error


def _row(line: bytes, origins: Sequence[Origin], values: Mapping[str, Any]) -> Row:
    return Row(
        parse_record(line),
        origins[values["origin"]],
        tuple(values["parents"]),
        values["prompt_tokens"],
        values["completion_tokens"],
        values["weight"],
        values["finish"],
    )


def _changed(folder: Path, found: str, raw: bytes) -> TamperedError:
    return TamperedError(
        expected=f"the records of {folder / TEXT}"
        + (f", among them {digest.from_raw(raw)}" if any(raw) else ""),
        found=found,
        fix="put back a copy, or run the recipe again with --fresh to make the data anew",
    )


def parse_record(line: bytes) -> Record:
    """Reads one line of records.jsonl. Raises ValueError or KeyError when it is not a record."""
    value = json.loads(line)
    return Record(prompt_from_json(value), value["completion"])


def check_rows(folder: Path) -> list[str]:
    """Names every record whose text does not match its id; ``[]`` when all do, or text was erased."""
    try:
        with opened(folder / TEXT) as file:
            *lines, rest = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    ids = read_ids(folder)
    problems = [
        f"record {number} in {TEXT}: its text does not match its id {digest.from_raw(raw)}"
        for number, (line, raw) in enumerate(zip(lines, ids, strict=False))
        if digest.to_raw(digest.of_bytes(line)) != raw
    ]
    if len(lines) != len(ids):
        problems.append(f"{TEXT} has {len(lines)} whole lines, {LINEAGE} has {len(ids)} records")
    if rest:
        problems.append(f"{TEXT} ends in {len(rest)} bytes that are no whole line")
    return problems
