"""Does a student that learnt preferences keep the principle more often than it did before, and at what price?

Runs the built-in recipe ``preferred`` (found complete, or resumed where it stopped), then asks the model that
it began as and the student for the same words, none of which it learnt, with the same random numbers. The
check is the principle's own pattern, which neither model can argue with. Lengths are told, since the
principle is about length; so is how likely the teacher finds the answers, and how many of them differ: to be
brief by saying nothing would be no gain.

    python benchmarks/preferred.py --home FOLDER [--words 40] [--samples 2] [--set train.lr=1e-5 ...]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setting import table, verdict

from inbond.engine import revising
from inbond.engine.revising import Guide
from inbond.evaluate import agreement, intervals
from inbond.evaluate.samples import sample_answers
from inbond.recipes.models import find_teacher, find_weights
from inbond.recipes.reading import load
from inbond.recipes.run import Options, run_recipe
from inbond.recipes.watch import Silent
from inbond.roundtable.judge.constitution import read_constitution
from inbond.teachers.opening import open_local
from inbond.teachers.tokens import encode_record, pad_id
from inbond.types import Message, Record, parse_model_name
from inbond.workspace import Workspace

TOKENS = 40


@dataclass(frozen=True)
class Answered:
    """One model's answers: texts by word, then by sample."""

    name: str
    texts: tuple[tuple[str, ...], ...]
    nll: float
    """Mean nats a token under the teacher."""

    def kept(self, guide: Guide) -> list[list[bool]]:
        return [[revising.keep([guide], text.strip()) for text in group] for group in self.texts]

    def row(self, guide: Guide) -> list[str]:
        flat = [text for group in self.texts for text in group]
        kept = self.kept(guide)
        share = intervals.mean([sum(group) for group in kept], [len(group) for group in kept])
        words = sum(len(text.split()) for text in flat) / len(flat)
        letters = sum(map(len, flat)) / len(flat)
        return [
            self.name, share.words(), f"{words:.1f}", f"{letters:.0f}", f"{len(set(flat)) / len(flat):.2f}",
            f"{self.nll:.2f}",
        ]  # fmt: skip


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


def wins(before: Answered, after: Answered, guide: Guide) -> tuple[int, int, int]:
    """How often only the student keeps the principle, only its start, or both or neither."""
    pairs = [
        (a, b)
        for one, other in zip(before.kept(guide), after.kept(guide), strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    won, lost = sum(b and not a for a, b in pairs), sum(a and not b for a, b in pairs)
    return won, lost, len(pairs) - won - lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--recipe", default="preferred")
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    recipe, folder = load(options.recipe, tuple(options.set))
    workspace = Workspace(options.home)
    result = run_recipe(recipe, folder, workspace, Options(), Silent())
    print(json.dumps({"preferences": result["preferences"], "seconds": result["seconds"]}, indent=1))
    assert recipe.preferences is not None, "the recipe is about preferences"
    assert recipe.prompts.template is not None, "as the built-in one"
    principle = read_constitution(str(folder / recipe.preferences.constitution)).principles[0]
    guide = Guide(principle.id, principle.text, pattern=principle.pattern or "")
    teacher = find_teacher(recipe, workspace).open_local()
    student = open_local(find_weights(parse_model_name(f"run:{recipe.name}"), workspace))
    asked = prompts(options.words, recipe.prompts.limit or 0, folder, recipe.prompts.template)
    before = ask("start", teacher.model, teacher, asked, options.samples)
    after = ask("student", student.model, teacher, asked, options.samples)
    head = ["model", f"keeps '{guide.id}'", "words", "characters", "different", "nats a token (teacher)"]
    print(table(head, [before.row(guide), after.row(guide)]))
    won, lost, tied = wins(before, after, guide)
    print(f"wins {won}, losses {lost}, ties {tied} of {won + lost + tied}")
    for one, other in list(zip(before.texts, after.texts, strict=True))[:6]:
        print(f"- {one[0].strip()!r}\n  {other[0].strip()!r}")
    verdict("the student keeps the principle more often than its start", won > lost)


if __name__ == "__main__":
    main()
