"""Learning curves on the real small teacher: objective x targets x size of the student.

Each row trains a freshly pruned student through Inbond's own loop on cached answers, measured on held-out
ones several times on the way: full forward KL, top-1 agreement, label tokens a second (of the steps alone).
A row's result is kept under the digest of all that decides it, so that the study can run in pieces and
only what is missing is made. Teacher's scores are captured once for each kind of target, and kept too; a
sample is drawn anew for each seed.

    python benchmarks/study.py [--rows 'kl/*/14' '*/top-64/14' ...] [--seeds 0 1 2] [--minutes 9]
                               [--out docs/study] [--small] [--list]

A row is objective/targets/layers; patterns may have stars. Writes OUT.json with all curves and OUT.svg.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import plot
from setting import Setting, cache, table

from inbond.digest import Digest, of_value
from inbond.evaluate import agreement
from inbond.evaluate.agreement import HeldOut
from inbond.losses.batches import make_batch
from inbond.losses.divergences import AdaptiveKL, Divergence, ForwardKL, ReverseKL, SkewKL, SkewReverseKL, jsd
from inbond.teachers.protocols import Keep, Scores
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train
from inbond.train.student import decoder_layers, layer_importance, most_important
from inbond.workspace import write_bytes, write_json

VERSION = 1
"""Part of every row's digest: raise it when a row would come out otherwise."""
POINTS = 6
OBJECTIVES: dict[str, tuple[float, float, Divergence]] = {
    "kl": (1.0, 0.0, ForwardKL()),
    "reverse_kl": (1.0, 0.0, ReverseKL()),
    "jsd": (1.0, 0.0, jsd(0.5)),
    "skew_kl": (1.0, 0.0, SkewKL(0.1)),
    "skew_reverse_kl": (1.0, 0.0, SkewReverseKL(0.1)),
    "adaptive_kl": (1.0, 0.0, AdaptiveKL(0.5)),
    "kl+ce": (0.5, 0.5, ForwardKL()),
    "ce": (0.0, 1.0, ForwardKL()),
}
"""(weight of the divergence, weight of cross-entropy on the text, the divergence)."""
TARGETS: dict[str, Keep | None] = {
    "top-64": Keep("top-k", 64),
    "top-256": Keep("top-k", 256),
    "top-16": Keep("top-k", 16),
    "sampled-10": Keep("sampled", 10),
    "sampled-16": Keep("sampled", 16),
    "sampled-64": Keep("sampled", 64),
    "online": None,
}
SIZES = (10, 14, 18)
DEFAULT_ROWS = ("*/top-64/14", "kl/*/14", "kl/top-64/*")


@dataclass(frozen=True)
class Row:
    """One training run of the study."""

    objective: str
    targets: str
    layers: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.objective}/{self.targets}/{self.layers}"


@dataclass(frozen=True)
class Point:
    """The held-out records after some steps; ``seconds`` are those of training alone."""

    step: int
    label_tokens: int
    seconds: float
    kl: float
    agreement: float


@dataclass(frozen=True)
class Result:
    """What a row's training gave."""

    row: Row
    label_tokens_per_s: float
    points: tuple[Point, ...]

    @classmethod
    def from_json(cls, value: Any) -> Result:
        points = tuple(Point(**point) for point in value["points"])
        return cls(Row(**value["row"]), value["label_tokens_per_s"], points)


def chosen(patterns: Sequence[str], seeds: Sequence[int], sizes: Sequence[int]) -> list[Row]:
    """All rows that a pattern names, in the order of the patterns. Text alone needs no targets: one row."""
    rows = [
        Row(objective, targets, layers, seed)
        for seed in seeds
        for objective in OBJECTIVES
        for targets in TARGETS
        for layers in sizes
        if objective != "ce" or targets == next(iter(TARGETS))
    ]
    ordered = [row for pattern in patterns for row in rows if fnmatchcase(row.name, pattern)]
    return list(dict.fromkeys(ordered))


