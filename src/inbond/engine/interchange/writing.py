"""Records as rows that others read, written as they come, in bounded memory.

By the place's ending: ``.parquet``, ``.json`` (one list), anything else JSON lines; or a folder as the
``datasets`` package saves it, which ``load_from_disk`` opens. The same records give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from inbond.digest import of_value
from inbond.engine.interchange.files import SAVED
from inbond.errors import InputError
from inbond.workspace import replacing, write_bytes

_ROWS = 1024
_MODE = 0o644
_ARROW, _INFO = "data-00000-of-00001.arrow", "dataset_info.json"
Rows = Iterable[dict[str, Any]]


def write_rows(path: Path, rows: Rows) -> int:
    """Writes a file, whole or not at all; returns the number of rows. Raises UnwritableError, InputError."""
    with replacing(path, _MODE) as temporary:
        if path.suffix.lower() == ".parquet":
            return _parquet(temporary, rows)
        return _text(temporary, rows, as_list=path.suffix.lower() == ".json")


def write_saved(folder: Path, rows: Rows) -> int:
    """Writes a new folder in the layout of ``Dataset.save_to_disk``: an Arrow stream and two small files,
    the one by which it is known last. Raises InputError where something is there already."""
    if folder.exists():
        raise InputError(
            expected=f"a folder that is not there yet at {folder}",
            found="something that is",
            fix="remove it, or name another",
        )
    with replacing(folder / _ARROW, _MODE) as temporary:
        count = _arrow(temporary, rows)
    _write_json(folder / _INFO, {"citation": "", "description": "", "homepage": "", "license": ""})
    state: dict[str, Any] = {
        "_data_files": [{"filename": _ARROW}],
        "_fingerprint": of_value({"rows": count, "bytes": (folder / _ARROW).stat().st_size})[-16:],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": "train",
    }
    _write_json(folder / SAVED, state)
    return count


def _write_json(path: Path, value: Any) -> None:
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode(), _MODE)


def _text(path: Path, rows: Rows, *, as_list: bool) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            if as_list:
                file.write(b",\n" if count else b"[\n")
            file.write(json.dumps(row, ensure_ascii=False).encode())
            file.write(b"" if as_list else b"\n")
            count += 1
        if as_list:
            file.write(b"\n]\n" if count else b"[]\n")
    return count


def _batches(rows: Rows) -> Iterator[Any]:
    """Record batches of one schema: the first batch's, as all rows of a shape have the same fields."""
    import pyarrow as pa

    waiting, schema = iter(rows), None
    while part := list(islice(waiting, _ROWS)):
        schema = schema or _schema(part)
        try:
            if any(row.keys() - set(schema.names) for row in part):
                raise pa.ArrowInvalid("a column that the first rows do not have")
            yield pa.RecordBatch.from_pylist(part, schema=schema)
        except pa.ArrowException as error:
            raise InputError(
                expected="rows whose columns have one type",
                found=str(error)[:200],
                fix="write them as .jsonl",
            ) from error


def _schema(rows: list[dict[str, Any]]) -> Any:
    """What the first rows have, and what Alpaca's rows may have later."""
    import pyarrow as pa

    schema = pa.Table.from_pylist(rows[:1]).schema
    if "instruction" not in schema.names:
        return schema
    may = (("system", pa.string()), ("history", pa.list_(pa.list_(pa.string()))))
    for name, type_ in may:
        place = schema.get_field_index(name)
        field = pa.field(name, type_)
        schema = schema.append(field) if place < 0 else schema.set(place, field)
    return schema


def _parquet(path: Path, rows: Rows) -> int:
    import pyarrow.parquet as pq

    count, writer = 0, None
    for batch in _batches(rows):
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
        count += batch.num_rows
    if writer is None:
        raise _nothing()
    writer.close()
    return count


def _arrow(path: Path, rows: Rows) -> int:
    import pyarrow as pa

    count, writer = 0, None
    for batch in _batches(rows):
        writer = writer or pa.ipc.new_stream(path, batch.schema)
        writer.write_batch(batch)
        count += batch.num_rows
    if writer is None:
        raise _nothing()
    writer.close()
    return count


def _nothing() -> InputError:
    return InputError(expected="at least one record to write", found="none", fix="choose another set")
