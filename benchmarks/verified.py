"""Does a student that learnt only verified answers do better than one that learnt as many tokens of any?

The built-in recipe's teacher answers the recipe's sums several times. One student learns from the answers
that math-verify passes, the other from answers drawn from all of them until it has as many label tokens; both
begin as the teacher and see the same number of tokens. Accuracy is greedy, on sums that neither learnt, with
95% bootstrap intervals over sums, and of the difference, paired. What is done is kept in --folder: run it
again to go on.

    python benchmarks/verified.py --folder FOLDER [--sums 120] [--held-out 100] [--samples 4] [--epochs 2]
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from setting import Setting, table, verdict
from training_step import PLAN

from inbond.digest import of_value
from inbond.engine.prompts import read_prompts, read_rows
from inbond.engine.verifying import verdicts
from inbond.engine.verifying.opening import Chosen
from inbond.engine.verifying.sandbox import Limits
from inbond.evaluate.samples import greedy, sample_answers
from inbond.recipes.reading import load
from inbond.teachers.protocols import TokenSequence
from inbond.teachers.tokens import encode_prompt, encode_record
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import train
from inbond.types import Prompt, Record

TOKENS = 14


@dataclass(frozen=True)
class Sums:
    """Prompts with what is right."""

    prompts: Sequence[Prompt]
    right: Sequence[Any]

    @classmethod
    def read(cls) -> Sums:
        recipe, folder = load("verified")
        assert recipe.prompts.file is not None, "the built-in recipe has a file"
        path = folder / recipe.prompts.file
        rows = read_rows(path, None, None, "train", None)
        return cls(read_prompts(path), [row["answer"] for _, row in rows])

    def part(self, rows: slice) -> Sums:
        return Sums(self.prompts[rows], self.right[rows])


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What was made before, or is made now."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make()))
    return json.loads(path.read_text())


def passes(texts: Sequence[str], right: Sequence[Any]) -> list[bool]:
    verifier = Chosen("number", Limits(seconds=20.0)).open()
    rulings = verdicts.rule_all(verifier, zip(texts, right, strict=True))
    verifier.close()
    return [ruling.outcome == "passed" for ruling in rulings]


def sampled(setting: Setting, sums: Sums, samples: int) -> list[list[str]]:
    """The teacher's answers to each sum."""
    teacher, how = setting.teacher, {"temperature": 0.7, "top_p": 0.95}
    ids = [encode_prompt(teacher.tokenizer, prompt) for prompt in sums.prompts]
    found = sample_answers(
        teacher.model, teacher.tokenizer, ids, samples, max_new_tokens=TOKENS, seed=0, **how
    )
    return [list(group) for group in found.texts]


def accuracy(setting: Setting, model: Any, sums: Sums) -> list[bool]:
    ids = [encode_prompt(setting.teacher.tokenizer, prompt) for prompt in sums.prompts]
    return passes(greedy(model, setting.teacher.tokenizer, ids, TOKENS), sums.right)


def within(sequences: Sequence[TokenSequence], tokens: int, seed: int) -> list[TokenSequence]:
    """Sequences in an order without pattern, as many as have ``tokens`` label tokens together; of too few,
    some twice."""
    order, found, labels = random.Random(seed), list[TokenSequence](), 0
    while labels < tokens:
        for sequence in order.sample(list(sequences), len(sequences)):
            if labels < tokens:
                found.append(sequence)
                labels += sequence.labels
    return found


def learnt(setting: Setting, sequences: Sequence[TokenSequence], epochs: int) -> Any:
    """A student that began as the teacher."""
    student = copy.deepcopy(setting.teacher.model).train()
    for parameter in student.parameters():
        parameter.requires_grad_(True)
    plan = replace(PLAN, epochs=epochs, lr=2e-5, warmup_steps=2)
    examples = [Example(sequence, None, 0.0, 1.0) for sequence in sequences]
    with tempfile.TemporaryDirectory() as folder:
        train(
            student, Fixed(examples, plan), Objectives(Aim(), setting.vocabulary), plan,
            pad_id=setting.pad_id, run=of_value("verified"), folder=Path(folder), on_progress=lambda _: None,
        )  # fmt: skip
    return student.eval()


def compare(setting: Setting, given: argparse.Namespace) -> None:
    sums = Sums.read()
    asked, held = sums.part(slice(given.sums)), sums.part(slice(given.sums, given.sums + given.held_out))
    texts = kept(given.folder / "answers.json", lambda: sampled(setting, asked, given.samples))
    flat = [text for group in texts for text in group]
    right = [right for right, group in zip(asked.right, texts, strict=True) for _ in group]
    good = kept(given.folder / "passed.json", lambda: passes(flat, right))
    rate = sum(good) / len(good)
    print(f"the teacher's answers that pass: {sum(good)} of {len(good)} ({rate:.0%})", flush=True)
    prompts = [prompt for prompt, group in zip(asked.prompts, texts, strict=True) for _ in group]
    encoded = [
        encode_record(setting.teacher.tokenizer, Record(prompt, text.strip() or "?"))
        for prompt, text in zip(prompts, flat, strict=True)
    ]
    verified = [sequence for sequence, passed in zip(encoded, good, strict=True) if passed] or encoded[:4]
    tokens = setting.labels(verified)
    arms = {"verified": verified, "unverified": within(encoded, tokens, 0)}
    before = given.folder / "teacher.json"
    found = {"teacher": kept(before, lambda: accuracy(setting, setting.teacher.model, held))}
    for name, sequences in arms.items():
        found[name] = kept(
            given.folder / f"{name}.json",
            lambda rows=sequences: accuracy(setting, learnt(setting, rows, given.epochs), held),
        )
        print(f"{name}: {len(sequences)} answers, {setting.labels(sequences)} label tokens", flush=True)
    report(found)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with the ends of its 95% bootstrap interval; values may be negative."""
    draws = np.random.default_rng(0).choice(np.asarray(values), (4000, len(values))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(np.mean(values)), float(low), float(high)


def words(values: Sequence[float]) -> str:
    return "{:.2f} (95% interval {:.2f} to {:.2f})".format(*interval(values))


def report(found: dict[str, list[bool]]) -> None:
    rows = [[name, words([float(one) for one in hits])] for name, hits in found.items()]
    print(table(["learnt from", "right on held-out sums"], rows))
    pairs = zip(found["verified"], found["unverified"], strict=True)
    gain = [float(one) - float(other) for one, other in pairs]
    verdict(f"verified beats unverified at equal tokens: {words(gain)}", interval(gain)[1] > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="a tiny model, to test the benchmark itself")
    parser.add_argument("--folder", type=Path, required=True)
    for name, value in {"sums": 120, "held-out": 100, "samples": 4, "epochs": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    compare(Setting.small(8) if given.small else Setting.real(1, 1), given)


if __name__ == "__main__":
    main()