@dataclass(frozen=True)
class Study:
    """The records, what is measured on, and where results are kept."""

    setting: Setting
    held: HeldOut
    plan: Plan
    kept: Path

    @classmethod
    def open(cls, setting: Setting, plan: Plan, kept: Path) -> Study:
        held = agreement.prepare(
            setting.teacher.model, setting.held_out, vocabulary=setting.vocabulary, pad_id=setting.pad_id
        )
        kept.mkdir(parents=True, exist_ok=True)
        return cls(setting, held, plan, kept)

    def digest(self, what: Any) -> Digest:
        """Of ``what``, the teacher and every token of the records."""
        sequences = [[*row.ids, row.prompt_length] for row in (*self.setting.train, *self.setting.held_out)]
        return of_value([VERSION, self.setting.teacher.identity, sequences, what])

    def _path(self, kind: str, what: Any, suffix: str) -> Path:
        return self.kept / f"{kind}-{self.digest(what).removeprefix('sha256:')[:24]}{suffix}"

    def layers(self, count: int) -> list[int]:
        """The teacher's ``count`` most important layers, on 8 training records; measured once."""
        path = self._path("importance", "8 records", ".json")
        if not path.exists():
            model = self.setting.teacher.model
            probe = make_batch(self.setting.train[:8], self.setting.pad_id, model.device)
            found = layer_importance(model, [probe], self.setting.vocabulary, lambda *_: None)
            write_json(path, found)
        return most_important(json.loads(path.read_bytes()), count)

    def scores(self, keep: Keep) -> list[Scores]:
        """The teacher's targets, one Scores a record; captured once."""
        path = self._path("scores", keep.to_json(), ".npz")
        if not path.exists():
            found = self.setting.teacher.score(self.setting.train, keep)
            sure = {} if found.sure_N is None else {"sure": found.sure_N}
            with tempfile.TemporaryFile() as file:
                np.savez(file, ids=found.ids_NK, logp=found.logp_NK, **sure)
                file.seek(0)
                write_bytes(path, file.read())
        with np.load(path) as held:
            sure_N = held.get("sure")
            captured = Scores(held["ids"], held["logp"], sure_N)
            return captured.split(row.labels for row in self.setting.train)

    def result(self, row: Row) -> Result | None:
        """What is kept of a row, or None."""
        path = self._path("row", [asdict(row), asdict(self.plan)], ".json")
        return Result.from_json(json.loads(path.read_bytes())) if path.exists() else None

    def run(self, row: Row) -> Result:
        """Trains and keeps the result."""
        result = self._train(row)
        write_json(self._path("row", [asdict(row), asdict(self.plan)], ".json"), asdict(result))
        return result

    def _train(self, row: Row) -> Result:
        setting, keep = self.setting, TARGETS[row.targets]
        weight, ce, divergence = OBJECTIVES[row.objective]
        text_alone = weight == 0
        targets: Sequence[Scores | None] = [None] * len(setting.train)
        if keep is not None and not text_alone:
            targets = self.scores(replace(keep, seed=row.seed))
        learnt = [Example(*pair, weight, ce) for pair in zip(setting.train, targets, strict=True)]
        teacher = setting.teacher.model if keep is None else None
        aim = Aim(divergence)
        plan = Plan(**{**asdict(self.plan), "seed": row.seed, "measurements": POINTS})

        def measure(model: Any) -> dict[str, float]:
            found = agreement.measure(self.held, model)
            return {"kl": found.kl, "agreement": found.agreement}

        with tempfile.TemporaryDirectory() as folder:
            state = train(
                setting.student(self.layers(row.layers)), Fixed(learnt, plan),
                Objectives(aim, setting.vocabulary, teacher), plan, pad_id=setting.pad_id,
                run=self.digest(asdict(row)), folder=Path(folder), on_progress=lambda _: None,
                measure=measure,
            )  # fmt: skip
        return _result(row, state, setting.labels(setting.train) * plan.epochs)


def _result(row: Row, state: Any, label_tokens: int) -> Result:
    """Points with the seconds of the steps before them, without those of measuring."""
    steps = len(state.curve)
    tokens = label_tokens / steps
    seconds = [0.0]
    for point in state.curve:
        seconds.append(seconds[-1] + tokens / point.label_tokens_per_s)
    points = tuple(
        Point(at.step, round(tokens * at.step), seconds[at.step], **at.found) for at in state.measured
    )
    speed = statistics.median(point.label_tokens_per_s for point in state.curve)
    return Result(row, speed, points)


