"""What a trace costs: a made chain of record sets on disk, answered as a warm library call.

A workspace with a chain of runs is written to disk: each run learns from records that descend from those
of the run before (most from one, every tenth from two, some from none), so that a trace of the last run
follows every record through all stages. ``--records`` are per stage; each stage is taught by all of
``--teachers`` and by the student before, so that with tens of teachers hardly two records have the same hands
behind them. Nothing of an answer is kept between calls; warm means that modules are loaded and the files are
in the page cache.

    python benchmarks/trace.py [--records 10000 200000 2000000] [--teachers 3 40] [--stages 5] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inbond.digest import Digest
from inbond.ledger import manifest, records
from inbond.ledger.asking import read
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.policy import library
from inbond.types import Origin
from inbond.workspace import Workspace, write_json

GOALS = {1_000_000: (1.0, None), 10_000_000: (10.0, 2e9)}
"""Records in all stages together, whatever the number of teachers: seconds, and bytes of memory."""
_ROWS = 1 << 19


def write_set(folder: Path, rows: int, above: int, teachers: list[str], seed: int) -> Digest:
    """A record set of ``rows`` whose parents are among ``above`` rows; returns a root in name only."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    with pq.ParquetWriter(folder / records.LINEAGE, records.SCHEMA, compression="zstd") as file:
        for start in range(0, rows, _ROWS):
            count = min(_ROWS, rows - start)
            numbers = np.arange(start, start + count)
            parents = (
                np.where(numbers % 10 == 0, 2, np.where(numbers % 7 == 0, 0, 1)) if above else numbers * 0
            )
            offsets = np.concatenate([[0], np.cumsum(parents)]).astype(np.int32)
            values = draw.integers(0, max(above, 1), int(offsets[-1])).astype(np.int32)
            ids = draw.integers(0, 256, (count, 32), dtype=np.uint8).tobytes()
            columns = [
                pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), count, [None, pa.py_buffer(ids)]),
                pa.array(draw.integers(0, len(teachers), count), pa.int16()),
                pa.ListArray.from_arrays(pa.array(offsets), pa.array(values)),
                pa.array(draw.integers(10, 200, count), pa.int32()),
                pa.array(draw.integers(1, 400, count), pa.int32()),
                pa.array(np.ones(count), pa.float32()),
                pa.array(["stop"] * count),
            ]
            file.write_batch(pa.record_batch(columns, schema=records.SCHEMA))
    origins = [
        Origin(name, "self-hosted", "author" if i != 2 else "judge", {}, None)
        for i, name in enumerate(teachers)
    ]
    write_json(folder / records.ORIGINS, [origin.to_json() for origin in origins])
    return Digest("sha256:" + f"{seed:064x}")


def named(teachers: int) -> list[str]:
    """The names of so many teachers; the third is a judge."""
    return ["hf:lab/first", "hf:lab/second", "api:api.example.com/judge"][:teachers] + [
        f"hf:lab/teacher-{number}" for number in range(3, teachers)
    ]


def make(home: Path, stages: int, rows: int, count: int) -> None:
    """The workspace: one run a stage; the student of each teaches the next, beside ``count`` others."""
    workspace = Workspace(home)
    with Ledger.open(workspace, KeyStore(home.parent / "keys")) as ledger:
        above: Digest | None = None
        for stage in range(stages):
            name = f"stage{stage}"
            teachers = [*named(count), *([f"run:stage{stage - 1}"] if stage else [])]
            folder = workspace.run(name) / "data" / "train"
            root = write_set(folder, rows, rows if above else 0, teachers, stage + 1)
            inputs = {"answers": above} if above else {}
            above = _complete(workspace, ledger, name, "data/train", "filter-train", inputs, root).id
            weights = workspace.run(name) / "trained"
            weights.mkdir()
            (weights / "model.safetensors").write_bytes(name.encode())
            config = {"teacher": teachers[-1], "targets": "online"}
            _complete(workspace, ledger, name, "trained", "train", {"train": above}, None, config)


def _complete(
    workspace: Workspace, ledger: Ledger, run: str, place: str, stage: str,
    inputs: dict[str, Digest], root: Digest | None, config: dict[str, str] | None = None,
) -> Manifest:  # fmt: skip
    folder = workspace.run(run) / place
    made = Manifest(Identity(stage, 1, config or {"run": run}, inputs), manifest.digest_files(folder), root)
    manifest.write(folder, made)
    body = {
        "run": run, "stage": stage, "artifact": made.id, "manifest": made.digest,
        "folder": folder.relative_to(workspace.home).as_posix(), "records_root": root,
    }  # fmt: skip
    ledger.record("stage.completed", body)
    return made


def measure(home: Path, stages: int, rounds: int) -> None:
    """Prints seconds (each round) and the most memory that this process took, as JSON."""
    shipped = library.shipped()
    took = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        with Ledger.open(Workspace(home), KeyStore(home.parent / "keys")) as ledger:
            answer = read(Workspace(home), ledger.events(), shipped).ask(f"run:stage{stages - 1}", "first")
        took.append(time.perf_counter() - started)
    assert answer.outcome == "yes", answer.sentence
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": took[1:], "peak": peak, "sentence": answer.sentence}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--records", type=int, nargs="+", default=[2_000, 20_000, 200_000, 1_000_000, 2_000_000]
    )
    parser.add_argument("--teachers", type=int, nargs="+", default=[3, 12, 40, 100])
    parser.add_argument("--stages", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="only that it runs: 200 records a stage")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.stages, given.rounds)
        return
    print(
        f"| records in {given.stages} stages | teachers | seconds | microseconds each | peak memory, MB "
        "| on disk, MB |\n|--:|--:|--:|--:|--:|--:|"
    )
    for rows in [200] if given.small else given.records:
        for teachers in given.teachers:
            _row(rows, teachers, given.stages, given.rounds)


def _row(rows: int, teachers: int, stages: int, rounds: int) -> None:
    """Makes a workspace, measures in a process of its own, and prints a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "bond"
        make(home, stages, rows, teachers)
        size = sum(path.stat().st_size for path in home.rglob(records.LINEAGE)) / 1e6
        command = [sys.executable, __file__, "--measure", str(home), "--stages", str(stages)]
        done = subprocess.run([*command, "--rounds", str(rounds)], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
    total, seconds, peak = rows * stages, statistics.median(found["seconds"]), found["peak"]
    each = seconds / total * 1e6
    print(
        f"| {total:,} | {teachers} | {seconds:.3f} | {each:.2f} | {peak / 1e6:,.0f} | {size:,.1f} |",
        flush=True,
    )
    if total in GOALS:
        most, memory = GOALS[total]
        met = seconds < most and (memory is None or peak < memory)
        print(
            f"goal {'met' if met else 'MISSED'}: {total:,} records, {teachers} teachers, "
            f"{seconds:.2f} s (at most {most:g})"
        )


if __name__ == "__main__":
    main()
