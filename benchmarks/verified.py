"""Does a student that learnt only verified answers do better than one that learnt as many tokens of any?

The built-in recipe's teacher answers sums several times. One student learns from answers that the verifier
passes. The other learns from answers to the same sums, drawn from all that the teacher gave: as many label
tokens (within one answer), as many steps, from the same prompts, and both begin as the teacher. A third
draws from all sums that were asked, which is what is learnt where nothing is verified; it sees more
different prompts. Sums of which no answer passes are learnt by the third alone.

Accuracy is greedy, on sums that nobody learnt (nor the same two numbers the other way round), with 95%
bootstrap intervals over sums, each the mean over seeds; differences are paired by sum. A seed draws the
answers, their order and the steps. What is done is kept in --folder: run it again to go on, or with more
seeds.

    python benchmarks/verified.py --folder FOLDER [--sums 160] [--held-out 100] [--samples 4] [--tokens 2000]
        [--steps 16] [--rate 5e-5] [--seeds 3]
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
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

AT_ONCE = 40
"""Sums that are answered between two savings."""
SAME, ALL = "any answer, same sums", "any answer, all sums"
ARMS = ("verified", SAME, ALL)


@dataclass(frozen=True)
class Sum:
    """A prompt with what is right, and its two numbers in order."""

    prompt: Prompt
    right: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """One of the teacher's, as it is learnt."""

    tokens: TokenSequence
    passed: bool


@dataclass
class Kept:
    """What was made before under the same settings, or is made now and kept."""

    folder: Path

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        path = self.folder / f"{name}.json"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".part").write_text(json.dumps(make()))
            path.with_suffix(".part").replace(path)
        return json.loads(path.read_text())


def read_sums(asked: int, held_out: int) -> tuple[list[Sum], list[Sum]]:
    """The recipe's first sums, and others of which the recipe's have no number pair, from the end."""
    recipe, folder = load("verified")
    assert recipe.prompts.file is not None, "the built-in recipe has a file"
    path = folder / recipe.prompts.file
    rows = read_rows(path, None, None, "train", None)
    found = [
        Sum(prompt, row["answer"], tuple(sorted(map(int, row["messages"][-1]["content"].split(" + ")))))
        for prompt, (_, row) in zip(read_prompts(path), rows, strict=True)
    ]
    held = found[::-1][:held_out]
    taken = {one.numbers for one in held}
    return [one for one in found if one.numbers not in taken][:asked], held


def passes(texts: Sequence[str], right: Sequence[Any]) -> list[bool]:
    verifier = Chosen("number", Limits(seconds=20.0)).open()
    rulings = verdicts.rule_all(verifier, zip(texts, right, strict=True))
    verifier.close()
    return [ruling.outcome == "passed" for ruling in rulings]


def sampled(setting: Setting, sums: Sequence[Sum], samples: int, kept: Kept) -> list[list[str]]:
    """The teacher's answers to each sum, drawn as the recipe draws them."""
    teacher, how = setting.teacher, load("verified")[0].generate
    texts: list[list[str]] = []
    for start in range(0, len(sums), AT_ONCE):
        ids = [encode_prompt(teacher.tokenizer, one.prompt) for one in sums[start : start + AT_ONCE]]

        def make(ids: list[Any] = ids, seed: int = start) -> list[list[str]]:
            found = sample_answers(
                teacher.model, teacher.tokenizer, ids, samples, max_new_tokens=how.max_tokens,
                temperature=how.temperature, top_p=how.top_p, seed=seed,
            )  # fmt: skip
            return [list(group) for group in found.texts]

        texts += kept(f"answers-{start}", make)
    return texts


def answers(setting: Setting, asked: Sequence[Sum], samples: int, kept: Kept) -> list[list[Answer]]:
    """The answers to each sum, ruled on."""
    texts = sampled(setting, asked, samples, kept)
    right = [one.right for one in asked for _ in range(samples)]
    passed = iter(kept("passed", lambda: passes([text for group in texts for text in group], right)))
    encode = setting.teacher.tokenizer
    return [
        [
            Answer(encode_record(encode, Record(one.prompt, text.strip() or "?")), next(passed))
            for text in group
        ]
        for one, group in zip(asked, texts, strict=True)
    ]


def drawn(groups: Sequence[Sequence[Answer]], tokens: int, seed: int) -> list[TokenSequence]:
    """One answer of each prompt, again and again, until they have ``tokens`` label tokens together."""
    order, found, labels = random.Random(seed), list[TokenSequence](), 0
    while labels < tokens:
        for group in order.sample(list(groups), len(groups)):
            if labels < tokens:
                found.append(order.choice(list(group)).tokens)
                labels += found[-1].labels
    return found


def arms_of(groups: Sequence[Sequence[Answer]], tokens: int, seed: int) -> dict[str, list[TokenSequence]]:
    """What each student learns, in one order of sums."""
    solved = [group for group in groups if any(one.passed for one in group)] or list(groups)
    right = [[one for one in group if one.passed] or list(group) for group in solved]
    return {
        "verified": drawn(right, tokens, seed),
        SAME: drawn(solved, tokens, seed),
        ALL: drawn(groups, tokens, seed),
    }


