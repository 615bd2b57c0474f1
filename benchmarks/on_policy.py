"""On-policy after off-policy against off-policy alone, at equal tokens, and what it costs.

All arms go on from one student, the demo's after a cold start on half of the teacher's answers, on the
prompts of the other half, for the same number of steps at the same learning rates, from answers of at most
--tokens tokens; own answers may be no longer than the teacher's are on average, so none learns from more:

    off-policy          the teacher's answers, by forward KL
    off-policy-reverse  the teacher's answers, by reverse KL: what the objective does alone
    off-policy-longer   as off-policy, for as many more epochs as on-policy costs more
    on-policy           the student's own answers, by reverse KL
    policy-gradient     the same by the drawn token alone (not by default)

Measured on prompts nobody trained on: reverse KL over the whole vocabulary at each token of the student's own
samples, forward KL on the teacher's answers, and the variety of the samples, the teacher's beside. Compute is
counted in forward and backward passes (2 and 4 operations a parameter and token): learning, drawing, and the
teacher's reading of own answers; the teacher's targets for its own answers are there from the start and free.
A seed decides the order of records and the samples that are learnt from; the cold start and the measuring are
the same for all. Intervals are over held-out prompts, each with its mean over the seeds.

    python benchmarks/on_policy.py [--small] [--records 128] [--epochs 6] [--seed 0 1 2] [--out FILE]
    python benchmarks/on_policy.py --table --out FILE

A seed of the four arms takes some twelve minutes alone on one core, and a first run one more, to ask the
teacher. An arm and seed that FILE has are not run again; each is added to it as soon as it is done. FILE is
of one setting: another one is refused.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from setting import Setting, cache, table

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.evaluate import agreement
from inbond.evaluate.intervals import LEAST_RECORDS, Estimate, paired_ratio
from inbond.losses.batches import make_batch
from inbond.losses.divergences import ReverseKL
from inbond.losses.heads import head_weight
from inbond.losses.hidden import label_hidden
from inbond.teachers.protocols import Keep, TokenSequence
from inbond.teachers.tokens import end_ids
from inbond.train import on_policy as own
from inbond.train.collapse import note
from inbond.train.drawing import Drawing, Here, Sample, draw
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train

ARMS = ("off-policy", "off-policy-reverse", "off-policy-longer", "on-policy", "policy-gradient")
BASE, LONGER, NEW = ARMS[0], ARMS[2], ARMS[3]
PLAN = Plan(
    epochs=2, batch=16, accumulate=1, lr=5e-4, warmup_steps=4, weight_decay=0.0, chunk=256, seed=0,
    checkpoint_seconds=1e9,
)  # fmt: skip
SAMPLES = 4
"""Of each held-out prompt, for what is measured."""
SCORED = 2
"""Of these, in which reverse KL is: the teacher's whole distribution is dear."""
NO_LOSS = 0.9
"""Share of variety that must be left, with the whole interval above it, for there to be no loss."""


