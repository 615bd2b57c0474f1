"""Across vocabularies: what a teacher's word is worth beside its text alone, at equal tokens.

Gemma 3 270M goes on from the prompts of the built-in recipe ``across``; a student cut out of SmolLM2-135M
learns from that in several ways, from the same start, on the same batches in the same order, with the same
learning rate schedule. Each way and seed is trained once and kept, so that a second call goes on where the
first was stopped. Measured is the held-out text in nats a byte: the teacher's own is the least that can be
had on average.

    python benchmarks/across.py [--small] [--records 160] [--held-out 48] [--epochs 2] [--seeds 3] [--lr 5e-4]
                                [--ways text both ...]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from setting import LAYERS_16, cache, table, verdict

from inbond.digest import of_value
from inbond.evaluate import bytewise
from inbond.evaluate.samples import sample_answers
from inbond.ledger.records import Row
from inbond.recipes import across
from inbond.recipes.reading import load
from inbond.recipes.sources import read_prompts
from inbond.teachers import catalogue
from inbond.teachers.carrying import Carried, Carrier
from inbond.teachers.local import Local, load_model, load_tokenizer
from inbond.teachers.opening import Weights, open_local
from inbond.teachers.protocols import Keep, Scores
from inbond.teachers.spelling import Speller
from inbond.teachers.tokens import encode_prompt, pad_id
from inbond.train.aligned import Across, AlignedExample, Stretches
from inbond.train.capture import Expected, capture, load_targets
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train
from inbond.train.student import prune_layers
from inbond.types import OWN, Origin, Record
from inbond.workspace import Workspace, cache_folder

WAYS = {
    "text": (0.0, 0.0, 1.0),
    "tokens": (1.0, 0.0, 0.0),
    "chunks": (0.0, 1.0, 0.0),
    "both": (1.0, 0.5, 0.0),
    "tokens and text": (0.5, 0.0, 0.5),
}
"""Weights of KL on tokens that were carried over, of the likelihood of chunks, and of cross-entropy."""


@dataclass
class Pair:
    """A teacher, a student of another vocabulary as it begins, and the teacher's text."""

    teacher: Local
    tokenizer: Any
    begin: Any
    train: Sequence[Row]
    held_out: Sequence[Row]
    kept: Path

    @cached_property
    def carried(self) -> list[Carried]:
        """The teacher's word on the training records, for the student's tokens; captured once."""
        theirs = across.encode(self.teacher.tokenizer, self.train)
        keep = Keep("top-k", min(64, self.teacher.vocabulary_size), own=True)
        quiet: Callable[[int, int], None] = lambda *_: None  # noqa: E731
        capture(self.teacher, theirs, keep, self.kept, shard_size=16, on_progress=quiet)
        scores: list[Scores] = load_targets(self.kept, Expected.of(self.teacher, keep, theirs))
        carrier = Carrier(Speller(self.teacher.tokenizer), Speller(self.tokenizer))
        texts = [row.record.completion for row in self.train]
        own = across.encode(self.tokenizer, self.train)
        return carrier.carry(texts, list(zip(theirs, scores, strict=True)), own)

    def nats(self, model: Any, tokenizer: Any) -> list[float]:
        """Nats a byte of each held-out text."""
        texts = [row.record.completion for row in self.held_out]
        sequences = across.encode(tokenizer, self.held_out, ended=False)
        found = bytewise.measure(model, sequences, texts, vocabulary=len(tokenizer), pad_id=pad_id(tokenizer))
        return [found.bits_per_byte * math.log(2), *found.nats]

    def examples(self, way: str) -> list[AlignedExample]:
        """The training records, each term with its weight."""
        kl, likelihood, ce = WAYS[way]
        sequences = across.encode(self.tokenizer, self.train)
        return [
            AlignedExample(
                Example(sequence, one.scores, kl, ce),
                Stretches(one.chunk_N, one.logp_C, likelihood) if likelihood else None,
            )
            for sequence, one in zip(sequences, self.carried, strict=True)
        ]


def real(records: int, held_out: int) -> Pair:
    """Gemma, and SmolLM2 with 16 of its 30 layers."""
    gemma, smollm = (
        catalogue.resolve(catalogue.find(name).uri, cache_folder(os.environ))
        for name in ("gemma-3-270m", "smollm2-135m-instruct")
    )
    assert gemma.digest is not None
    assert smollm.digest is not None
    teacher = open_local(Weights(str(gemma.name), "gguf", gemma.path, gemma.digest))
    folder = Weights(str(smollm.name), "gguf", smollm.path, smollm.digest).folder()
    kept = cache() / f"across-{records}-{held_out}"
    rows = answers(teacher, kept / "answers.json", records + held_out)
    tokenizer = load_tokenizer(folder)
    begin = partial(_pruned, folder)
    return Pair(teacher, tokenizer, begin, rows[held_out:], rows[:held_out], kept)


def _pruned(folder: Path) -> Any:
    return prune_layers(load_model(folder), LAYERS_16)


