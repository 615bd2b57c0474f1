"""Does a student that learnt preferences keep the principle more often than it did before, and at what price?

Runs the built-in recipe ``preferred`` once for each seed of training (its answers, critiques and revisions
are asked once), then asks the model that it began as and each student for the same words, none of which any
of them learnt, with the same random numbers. The check is the principle's own pattern, which no model can
argue with. Told beside it: lengths, since the principle is about length; how likely the teacher finds the
answers; how many of them differ, and how many are whole sentences: to be brief by saying nothing, or by
stopping early, would be no gain. The difference is paired by word, with a bootstrap interval over words.

What is done is kept in the folder: the same command goes on where it stopped.

    python benchmarks/preferred.py --home FOLDER [--words 40] [--samples 2] [--seeds 0 1] [--set ...]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from setting import table, verdict

from inbond.digest import of_value
from inbond.engine import revising
from inbond.engine.revising import Guide
from inbond.evaluate import agreement, intervals
from inbond.evaluate.samples import sample_answers
from inbond.recipes.models import find_teacher, find_weights
from inbond.recipes.reading import load
from inbond.recipes.recipe import Recipe
from inbond.recipes.run import Options, run_recipe
from inbond.recipes.watch import Silent
from inbond.roundtable.judge.constitution import read_constitution
from inbond.teachers.opening import open_local
from inbond.teachers.tokens import encode_record, pad_id
from inbond.types import Message, Record, parse_model_name
from inbond.workspace import Workspace, write_json

TOKENS = 40
VERSION = 1
"""Of what is kept of answers: raise it when they would come out otherwise."""


@dataclass(frozen=True)
class Answered:
    """One model's answers: texts by word, then by sample."""

    name: str
    texts: tuple[tuple[str, ...], ...]
    nll: float
    """Mean nats a token under the teacher."""

    def kept(self, guide: Guide) -> list[int]:
        """By word, how many answers keep the principle."""
        return [sum(revising.keep([guide], text.strip()) for text in group) for group in self.texts]

    def row(self, guide: Guide) -> list[str]:
        flat = [text.strip() for group in self.texts for text in group]
        share = intervals.mean(self.kept(guide), [len(group) for group in self.texts])
        words = sum(len(text.split()) for text in flat) / len(flat)
        letters = sum(map(len, flat)) / len(flat)
        whole = sum(text.endswith((".", "!", "?")) for text in flat) / len(flat)
        return [
            self.name, share.words(), f"{words:.1f}", f"{letters:.0f}", f"{len(set(flat)) / len(flat):.2f}",
            f"{whole:.2f}", f"{self.nll:.2f}",
        ]  # fmt: skip


def gain(before: Answered, after: Sequence[Answered], guide: Guide) -> tuple[float, float, float]:
    """By how much the share of answers that keep the principle grew, mean over students, with the ends of its
    95% interval: whole words are drawn, with all students' answers to them."""
    first, others = before.kept(guide), [each.kept(guide) for each in after]
    sizes = [len(group) for group in before.texts]
    grown = [
        (sum(kept[word] for kept in others) / len(others) - first[word]) / size
        for word, size in enumerate(sizes)
    ]
    found = intervals.mean([each + 1 for each in grown], [1.0] * len(grown))  # means are above 0 there
    low, high = found.interval()
    return found.value - 1, low - 1, high - 1


def prompts(count: int, limit: int, folder: Path, template: str) -> list[Record]:
    """Words from the end of the list, none of which the run was asked about."""
    lines = (folder / "demo-words.jsonl").read_text("utf-8").splitlines()
    words = [json.loads(line)["word"] for line in lines[limit:]][-count:]
    return [Record((Message("user", template.format(word=word)),), "") for word in words]


def ask(name: str, model: Any, teacher: Any, asked: Sequence[Record], samples: int) -> Answered:
    """Answers at the recipe's temperature, and what the teacher thinks of them."""
    tokenizer = teacher.tokenizer
    ids = [encode_record(tokenizer, record, ended=False).ids for record in asked]
    found = sample_answers(
        model, tokenizer, ids, samples, max_new_tokens=TOKENS, temperature=0.7, top_p=0.95, seed=1
    )
    records = [
        Record(record.prompt, text)
        for record, group in zip(asked, found.texts, strict=True)
        for text in group
    ]
    sequences = [encode_record(tokenizer, record, ended=True) for record in records]
    nll = agreement.text_loss(teacher.model, sequences, vocabulary=len(tokenizer), pad_id=pad_id(tokenizer))
    return Answered(name, found.texts, nll)


def kept_or_asked(path: Path, make: Callable[[], Answered]) -> Answered:
    """Answers of an earlier time, where they are there."""
    if path.exists():
        value = json.loads(path.read_bytes())
        return Answered(value["name"], tuple(map(tuple, value["texts"])), value["nll"])
    made = make()
    write_json(path, asdict(made))
    return made


def trained(recipe: Recipe, folder: Path, workspace: Workspace, seed: int) -> tuple[Recipe, str]:
    """The student of one seed: found, or made; and what it was made as."""
    train = recipe.train.model_copy(update={"seed": seed})
    one = recipe.model_copy(update={"name": f"{recipe.name}-{seed}", "train": train})
    result = run_recipe(one, folder, workspace, Options(), Silent())
    told = {"seed": seed, "preferences": result["preferences"], "seconds": result["seconds"]}
    print(json.dumps(told))
    return one, str(result["artifacts"]["train"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--recipe", default="preferred")
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    recipe, folder = load(options.recipe, tuple(options.set))
    workspace = Workspace(options.home)
    assert recipe.preferences is not None, "the recipe is about preferences"
    assert recipe.prompts.template is not None, "as the built-in one"
    students = [trained(recipe, folder, workspace, seed) for seed in options.seeds]
    principle = read_constitution(str(folder / recipe.preferences.constitution)).principles[0]
    guide = Guide(principle.id, principle.text, pattern=principle.pattern or "")
    teacher = find_teacher(recipe, workspace).open_local()
    asked = prompts(options.words, recipe.prompts.limit or 0, folder, recipe.prompts.template)

    def answers(name: str, artifact: str, model: Callable[[], Any]) -> Answered:
        words = [record.prompt_id for record in asked]
        key = of_value([VERSION, artifact, words, options.samples, recipe.teacher])
        path = options.home / "preferred-benchmark" / f"{key.removeprefix('sha256:')[:16]}.json"
        path.parent.mkdir(exist_ok=True, parents=True)
        return kept_or_asked(path, lambda: ask(name, model(), teacher, asked, options.samples))

    before = answers("start", "", lambda: teacher.model)
    after = [
        answers(
            f"student, seed {one.train.seed}",
            artifact,
            lambda one=one: open_local(find_weights(parse_model_name(f"run:{one.name}"), workspace)).model,
        )
        for one, artifact in students
    ]
    head = [
        "model",
        f"keeps '{guide.id}'",
        "words",
        "characters",
        "different",
        "whole",
        "nats a token (teacher)",
    ]
    print(table(head, [each.row(guide) for each in (before, *after)]))
    grown, low, high = gain(before, after, guide)
    print(f"keeps the principle more often by {grown:+.3f} [{low:+.3f}, {high:+.3f}], paired by word")
    for one, other in list(zip(before.texts, after[0].texts, strict=True))[:6]:
        print(f"- {one[0].strip()!r}\n  {other[0].strip()!r}")
    verdict("students keep the principle more often than their start, for sure", low > 0)


if __name__ == "__main__":
    main()