def steps_for(counts: Sequence[int], most: int) -> int:
    """The most steps, up to ``most``, in which each of the counts can be learnt in batches of one size."""
    fits = (steps for steps in range(most, 1, -1) if all(-(-n // -(-n // steps)) == steps for n in counts))
    return next(fits, 1)


def learnt(setting: Setting, sequences: Sequence[TokenSequence], steps: int, rate: float, seed: int) -> Any:
    """A student that began as the teacher and took ``steps`` steps over the sequences, once."""
    student = copy.deepcopy(setting.teacher.model).train()
    for parameter in student.parameters():
        parameter.requires_grad_(True)
    batch = -(-len(sequences) // steps)
    plan = replace(PLAN, epochs=1, batch=batch, lr=rate, warmup_steps=2, seed=seed)
    examples = [Example(sequence, None, 0.0, 1.0) for sequence in sequences]
    with tempfile.TemporaryDirectory() as folder:
        train(
            student, Fixed(examples, plan), Objectives(Aim(), setting.vocabulary), plan,
            pad_id=setting.pad_id, run=of_value("verified"), folder=Path(folder), on_progress=lambda _: None,
        )  # fmt: skip
    return student.eval()


def accuracy(setting: Setting, model: Any, sums: Sequence[Sum]) -> list[bool]:
    ids = [encode_prompt(setting.teacher.tokenizer, one.prompt) for one in sums]
    longest = load("verified")[0].generate.max_tokens
    return passes(greedy(model, setting.teacher.tokenizer, ids, longest), [one.right for one in sums])


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """All that decides a result, but the seeds: other settings keep their own files."""
    names = ("small", "sums", "held_out", "samples", "tokens", "steps")
    generate = load("verified")[0].generate.model_dump(mode="json")
    return {name: getattr(given, name) for name in names} | {
        "rate": str(given.rate),
        "generate": str(generate),
    }


def compare(setting: Setting, given: argparse.Namespace) -> None:
    kept = Kept(given.folder / of_value(settings(given)).removeprefix("sha256:")[:12])
    asked, held = read_sums(given.sums, given.held_out)
    groups = answers(setting, asked, given.samples, kept)
    flat = [one.passed for group in groups for one in group]
    print(f"the teacher's answers that pass: {sum(flat)} of {len(flat)} ({sum(flat) / len(flat):.0%})")
    solved = sum(any(one.passed for one in group) for group in groups)
    print(f"sums of which one passes: {solved} of {len(groups)}; held-out sums: {len(held)}", flush=True)
    found = {"the teacher itself": [kept("teacher", lambda: accuracy(setting, setting.teacher.model, held))]}
    for seed in range(given.seeds):
        arms = arms_of(groups, given.tokens, seed)
        steps = steps_for([len(sequences) for sequences in arms.values()], given.steps)
        for name, sequences in arms.items():
            hits = kept(
                f"{name.replace(', ', '-').replace(' ', '-')}-{seed}",
                lambda rows=sequences, n=steps, at=seed: accuracy(
                    setting, learnt(setting, rows, n, given.rate, at), held
                ),
            )
            found.setdefault(name, []).append(hits)
            print(
                f"seed {seed}, {name}: {len(sequences)} answers ({len(set(sequences))} different), "
                f"{setting.labels(sequences)} label tokens, {steps} steps: {statistics.fmean(hits):.2f}",
                flush=True,
            )  # fmt: skip
    report(found)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with the ends of its 95% bootstrap interval; values may be negative."""
    draws = np.random.default_rng(0).choice(np.asarray(values), (4000, len(values))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(np.mean(values)), float(low), float(high)


def words(values: Sequence[float]) -> str:
    return "{:.3f} (95% interval {:.3f} to {:.3f})".format(*interval(values))


def report(found: dict[str, list[list[bool]]]) -> None:
    """``found``: by what was learnt, by seed, by held-out sum."""
    by_sum = {
        name: [statistics.fmean(hits) for hits in zip(*seeds, strict=True)] for name, seeds in found.items()
    }
    print(
        table(
            ["learnt from", "right on held-out sums"], [[name, words(hits)] for name, hits in by_sum.items()]
        )
    )
    for other in (SAME, ALL):
        gain = [a - b for a, b in zip(by_sum["verified"], by_sum[other], strict=True)]
        _, low, high = interval(gain)
        said = "" if low > 0 or high < 0 else "; no difference seen"
        verdict(f"verified beats {other}, at equal label tokens: {words(gain)}{said}", low > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="a tiny model, to test the benchmark itself")
    parser.add_argument("--folder", type=Path, required=True)
    numbers = {"sums": 160, "held-out": 100, "samples": 4, "tokens": 2000, "steps": 16, "seeds": 3}
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rate", type=float, default=5e-5, help="learning rate")
    given = parser.parse_args()
    compare(Setting.small(8) if given.small else Setting.real(1, 1), given)


if __name__ == "__main__":
    main()
