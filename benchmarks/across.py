"""Across vocabularies: what a teacher's word is worth beside its text alone, at equal label tokens.

Gemma 3 270M goes on from the words of the built-in recipe ``across``; SmolLM2-135M, whose tokens are others,
learns from that with adapters, as in the recipe, in several ways. Every way begins at the same weights and
takes the same records in the same steps. Each way's learning rate is the one, of the same few, that is best
on a validation part (seed 0); what is told is measured on held-out records, which choose nothing. Parts share
no prompt. Measured are bits a byte, without end-of-turn tokens; the interval is a bootstrap over prompts of
the two ways' ratio on the same records, seeds taken together.

The answers are drawn by transformers from the whole distribution at temperature 1, so that the teacher's own
bits a byte are the least that can be had on average. Whatever is made is kept: a second call goes on.

    python benchmarks/across.py [--small] [--records 128] [--validation 32] [--held-out 96] [--epochs 2]
                                [--seeds 3] [--rates 5e-4 1.25e-3 3e-3] [--ways text both ...] [--layers 30]
                                [--minutes 60]
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from setting import LAYERS_16, cache, table, verdict

from inbond.digest import of_value
from inbond.evaluate import bytewise
from inbond.evaluate.intervals import Estimate, paired_ratio
from inbond.evaluate.samples import sample_answers
from inbond.ledger.records import Row
from inbond.recipes import across
from inbond.recipes.reading import load
from inbond.recipes.sources import read_prompts
from inbond.teachers import catalogue
from inbond.teachers.carrying import Carried, Carrier
from inbond.teachers.local import Local, load_model, load_tokenizer
from inbond.teachers.opening import Weights, find_weights, open_local
from inbond.teachers.protocols import Keep
from inbond.teachers.spelling import Speller
from inbond.teachers.tokens import answer_text, encode_prompt, pad_id
from inbond.train import adapters
from inbond.train.aligned import Across, AlignedExample, Stretches
from inbond.train.capture import Expected, capture, load_targets
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan, train
from inbond.train.student import prune_layers
from inbond.types import OWN, Origin, Record, parse_model_name
from inbond.workspace import Workspace, write_json

WAYS = {
    "text": (0.0, 0.0, 1.0),
    "tokens": (1.0, 0.0, 0.0),
    "chunks": (0.0, 1.0, 0.0),
    "both": (1.0, 0.5, 0.0),
    "both and text": (0.5, 0.25, 0.5),
}
"""Weights of KL on tokens that were carried over, of the likelihood of chunks, and of cross-entropy: ``both``
is the built-in recipe's."""
HEAT = 100.0
PORTION = 16
"""Prompts that are answered and kept at once."""


@dataclass
class Pair:
    """A teacher, a student of another vocabulary as it begins, the teacher's text in three parts, and where
    what is made of them is kept."""

    teacher: Local
    tokenizer: Any
    student: Any
    parts: Mapping[str, Sequence[Row]]
    kept: Path

    @cached_property
    def carried(self) -> list[Carried]:
        """The teacher's word on the training records, for the student's tokens; captured once."""
        rows = self.parts["train"]
        theirs, own = (across.encode(tokens, rows) for tokens in (self.teacher.tokenizer, self.tokenizer))
        keep = Keep("top-k", min(64, self.teacher.vocabulary_size), own=True)
        capture(self.teacher, theirs, keep, self.kept, shard_size=16, on_progress=lambda *_: None)
        scores = load_targets(self.kept, Expected.of(self.teacher, keep, theirs))
        carrier = Carrier(Speller(self.teacher.tokenizer), Speller(self.tokenizer))
        texts = [answer_text(row.record.completion, ended=row.finish != "length") for row in rows]
        return carrier.carry(texts, list(zip(theirs, scores, strict=True)), own)

    def bits(self, part: str, model: Any, tokenizer: Any) -> list[list[float]]:
        """(bits, bytes) of each record of a part."""
        rows = self.parts[part]
        texts = [answer_text(row.record.completion, ended=False) for row in rows]
        sequences = across.encode(tokenizer, rows, ended=False)
        found = bytewise.measure(model, sequences, texts, vocabulary=len(tokenizer), pad_id=pad_id(tokenizer))
        return [[nats / math.log(2), size] for nats, size in zip(found.nats, found.sizes, strict=True)]

    def examples(self, way: str) -> list[AlignedExample]:
        """The training records, each term with its weight."""
        kl, likelihood, ce = WAYS[way]
        sequences = across.encode(self.tokenizer, self.parts["train"])
        return [
            AlignedExample(
                Example(sequence, one.scores, kl, ce),
                Stretches(one.chunk_N, one.logp_C, likelihood) if likelihood else None,
            )
            for sequence, one in zip(sequences, self.carried, strict=True)
        ]


