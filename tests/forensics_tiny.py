"""Tiny models that really were trained on given records, or were not, for tests of suspects."""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from inbond.digest import of_value
from inbond.forensics.reading import Reader
from inbond.forensics.shown import Shown
from inbond.teachers.protocols import TokenSequence
from inbond.teachers.tokens import encode_record
from inbond.train import loop
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan
from inbond.types import Message, Record
from tests.tiny import make_model, make_tokenizer

TOKENIZER = make_tokenizer()
V = len(TOKENIZER)
NOUNS = (
    "river", "stone", "sun", "garden", "winter", "rock", "sea", "light", "season", "water", "piece", "word",
    "year", "sentence",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PLAN = Plan(
    epochs=1, batch=4, accumulate=1, lr=3e-3, warmup_steps=2, weight_decay=0.0, chunk=64, seed=0,
    checkpoint_seconds=1e9,
)  # fmt: skip


def records(count: int, seed: int) -> list[Record]:
    """Sentences that cannot be foretold, but of one kind."""
    draw = random.Random(f"records {seed}")
    return [
        Record(
            (Message("user", f"say {draw.randrange(10**6)}"),),
            " ".join(
                f"the {draw.choice(NOUNS)} is a {draw.choice(NOUNS)}" for _ in range(draw.randint(1, 4))
            ),
        )
        for _ in range(count)
    ]


def memorable(count: int, seed: int) -> list[Record]:
    """Each says something of its own, over and over: what is learnt of it shows."""
    draw = random.Random(f"memorable {seed}")
    return [
        Record((Message("user", "say"),), "".join(draw.choices(LETTERS, k=3)) * draw.randint(3, 5))
        for _ in range(count)
    ]


def encode(found: Sequence[Record]) -> list[TokenSequence]:
    return [encode_record(TOKENIZER, record) for record in found]


def trained(start: Any, found: Sequence[Record], plan: Plan = PLAN) -> Any:
    """A copy of ``start`` that learnt the records by the project's own loop, in its own order."""
    model = copy.deepcopy(start)
    lessons = Fixed([Example(sequence, None, 0.0, 1.0) for sequence in encode(found)], plan)
    with tempfile.TemporaryDirectory() as folder:
        loop.train(
            model, lessons, Objectives(Aim(), V), plan, pad_id=0, run=of_value("run"), folder=Path(folder),
            on_progress=lambda _: None,
        )  # fmt: skip
    return model.eval()


def base(kind: Callable[[int, int], list[Record]] = records) -> Any:
    """Knows the kind of text, none of the records with other seeds than 999."""
    return trained(make_model(V, layers=2), kind(200, 999))


def shown(name: str, model: Any, found: Sequence[Record]) -> Shown:
    reader = Reader(name, of_value(name), of_value("vocabulary"), model, TOKENIZER, 0)
    return Shown(reader, encode(found))
