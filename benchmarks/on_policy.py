"""On-policy after off-policy against off-policy alone, at equal tokens.

Both arms go on from one student, the demo's after a cold start on its teacher's answers, for the same
number of steps with the same learning rates: one on more of these answers by forward KL, the other on its
own answers to the same prompts by reverse KL (or by policy gradient), which may be no longer than the
teacher's are on average, so that it never learns from more tokens. Measured on prompts nobody trained on:
reverse KL over the whole vocabulary at each token of the student's own samples, forward KL on the teacher's
answers, and the variety of the samples of one prompt.

    python benchmarks/on_policy.py [--small] [--records 128] [--epochs 2] [--seed 0] [--out FILE]
    python benchmarks/on_policy.py --table --out FILE

A seed that FILE has is not run again; every arm is added to it as soon as it is done.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from setting import Setting, cache, capture, table

from inbond.digest import of_value
from inbond.evaluate import agreement
from inbond.losses.batches import by_length, make_batch
from inbond.losses.divergences import ReverseKL
from inbond.losses.heads import head_weight
from inbond.losses.hidden import label_hidden
from inbond.teachers.protocols import Keep
from inbond.teachers.tokens import end_ids
from inbond.train import on_policy as own
from inbond.train.collapse import note
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train

ARMS = ("off-policy", "on-policy", "policy-gradient")
PLAN = Plan(
    epochs=2, batch=16, accumulate=1, lr=5e-4, warmup_steps=4, weight_decay=0.0, chunk=256, seed=0,
    checkpoint_seconds=1e9,
)  # fmt: skip
SAMPLES = 4
"""Of each held-out prompt, for what is measured."""


@dataclass
class Bench:
    """The models and data of all arms."""

    setting: Setting
    plan: Plan
    examples: list[Example]
    tokens: int

    @classmethod
    def of(cls, setting: Setting, plan: Plan) -> Bench:
        targets = capture(setting, Keep("top-k", min(64, setting.vocabulary)))
        examples = [Example(*pair, 1.0, 0.0) for pair in zip(setting.train, targets, strict=True)]
        return cls(setting, plan, examples, setting.labels(setting.train) // len(setting.train))

    @property
    def drawing(self) -> own.Drawing:
        ends = end_ids(self.setting.teacher.model, self.setting.teacher.tokenizer)
        return own.Drawing(self.setting.vocabulary, ends, max_tokens=self.tokens)

    def start(self, keep: bool) -> Any:
        """The student after its cold start, made once."""
        student = self.setting.student()
        path = cache() / f"on-policy-{of_value([len(self.examples), self.plan.epochs])[7:19]}.pt"
        if keep and path.exists():
            student.load_state_dict(torch.load(path, weights_only=True))
            return student.eval()
        self.train(student, Fixed(self.examples, self.plan), self.plan, self.given)
        if keep:
            torch.save(student.state_dict(), path)
        return student.eval()

    @property
    def given(self) -> Objectives:
        return Objectives(Aim(), self.setting.vocabulary)

    def train(self, student: Any, lessons: Any, plan: Plan, criterion: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return train(
                student, lessons, criterion, plan, pad_id=self.setting.pad_id, run=of_value("benchmark"),
                folder=Path(folder), on_progress=lambda p: print(f"  step {p.step} of {p.steps}", flush=True),
            )  # fmt: skip

    def arm(self, name: str, start: Any, seed: int) -> dict[str, Any]:
        student, begun = copy.deepcopy(start), time.perf_counter()
        plan = replace(self.plan, seed=seed + 1, lr=self.plan.lr / 2, warmup_steps=2)
        fixed = Fixed(self.examples, plan)
        if name == "off-policy":
            state = self.train(student, fixed, plan, self.given)
        else:
            state = self.train(student, self.lessons(name, fixed, seed), plan, self.criterion())
        seconds = time.perf_counter() - begun
        return {"tokens": state.label_tokens, "seconds": seconds, **self.measure(student)}

    def lessons(self, name: str, fixed: Fixed[Example], seed: int) -> own.OnPolicy:
        setting = self.setting
        marks: own.Marks = own.MarksByScores(setting.teacher, Keep("top-k", min(64, setting.vocabulary)))
        if name == "policy-gradient":
            marks = own.MarksByLikelihood(setting.teacher.model, setting.vocabulary, setting.pad_id)
        course = own.Course(share=1.0, cold_start=0.0, seed=seed, action="warn")
        return own.OnPolicy(fixed, [True] * len(fixed.lessons), self.drawing, marks, course, print)

    def criterion(self) -> own.OnPolicyCriterion:
        return own.OnPolicyCriterion(self.given, Objectives(Aim(ReverseKL()), self.setting.vocabulary))

    def measure(self, student: Any) -> dict[str, float]:
        """On the held-out prompts."""
        setting = self.setting
        prompts = [list(row.ids[: row.prompt_length]) for row in setting.held_out]
        samples = own.draw(student, prompts, replace(self.drawing, samples=SAMPLES), seed=12345)
        student.eval()
        groups = [samples[first : first + SAMPLES] for first in range(0, len(samples), SAMPLES)]
        notes = [note([s.text_ids for s in g], [s.entropy for s in g], [s.ended for s in g]) for g in groups]
        held = agreement.prepare(
            setting.teacher.model, setting.held_out, vocabulary=setting.vocabulary, pad_id=setting.pad_id
        )
        return {
            "reverse_kl": self.reverse_kl(student, [s.sequence for g in groups for s in g[:2]]),
            "kl": agreement.measure(held, student).kl,
            **{
                name: statistics.mean(n[name] for n in notes)
                for name in ("distinct", "similarity", "entropy")
            },
        }

    def reverse_kl(self, student: Any, sequences: list[Any]) -> float:
        """Nats a token, over the whole vocabulary."""
        setting = self.setting
        judge = Objectives(Aim(ReverseKL()), setting.vocabulary, setting.teacher.model)
        labels, total = sum(sequence.labels for sequence in sequences), 0.0
        for rows in by_length([len(sequence.ids) for sequence in sequences], 16):
            lessons = [Example(sequences[row], None, 1.0, 0.0) for row in rows]
            batch = make_batch([one.sequence for one in lessons], setting.pad_id, torch.device("cpu"))
            with torch.no_grad():
                pair = label_hidden(student, batch), head_weight(student, setting.vocabulary)
                total += judge.loss(lessons, batch, labels, pair, self.plan.chunk).item()
        return total


def show(path: Path) -> None:
    """Means over seeds, and the paired difference to off-policy with its 95% interval (Student's t)."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    names = ("tokens", "reverse_kl", "kl", "distinct", "similarity", "entropy")
    rows = []
    for arm in ("start", *ARMS):
        runs = {one["seed"]: one for one in lines if one["arm"] == arm}
        if runs:
            rows.append(
                [arm, str(len(runs)), *(f"{statistics.mean(r[n] for r in runs.values()):.3f}" for n in names)]
            )
    print(table(["arm", "seeds", *names], rows))
    base = {one["seed"]: one for one in lines if one["arm"] == "off-policy"}
    for arm in ARMS[1:]:
        pairs = [(one, base[one["seed"]]) for one in lines if one["arm"] == arm and one["seed"] in base]
        for name in names[1:] if len(pairs) > 1 else ():
            gaps = [one[name] - other[name] for one, other in pairs]
            half = _T95.get(len(gaps), 2.0) * statistics.stdev(gaps) / len(gaps) ** 0.5
            found = f"{statistics.mean(gaps):+.3f} +- {half:.3f} ({len(gaps)} seeds)"
            print(f"{arm} less off-policy, {name}: {found}")


_T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--records", type=int, default=128)
    parser.add_argument("--held-out", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, nargs="*", default=[0])
    parser.add_argument("--arm", nargs="*", choices=ARMS, default=ARMS[:2])
    parser.add_argument("--out", type=Path, default=Path("on-policy.jsonl"))
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if not chosen.table:
        run(chosen)
    show(chosen.out)


def run(chosen: argparse.Namespace) -> None:
    make = Setting.small if chosen.small else Setting.real
    bench = Bench.of(make(chosen.records, chosen.held_out), replace(PLAN, epochs=chosen.epochs))
    start = bench.start(keep=not chosen.small)
    lines = chosen.out.read_text("utf-8").splitlines() if chosen.out.exists() else []
    done = {(one["arm"], one["seed"]) for one in map(json.loads, lines)}
    for arm, seed in [("start", 0), *((arm, seed) for seed in chosen.seed for arm in chosen.arm)]:
        if (arm, seed) in done:
            continue
        print(f"{arm}, seed {seed}", flush=True)
        found = {"tokens": 0, **bench.measure(start)} if arm == "start" else bench.arm(arm, start, seed)
        with chosen.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"arm": arm, "seed": seed, **found}) + "\n")


if __name__ == "__main__":
    main()