def real(sizes: Mapping[str, int], layers: int) -> Pair:
    """Gemma, and SmolLM2 whole or with 16 of its 30 layers."""
    gemma, smollm = (_weights(name) for name in ("gemma-3-270m", "smollm2-135m-instruct"))
    teacher, folder = open_local(gemma), smollm.folder()
    rows = answers(teacher, cache() / f"across-answers-{str(gemma.digest)[-12:]}", sum(sizes.values()))
    student = load_model(folder)
    begun = prune_layers(student, LAYERS_16) if layers == 16 else student
    made = of_value([[row.record.id for row in rows], sizes, str(smollm.digest), layers])
    return Pair(teacher, load_tokenizer(folder), begun, parted(rows, sizes), cache() / f"across-{made[-12:]}")


def _weights(name: str) -> Weights:
    return find_weights(parse_model_name(catalogue.find(name).uri), os.environ)


def parted(rows: Sequence[Row], sizes: Mapping[str, int]) -> dict[str, Sequence[Row]]:
    """Rows that follow one another; sizes are even, so that both answers to a prompt are in one part."""
    ends, at = {}, 0
    for name, size in sizes.items():
        ends[name] = rows[at : at + size]
        at += size
    return ends


def answers(teacher: Local, folder: Path, wanted: int) -> list[Row]:
    """What the teacher says to the recipe's words in an order without pattern, twice to each. Prompts that
    got an answer without text, or were answered alike twice, are left out."""
    recipe, place = load("across")
    everything = recipe.prompts.model_copy(update={"limit": None})
    prompts = read_prompts(recipe.model_copy(update={"prompts": everything}), place, Workspace(cache()))
    random.Random(0).shuffle(prompts)
    origin = Origin(recipe.teacher, "self-hosted", "author", {}, None)
    rows: list[Row] = []
    for start in range(0, len(prompts), PORTION):
        if len(rows) >= wanted:
            break
        asked = prompts[start : start + PORTION]
        file = folder / f"{start}.json"
        said = once(file, lambda asked=asked, start=start: _said(teacher, asked, start))  # type: ignore[misc]
        for prompt, (texts, ends) in zip(asked, said, strict=True):
            if all(text.strip() for text in texts) and len(set(texts)) == len(texts):
                rows += [
                    Row(Record(prompt, text), origin, finish="stop" if ended else "length")
                    for text, ended in zip(texts, ends, strict=True)
                ]
        print(f"{len(rows)} answers", flush=True)
    return rows[:wanted]


def _said(teacher: Local, asked: Sequence[Any], seed: int) -> list[Any]:
    ids = [encode_prompt(teacher.tokenizer, prompt) for prompt in asked]
    drawn = sample_answers(
        teacher.model, teacher.tokenizer, ids, 2, max_new_tokens=24, temperature=1.0, top_p=1.0, seed=seed
    )
    return [[list(texts), list(ends)] for texts, ends in zip(drawn.texts, drawn.ended, strict=True)]


