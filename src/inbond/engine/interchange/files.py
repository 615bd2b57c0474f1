"""Rows out of files and folders, one at a time, in bounded memory.

JSON lines; ``.json`` with one list of rows (as Alpaca and ShareGPT are often kept; read whole); ``.parquet``;
``.arrow``; a folder that ``datasets`` saved with ``save_to_disk``, with splits or without; a folder of any of
these files. pyarrow reads them all: the ``datasets`` package is not needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from inbond import strict_json
from inbond.engine.interchange.lines import read_objects, refuse
from inbond.errors import InputError

SPLITS, SAVED = "dataset_dict.json", "state.json"
"""Files by which ``datasets`` marks what it saved: a folder of splits, and one split."""
_SUFFIXES = (".jsonl", ".json", ".parquet", ".arrow")
_TRAIN = "train"
_ROWS = 1024
Placed = Iterator[tuple[str, dict[str, Any]]]


def read_file(path: Path, split: str | None = None) -> Placed:
    """Yields ("<file>, line <n>" or "<file>, row <n>", row). ``split``: which one, of a folder that has
    several; None means train, or the only one. Raises InputError naming the place."""
    if path.is_dir():
        for part in _parts(path, split):
            yield from _one(part)
    else:
        yield from _one(path)


def _one(path: Path) -> Placed:
    match path.suffix.lower():
        case ".parquet":
            return _numbered(_parquet(path), path)
        case ".arrow":
            return _numbered(_arrow(path), path)
        case ".json":
            return _json(path)
        case _:
            return read_objects(path)


def _parts(folder: Path, split: str | None) -> list[Path]:
    if (folder / SPLITS).is_file():
        names = _saved(folder / SPLITS, "splits")
        chosen = split or (names[0] if len(names) == 1 else _TRAIN)
        if chosen not in names:
            raise InputError(
                expected=f"a split {chosen!r} in {folder}",
                found=f"splits {', '.join(names) or 'none'}",
                fix="name one of them with prompts.split, or give that split's own folder",
            )
        return _parts(folder / chosen, None)
    if (folder / SAVED).is_file():
        return [folder / name for name in _saved(folder / SAVED, "_data_files")]
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    named = [path for path in found if split is not None and path.name.startswith(split)]
    if not found:
        raise InputError(
            expected=f"a folder with rows ({', '.join(_SUFFIXES)}, or what datasets saved) at {folder}",
            found="none of these",
            fix="give a file, or a folder that save_to_disk made",
        )
    return named or found


def _saved(path: Path, field: str) -> list[str]:
    """Names out of the small JSON files of ``datasets``: of things beside them, and nowhere else."""
    try:
        value = json.loads(path.read_bytes())[field]
        names = [item if isinstance(item, str) else item["filename"] for item in value]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise refuse(str(path), "what datasets saved", f"no {field} in it", "save it again") from error
    strange = [name for name in names if not isinstance(name, str) or Path(name).name != name or name == ".."]
    if strange:
        raise refuse(
            str(path), f"names of things beside it in {field}", f"{strange[0]!r:.80}", "save it again"
        )
    return names


def _numbered(rows: Iterable[Any], path: Path) -> Placed:
    return ((f"{path}, row {number}", row) for number, row in enumerate(rows, 1))


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS):
                batch.validate(full=True)
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, "Parquet", error) from error


def _arrow(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            for batch in stream:
                batch.validate(full=True)  # pyarrow reads beyond damaged offsets, and the process dies
                for first in range(0, batch.num_rows, _ROWS):
                    yield from batch.slice(first, _ROWS).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, "an Arrow stream, as datasets saves it", error) from error


def _json(path: Path) -> Placed:
    """One list of rows; a file that is none is read as lines, as many call those .json too."""
    try:
        with path.open("rb") as file:
            begins = file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()
        if not begins.startswith(b"["):
            return read_objects(path)
        value = strict_json.parse(path.read_text("utf-8-sig"))
        json.dumps(value, ensure_ascii=False).encode()
    except (OSError, ValueError) as error:  # half a surrogate pair is a ValueError as well
        raise _unreadable(path, "a list of rows in JSON", error) from error
    return _rows_of(value, path)


def _rows_of(value: list[Any], path: Path) -> Placed:
    for number, row in enumerate(value, 1):
        place = f"{path}, row {number}"
        if not isinstance(row, dict):
            raise refuse(place, "one JSON object", f"{row!r:.60}", 'write {"prompt": "..."}')
        yield place, row


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    return InputError(
        expected=f"{what} that can be read at {path}",
        found=f"{getattr(error, 'strerror', None) or str(error) or type(error).__name__:.200}",
        fix="correct the path, or write the file again",
    )