def answers(teacher: Local, file: Path, wanted: int) -> list[Row]:
    """What the teacher says to the recipe's prompts, twice to each, drawn at temperature 1 in one batch. Rows
    of one prompt are neighbours, and an even number is held out."""
    recipe, folder = load("across")
    prompts = read_prompts(recipe, folder, Workspace(cache()))
    random.Random(0).shuffle(prompts)
    asked = prompts[: -(-wanted // 2)]
    ids = [encode_prompt(teacher.tokenizer, prompt) for prompt in asked]

    def sample() -> list[list[object]]:
        said = sample_answers(
            teacher.model, teacher.tokenizer, ids, 2, max_new_tokens=recipe.generate.max_tokens,
            temperature=1.0, top_p=1.0, seed=0,
        )  # fmt: skip
        return [
            [prompt, text, ended]
            for prompt, texts, ends in zip(asked, said.texts, said.ended, strict=True)
            for text, ended in zip(texts, ends, strict=True)
        ]

    origin = Origin(recipe.teacher, "self-hosted", "author", {}, None)
    said = [one for one in once(file, sample) if str(one[1]).strip()]
    return [
        Row(Record(prompt, text), origin, finish="stop" if ended else "length")
        for prompt, text, ended in said[:wanted]
    ]


def small(records: int, held_out: int) -> Pair:
    """Two tiny random models whose tokens differ, on a few sentences: its figures mean nothing."""
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.tiny import TEXT, make_model, make_tokenizer

    theirs, own, draw = make_tokenizer(), make_tokenizer(280), random.Random(0)
    teacher = Local("tiny", of_value("tiny"), make_model(len(theirs)), theirs)
    words = " ".join(TEXT).split()
    origin = Origin("path:tiny", OWN, "author", {}, None)
    rows = [
        Row(Record(draw.choice(TEXT), " ".join(draw.choices(words, k=5))), origin, finish="length")
        for _ in range(records + held_out)
    ]
    return Pair(
        teacher,
        own,
        lambda: make_model(len(own), seed=1),
        rows[held_out:],
        rows[:held_out],
        Path(tempfile.mkdtemp()),
    )


def once(file: Path, measure: Callable[[], list[Any]]) -> list[Any]:
    """What was measured, now or by an earlier call."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(measure()))
    found: list[Any] = json.loads(file.read_text())
    return found


def run(pair: Pair, way: str, plan: Plan) -> list[float]:
    """Trains a fresh student; nats a byte after it."""
    student = pair.begin()
    tokens = Objectives(Aim(), len(pair.tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        lessons, criterion = Fixed(pair.examples(way), plan), Across(tokens, 100.0)
        train(
            student, lessons, criterion, plan, pad_id=pad_id(pair.tokenizer), run=of_value("benchmark"),
            folder=Path(folder), on_progress=lambda _: None,
        )  # fmt: skip
    return pair.nats(student, pair.tokenizer)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--small", action="store_true")
    options.add_argument("--records", type=int, default=160)
    options.add_argument("--held-out", type=int, default=48)
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--lr", type=float, default=5e-4)
    options.add_argument("--ways", nargs="+", choices=WAYS, default=["text", "tokens", "both"])
    given = options.parse_args()
    pair = (small if given.small else real)(given.records, given.held_out)
    table_of: dict[str, list[float]] = {}
    begin = {
        "the teacher": lambda: pair.nats(pair.teacher.model, pair.teacher.tokenizer),
        "the student before": lambda: pair.nats(pair.begin(), pair.tokenizer),
    }
    ends = {name: once(pair.kept / f"{name}.json", measure)[0] for name, measure in begin.items()}
    for seed in range(given.seeds):
        for way in given.ways:
            plan = Plan(given.epochs, given.batch, 1, given.lr, 4, 0.0, 256, seed, 1e9)
            file = pair.kept / f"{given.epochs}-{given.batch}-{given.lr:g}-{way}-{seed}.json"
            found = once(file, lambda way=way, plan=plan: run(pair, way, plan))  # type: ignore[misc]
            table_of.setdefault(way, []).append(found[0])
            print(f"seed {seed}, {way}: {table_of[way][-1]:.4f} nats a byte", flush=True)
    report(pair, ends, table_of)


def report(pair: Pair, ends: dict[str, float], found: dict[str, list[float]]) -> None:
    """The table, and whether the teacher's word beats its text."""
    tokens = sum(len(one.chunk_N) for one in pair.carried)
    carried, chunks = sum(one.carried for one in pair.carried), sum(len(one.logp_C) for one in pair.carried)
    print(
        f"{tokens} label tokens of the student, {carried / tokens:.1%} with carried targets, {chunks} chunks"
    )
    rows = [[name, f"{value:.4f}", ""] for name, value in ends.items()]
    rows += [
        [way, f"{statistics.mean(values):.4f}", f"{min(values):.4f} to {max(values):.4f}"]
        for way, values in found.items()
    ]
    print(table(["learnt from", "nats a byte", "seeds"], rows))
    for way in found.keys() - {"text"}:
        lower = [own < text for own, text in zip(found[way], found.get("text", []), strict=False)]
        if lower:
            verdict(f"{way} below text alone in {sum(lower)} of {len(lower)} seeds", all(lower))


if __name__ == "__main__":
    main()
