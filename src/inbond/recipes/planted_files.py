"""Marked records as files of the user's own: canaries, and answers chosen among samples of a file.

Each row says by which key it is marked (``engine.interchange.marks.PLANTED``), so that a recipe that learns
it notes that in the record's origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from inbond.digest import of_file
from inbond.engine.interchange import marks, shapes
from inbond.engine.interchange.files import read_file
from inbond.engine.interchange.lines import refuse
from inbond.engine.interchange.writing import write_rows
from inbond.errors import InputError
from inbond.forensics.alternatives import Choice, different, write_alternatives
from inbond.forensics.lots import LotKey
from inbond.forensics.lots import canaries as canaries_of
from inbond.forensics.mark_keys import descriptor
from inbond.types import Message, Record
from inbond.workspace import write_json

FORMAT: Final = "inbond.canaries/1"
_MOST: Final = 100_000


def write_canaries(key: LotKey, count: int, path: Path) -> dict[str, Any]:
    """Writes so many canary records, and beside them ``FILE.manifest.json``, which says how they were made.
    Gives what the manifest says. Raises InputError, UnwritableError."""
    if not 1 <= count <= _MOST:
        raise InputError(expected=f"--count from 1 to {_MOST:,}", found=f"{count:,}", fix="for example 20")
    mark = descriptor(key)
    _check_ending(path)
    write_rows(path, (_row(_asked(one.prompt, one.completions[one.planted]), mark)
                      for one in canaries_of(key, count)))  # fmt: skip
    told = {"format": FORMAT, "mark": mark, "count": count, "file": path.name, "digest": of_file(path)}
    manifest = path.with_name(f"{path.name}.manifest.json")
    write_json(manifest, told)
    return {**told, "file": str(path), "manifest": str(manifest)}


def choose_among(key: LotKey, samples: Path, out: Path, alternatives: Path) -> dict[str, Any]:
    """Writes one answer to each prompt of ``samples``, and all of them into ``alternatives``. Raises
    InputError that names the line, UnwritableError."""
    _check_ending(out)
    choices, mark = different(_choices(key, samples)), descriptor(key)
    write_alternatives(alternatives, mark, choices)
    records = (Record(one.prompt, one.answers[key.planted(one.name)]) for one in choices)
    count = write_rows(out, (_row(record, mark) for record in records))
    return {"mark": mark, "records": count, "file": str(out), "alternatives": str(alternatives)}


def _choices(key: LotKey, samples: Path) -> Iterator[Choice]:
    for place, row in read_file(samples):
        answers = row.get("completions")
        texts = [one for one in answers if isinstance(one, str) and one.strip()] if isinstance(
            answers, list) else []  # fmt: skip
        if not isinstance(answers, list) or len(texts) != len(answers) or len(texts) != key.size:
            raise refuse(
                place,
                f'"completions": a list of {key.size} texts, as the key chooses one of {key.size}',
                f"{answers!r:.80}",
                "ask the teacher as often for each prompt, or make a key with another --choice",
            )
        with shapes.at(place):
            prompt = shapes.read_prompt({name: value for name, value in row.items() if name != "completions"})
        yield Choice(prompt, tuple(texts))


def _asked(prompt: str, completion: str) -> Record:
    return Record((Message("user", prompt),), completion)


def _row(record: Record, mark: Mapping[str, Any]) -> dict[str, Any]:
    return {**record.to_json(), marks.FIELD: {marks.PLANTED: marks.planted_text(mark)}}


def _check_ending(path: Path) -> None:
    if path.suffix.lower() not in (".jsonl", ".json", ".parquet"):
        raise InputError(
            expected="--out with a file that ends in .jsonl, .json or .parquet",
            found=str(path),
            fix=f"--out {path.with_suffix('.jsonl')}",
        )