@dataclass
class Bench:
    """The models and data of all arms."""

    setting: Setting
    plan: Plan
    cold_epochs: int
    drawing: Drawing
    cold: list[Example]
    going_on: list[Example]

    @classmethod
    def of(cls, setting: Setting, plan: Plan, cold_epochs: int, tokens: int) -> Bench:
        ends = end_ids(setting.teacher.model, setting.teacher.tokenizer)
        drawing = Drawing(setting.vocabulary, ends, max_tokens=tokens)
        rows = [
            TokenSequence(row.ids[: row.prompt_length + tokens], row.prompt_length) for row in setting.train
        ]
        scores = setting.teacher.score(rows, cls._keep(setting)).split(row.labels for row in rows)
        examples = [Example(row, score, 1.0, 0.0) for row, score in zip(rows, scores, strict=True)]
        half = len(examples) // 2
        return cls(setting, plan, cold_epochs, drawing, examples[:half], examples[half:])

    @cached_property
    def held(self) -> agreement.HeldOut:
        """The teacher over its own held-out answers."""
        setting = self.setting
        return agreement.prepare(
            setting.teacher.model, setting.held_out, vocabulary=setting.vocabulary, pad_id=setting.pad_id
        )

    @staticmethod
    def _keep(setting: Setting) -> Keep:
        return Keep("top-k", min(64, setting.vocabulary))

    def start(self, keep: bool) -> Any:
        """The student after its cold start, made once."""
        student = self.setting.student()
        plan = replace(self.plan, epochs=self.cold_epochs)
        about = [
            len(self.setting.held_out), len(self.cold), plan.epochs, plan.lr, self.drawing.max_tokens,
        ]  # fmt: skip
        path = cache() / f"on-policy-{of_value(list(map(str, about)))[7:19]}.pt"
        if keep and path.exists():
            student.load_state_dict(torch.load(path, weights_only=True))
            return student.eval()
        self.train(student, Fixed(self.cold, plan), plan, self.given)
        if keep:
            torch.save(student.state_dict(), path)
        return student.eval()

    @property
    def given(self) -> Objectives:
        return Objectives(Aim(), self.setting.vocabulary)

    @property
    def reverse(self) -> Objectives:
        return Objectives(Aim(ReverseKL()), self.setting.vocabulary)

    def train(self, student: Any, lessons: Any, plan: Plan, criterion: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return train(
                student, lessons, criterion, plan, pad_id=self.setting.pad_id, run=of_value("benchmark"),
                folder=Path(folder), on_progress=lambda p: print(f"  step {p.step} of {p.steps}", flush=True),
            )  # fmt: skip

    def arm(self, name: str, start: Any, seed: int) -> dict[str, Any]:
        student, begun = copy.deepcopy(start), time.perf_counter()
        epochs = round(self.plan.epochs * self.dearer(student)) if name == LONGER else self.plan.epochs
        plan = replace(self.plan, seed=seed + 1, lr=self.plan.lr / 2, warmup_steps=2, epochs=epochs)
        fixed = Fixed(self.going_on, plan)
        counting = Counting(self.lessons(name, fixed, seed), student, self.setting.teacher.model)
        state = self.train(student, counting, plan, self.criterion(name))
        seconds = time.perf_counter() - begun
        told = {"steps": state.step, "tokens": state.label_tokens, "seconds": seconds}
        return {**told, "teraflop": counting.flop / 1e12, **self.measure(student)}

    def dearer(self, student: Any) -> float:
        """How many times as much a step of own answers costs, the same tokens in it."""
        mine, theirs = parameters(student), parameters(self.setting.teacher.model)
        return (6 * mine + 2 * mine + 2 * theirs) / (6 * mine)

    def lessons(self, name: str, fixed: Fixed[Example], seed: int) -> Any:
        if name.startswith("off-policy"):
            return fixed
        setting = self.setting
        marks: own.Marks = own.MarksByScores(setting.teacher, self._keep(setting))
        if name == "policy-gradient":
            marks = own.MarksByLikelihood(setting.teacher.model, setting.vocabulary, setting.pad_id)
        course = own.Course(share=1.0, cold_start=0.0, seed=seed, action="off")
        mean = sum(one.sequence.labels for one in fixed.lessons) // len(fixed.lessons)
        draws = Here(replace(self.drawing, max_tokens=mean), seed)
        return own.OnPolicy(fixed, [True] * len(fixed.lessons), draws, marks, course, print)

    def criterion(self, name: str) -> Any:
        if name.startswith("off-policy"):
            return self.reverse if name.endswith("reverse") else self.given
        return own.OnPolicyCriterion(self.given, self.reverse)

    def measure(self, student: Any) -> dict[str, Any]:
        """On the held-out prompts, by prompt where intervals are made of it."""
        groups = self.samples(student)
        by_prompt = {"reverse_kl": self.reverse_kl(student, groups), **variety(groups)}
        means = {name: statistics.mean(values) for name, values in by_prompt.items()}
        return {**means, "kl": agreement.measure(self.held, student).kl, "by_prompt": by_prompt}

    def samples(self, model: Any) -> list[list[Sample]]:
        """The same random numbers for every model."""
        prompts = [list(row.ids[: row.prompt_length]) for row in self.setting.held_out]
        drawn = draw(model, prompts, replace(self.drawing, samples=SAMPLES), seed=12345)
        model.eval()
        return [drawn[first : first + SAMPLES] for first in range(0, len(drawn), SAMPLES)]

    def reverse_kl(self, student: Any, groups: Sequence[Sequence[Sample]]) -> list[float]:
        """Nats a token of each prompt's samples, over the whole vocabulary."""
        setting = self.setting
        judge = Objectives(Aim(ReverseKL()), setting.vocabulary, setting.teacher.model)
        means = []
        for group in groups:
            lessons = [Example(sample.sequence, None, 1.0, 0.0) for sample in group[:SCORED]]
            batch = make_batch([one.sequence for one in lessons], setting.pad_id, torch.device("cpu"))
            labels = sum(one.sequence.labels for one in lessons)
            with torch.no_grad():
                pair = label_hidden(student, batch), head_weight(student, setting.vocabulary)
                means.append(judge.loss(lessons, batch, labels, pair, self.plan.chunk).item())
        return means


class Counting:
    """Lessons that count what they cost to draw, to have read by the teacher, and to learn."""

    def __init__(self, lessons: Any, student: Any, teacher: Any) -> None:
        self.lessons, self.flop = lessons, 0.0
        self._student, self._teacher = parameters(student), parameters(teacher)

    @property
    def steps(self) -> int:
        return int(self.lessons.steps)

    def step(self, number: int, model: Any) -> Any:
        found = self.lessons.step(number, model)
        tokens = sum(len(s.ids) for batch in found.batches for one in batch for s in one.sequences)
        drawn = 2 * (self._student + self._teacher) if found.noted is not None else 0
        self.flop += tokens * (6 * self._student + drawn)
        return found

    def resumes(self, number: int) -> bool:
        return bool(self.lessons.resumes(number))

    def recall(self, noted: Any) -> None:
        self.lessons.recall(noted)


def parameters(model: Any) -> int:
    return sum(value.numel() for value in model.parameters())


def variety(groups: Sequence[Sequence[Sample]]) -> dict[str, list[float]]:
    """Of each prompt's samples."""
    notes = [note([s.text_ids for s in g], [s.entropy for s in g], [s.ended for s in g]) for g in groups]
    return {name: [one[name] for one in notes] for name in ("distinct", "similarity", "entropy")}


def show(path: Path) -> None:
    """Means over seeds, ratios to off-policy alone with their intervals, and a verdict."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()][1:]
    names = (
        "steps",
        "tokens",
        "teraflop",
        "seconds",
        "reverse_kl",
        "kl",
        "distinct",
        "similarity",
        "entropy",
    )
    rows = []
    for arm in ("teacher", "start", *ARMS):
        runs = [one for one in lines if one["arm"] == arm]
        if runs:
            cells = (
                "-" if name not in runs[0] else _shown(statistics.mean(r[name] for r in runs))
                for name in names
            )
            rows.append([arm, str(len(runs)), *cells])
    print(table(["arm", "seeds", *names], rows))
    for arm in ARMS[1:]:
        compare(lines, arm, names[4:])
    judge(lines, BASE, "equal tokens")
    judge(lines, LONGER, "about equal compute")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def compare(lines: Sequence[Mapping[str, Any]], arm: str, names: Sequence[str]) -> None:
    """Ratios to off-policy alone, each with its interval and what the seeds gave one by one."""
    for name in names:
        found = ratio(lines, arm, BASE, name)
        if found is not None:
            seeds = ", ".join(f"{one:.3f}" for one in by_seed(lines, arm, BASE, name))
            print(f"{arm} / {BASE}, {name}: {found.words()}; seeds: {seeds}")


def both(lines: Sequence[Mapping[str, Any]], arm: str, base: str) -> list[tuple[Any, Any]]:
    """Runs of an arm, each with that of another one of the same seed."""
    others = {one["seed"]: one for one in lines if one["arm"] == base}
    return [(one, others[one["seed"]]) for one in lines if one["arm"] == arm and one["seed"] in others]


def by_seed(lines: Sequence[Mapping[str, Any]], arm: str, base: str, name: str) -> list[float]:
    return [one[name] / other[name] for one, other in both(lines, arm, base) if other[name]]


def ratio(lines: Sequence[Mapping[str, Any]], arm: str, base: str, name: str) -> Estimate | None:
    """Over prompts, paired; None where there is nothing to compare, or too little."""
    pairs = [(a["by_prompt"], b["by_prompt"]) for a, b in both(lines, arm, base)]
    if not pairs or name not in pairs[0][0] or len(pairs[0][0][name]) < LEAST_RECORDS:
        return None
    ours, others = (
        [statistics.mean(values) for values in zip(*(pair[side][name] for pair in pairs), strict=True)]
        for side in (0, 1)
    )
    return paired_ratio(ours, others) if sum(others) > 0 else None


def judge(lines: Sequence[Mapping[str, Any]], base: str, at: str) -> None:
    """One line, which may say that no difference was seen."""
    kl, various = ratio(lines, NEW, base, "reverse_kl"), ratio(lines, NEW, base, "distinct")
    if kl is None or various is None:
        print(f"verdict at {at}: cannot tell: needs {NEW} and {base} on {LEAST_RECORDS} prompts or more")
        return
    seeds = by_seed(lines, NEW, base, "reverse_kl")
    low, high = kl.interval()
    said = "no difference seen in reverse KL"
    if high < 1 and max(seeds) < 1:
        said = f"reverse KL is lower, {kl.words()} of that of {base}"
    elif low > 1 and min(seeds) > 1:
        said = f"reverse KL is HIGHER, {kl.words()} of that of {base}"
    left, most = various.interval()
    loss = "whether variety is lost cannot be told"
    if left >= NO_LOSS:
        loss = f"no loss of variety (its interval is above {NO_LOSS:g} of that of {base})"
    elif most < 1:
        loss = f"variety is LOST, {various.words()} of that of {base}"
    print(f"verdict at {at}: {NEW} beside {base}, {len(seeds)} seeds: {said}; {loss}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--records", type=int, default=128)
    parser.add_argument("--held-out", type=int, default=48)
    parser.add_argument("--cold-epochs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--seed", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--arm", nargs="*", choices=ARMS, default=ARMS[:4])
    parser.add_argument("--out", type=Path, default=Path("on-policy.jsonl"))
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if not chosen.table:
        run(chosen)
    show(chosen.out)


def run(chosen: argparse.Namespace) -> None:
    about = {
        name: getattr(chosen, name)
        for name in ("small", "records", "held_out", "cold_epochs", "epochs", "tokens")
    }
    done = begin(chosen.out, about)
    wanted = [("teacher", 0), ("start", 0), *((arm, seed) for seed in chosen.seed for arm in chosen.arm)]
    if not [one for one in wanted if one not in done]:
        return
    make = Setting.small if chosen.small else Setting.real
    setting = make(chosen.records, chosen.held_out)
    bench = Bench.of(setting, replace(PLAN, epochs=chosen.epochs), chosen.cold_epochs, chosen.tokens)
    start = bench.start(keep=not chosen.small)
    for arm, seed in wanted:
        if (arm, seed) in done:
            continue
        print(f"{arm}, seed {seed}", flush=True)
        if arm == "teacher":
            by_prompt = variety(bench.samples(setting.teacher.model))
            found = {name: statistics.mean(values) for name, values in by_prompt.items()}
        else:
            found = bench.measure(start) if arm == "start" else bench.arm(arm, start, seed)
        with chosen.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"arm": arm, "seed": seed, **found}) + "\n")


def begin(path: Path, about: Mapping[str, Any]) -> set[tuple[str, int]]:
    """What the file has; a new one gets the setting as its first line."""
    if not path.exists():
        path.write_text(json.dumps({"setting": about}) + "\n", "utf-8")
    first, *lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if first.get("setting") != about:
        raise InputError(
            expected=f"{path} with results of {about}",
            found=str(first.get("setting", "results of an older form")),
            fix="name another file with --out",
        )
    return {(one["arm"], one["seed"]) for one in lines}


if __name__ == "__main__":
    main()