def small(sizes: Mapping[str, int], layers: int) -> Pair:  # noqa: ARG001
    """Two tiny random models whose tokens differ, on a few sentences: its figures mean nothing."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.tiny import TEXT, make_model, make_tokenizer

    theirs, own, draw = make_tokenizer(), make_tokenizer(280), random.Random(0)
    teacher = Local("tiny", of_value("tiny"), make_model(len(theirs)), theirs)
    words = " ".join(TEXT).split()
    origin = Origin("path:tiny", OWN, "author", {}, None)
    rows = [
        Row(
            Record(f"{number} {draw.choice(TEXT)}", " ".join(draw.choices(words, k=5))), origin, finish="stop"
        )
        for number in range(sum(sizes.values()))
    ]
    kept = Path(tempfile.mkdtemp())
    return Pair(teacher, own, make_model(len(own), seed=1), parted(rows, sizes), kept)


def once(file: Path, measure: Callable[[], Any]) -> Any:
    """What was measured, now or by an earlier call."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, measure())
    return json.loads(file.read_text())


def run(pair: Pair, way: str, plan: Plan) -> dict[str, Any]:
    """Trains a fresh student; bits and bytes of each record of the validation and the held-out part after
    it."""
    began = time.monotonic()
    student = adapters.attach(copy.deepcopy(pair.student), adapters.Lora(), plan.seed)
    lessons, criterion = (
        Fixed(pair.examples(way), plan),
        Across(Objectives(Aim(), len(pair.tokenizer)), HEAT),
    )
    with tempfile.TemporaryDirectory() as folder:
        train(
            student, lessons, criterion, plan, pad_id=pad_id(pair.tokenizer), run=of_value("benchmark"),
            folder=Path(folder), on_progress=lambda _: None,
        )  # fmt: skip
    learnt = adapters.merge(student).eval()
    found = {part: pair.bits(part, learnt, pair.tokenizer) for part in ("validation", "held-out")}
    return {**found, "seconds": time.monotonic() - began}


@dataclass
class Study:
    """All runs, each made when it is first asked for, as long as there is time."""

    pair: Pair
    given: argparse.Namespace
    until: float

    def one(self, way: str, rate: float, seed: int) -> dict[str, Any]:
        """One run. Raises TimeoutError when there is no time to make it."""
        given = self.given
        plan = Plan(given.epochs, given.batch, 1, rate, 4, 0.0, 256, seed, 1e9)
        file = self.pair.kept / f"{given.epochs}-{given.batch}-{way}-{rate:g}-{seed}.json"
        if not file.exists() and time.monotonic() > self.until:
            raise TimeoutError("time is up: run it again to go on")
        found: dict[str, Any] = once(file, lambda: run(self.pair, way, plan))
        told = f"validation {per_byte(found['validation']):.4f} bits a byte, {found['seconds']:.0f} s"
        print(f"{way}, rate {rate:g}, seed {seed}: {told}", flush=True)
        return found

    def chosen(self, way: str) -> tuple[float, str]:
        """The rate that is best on the validation part, and what each was worth."""
        found = {rate: per_byte(self.one(way, rate, 0)["validation"]) for rate in self.given.rates}
        best = min(found, key=lambda rate: (found[rate], rate))
        edge = len(found) > 1 and best in (min(found), max(found))
        told = ", ".join(f"{rate:g}: {value:.4f}" for rate, value in found.items())
        return best, told + (" (the best one is at the edge of the search)" if edge else "")

    def held_out(self, way: str, rate: float) -> list[list[list[float]]]:
        """(bits, bytes) of each held-out record, for each seed."""
        return [self.one(way, rate, seed)["held-out"] for seed in range(self.given.seeds)]


def per_byte(found: Sequence[Sequence[float]]) -> float:
    """Over all records together."""
    return sum(bits for bits, _ in found) / sum(size for _, size in found)


