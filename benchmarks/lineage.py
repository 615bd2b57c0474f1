"""What lineage costs: microseconds and bytes a record, beyond the record's text and its digest.

Three ways to keep the same records, in turns: text alone; text with each record's digest; the whole
record set with origins, parents, tokens and weights. The differences are what the digest and the
lineage cost.

    python benchmarks/lineage.py [--records 50000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from inbond import digest
from inbond.ledger.records import LINEAGE, ORIGINS, Row, write_rows
from inbond.types import Message, Origin, Record
from inbond.workspace import write_bytes

RAW_DIGEST = 32


def rows(count: int) -> list[Row]:
    """Records of the demo's kind; every tenth has two parents, all others one."""
    draw = random.Random(0)
    origins = [Origin("gguf:m", "self-hosted", "author", {"seed": i}, None) for i in range(4)]
    return [
        Row(
            Record(
                (Message("system", "You are a helpful assistant."), Message("user", f"Define word {i}.")),
                " ".join(draw.choices(["a", "river", "is", "water", "that", "flows"], k=25)),
            ),
            draw.choice(origins),
            (i, draw.randrange(count)) if i % 10 == 0 else (i,),
            draw.randrange(20, 60),
            draw.randrange(10, 48),
        )
        for i in range(count)
    ]


def text_alone(folder: Path, made: list[Row]) -> None:
    data = b"".join(digest.canonical(row.record.to_json()) + b"\n" for row in made)
    write_bytes(folder / "records.jsonl", data)


def with_digests(folder: Path, made: list[Row]) -> None:
    lines = [digest.canonical(row.record.to_json()) for row in made]
    write_bytes(folder / "records.jsonl", b"".join(line + b"\n" for line in lines))
    write_bytes(folder / "ids", b"".join(digest.to_raw(digest.of_bytes(line)) for line in lines))


def with_lineage(folder: Path, made: list[Row]) -> None:
    write_rows(folder, made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    ways: dict[str, Callable[[Path, list[Row]], None]] = {
        "text": text_alone,
        "digest": with_digests,
        "lineage": with_lineage,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    size = 0
    for _ in range(given.rounds):
        for name, way in ways.items():
            made = rows(given.records)  # anew: a record remembers its id
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                way(Path(folder), made)
                took[name].append((time.perf_counter() - started) / given.records * 1e6)
                if name == "lineage":
                    size = sum((Path(folder) / file).stat().st_size for file in (LINEAGE, ORIGINS))
    text, hashed, whole = (statistics.median(took[name]) for name in ways)
    print(f"text {text:.1f}, with digests {hashed:.1f}, with lineage {whole:.1f} microseconds a record")
    print(f"digest and lineage cost {whole - text:.1f} microseconds a record (target 50)")
    print(
        f"lineage takes {size / given.records - RAW_DIGEST:.1f} bytes a record beyond the digest (target 40)"
    )


if __name__ == "__main__":
    main()