def show(results: Sequence[Result]) -> str:
    """One line a row, seeds together: first and last KL, agreement, speed."""
    lines = []
    for name in dict.fromkeys(result.row.name for result in results):
        group = [result for result in results if result.row.name == name]
        last = [result.points[-1] for result in group]
        lines.append(
            [
                *name.split("/"),
                len(group),
                f"{statistics.mean(result.points[0].kl for result in group):.2f}",
                *(f"{statistics.mean(r.points[at].kl for r in group):.3f}" for at in _middle(group)),
                _spread([point.kl for point in last]),
                _spread([point.agreement for point in last]),
                f"{statistics.median(result.label_tokens_per_s for result in group):.0f}",
            ]
        )
    head = ["objective", "targets", "layers", "seeds", "KL before", "KL half-way", "KL after", "agreement"]
    return table([*head, "label tokens/s"], lines)


def _middle(group: Sequence[Result]) -> list[int]:
    return [len(group[0].points) // 2]


def _spread(values: Sequence[float]) -> str:
    middle = f"{statistics.mean(values):.3f}"
    return middle if len(values) < 2 else f"{middle} +- {statistics.stdev(values):.3f}"


def write(results: Iterable[Result], out: Path, asked: Sequence[str]) -> None:
    """All curves as JSON, those of the first pattern's rows, first seeds, as a picture."""
    found = list(results)
    write_json(out.with_suffix(".json"), [asdict(result) for result in found], mode=0o644)
    drawn: dict[str, list[tuple[float, float]]] = {}
    for result in found:
        if fnmatchcase(result.row.name, asked[0]) and len(drawn) < len(plot.COLOURS):
            curve = [(float(point.label_tokens), point.kl) for point in result.points[1:]]
            drawn.setdefault(result.row.name, curve)
    if drawn:
        picture = plot.lines("Held-out KL while learning", drawn, "label tokens learnt from", "nats a token")
        write_bytes(out.with_suffix(".svg"), picture.encode(), mode=0o644)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="a tiny model, to test the study itself")
    parser.add_argument("--rows", nargs="+", default=list(DEFAULT_ROWS), help="objective/targets/layers")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="start no row after so long")
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.svg, for example docs/study")
    parser.add_argument("--list", action="store_true", help="say which rows there are, and run none")
    parser.add_argument("--lr", type=float, default=7e-4)
    parser.add_argument("--kept", type=Path, help="where results are kept; default: the user's cache")
    for name, value in {"records": 384, "held-out": 48, "epochs": 2, "batch": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    rows = chosen(given.rows, given.seeds, (1, 2, 3) if given.small else SIZES)
    if given.list or not rows:
        print("\n".join(row.name for row in rows) or "no row has such a name")
        return
    started = time.monotonic()
    setting = (Setting.small if given.small else Setting.real)(given.records, given.held_out)
    plan = Plan(
        given.epochs, given.batch, 1, given.lr, warmup_steps=10, weight_decay=0.0, chunk=256, seed=0,
        checkpoint_seconds=1e9,
    )  # fmt: skip
    study = Study.open(setting, plan, given.kept or cache() / "study")
    layers = len(decoder_layers(setting.teacher.model))
    labels = setting.labels(setting.train)
    print(
        f"teacher of {layers} layers; {len(setting.train)} records of {labels:,} label tokens, "
        f"{len(setting.held_out)} held out; {given.epochs} epochs, learning rate {given.lr:g}"
    )
    results, missing = run_all(study, rows, started + 60 * given.minutes)
    print(show(results))
    if missing:
        print(f"{missing} of {len(rows)} rows are still to come: run the same command again")
    if given.out and results:
        write(results, given.out, given.rows)


def run_all(study: Study, rows: Sequence[Row], until: float) -> tuple[list[Result], int]:
    """(results there are, rows still missing). No row is begun after ``until``."""
    results = []
    for row in rows:
        result = study.result(row)
        if result is None and time.monotonic() < until:
            result = study.run(row)
            last = result.points[-1]
            print(f"{row.name} seed {row.seed}: KL {last.kl:.3f}, {last.seconds:.0f} s", flush=True)
        if result is not None:
            results.append(result)
    return results, len(rows) - len(results)


if __name__ == "__main__":
    main()
