"""What the benchmarks share: the models and records they run on, memory of a fresh process, tables.

``Setting.real`` is the demo's: SmolLM2-135M-Instruct and its answers to the built-in words, asked once
and kept in a journal under the user's cache folder. ``Setting.small`` is a tiny random model on random
tokens, for tests of the benchmarks themselves: its figures mean nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbond.digest import of_value
from inbond.engine import filters
from inbond.engine.completions import FailurePolicy, complete_all
from inbond.engine.filters import Candidate, FilterConfig
from inbond.engine.journal import Journal
from inbond.ledger.records import Row
from inbond.recipes.answers import sampling
from inbond.recipes.reading import load
from inbond.recipes.sources import read_prompts
from inbond.teachers import catalogue
from inbond.teachers.embedded import Embedded
from inbond.teachers.local import Local
from inbond.teachers.opening import Weights, open_local
from inbond.teachers.protocols import Keep, Reply, Request, Scores, TokenSequence
from inbond.teachers.tokens import encode_record, pad_id
from inbond.types import Origin, Record
from inbond.workspace import Workspace, cache_folder

LAYERS_16 = (0, 1, 2, 3, 4, 8, 10, 11, 13, 15, 20, 22, 23, 24, 28, 29)
"""Of the real teacher's 30, those whose loss hurts most when dropped alone."""


def cache() -> Path:
    """Where benchmarks keep what is dear to make."""
    folder = cache_folder(os.environ) / "benchmarks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Setting:
    """A teacher, records to learn from and others to be measured on, and the layers a student keeps."""

    teacher: Local
    train: tuple[TokenSequence, ...]
    held_out: tuple[TokenSequence, ...]
    layers: tuple[int, ...]

    @classmethod
    def real(cls, records: int, held_out: int = 48) -> Setting:
        """The demo's teacher and data."""
        found = catalogue.resolve(catalogue.LISTED[0].uri, cache_folder(os.environ))
        assert found.digest is not None, "a listed model is pinned"
        rows = answers("demo", found.path, found.digest, records + held_out)
        teacher = open_local(Weights(str(found.name), "gguf", found.path, found.digest))
        sequences = [encode_record(teacher.tokenizer, row.record) for row in rows]
        return cls(teacher, *_parts(sequences, records, held_out), LAYERS_16)

    @classmethod
    def small(cls, records: int, held_out: int = 8) -> Setting:
        """Four tiny layers; every sequence begins with the same 40 tokens."""
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from tests.tiny import make_model, make_tokenizer

        tokenizer = make_tokenizer()
        model, draw = make_model(len(tokenizer)), random.Random(0)
        prefix = draw.choices(range(3, len(tokenizer)), k=40)
        sequences = [
            TokenSequence((*prefix, *draw.choices(range(3, len(tokenizer)), k=draw.randrange(9, 30))), 44)
            for _ in range(records + held_out)
        ]
        teacher = Local("tiny", of_value("tiny"), model, tokenizer)
        return cls(teacher, *_parts(sequences, records, held_out), (0, 2))

    @property
    def pad_id(self) -> int:
        return pad_id(self.teacher.tokenizer)

    @property
    def vocabulary(self) -> int:
        return self.teacher.vocabulary_size

    def student(self, layers: Sequence[int] | None = None) -> Any:
        """A fresh student, the same each time."""
        from inbond.train.student import prune_layers

        return prune_layers(self.teacher.model, self.layers if layers is None else layers)

    def labels(self, sequences: Sequence[TokenSequence]) -> int:
        """Label tokens of all of them."""
        return sum(sequence.labels for sequence in sequences)


def _parts(sequences: Sequence[Any], records: int, held_out: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    assert len(sequences) >= records + held_out, f"only {len(sequences)} records passed the filters"
    return tuple(sequences[held_out : held_out + records]), tuple(sequences[:held_out])


def answers(built_in: str, path: Path, digest: Any, wanted: int) -> list[Row]:
    """The teacher's answers to a built-in recipe's prompts that pass its filters, in an order without
    pattern."""
    recipe, folder = load(built_in)
    prompts = read_prompts(recipe, folder, Workspace(cache()))
    random.Random(0).shuffle(prompts)
    name = str(recipe.teacher)
    teacher = Embedded.open(path, cache_folder(os.environ), name=name, digest=digest)
    kept: list[Row] = []
    with Journal.open(cache() / "journal.db") as journal:
        asked = 0
        while len(kept) < wanted and asked < len(prompts):
            asked = min(len(prompts), max(asked + 16, wanted + wanted // 8))
            requests = [Request(teacher.identity, prompt, sampling(recipe)) for prompt in prompts[:asked]]
            done = asyncio.run(
                complete_all(teacher, requests, journal, FailurePolicy(), run="benchmarks", on_progress=None)
            )
            kept = _passing(recipe, requests, done.outcomes)
    asyncio.run(teacher.close())
    return kept[:wanted]


def _passing(recipe: Any, requests: Sequence[Request], outcomes: Sequence[Any]) -> list[Row]:
    origin = Origin(recipe.teacher, "self-hosted", "author", sampling(recipe).to_json(), None)
    rows = [
        Row(Record(request.prompt, reply.text), origin, finish=reply.finish)
        for request, reply in zip(requests, outcomes, strict=True)
        if isinstance(reply, Reply)
    ]
    config = FilterConfig(**recipe.filters.model_dump())
    return [candidate.row for candidate in filters.apply(map(Candidate, rows), config).kept]


def capture(setting: Setting, keep: Keep) -> list[Scores]:
    """The teacher's targets for all training records, one Scores each."""
    return setting.teacher.score(setting.train, keep).split(row.labels for row in setting.train)


class Clock:
    """Seconds that count: stands still while paused."""

    def __init__(self) -> None:
        self._before, self._since = 0.0, time.perf_counter()

    def read(self) -> float:
        return self._before + time.perf_counter() - self._since

    def outside(self, work: Callable[[], Any]) -> Any:
        """Does ``work`` off the clock."""
        self._before = self.read()
        try:
            return work()
        finally:
            self._since = time.perf_counter()


def extra_peak_bytes(work: Callable[[], object]) -> int:
    """How far ``work`` drives this process's resident memory above what it holds now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def in_a_child(script: str, *arguments: object) -> Any:
    """Runs a benchmark's script in a fresh process with ``arguments``; what its last line says in JSON.

    Large blocks go back to the system as soon as they are freed, so that memory is what is in use.
    """
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def interleaved(
    ways: Mapping[str, Callable[[], float]], rounds: int, show: Callable[[str], None] = print
) -> dict[str, list[float]]:
    """Each way once a round, each round beginning with another one; what they return, in order."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(ways[name]())
        show(f"round {number + 1}: " + ", ".join(f"{name} {found[name][-1]:.4g}" for name in names))
    return found


@dataclass(frozen=True)
class Ratio:
    """The median of what was measured side by side, round by round, and its spread."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, one: Sequence[float], other: Sequence[float]) -> Ratio:
        """one / other by round: what the machine does to a whole round cancels."""
        ratios = [a / b for a, b in zip(one, other, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def verdict(what: str, met: bool) -> None:
    """Says whether a goal is met."""
    print(f"goal {'met' if met else 'MISSED'}: {what}")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
