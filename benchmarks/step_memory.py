"""Peak memory of one training step by batch size and vocabulary: it must not grow with their product.

A model with a small body and a big head takes one step (forward, loss, backward) in a fresh process; what
counts is how far the process rises above what it held before, gradients included. Three ways: Inbond
with cached top-64 targets, Inbond with the teacher asked online, and the naive step, which keeps the
logits of both models for all positions.

    python benchmarks/step_memory.py [--small] [--out docs/step-memory.svg]

Legend: B sequences, T tokens of each, V vocabulary.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import plot
import torch
from setting import extra_peak_bytes, in_a_child, table, verdict
from torch.nn.functional import kl_div
from transformers import LlamaConfig, LlamaForCausalLM

from inbond.losses.batches import make_batch
from inbond.losses.heads import chunked_loss, head_weight
from inbond.losses.hidden import label_hidden
from inbond.teachers.protocols import Scores, TokenSequence
from inbond.train.examples import Aim, Example, Objectives

LENGTH, PROMPT, WIDTH, CHUNK, K = 64, 8, 64, 256, 64
WAYS = ("top-k", "online", "naive")
NAIVE_TENSORS = 6
"""Of the size of all logits [B, T, V], that the naive step holds at its peak, about."""


def model(vocabulary: int) -> LlamaForCausalLM:
    """Two narrow layers, and a head that is nearly all of it."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def sequences(batch: int, vocabulary: int) -> list[TokenSequence]:
    draw = torch.Generator().manual_seed(1)
    ids_BT = torch.randint(0, vocabulary, (batch, LENGTH), generator=draw)
    return [TokenSequence(tuple(row), PROMPT) for row in ids_BT.tolist()]


def ours(batch: int, vocabulary: int, *, online: bool) -> Callable[[], object]:
    """A step as the loop takes it."""
    student, rows = model(vocabulary), sequences(batch, vocabulary)
    teacher = model(vocabulary) if online else None
    n = LENGTH - PROMPT
    ids_NK = torch.arange(K, dtype=torch.int32).expand(n, K).numpy()
    scores = None if online else Scores(ids_NK, torch.full((n, K), -7.0).numpy())
    objectives = Objectives(Aim(), vocabulary, teacher)

    def step() -> None:
        learnt = [Example(row, scores, 1.0, 0.0) for row in rows]
        inputs = make_batch(rows, 0, torch.device("cpu"))
        objective = objectives.of(learnt, inputs, sum(example.total for example in learnt))
        hidden_NH = label_hidden(student, inputs)
        chunked_loss(hidden_NH, head_weight(student, vocabulary), objective, CHUNK).backward()

    return step


def naive(batch: int, vocabulary: int) -> Callable[[], object]:
    """Logits of both models at all positions, and autograd through them."""
    student, teacher = model(vocabulary), model(vocabulary)
    ids_BT = torch.tensor([row.ids for row in sequences(batch, vocabulary)])

    def step() -> None:
        logq = student(input_ids=ids_BT).logits.log_softmax(-1)
        with torch.no_grad():
            logp = teacher(input_ids=ids_BT).logits.log_softmax(-1)
        kl_div(logq, logp, reduction="none", log_target=True)[:, PROMPT - 1 : -1].sum().backward()

    return step


def child(way: str, batch: int, vocabulary: int) -> None:
    """One measurement. A tiny step first, so that what a first call loads is no part of it."""
    made = {
        "top-k": lambda *size: ours(*size, online=False),
        "online": lambda *size: ours(*size, online=True),
        "naive": naive,
    }[way]
    made(2, 128)()
    step = made(batch, vocabulary)
    print(json.dumps(extra_peak_bytes(step)))


Measured = Mapping[tuple[str, int, int], int]


