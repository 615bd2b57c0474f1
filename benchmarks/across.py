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
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from setting import LAYERS_16, answers, cache, table, verdict

from inbond.digest import of_value
from inbond.evaluate import bytewise
from inbond.ledger.records import Row
from inbond.recipes import across
from inbond.teachers import catalogue
from inbond.teachers.carrying import Carried, Carrier
from inbond.teachers.local import Local, load_model, load_tokenizer
from inbond.teachers.opening import Weights, open_local
from inbond.teachers.protocols import Keep, Scores
from inbond.teachers.spelling import Speller
from inbond.teachers.tokens import pad_id
from inbond.train.aligned import Across, AlignedExample, Stretches
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train
from inbond.train.student import prune_layers
from inbond.types import OWN, Origin, Record
from inbond.workspace import cache_folder

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

    name: str
    teacher: Local
    tokenizer: Any
    begin: Any
    train: Sequence[Row]
    held_out: Sequence[Row]

    @cached_property
    def carried(self) -> list[Carried]:
        """The teacher's word on the training records, for the student's tokens."""
        theirs = across.encode(self.teacher.tokenizer, self.train)
        keep = Keep("top-k", min(64, self.teacher.vocabulary_size), own=True)
        scores: list[Scores] = self.teacher.score(theirs, keep).split(row.labels for row in theirs)
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
    rows = answers("across", gemma.path, gemma.digest, records + held_out)
    weights = [Weights(str(found.name), "gguf", found.path, found.digest) for found in (gemma, smollm)]
    folder = weights[1].folder()
    return Pair(
        "real", open_local(weights[0]), load_tokenizer(folder),
        lambda: prune_layers(load_model(folder), LAYERS_16), rows[held_out:], rows[:held_out],
    )  # fmt: skip


def small(records: int, held_out: int) -> Pair:
    """Two tiny random models whose tokens differ, on a few sentences: its figures mean nothing."""
    import random
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
    return Pair("small", teacher, own, lambda: make_model(len(own), seed=1), rows[held_out:], rows[:held_out])


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
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--lr", type=float, default=5e-4)
    options.add_argument("--ways", nargs="+", choices=WAYS, default=["text", "tokens", "both"])
    given = options.parse_args()
    pair = (small if given.small else real)(given.records, given.held_out)
    kept = Path(tempfile.mkdtemp()) if given.small else cache()
    table_of: dict[str, list[float]] = {}
    ends = {
        "the teacher": pair.nats(pair.teacher.model, pair.teacher.tokenizer)[0],
        "the student before": pair.nats(pair.begin(), pair.tokenizer)[0],
    }
    for seed in range(given.seeds):
        for way in given.ways:
            plan = Plan(given.epochs, 16, 1, given.lr, 4, 0.0, 256, seed, 1e9)
            sizes = f"{given.records}-{given.held_out}-{given.epochs}-{given.lr:g}"
            file = kept / f"across-{pair.name}-{sizes}-{way.replace(' ', '-')}-{seed}.json"
            if not file.exists():
                file.write_text(json.dumps(run(pair, way, plan)))
            table_of.setdefault(way, []).append(json.loads(file.read_text())[0])
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