def compared(pair: Pair, ours: Sequence[Any], text: Sequence[Any]) -> Estimate:
    """The held-out bits as a share of those that text alone needs, over all seeds; prompts are drawn."""
    by_prompt: dict[str, list[float]] = {}
    for number, row in enumerate(pair.parts["held-out"]):
        unit = by_prompt.setdefault(row.record.prompt_id, [0.0, 0.0])
        for place, runs in enumerate((ours, text)):
            unit[place] += statistics.mean(one[number][0] for one in runs)
    return paired_ratio(*zip(*by_prompt.values(), strict=True))


def report(study: Study, ends: Mapping[str, float]) -> None:
    """The table, and whether the teacher's word beats its text."""
    pair, ways = study.pair, study.given.ways
    chosen = {way: study.chosen(way) for way in ways}
    found = {way: study.held_out(way, rate) for way, (rate, _) in chosen.items()}
    print(told(pair))
    for way, (_, search) in chosen.items():
        print(f"validation of {way} by rate: {search}")
    rows = [[name, "", f"{value:.4f}", ""] for name, value in ends.items()]
    for way, runs in found.items():
        each = [per_byte(one) for one in runs]
        spread = f"{min(each):.4f} to {max(each):.4f}"
        rows.append([way, f"{chosen[way][0]:g}", f"{statistics.mean(each):.4f}", spread])
    print(table(["learnt from", "rate", "held-out bits a byte", "seeds"], rows))
    for line, met in verdicts(pair, found):
        verdict(line, met)


def told(pair: Pair) -> str:
    """What there was to learn from."""
    tokens = sum(len(one.chunk_N) for one in pair.carried)
    carried, chunks = sum(one.carried for one in pair.carried), sum(len(one.logp_C) for one in pair.carried)
    sizes = ", ".join(f"{len(rows)} {name}" for name, rows in pair.parts.items())
    return (
        f"{sizes} records; {tokens} label tokens of the student, {carried / tokens:.1%} with carried "
        f"targets, {chunks} chunks"
    )


def verdicts(pair: Pair, found: Mapping[str, list[list[list[float]]]]) -> Iterator[tuple[str, bool]]:
    """For each way beside text alone: what it needs, and whether that is surely less."""
    for way in (way for way in found if way != "text" and "text" in found):
        estimate = compared(pair, found[way], found["text"])
        low, high = estimate.interval()
        lower = [per_byte(a) < per_byte(b) for a, b in zip(found[way], found["text"], strict=True)]
        met = high < 1 and all(lower)
        words = "below" if met else "above" if low > 1 and not any(lower) else "no difference seen"
        yield (
            f"{way} below text alone: {estimate.value:.4f} of its bits (95%: {low:.4f} to {high:.4f}), "
            f"lower in {sum(lower)} of {len(lower)} seeds: {words}",
            met,
        )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--small", action="store_true")
    options.add_argument("--records", type=int, default=128)
    options.add_argument("--validation", type=int, default=32)
    options.add_argument("--held-out", type=int, default=96)
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rates", type=float, nargs="+", default=[5e-4, 1.25e-3, 3e-3])
    options.add_argument("--ways", nargs="+", choices=WAYS, default=["text", "both"])
    options.add_argument("--layers", type=int, choices=(16, 30), default=30)
    options.add_argument("--minutes", type=float, default=60.0, help="no run is begun after so many")
    given = options.parse_args()
    until = time.monotonic() + 60 * given.minutes
    sizes = {"held-out": given.held_out, "validation": given.validation, "train": given.records}
    pair = (small if given.small else real)(sizes, given.layers)
    begin = {
        "the teacher": (pair.teacher.model, pair.teacher.tokenizer),
        "the student before": (pair.student, pair.tokenizer),
    }
    ends = {
        name: per_byte(once(pair.kept / f"{name}.json", lambda who=who: pair.bits("held-out", *who)))  # type: ignore[misc]
        for name, who in begin.items()
    }
    for name, value in ends.items():
        print(f"{name}: {value:.4f} bits a byte of held-out text", flush=True)
    try:
        report(Study(pair, given, until), ends)
    except TimeoutError as stop:
        print(stop)


if __name__ == "__main__":
    main()