@dataclass(frozen=True)
class Grid:
    """What is measured: every way at every batch size and vocabulary."""

    ways: tuple[str, ...]
    batches: tuple[int, ...]
    vocabularies: tuple[int, ...]

    @property
    def first(self) -> int:
        """The smallest batch whose labels fill a chunk: from there on logits must not grow."""
        return next(batch for batch in self.batches if batch * (LENGTH - PROMPT) >= CHUNK)


FULL = Grid(WAYS, (4, 8, 16, 32, 64), (2**13, 2**15, 2**17))
SMALL = Grid(("top-k", "naive"), (8, 16), (2**11, 2**13))


def measure(grid: Grid, limit: float) -> Measured:
    """Bytes by (way, batch, vocabulary); the naive step is not tried where it would need over ``limit``."""
    return {
        (way, batch, vocabulary): in_a_child(__file__, "--child", way, batch, vocabulary)
        for way in grid.ways
        for vocabulary in grid.vocabularies
        for batch in grid.batches
        if way != "naive" or NAIVE_TENSORS * 4 * batch * LENGTH * vocabulary <= limit
    }


def report(found: Measured, grid: Grid) -> None:
    rows = [
        [way, f"{vocabulary:,}", *(_megabytes(found.get((way, batch, vocabulary))) for batch in grid.batches)]
        for way in grid.ways
        for vocabulary in grid.vocabularies
    ]
    print(
        f"extra peak memory of a step in MB; sequences of {LENGTH} tokens, {LENGTH - PROMPT} of them labels"
    )
    print(table(["", "vocabulary", *(f"batch {batch}" for batch in grid.batches)], rows))
    for way in grid.ways:
        if way != "naive":
            judge(found, grid, way)


def judge(found: Measured, grid: Grid, way: str) -> None:
    """What a larger batch costs may not depend on the vocabulary: the share of one tensor of logits for the
    added labels that the step grows by beyond what it grows by at the smallest vocabulary."""
    low, high = grid.vocabularies[0], grid.vocabularies[-1]
    first, last = grid.first, grid.batches[-1]
    grown = [found[way, last, size] - found[way, first, size] for size in (low, high)]
    logits = (last - first) * (LENGTH - PROMPT) * (high - low) * 4
    share = (grown[1] - grown[0]) / logits
    print(
        f"{way}, batch {first} to {last}: {grown[0] / 1e6:+,.0f} MB at V={low:,}, {grown[1] / 1e6:+,.0f} MB "
        f"at V={high:,}; logits of the added labels would take {logits / 1e6:,.0f} MB more"
    )
    verdict(f"{way}: at most .05 of those logits, found {share:.3f}", share <= 0.05)


def _megabytes(size: int | None) -> str:
    return "not tried" if size is None else f"{size / 1e6:,.0f}"


def draw(found: Measured, grid: Grid) -> str:
    names = {"top-k": "inbond, top-k", "online": "inbond, online", "naive": "naive"}
    series = {
        f"{names[way]}, V = {vocabulary // 1024}k": [
            (float(batch), found[way, batch, vocabulary] / 1e6)
            for batch in grid.batches
            if (way, batch, vocabulary) in found
        ]
        for way in grid.ways
        for vocabulary in (grid.vocabularies[0], grid.vocabularies[-1])
    }
    title = "Peak memory of one training step above what was held before"
    return plot.lines(title, series, "sequences in the batch", "MB", log_x=True, log_y=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="two tiny sizes, to test the benchmark itself")
    parser.add_argument("--out", type=Path, help="where the plot goes, such as docs/step-memory.svg")
    parser.add_argument("--naive-limit", type=float, default=8e9, help="bytes the naive step may take")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.child:
        child(given.child[0], int(given.child[1]), int(given.child[2]))
        return
    grid = SMALL if given.small else FULL
    found = measure(grid, given.naive_limit)
    report(found, grid)
    if given.out:
        given.out.write_text(draw(found, grid), encoding="utf-8")
        print(f"plot: {given.out}")


if __name__ == "__main__":
    main()
